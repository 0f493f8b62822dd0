import { anthropicApi } from "@gatewright/anthropic-api";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { fallback } from "@gatewright/fallback";
import { geminiApi } from "@gatewright/gemini-api";
import { retry } from "@gatewright/retry";
import { describe, expect, it } from "vitest";
import {
  answering,
  chat,
  chatStream,
  CREDENTIAL,
  delta,
  errorEvent,
  jsonReply,
  MODEL,
  openaiAt,
  post,
  simulated,
  startStage,
  streamReply,
} from "./_stage.ts";
import type { Stage } from "./_stage.ts";

type Json = Record<string, unknown>;

const CONTEXT = "This model's maximum context length is 8 tokens";
/** As vLLM writes them: the status is a number in `code`. */
const numbered = (code: number, message = "No.", rest: Json = {}): Json => ({
  error: { object: "error", message, type: "BadRequestError", param: null, code, ...rest },
});
const events = (...jsons: readonly Json[]): string =>
  jsons.map((json) => `data: ${JSON.stringify(json)}\n\n`).join("");

async function stageOn(adapter: string, reply: string | Uint8Array, path = "/v1"): Promise<Stage> {
  const { url } = await answering(reply);
  const main = { adapter, baseURL: url + path, apiKey: CREDENTIAL, models: [MODEL] };
  return startStage({
    backends: { main },
    plugins: [anthropicApi(), geminiApi(), retry({ baseDelayMs: 0, maxDelayMs: 0 })],
  });
}

/** What tells a client, and its SDK, about the failure. */
async function told(answer: Promise<Response>): Promise<Json> {
  const response = await answer;
  const body = (await response.json()) as Json;
  delete body["request_id"];
  return {
    status: response.status,
    mayRetry: response.headers.get("x-should-retry"),
    attempts: response.headers.get("x-gatewright-attempts"),
    body,
  };
}

describe("st-6: an error as the first event of a stream", () => {
  it.each(["openai", "vllm", "openrouter", "openai-compatible", "groq", "mistral"])(
    "reaches a client of %s with its status and words",
    async (adapter) => {
      const stage = await stageOn(adapter, streamReply(events(numbered(400, CONTEXT)), "data: [DONE]\n\n"));
      expect(await told(chat(stage, { stream: true }))).toEqual({
        status: 400,
        mayRetry: null,
        attempts: "1",
        body: {
          error: { message: CONTEXT, type: "invalid_request_error", param: null, code: "invalid_request" },
        },
      });
      expect((await stage.ended()).attempts[0]).toMatchObject({
        outcome: "upstream_error",
        error: { upstream: { kind: "status", status: 400 } },
      });
    },
  );

  it.each<[status: number, error: Json]>([
    [400, numbered(400)],
    [400, numbered(400, "")],
    [400, { object: "error", message: "Too long.", type: "BadRequestError", code: 400 }],
    [400, { error: { code: 400, message: "No.", status: "INVALID_ARGUMENT" } }],
    [404, numbered(404, "The model `x` does not exist.")],
    [404, numbered(404, "No route.")],
    [413, numbered(413)],
    [422, numbered(422)],
    [429, numbered(429)],
    [429, { error: { message: "Slow down.", code: "rate_limit_exceeded", status: 429 } }],
    [429, { error: { message: "Used up.", code: "insufficient_quota", status: 429 } }],
    [502, numbered(401)],
    [502, numbered(403)],
    [502, numbered(500)],
    [502, numbered(503)],
    // A number of the vendor's own.
    [502, numbered(1301)],
    [502, numbered(0)],
    [502, { error: { message: "Gone.", type: "server_error", code: "server_error" } }],
    [502, { error: { message: "Used up.", type: "insufficient_quota", code: "insufficient_quota" } }],
    [502, { error: "Gone." }],
    [502, { error: true }],
  ])("gives %i for %j, as a whole reply of it does", async (status, error) => {
    const streamed = await stageOn("vllm", streamReply(events(error)));
    const whole = await stageOn("vllm", jsonReply(error));
    const answer = await told(chat(streamed, { stream: true }));
    expect(answer).toMatchObject({ status });
    expect(answer).toEqual(await told(chat(whole)));
    const [first, second] = [await streamed.ended(), await whole.ended()];
    expect(first.attempts.map(({ outcome }) => outcome)).toEqual(
      second.attempts.map(({ outcome }) => outcome),
    );
    expect(first.error?.upstream).toEqual(second.error?.upstream);
  });

  it("P1: names neither credential nor backend", async () => {
    const { url } = await answering(streamReply(events(numbered(400, `${CREDENTIAL} at 127.0.0.1`))));
    const stage = await startStage({ backends: { main: openaiAt({ url }) } });
    const { body } = await told(chat(stage, { stream: true }));
    expect(body).toMatchObject({ error: { message: "[redacted] at [redacted]" } });
  });

  it("counts in a chunk, which OpenRouter makes of it", async () => {
    const choices = [{ index: 0, delta: { content: "" }, finish_reason: "error" }];
    const stage = await stageOn("openrouter", streamReply(events({ ...numbered(429, "Busy."), choices })));
    expect(await told(chat(stage, { stream: true }))).toMatchObject({
      status: 429,
      body: { error: { message: "Busy.", code: "rate_limit_exceeded" } },
    });
  });

  it("counts after a role and comments too", async () => {
    const role = { choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] };
    const stage = await stageOn("vllm", streamReply(`: a\n\n${events(role, numbered(400, CONTEXT))}`));
    expect(await told(chat(stage, { stream: true }))).toMatchObject({
      status: 400,
      body: { error: { message: CONTEXT } },
    });
  });

  it("is an event like any other after content: the words stay here", async () => {
    const stage = await stageOn("vllm", streamReply(delta("a"), events(numbered(400, CONTEXT))));
    const stream = await chatStream(stage);
    expect(stream).not.toContain(CONTEXT);
    expect(errorEvent(stream)).toMatchObject({ type: "provider_error", code: "provider_error" });
    expect((await stage.ended()).error?.upstream).toMatchObject({ kind: "stream_error", status: 400 });
  });
});

describe("st-6: an error as the first event, in two dialects", () => {
  const VERSION = { "anthropic-version": "2023-06-01" };
  const MESSAGES = { model: MODEL, max_tokens: 5, messages: [{ role: "user", content: "Hello" }] };
  const CONTENTS = { contents: [{ role: "user", parts: [{ text: "Hello" }] }] };
  const claude = (type: string, message: string): Json => ({ type: "error", error: { type, message } });
  const asked = (door: string, stage: Stage, stream: boolean): Promise<Response> => {
    if (door === "chat") return chat(stage, { stream });
    if (door === "messages")
      return post(`${stage.url}/v1/messages`, { ...MESSAGES, stream }, { headers: VERSION });
    if (door === "responses")
      return post(`${stage.url}/v1/responses`, { model: MODEL, input: "Hello", stream });
    const call = stream ? "streamGenerateContent?alt=sse" : "generateContent";
    return post(`${stage.url}/v1beta/models/${MODEL}:${call}`, CONTENTS);
  };
  const DOORS = ["chat", "messages", "responses", "generateContent"];
  const ERRORS: [type: string, message: string, status: number][] = [
    ["invalid_request_error", "prompt is too long: 9 tokens", 400],
    ["rate_limit_error", "Slow down.", 429],
    ["overloaded_error", "Overloaded", 502],
    ["authentication_error", "No key.", 502],
    ["billing_error", "Paid up?", 502],
  ];

  it.each(DOORS.flatMap((door) => ERRORS.map((error) => [door, ...error] as const)))(
    "%s: Anthropic's %s (%s) gives %i, as a whole reply of it does",
    async (door, type, message, status) => {
      const error = claude(type, message);
      const sent = `event: error\n${events(error)}`;
      const streamed = await stageOn("anthropic", streamReply(sent), "");
      const whole = await stageOn("anthropic", jsonReply(error), "");
      const answer = await told(asked(door, streamed, true));
      expect(answer).toMatchObject({ status });
      if (status < 500) expect(JSON.stringify(answer)).toContain(message);
      expect(answer).toEqual(await told(asked(door, whole, false)));
    },
  );

  it.each(["messages", "responses", "generateContent"])(
    "%s: reaches it from a server of OpenAI's chat",
    async (door) => {
      const stage = await stageOn("openai-compatible", streamReply(events(numbered(400, CONTEXT))));
      const answer = await told(asked(door, stage, true));
      expect(answer).toMatchObject({ status: 400 });
      expect(JSON.stringify(answer)).toContain(CONTEXT);
    },
  );
});

describe("st-6: policies judge an error as the first event", () => {
  const spare = () => simulated({ models: [MODEL] });

  it.each([
    [400, "main", 400],
    [429, "other", 200],
    [503, "other", 200],
  ])("of %i as a reply of that status: fallback goes to %s", async (code, backend, status) => {
    const main = await answering(streamReply(events(numbered(code))));
    const stage = await startStage({
      backends: { main: openaiAt(main, { weight: 1 }), other: openaiAt(await spare(), { weight: 0 }) },
      models: { smart: { targets: [{ backend: "main", model: MODEL }] } },
      plugins: [fallback({ models: { smart: [{ backend: "other", model: MODEL }] } })],
    });
    const response = await chat(stage, { model: "smart", stream: true });
    await response.text();
    expect([response.headers.get("x-gatewright-backend"), response.status]).toEqual([backend, status]);
  });

  it.each([
    [400, 1],
    [429, 2],
    [503, 2],
  ])("of %i as a reply of that status: retry makes %i attempts", async (code, attempts) => {
    const main = await answering(streamReply(events(numbered(code))));
    const stage = await startStage({
      backends: { main: openaiAt(main) },
      plugins: [retry({ maxAttempts: 2, baseDelayMs: 0, maxDelayMs: 0 })],
    });
    const response = await chat(stage, { stream: true });
    expect(response.headers.get("x-gatewright-attempts")).toBe(String(attempts));
    expect(response.headers.get("x-should-retry")).toBe(attempts === 1 ? null : "false");
  });

  it.each([
    [400, "closed"],
    [503, "open"],
  ])("of %i as a reply of that status: the circuit is %s", async (code, state) => {
    const main = await answering(streamReply(events(numbered(code))));
    const stage = await startStage({
      backends: { main: openaiAt(main) },
      plugins: [circuitBreaker({ failureThreshold: 1 })],
    });
    await (await chat(stage, { stream: true })).text();
    const { status } = await chat(stage, { stream: true });
    expect(status).toBe(state === "open" ? 503 : code);
  });
});
