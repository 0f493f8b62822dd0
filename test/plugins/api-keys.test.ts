import { env, resolveConfig } from "gatewright";
import type { GatewayError, OperationName, Reply } from "gatewright";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { apiKeys, hashKey } from "@gatewright/api-keys";
import { readCredential, readQueryCredential } from "../../plugins/api-keys/src/credential.ts";
import { KeyRing } from "../../plugins/api-keys/src/key-ring.ts";
import { scopeReader } from "../../plugins/api-keys/src/scope.ts";
import {
  createHost,
  createOperation,
  createTarget,
  failureOf,
  FakeContext,
  findFaults,
  run,
  setupMiddlewares,
} from "./_context.ts";
import { startTestGateway } from "../_support/gateway.ts";
import { connectRaw, readReply } from "../_support/raw-client.ts";
import type { FakeRequest } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

type Options = NonNullable<Parameters<typeof apiKeys>[0]>;
type KeyOptions = Partial<NonNullable<Options["keys"]>[number]>;

const KEY = "sk-gateway-0123456789abcdefghij";
const NBSP = "\u00A0";
const ZERO_WIDTH_SPACE = "\u200B";

/** Sends one request with a key configured; the context shows who was let in. */
async function ask(
  key: KeyOptions,
  request: FakeRequest = { headers: { authorization: `Bearer ${KEY}` } },
  options: Options = {},
): Promise<{ reply: Promise<Reply>; ctx: FakeContext }> {
  const host = createHost();
  const { operation } = request;
  if (operation) host.operations = new Map([[operation.name, operation]]);
  const plugin = apiKeys({
    ...options,
    keys: [{ id: "ci", ...("hash" in key ? {} : { key: KEY }), ...key }],
  });
  const middlewares = await setupMiddlewares([plugin], host);
  const ctx = new FakeContext({ candidates: [createTarget("x")], ...request }, host);
  const reply = run(middlewares, ctx);
  await reply.catch(() => {});
  return { reply, ctx };
}

async function refusalOf(...args: Parameters<typeof ask>): Promise<GatewayError> {
  const { reply, ctx } = await ask(...args);
  const error = await failureOf(reply);
  expect(ctx.attempts).toHaveLength(0);
  expect(ctx.principal).toBeUndefined();
  return error;
}

function withKey(fields: Partial<FakeRequest>): FakeRequest {
  return { headers: { "x-api-key": KEY }, ...fields };
}

function on(name: string): FakeRequest {
  return withKey({ operation: createOperation(name as OperationName) });
}

describePlugin({
  folder: "api-keys",
  factory: "apiKeys",
  create: () => apiKeys({ keys: [{ id: "ci", key: KEY }] }),
  request: { headers: { "x-api-key": KEY } },
});

const FILES = ["fileUpload", "fileList", "fileRetrieval", "fileDeletion"];

describe("credentials", () => {
  it.each([
    ["Bearer", { authorization: `Bearer ${KEY}` }],
    ["bearer in lower case", { authorization: `bearer ${KEY}` }],
    ["bearer in upper case", { authorization: `BEARER ${KEY}` }],
    ["X-API-Key", { "x-api-key": KEY }],
    ["X-Goog-Api-Key", { "x-goog-api-key": KEY }],
    ["X-Goog-Api-Key beside another Bearer", { "x-goog-api-key": KEY, authorization: "Bearer other" }],
    ["X-API-Key beside another X-Goog-Api-Key", { "x-api-key": KEY, "x-goog-api-key": "other" }],
    ["X-API-Key beside another Bearer", { "x-api-key": KEY, authorization: "Bearer other" }],
  ])("A2, ac-2: reads %s", (_, headers) => {
    expect(readCredential(headers)).toBe(KEY);
  });

  it.each([
    ["no header", {}],
    ["an empty header", { authorization: "" }],
    ["Bearer alone", { authorization: "Bearer" }],
    ["Bearer and spaces", { authorization: "Bearer   " }],
    ["another scheme", { authorization: `Basic ${KEY}` }],
    ["no scheme", { authorization: KEY }],
    ["a tab", { authorization: `Bearer\t${KEY}` }],
    ["two spaces", { authorization: `Bearer  ${KEY}` }],
    ["a trailing space", { authorization: `Bearer ${KEY} ` }],
    ["a non-breaking space", { authorization: `Bearer${NBSP}${KEY}` }],
    ["a zero-width space", { authorization: `Bearer ${ZERO_WIDTH_SPACE}${KEY}` }],
    ["two tokens", { authorization: `Bearer ${KEY} ${KEY}` }],
    ["two headers", { authorization: `Bearer ${KEY}, Bearer ${KEY}` }],
    ["two keys", { "x-api-key": `${KEY}, ${KEY}` }],
    ["a wrong X-API-Key beside a Bearer", { "x-api-key": "two words", authorization: `Bearer ${KEY}` }],
    ["an empty X-API-Key beside a Bearer", { "x-api-key": "", authorization: `Bearer ${KEY}` }],
    ["513 characters", { authorization: `Bearer ${"k".repeat(513)}` }],
  ])("A1, A2: finds none in %s", (_, headers) => {
    expect(readCredential(headers)).toBe("");
  });

  it.each([
    [`key=${KEY}`, KEY],
    [`alt=sse&key=${KEY}`, KEY],
    ["key=a%2Bb%2Fc", "a+b/c"],
    ["", ""],
    ["key=", ""],
    ["apikey=abc", ""],
    ["KEY=abc", ""],
    ["key=two%20words", ""],
    [`key=${KEY}&key=${KEY}`, ""],
    [`key=${"k".repeat(513)}`, ""],
  ])("A4: reads from the query %j the key %j", (query, key) => {
    expect(readQueryCredential(query)).toBe(key);
  });
});

describe("key ring", () => {
  it("A5: finds a key by nothing but itself", () => {
    const ring = new KeyRing<string>();
    ring.add(hashKey(KEY), "ci");
    expect(ring.find(KEY)).toBe("ci");
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 64 }), (text) => {
        if (text !== KEY) expect(ring.find(text)).toBeUndefined();
      }),
      { seed: 5 },
    );
  });

  it("hashes as sha256sum does", () => {
    // FIPS 180-4, example "abc".
    expect(hashKey("abc")).toBe("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });
});

describe("api-keys", () => {
  afterEach(() => vi.useRealTimers());

  it("ac-2: lets a known key in and names its holder", async () => {
    const { reply, ctx } = await ask({ name: "CI", tenant: "acme" });
    expect((await reply).status).toBe(200);
    expect(ctx.principal).toEqual({ id: "ci", name: "CI", tenant: "acme" });
  });

  it("ac-3: lets a key in by its digest, in digits of any case", async () => {
    const { reply } = await ask({ hash: hashKey(KEY).toUpperCase().replace("SHA256", "sha256") });
    expect((await reply).status).toBe(200);
  });

  it("takes a key from the environment", async () => {
    vi.stubEnv("TEST_GATEWAY_KEY", KEY);
    const key = env("TEST_GATEWAY_KEY");
    vi.unstubAllEnvs();
    expect((await (await ask({ key })).reply).status).toBe(200);
  });

  it("A1, A2, A5, A6: answers every cause of 401 alike", async () => {
    const bearer = (key: string): FakeRequest => ({ headers: { authorization: `Bearer ${key}` } });
    const errors = await Promise.all([
      refusalOf({}, { headers: {} }),
      ...["undefined", "null", "other-key-0123456789", KEY.toUpperCase(), KEY.slice(0, -1), `${KEY}\0`]
        .concat(["' OR 1=1 --", "*", ".*", "{{7*7}}", "../", "a:b", "k".repeat(1_000_000)])
        .map((key) => refusalOf({}, bearer(key))),
      refusalOf({ disabled: true }),
      refusalOf({ expiresAt: "2020-01-01T00:00:00Z" }),
    ]);
    for (const { status, code, type, message, param, details, headers } of errors) {
      expect({ status, code, type, message, param, details, headers }).toEqual({
        status: 401,
        code: "invalid_api_key",
        type: "authentication_error",
        message: "Invalid API key",
        param: null,
        details: undefined,
        headers: { "www-authenticate": "Bearer" },
      });
    }
  });

  it("A4: looks at no key in query, cookie or body", async () => {
    const query = `key=${KEY}`;
    const error = await refusalOf({}, { headers: { cookie: query }, query, json: { api_key: KEY } });
    expect(error.status).toBe(401);
  });

  it("A4: takes a key in the query where that is enabled, and only there", async () => {
    const options = { queryKeys: true };
    const { reply } = await ask({}, { query: `alt=sse&key=${KEY}` }, options);
    expect((await reply).status).toBe(200);
    for (const query of ["", "key=other-key-0123456789", `key=${KEY}&key=${KEY}`])
      expect((await refusalOf({}, { query }, options)).status).toBe(401);
  });

  it("A4: prefers a key in a header to one in the query", async () => {
    const request = { headers: { "x-goog-api-key": "other-key-0123456789" }, query: `key=${KEY}` };
    expect((await refusalOf({}, request, { queryKeys: true })).status).toBe(401);
  });

  it("A6: refuses a key from its expiry on, to the millisecond", async () => {
    const expiresAt = "2030-01-31T00:00:00.500+01:00";
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.parse("2030-01-30T23:00:00.499Z"));
    expect((await (await ask({ expiresAt })).reply).status).toBe(200);
    vi.setSystemTime(Date.parse("2030-01-30T23:00:00.500Z"));
    expect((await refusalOf({ expiresAt })).status).toBe(401);
  });

  it("refuses everything without keys, and warns of it", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares([apiKeys()], host);
    const error = await failureOf(run(middlewares, new FakeContext(withKey({}), host)));
    expect(error.status).toBe(401);
    expect(host.warnings).toHaveLength(1);
  });

  it("ac-6: refuses another address with 403", async () => {
    const allowedIps = ["10.0.0.0/8", "2001:db8::1"];
    const error = await refusalOf({ allowedIps }, withKey({ clientAddress: "192.0.2.1" }));
    expect([error.status, error.code, error.type]).toEqual([403, "ip_not_allowed", "permission_error"]);
    const { reply } = await ask({ allowedIps }, withKey({ clientAddress: "2001:db8::1" }));
    expect((await reply).status).toBe(200);
  });

  it.each([
    [
      "chat",
      ["chat", "completions", "responses", "messages", "messagesCountTokens", "claudeMessages"].concat([
        "generateContent",
        "geminiGenerateContent",
        "geminiCountTokens",
      ]),
    ],
    ["embeddings", ["embeddings"]],
    ["rerank", ["rerank"]],
    ["audio", ["speech", "transcription", "translation"]],
    ["images", ["imageGeneration", "imageEdit", "imageVariation"]],
    ["moderation", ["moderation"]],
    ["batch", ["batch", "batchCreation", "batchList", "batchRetrieval", "batchCancellation"].concat(FILES)],
    ["models", []],
  ] as const)("ac-6: scope %s allows %j, and listing models", async (scope, allowed) => {
    const operations = [
      "chat",
      "completions",
      "responses",
      "messages",
      "messagesCountTokens",
      "claudeMessages",
      "generateContent",
      "geminiGenerateContent",
      "geminiCountTokens",
      "embeddings",
      "rerank",
      "speech",
    ].concat([
      "transcription",
      "translation",
      "imageGeneration",
      "imageEdit",
      "imageVariation",
      "moderation",
      "batch",
      "batchCreation",
      "batchList",
      "batchRetrieval",
      "batchCancellation",
      ...FILES,
    ]);
    const reached: string[] = [];
    for (const name of operations) {
      const { reply } = await ask({ scopes: [scope] }, on(name));
      const status = await reply.then((answer) => answer.status).catch((error: GatewayError) => error.status);
      expect([200, 403]).toContain(status);
      if (status === 200) reached.push(name);
    }
    expect(reached).toEqual(allowed);
    expect((await (await ask({ scopes: [scope] }, on("models"))).reply).status).toBe(200);
    for (const name of operations) expect((await (await ask({}, on(name))).reply).status).toBe(200);
  });

  it("ac-6: names the scope that is missing", async () => {
    const error = await refusalOf({ scopes: ["chat"] }, on("embeddings"));
    expect([error.status, error.code]).toEqual([403, "insufficient_permissions"]);
    expect(error.message).toBe("The key lacks the scope `embeddings`");
  });

  it("opens operations of other plugins to keys for everything, or for the scope they are given", async () => {
    const native = on("forecast");
    expect((await refusalOf({ scopes: ["chat"] }, native)).status).toBe(403);
    expect((await (await ask({}, native)).reply).status).toBe(200);
    const operationScopes = { forecast: "chat" } as const;
    expect((await (await ask({ scopes: ["chat"] }, native, { operationScopes })).reply).status).toBe(200);
  });

  it("ac-6: asks at a second door to an API for the scope of the first", () => {
    const scopeAt = (name: string, mappedAs: string, operationScopes: object = {}): unknown =>
      scopeReader({ ...operationScopes })(
        createOperation(name as OperationName, { mappedAs: mappedAs as OperationName }),
      );
    expect(scopeAt("interactionRetrieval", "interactions")).toBe("chat");
    expect(scopeAt("anthropicModels", "models")).toBeUndefined();
    expect(scopeAt("anthropicModels", "models", { models: "models" })).toBe("models");
  });

  it("ac-6: lets core ask which models the key may use", async () => {
    const { ctx } = await ask({ models: ["small", "best"] });
    const answers = ["small", "best", "Best", "large"].map((model) => ctx.principal?.allowsModel?.(model));
    expect(answers).toEqual([true, true, false, false]);
    expect((await ask({})).ctx.principal).toEqual({ id: "ci" });
  });

  it.each([
    [["Bearer " + KEY], 200],
    [["Bearer " + KEY, "Bearer " + KEY], 401],
    [["Bearer " + KEY, "Bearer sk-other-key-0123456789"], 401],
    [["Bearer sk-other-key-0123456789", "Bearer " + KEY], 401],
    [["Bearer " + KEY, ""], 401],
    [["", "Bearer " + KEY], 401],
  ])("A2: of the Authorization lines %j over a connection comes %i", async (values, status) => {
    await using gateway = await startTestGateway({
      backends: { one: { adapter: "openai", models: ["m"] } },
      plugins: [apiKeys({ keys: [{ id: "ci", key: KEY }] })],
    });
    const client = await connectRaw(gateway.url);
    const lines = values.map((value) => `Authorization: ${value}\r\n`).join("");
    await client.send(`GET /v1/models HTTP/1.1\r\nHost: gateway.test\r\n${lines}\r\n`);
    expect((await readReply(client)).status).toBe(status);
    client.destroy();
  });

  it("ac-6: takes `*` in a model for any run of characters", async () => {
    const { ctx } = await ask({ models: ["text-*", "best"] });
    const answers = ["text-", "text-large", "best", "bester", "my-text-1"].map((model) =>
      ctx.principal?.allowsModel?.(model),
    );
    expect(answers).toEqual([true, true, true, false, false]);
  });

  it("accepts a pattern that fits a model of the config, and tells of one that fits none", async () => {
    const resolve = (model: string) =>
      resolveConfig(
        {
          backends: { one: { adapter: "openai", models: ["text-small"] } },
          plugins: [apiKeys({ keys: [{ id: "ci", key: KEY, models: [model] }] })],
        },
        { dir: import.meta.dirname },
      );
    expect((await resolve("text-*")).ok).toBe(true);
    const refused = await resolve("txet-*");
    expect(!refused.ok && refused.faults.map(({ path }) => path)).toEqual([
      "plugins[0].api-keys.keys[0].models[0]",
    ]);
  });

  it("ac-3: warns of keys under 24 characters, without printing them", async () => {
    const host = createHost();
    const keys = [
      { id: "weak", key: "sk-your-api-key" },
      { id: "strong", key: "k".repeat(24) },
      { id: "hashed", hash: hashKey("sk-short") },
    ];
    await setupMiddlewares([apiKeys({ keys })], host);
    expect(host.warnings).toEqual(["apiKeys: key `weak` has fewer than 24 characters"]);
  });

  it("does not compile with a scope that does not exist", () => {
    // @ts-expect-error `chat`.
    expect(findFaults(apiKeys({ keys: [{ id: "ci", key: KEY, scopes: ["chats"] }] }))).toHaveLength(1);
  });

  it.each([
    ["a key under 10 characters", [{ id: "a", key: "sk-short1" }], ["keys.0.key"]],
    ["a key of two words", [{ id: "a", key: "correct horse battery" }], ["keys.0.key"]],
    ["a key over 512 characters", [{ id: "a", key: "k".repeat(513) }], ["keys.0.key"]],
    ["neither key nor digest", [{ id: "a" }], ["keys.0"]],
    ["both key and digest", [{ id: "a", key: KEY, hash: hashKey("other") }], ["keys.0"]],
    ["a digest of another form", [{ id: "a", hash: "md5:0123" }], ["keys.0.hash"]],
    ["the digest of an empty text", [{ id: "a", hash: hashKey("") }], ["keys.0.hash"]],
    [
      "an id given twice",
      [
        { id: "a", key: KEY },
        { id: "a", key: `${KEY}2` },
      ],
      ["keys.1.id"],
    ],
    [
      "a key given twice",
      [
        { id: "a", key: KEY },
        { id: "b", key: KEY },
      ],
      ["keys.1.key"],
    ],
    [
      "a key and its digest",
      [
        { id: "a", key: KEY },
        { id: "b", hash: hashKey(KEY) },
      ],
      ["keys.1.hash"],
    ],
    ["a scope that does not exist", [{ id: "a", key: KEY, scopes: ["chats"] }], ["keys.0.scopes.0"]],
    ["no scope at all", [{ id: "a", key: KEY, scopes: [] }], ["keys.0.scopes"]],
    ["a range that is none", [{ id: "a", key: KEY, allowedIps: ["10.0.0.0/40"] }], ["keys.0.allowedIps.0"]],
    ["an expiry without a zone", [{ id: "a", key: KEY, expiresAt: "2030-01-31" }], ["keys.0.expiresAt"]],
    [
      "an expiry that no clock can be held against, with which the key would never expire",
      [{ id: "a", key: KEY, expiresAt: "2030-01-31T00:00:00+02" }],
      ["keys.0.expiresAt"],
    ],
    ["a slip in a field", [{ id: "a", key: KEY, model: ["m"] }], ["keys.0.model"]],
    ["a key without an object around", [KEY], ["keys.0"]],
  ])("refuses %s at the start, naming the field", (_, keys, paths) => {
    const faults = findFaults(apiKeys({ keys } as never));
    expect(faults.map(({ path }) => path)).toEqual(paths);
    for (const { message } of faults) expect(message).not.toMatch(/sk-|horse|kkk/);
  });
});
