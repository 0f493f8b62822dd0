import { AsyncLocalStorage } from "node:async_hooks";
import { defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";
import {
  CHAT_BODY,
  chatText,
  errorOf,
  MODEL,
  post,
  sendOnce,
  startPair,
  type Pair,
  type RawReply,
} from "./_downstream.ts";

const storage = new AsyncLocalStorage<string>();
/** Runs the rest of the chain with AsyncLocalStorage on, as a tracing plugin would. */
const traced = defineGatewayPlugin({
  name: "traced",
  options: v.strictObject({}),
  headersOnly: true,
  setup: () => ({ middleware: (_ctx, next) => storage.run("on", () => next()) }),
});

let pair: Pair;
beforeAll(async () => {
  pair = await startPair({ plugins: [traced()] });
});
afterAll(() => pair[Symbol.asyncDispose]());
beforeEach(() => pair.backend.clear());

const chat = { model: MODEL, messages: [{ role: "user", content: "Hi" }] };
const send = (body: string | Uint8Array): Promise<RawReply> => {
  const bytes = Buffer.from(body as Uint8Array);
  const head = chatText({ "Content-Length": String(bytes.length) }, "");
  return sendOnce(pair.gateway.url, Buffer.concat([Buffer.from(head), bytes]));
};

/** 400 in the error shape, nothing upstream, and the gateway lives. */
async function expectBad(body: string | Uint8Array, error: Record<string, unknown> = {}): Promise<void> {
  const reply = await send(body);
  expect(reply.status).toBe(400);
  expect(errorOf(reply)).toMatchObject({ type: "invalid_request_error", ...error });
  expect(reply.headers["x-request-id"]).toBeTruthy();
  expect(pair.backend.requests).toHaveLength(0);
  expect((await send(CHAT_BODY)).status).toBe(200);
  pair.backend.clear();
}

describe("depth and counts", () => {
  const nested = (open: string, close: string, depth: number): string =>
    `${CHAT_BODY.slice(0, -1)},"x":${open.repeat(depth)}1${close.repeat(depth)}}`;

  it.each([
    ["100,000 brackets", "[".repeat(100_000)],
    ["objects 10,000 deep", nested('{"a":', "}", 10_000)],
    ["one level more than allowed", nested("[", "]", 128)],
    ["20 MB of brackets", "[".repeat(20_000_000)],
  ])("J1: %s: 400 json_too_deep, with AsyncLocalStorage on", async (_, body) => {
    await expectBad(body, { code: "json_too_deep" });
  });

  it("J1: the deepest nesting allowed passes, byte for byte", async () => {
    const body = nested("[", "]", 127);
    expect((await send(body)).status).toBe(200);
    expect(String(pair.backend.requests[0]!.body)).toBe(body);
  });

  it.each([
    ["a million keys", `{${Array.from({ length: 1_000_000 }, (_, n) => `"${n}":1`).join(",")}}`],
    ["a million messages", `{"model":"${MODEL}","messages":[${"1,".repeat(1_000_000)}1]}`],
    ["10,001 members at its top", `{${Array.from({ length: 10_001 }, (_, n) => `"${n}":1`).join(",")}}`],
    ["a million empty objects", `{"model":"${MODEL}","messages":[${"{},".repeat(1_000_000)}{}]}`],
  ])("J3: %s: 400 json_too_large", async (_, body) => {
    await expectBad(body, { code: "json_too_large" });
  });
});

describe("two readings of one body", () => {
  it.each(["model", "stream", "max_tokens"])("J4: %s given twice: 400 naming it", async (name) => {
    const value = name === "model" ? `"${MODEL}"` : name === "stream" ? "false" : "1";
    await expectBad(`${CHAT_BODY.slice(0, -1)},"${name}":${value},"${name}":${value}}`, {
      code: "duplicate_field",
      param: name,
    });
  });

  it("J4: a second model spelled by escapes: 400", async () => {
    await expectBad(`${CHAT_BODY.slice(0, -1)},"\\u006dodel":"other"}`, { code: "duplicate_field" });
  });

  it("J4: a body whose model is rewritten keeps every other byte", async () => {
    const body = `{ "seed" : 1.0e0,\n\t"model":"best" , "messages":[{"role":"user","content":"\\u00e9 é"}], "big":12345678901234567890 }`;
    expect((await send(body)).status).toBe(200);
    expect(String(pair.backend.requests[0]!.body)).toBe(body.replace('"best"', `"${MODEL}"`));
  });

  it.each(['"__proto__":{"x":1}', '"constructor":{"prototype":{"x":1}}', '"metadata":{"__proto__":{"x":1}}'])(
    "J5: %s is inert and passes as data",
    async (member) => {
      const body = `${CHAT_BODY.slice(0, -1)},${member}}`;
      expect((await send(body)).status).toBe(200);
      expect(({} as { x?: number }).x).toBeUndefined();
      expect(String(pair.backend.requests[0]!.body)).toBe(body);
    },
  );

  it("J5: __proto__ as the model, and as a query", async () => {
    const reply = await post(pair, "/v1/chat/completions?__proto__[x]=1", { ...chat, model: "__proto__" });
    expect(reply.status).toBe(404);
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});

describe("what is no JSON", () => {
  const text = Buffer.from(CHAT_BODY);
  it.each([
    ["a BOM in front", Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), text])],
    ["UTF-16, little end first", Buffer.from(CHAT_BODY, "utf16le")],
    ["UTF-16 with its BOM", Buffer.from(`\ufeff${CHAT_BODY}`, "utf16le")],
    ["a byte that is not UTF-8", Buffer.from(CHAT_BODY.replace("Hi", "\xff"), "latin1")],
    ["an overlong form", Buffer.from(CHAT_BODY.replace("Hi", "\xc0\xaf"), "latin1")],
    ["half of a surrogate pair", Buffer.from(CHAT_BODY.replace("Hi", "\xed\xa0\x80"), "latin1")],
    ["a NUL in a string", Buffer.from(CHAT_BODY.replace("Hi", "\0"))],
    ["a NUL behind", Buffer.from(`${CHAT_BODY}\0`)],
  ])("J7: %s: 400", async (_, body) => {
    await expectBad(body, { code: "invalid_json" });
  });

  it.each([
    ["trailing bytes", `${CHAT_BODY}x`],
    ["a comment", `/* hi */${CHAT_BODY}`],
    ["a line comment", `${CHAT_BODY}// hi`],
    ["single quotes", CHAT_BODY.replaceAll('"', "'")],
    ["two documents", CHAT_BODY + CHAT_BODY],
    ["a comma too many", CHAT_BODY.replace("}]", "},]")],
    ["NaN", CHAT_BODY.replace("{", '{"n":NaN,')],
    ["a leading zero", CHAT_BODY.replace("{", '{"seed":01,')],
    ["a body cut short", CHAT_BODY.slice(0, -2)],
  ])("J10: %s: 400", async (_, body) => {
    await expectBad(body, { code: "invalid_json" });
  });

  it.each([
    ["nothing", ""],
    ["white space", "  \n"],
    ["null", "null"],
    ["a list", "[]"],
    ["a text", '"x"'],
    ["a number", "1"],
    ["an empty object", "{}"],
  ])("J12: %s: 400, never 500", async (_, body) => {
    await expectBad(body);
  });

  it("J12: an empty object names what is missing", async () => {
    await expectBad("{}", { code: "missing_parameter" });
    await expectBad(JSON.stringify({ messages: chat.messages }), {
      code: "missing_parameter",
      param: "model",
    });
  });
});

describe("fields", () => {
  it.each([
    ["model", {}],
    ["model", ["a"]],
    ["model", ""],
    ["model", "x".repeat(300)],
    ["model", 1],
    ["messages", "x"],
    ["messages", {}],
    ["messages", []],
    ["n", -1],
    ["n", 1e9],
    ["n", 0.5],
    ["n", "2"],
    ["max_tokens", -5],
    ["max_tokens", 1.5],
    ["max_tokens", "many"],
    ["max_completion_tokens", -1],
    ["temperature", "hot"],
    ["stream", "yes"],
  ])("J9: %s %j: 400 with param", async (param, value) => {
    await expectBad(JSON.stringify({ ...chat, [param]: value }), { param });
  });

  it("J9: names that are no names of models are 404, and come back escaped", async () => {
    for (const model of ["a\r\nx-injected: 1", "../../etc", "\u0000", "<script>", "é".repeat(100)]) {
      const reply = await send(JSON.stringify({ ...chat, model }));
      expect(reply.status).toBe(404);
      expect(reply.headers["x-injected"]).toBeUndefined();
      expect(errorOf(reply)).toMatchObject({ code: "model_not_found", param: "model" });
    }
  });

  it.each(["/v1/chat/completions", "/v1/embeddings", "/v1/responses"])(
    "J9: %s: half of a surrogate pair in `model` is 400 with param, also where a model of every name is served",
    async (path) => {
      const { url } = pair.backend;
      await using gateway = await startTestGateway({
        backends: {
          any: { adapter: "openai", baseURL: `${url}/v1`, apiKey: "k", models: ["*"] },
          gemini: { adapter: "gemini", baseURL: url, apiKey: "k", models: ["gemini-*"] },
        },
      });
      for (const model of ["gemini-\\ud800", "other-\\udfff", "\\ude00\\ud83d"]) {
        const reply = await fetch(gateway.url + path, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: `{"model":"${model}","messages":[{"role":"user","content":"Hi"}],"input":"Hi"}`,
        });
        expect(reply.status).toBe(400);
        expect(await reply.json()).toMatchObject({ error: { code: "invalid_request", param: "model" } });
      }
      expect(pair.backend.requests).toHaveLength(0);
    },
  );

  it("in-7: speech of 4,096 characters passes, of 4,097 is 400 with 0 upstream", async () => {
    const speech = (input: string): Promise<Response> =>
      post(pair, "/v1/audio/speech", { model: "tts-1", voice: "alloy", input });
    // Characters, not UTF-16 units.
    expect((await speech("é".repeat(4_096))).status).toBe(200);
    pair.backend.clear();
    const reply = await speech("é".repeat(4_097));
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({ error: { param: "input" } });
    expect(pair.backend.requests).toHaveLength(0);
    // Two units each: what the backend makes of them is its own affair.
    await speech("😀".repeat(4_096));
    expect(pair.backend.requests).toHaveLength(1);
    expect((await speech("😀".repeat(4_097))).status).toBe(400);
    expect(pair.backend.requests).toHaveLength(1);
  });

  it("in-7: the length of speech is a server limit, for backends that speak longer texts", async () => {
    await using longer = await startPair({ server: { limits: { speechCharacters: 10_000 } } });
    const speech = (input: string): Promise<Response> =>
      post(longer, "/v1/audio/speech", { model: "tts-1", voice: "alloy", input });
    await speech("a".repeat(10_000));
    expect(longer.backend.requests).toHaveLength(1);
    const reply = await speech("a".repeat(10_001));
    expect(reply.status).toBe(400);
    expect(await reply.text()).toContain("at most 10000 characters");
    expect(longer.backend.requests).toHaveLength(1);
  });
});

describe("media types", () => {
  it.each([
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/jsonx",
    "x",
    "",
  ])("M10: %j on a JSON route: 415", async (type) => {
    const reply = await sendOnce(pair.gateway.url, chatText({ "Content-Type": type }));
    expect(reply.status).toBe(415);
    expect(errorOf(reply).code).toBe("unsupported_media_type");
    expect(pair.backend.requests).toHaveLength(0);
  });

  it("M10: a JSON body on a multipart route is 415, labelled multipart 400", async () => {
    const asJson = await post(pair, "/v1/audio/transcriptions", { model: "whisper-1" });
    expect(asJson.status).toBe(415);
    const mislabelled = await post(pair, "/v1/audio/transcriptions", CHAT_BODY, {
      "content-type": "multipart/form-data; boundary=abc",
    });
    expect(mislabelled.status).toBe(400);
    expect(pair.backend.requests).toHaveLength(0);
  });

  it("JSON passes with a charset, in any case, and without a type", async () => {
    for (const type of ["application/json; charset=utf-8", "Application/JSON"])
      expect((await sendOnce(pair.gateway.url, chatText({ "Content-Type": type }))).status).toBe(200);
    const untyped = chatText().replace(/Content-Type: .*\r\n/, "");
    expect((await sendOnce(pair.gateway.url, untyped)).status).toBe(200);
  });
});
