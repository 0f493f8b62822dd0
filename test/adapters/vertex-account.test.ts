/** Service accounts: a signed assertion is exchanged for a token, by a real token endpoint. */
import { createVerify, generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolveConfig, serve } from "gatewright";
import type { JsonObject, RunningServer } from "gatewright";
import * as v from "valibot";
import { afterEach, describe, expect, it } from "vitest";
import vertexAdapter, { VertexOptions } from "../../adapters/src/vertex.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).toReversed()) await close();
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

/** Gives `ya29.1`, `ya29.2`, … or refuses them all. */
async function startIssuer(refusal?: { status: number; body: string }) {
  const forms: URLSearchParams[] = [];
  const url = await listen(
    createServer((request, response) => {
      void readText(request).then((text) => {
        const number = forms.push(new URLSearchParams(text));
        response.writeHead(refusal?.status ?? 200, { "content-type": "application/json" });
        response.end(
          refusal?.body ??
            JSON.stringify({ access_token: `ya29.${number}`, expires_in: 3_599, token_type: "Bearer" }),
        );
      });
    }),
  );
  return { url: `${url}/token`, forms };
}

/** Answers those whose token is not refused. */
async function startVertex(isRefused: (authorization: string | undefined) => boolean = () => false) {
  const seen: (string | undefined)[] = [];
  const url = await listen(
    createServer((request, response) => {
      void readText(request).then(() => {
        const { authorization } = request.headers;
        seen.push(authorization);
        const refused = isRefused(authorization);
        response.writeHead(refused ? 401 : 200, { "content-type": "application/json" });
        response.end(
          JSON.stringify(
            refused
              ? { error: { code: 401, message: "Invalid credentials", status: "UNAUTHENTICATED" } }
              : { candidates: [{ content: { parts: [{ text: "Hey" }] }, finishReason: "STOP" }] },
          ),
        );
      });
    }),
  );
  return { url, seen };
}

async function startGateway(baseURL: string, account: JsonObject): Promise<RunningServer> {
  const resolved = await resolveConfig(
    {
      server: { host: "127.0.0.1", port: 0 },
      log: { level: "silent" },
      backends: {
        vertex: {
          adapter: "vertex",
          apiKey: JSON.stringify(account),
          baseURL,
          project: "demo-1",
          models: ["gemini-2.5-flash"],
        },
      },
      plugins: [],
    },
    { dir: import.meta.dirname },
  );
  if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
  const gateway = await serve(resolved.config);
  cleanUp.push(() => gateway.stop(1_000));
  return gateway;
}

/** `id` makes the account one of its own: tokens are kept for as long as the process runs. */
const accountOf = (tokenURL: string, id: string): JsonObject => ({
  type: "service_account",
  client_email: `${id}@demo-1.iam.gserviceaccount.com`,
  private_key: privateKey,
  private_key_id: "key-1",
  token_uri: tokenURL,
});

async function ask(gateway: RunningServer): Promise<{ status: number; text: string }> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "gemini-2.5-flash", messages: [{ role: "user", content: "Hi" }] }),
  });
  return { status: response.status, text: await response.text() };
}

const decode = (part: string | undefined) =>
  JSON.parse(Buffer.from(String(part), "base64url").toString()) as JsonObject;

describe("a service account of vertex", () => {
  it("signs an assertion for an hour, and exchanges it once for many requests", async () => {
    const issuer = await startIssuer();
    const vertex = await startVertex();
    const gateway = await startGateway(vertex.url, accountOf(issuer.url, "many"));
    const answers = await Promise.all([ask(gateway), ask(gateway), ask(gateway)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(vertex.seen).toEqual(["Bearer ya29.1", "Bearer ya29.1", "Bearer ya29.1"]);

    expect(issuer.forms).toHaveLength(1);
    const form = issuer.forms[0]!;
    expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
    const [head, claims, signature] = form.get("assertion")!.split(".");
    expect(decode(head)).toEqual({ alg: "RS256", typ: "JWT", kid: "key-1" });
    const { iat, ...rest } = decode(claims);
    expect(rest).toEqual({
      iss: "many@demo-1.iam.gserviceaccount.com",
      scope: "https://www.googleapis.com/auth/cloud-platform",
      aud: issuer.url,
      exp: Number(iat) + 3_600,
    });
    const verify = createVerify("RSA-SHA256").update(`${head}.${claims}`);
    expect(verify.verify(publicKey, signature!, "base64url")).toBe(true);
  });

  it("fetches another token when the first is refused, once", async () => {
    const issuer = await startIssuer();
    const vertex = await startVertex((authorization) => authorization === "Bearer ya29.1");
    const gateway = await startGateway(vertex.url, accountOf(issuer.url, "revoked"));
    expect((await ask(gateway)).status).toBe(200);
    expect(vertex.seen).toEqual(["Bearer ya29.1", "Bearer ya29.2"]);
    expect((await ask(gateway)).status).toBe(200);
    expect(vertex.seen.at(-1)).toBe("Bearer ya29.2");
    expect(issuer.forms).toHaveLength(2);
  });

  it("gives up after a second refusal, and says nothing of the account", async () => {
    const issuer = await startIssuer();
    const vertex = await startVertex(() => true);
    const gateway = await startGateway(vertex.url, accountOf(issuer.url, "unwanted"));
    const { status, text } = await ask(gateway);
    expect(status).toBe(502);
    expect(JSON.parse(text)).toMatchObject({ error: { code: "upstream_auth_error" } });
    expect(text).not.toMatch(/unwanted|ya29/);
    expect(vertex.seen).toHaveLength(2);
  });

  it("is not asked for another credential where the key is the credential", async () => {
    const signal = new AbortController().signal;
    const call = { method: "POST", url: new URL("https://aiplatform.googleapis.com/v1/x"), headers: {} };
    for (const apiKey of ["AIza-key", "ya29.fixed"]) {
      const account = { apiKey, options: v.parse(VertexOptions, {}), signal };
      expect(await vertexAdapter.authorize!(call, { ...account, refused: false })).toEqual({});
      expect(await vertexAdapter.authorize!(call, { ...account, refused: true })).toBeUndefined();
    }
  });

  it.each([
    ["the issuer refuses it", 400, '{"error":"invalid_grant","error_description":"Invalid JWT Signature."}'],
    ["the issuer says what is no token", 200, "<html>"],
  ])("sends nothing to the backend when %s", async (_, status, body) => {
    const issuer = await startIssuer({ status, body });
    const vertex = await startVertex();
    const gateway = await startGateway(vertex.url, accountOf(issuer.url, `refused-${status}`));
    const answer = await ask(gateway);
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: "upstream_auth_error" } });
    expect(answer.text).not.toContain("invalid_grant");
    expect(vertex.seen).toEqual([]);
  });

  it("sends nothing when the credential is the JSON of something else", async () => {
    const vertex = await startVertex();
    const gateway = await startGateway(vertex.url, { type: "authorized_user", refresh_token: "r-1" });
    const { status, text } = await ask(gateway);
    expect(status).toBe(502);
    expect(text).not.toContain("r-1");
    expect(vertex.seen).toEqual([]);
  });
});
