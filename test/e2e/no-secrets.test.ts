/** What nobody may read in the log or in an answer: keys, cookies and prompts, whatever becomes of the request. */
import { apiKeys } from "@gatewright/api-keys";
import { defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
import { expect, it } from "vitest";
import type { Fault } from "../../playground/src/simulated-backend.ts";
import { startTestGateway } from "../_support/gateway.ts";
import { connectRaw, requestText } from "../_support/raw-client.ts";
import { waitFor } from "../_support/wait-for.ts";
import { chatBody, CREDENTIAL, openaiAt, simulated } from "./_stage.ts";

const KEY = "sk-client-canary-0123456789";
const WRONG_KEY = "sk-wrong-canary-0123456789";
const QUERY_KEY = "query-canary-0123456789";
const COOKIE = "cookie-canary-0123456789";
const PROMPT = "prompt-canary-0123456789";
const SECRETS = [KEY, WRONG_KEY, QUERY_KEY, COOKIE, CREDENTIAL];

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: PROMPT }];
const headers = { "content-type": "application/json", authorization: `Bearer ${KEY}`, cookie: `s=${COOKIE}` };
const post = (body: unknown, rest: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { ...headers, ...rest },
  body: typeof body === "string" ? body : JSON.stringify(body),
});
const whole = post(chatBody({ messages }));
const streamed = post(chatBody({ messages, stream: true }));
const refusing = (status: number): Fault => ({
  kind: "status",
  status,
  body: { error: { message: `The key ${CREDENTIAL} is wrong`, code: CREDENTIAL, type: "x" } },
});

interface Case {
  readonly path: string;
  readonly init: RequestInit;
  readonly status: number;
  readonly fault?: Fault;
}

const CASES: Record<string, Case> = {
  "a whole answer": { path: CHAT, init: whole, status: 200 },
  "a streamed answer": { path: CHAT, init: streamed, status: 200 },
  "a key in the query": { path: `${CHAT}?key=${QUERY_KEY}`, init: whole, status: 200 },
  "a wrong key": { path: CHAT, init: post({}, { authorization: `Bearer ${WRONG_KEY}` }), status: 401 },
  "a wrong x-api-key": {
    path: CHAT,
    init: post({}, { authorization: "", "x-api-key": WRONG_KEY }),
    status: 401,
  },
  "no such route": { path: `/nowhere?key=${QUERY_KEY}`, init: { headers }, status: 404 },
  "no such method": { path: `${CHAT}?key=${QUERY_KEY}`, init: { headers }, status: 405 },
  "a body that is no JSON": { path: CHAT, init: post(`{"messages":"${PROMPT}`), status: 400 },
  "a model that nobody has": { path: CHAT, init: post({ messages, model: "none" }), status: 404 },
  "a backend that refuses the credential": { path: CHAT, init: whole, status: 502, fault: refusing(401) },
  "a backend that repeats the credential": { path: CHAT, init: whole, status: 400, fault: refusing(400) },
  "a backend that fails": { path: CHAT, init: streamed, status: 502, fault: refusing(500) },
  "a stream that breaks off": {
    path: CHAT,
    init: streamed,
    status: 200,
    fault: { kind: "cut", afterEvents: 4 },
  },
};

/** What it fails with is logged. */
const careless = defineGatewayPlugin({
  name: "careless",
  options: v.strictObject({}),
  headersOnly: true,
  setup: () => ({
    middleware(ctx, next) {
      ctx.onFinished(() => {
        throw new Error("careless");
      });
      return next();
    },
  }),
});

it("log and answers have the facts of every request, and no key, no cookie, no prompt", async () => {
  const backend = await simulated();
  const gateway = await startTestGateway({
    log: { level: "debug", format: "json" },
    backends: { only: openaiAt(backend) },
    plugins: [careless(), apiKeys({ keys: [{ id: "the-app", key: KEY }] })],
  });
  for (const [name, { path, init, status, fault }] of Object.entries(CASES)) {
    for (const ask of [
      fetch,
      (url: string, sent: RequestInit) => gateway.server.gateway.fetch(new Request(url, sent)),
    ]) {
      backend.faults = fault ? [fault] : [];
      const response = await ask(gateway.url + path, init);
      const answer = [...response.headers].join("\n") + (await response.text());
      expect([name, response.status]).toEqual([name, status]);
      for (const secret of SECRETS) expect(answer, name).not.toContain(secret);
    }
  }
  backend.faults = [{ kind: "no_answer" }];
  const before = backend.requests.length;
  const client = await connectRaw(gateway.url);
  await client.send(
    requestText("POST", CHAT, { headers, body: JSON.stringify(chatBody({ messages, stream: true })) }),
  );
  await waitFor("the request at the backend", () => backend.requests.length > before);
  client.destroy();
  await waitFor("its end", () => gateway.server.gateway.active === 0);
  await gateway.close();
  const log = gateway.lines.join("");
  for (const fact of ["a plugin failed", "client_abort", "truncated", "upstream_auth_error", "the-app"])
    expect(log).toContain(fact);
  for (const secret of [...SECRETS, PROMPT]) expect(log).not.toContain(secret);
});
