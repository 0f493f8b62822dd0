import { anthropicApi } from "@gatewright/anthropic-api";
import { geminiApi } from "@gatewright/gemini-api";
import { describe, expect, it } from "vitest";
import { answering, chat, CREDENTIAL, jsonReply, MODEL, post, stageBefore, startStage } from "./_stage.ts";
import type { Stage } from "./_stage.ts";

const VERSION = { "anthropic-version": "2023-06-01" };
const MESSAGES = { model: MODEL, max_tokens: 5, messages: [{ role: "user", content: "Hello" }] };
const CONTENTS = { contents: [{ role: "user", parts: [{ text: "Hello" }] }] };
const QUOTA = [
  { "@type": "type.googleapis.com/google.rpc.QuotaFailure", violations: [{ quotaId: "PerMinute" }] },
  { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "9s" },
];

/** A gateway with all front doors before one backend, which answers every request with this. */
async function stageOf(adapter: string, body: unknown, status: number): Promise<Stage> {
  const { url: baseURL } = await answering(jsonReply(body, status));
  const main = { adapter, baseURL, apiKey: CREDENTIAL, models: [MODEL] };
  return startStage({ backends: { main }, plugins: [anthropicApi(), geminiApi()] });
}

/** `error` of what comes back. */
async function failureOf(answer: Promise<Response>): Promise<{ status: number; error: unknown }> {
  const response = await answer;
  return { status: response.status, error: ((await response.json()) as { error: unknown }).error };
}

function ask(stage: Stage, path: string, body: unknown): Promise<Response> {
  return post(stage.url + path, body, { headers: VERSION });
}

describe("in-12: what a vendor says of a failure beside its words", () => {
  const anthropicError = (details: unknown) => ({
    type: "error",
    error: { type: "invalid_request_error", message: "no", details },
  });

  it.each(["/v1/messages", "/v1/providers/claude/messages"])(
    "reaches Anthropic's clients at %s",
    async (path) => {
      const details = { error_code: "thread_unsupported_request", unsupported: ["fallbacks"] };
      const stage = await stageOf("anthropic", anthropicError(details), 400);
      expect(await failureOf(ask(stage, path, MESSAGES))).toMatchObject({
        status: 400,
        error: { type: "invalid_request_error", message: "no", details },
      });
    },
  );

  it.each([
    [`/v1beta/models/${MODEL}:generateContent`, CONTENTS],
    ["/v1/providers/gemini/generateContent", { model: MODEL, ...CONTENTS }],
  ])("reaches Google's clients at %s", async (path, body) => {
    const error = { code: 429, message: "slow down", status: "RESOURCE_EXHAUSTED", details: QUOTA };
    const stage = await stageOf("gemini", { error }, 429);
    expect(await failureOf(ask(stage, path, body))).toEqual({ status: 429, error });
  });

  it("stays away from clients of another dialect", async () => {
    const error = { code: 429, message: "slow down", status: "RESOURCE_EXHAUSTED", details: QUOTA };
    const stage = await stageOf("gemini", { error }, 429);
    const failures = [await failureOf(chat(stage)), await failureOf(ask(stage, "/v1/messages", MESSAGES))];
    for (const failure of failures) {
      expect(failure.status).toBe(429);
      expect(JSON.stringify(failure)).not.toContain("PerMinute");
    }
  });

  it("says nothing of the credential", async () => {
    const told = await stageOf("anthropic", anthropicError({ why: [`key ${CREDENTIAL}`, 1] }), 400);
    expect(await failureOf(ask(told, "/v1/messages", MESSAGES))).toMatchObject({
      error: { details: { why: ["key [redacted]", 1] } },
    });
    const named = await stageOf("anthropic", anthropicError({ [CREDENTIAL]: 1 }), 400);
    const failure = await failureOf(ask(named, "/v1/messages", MESSAGES));
    expect(failure).toMatchObject({ status: 400 });
    expect(JSON.stringify(failure)).not.toContain(CREDENTIAL);
  });

  it.each(["message", "type", "param", "code"])("says nothing of the credential in `%s`", async (member) => {
    const error = { message: "no", type: "invalid_request_error", param: null, code: null };
    const stage = await stageOf("openai", { error: { ...error, [member]: CREDENTIAL } }, 400);
    const failure = await failureOf(chat(stage));
    expect(failure.status).toBe(400);
    expect(JSON.stringify(failure)).not.toContain(CREDENTIAL);
    expect(stage.lines.join("")).not.toContain(CREDENTIAL);
  });

  it("stays here where it is about the gateway's own account", async () => {
    const stage = await stageOf("anthropic", anthropicError({ organization: "acme" }), 403);
    const failure = await failureOf(ask(stage, "/v1/messages", MESSAGES));
    expect(failure.status).toBe(502);
    expect(JSON.stringify(failure)).not.toContain("acme");
  });
});

describe("what FastAPI finds wrong with a request", () => {
  it("reaches the client in words, with the field, and without what was sent", async () => {
    const detail = [
      {
        type: "greater_than",
        loc: ["body", "max_tokens"],
        msg: "Input should be greater than 0",
        input: "secret",
      },
      { type: "missing", loc: ["body", "messages", 0, "role"], msg: "Field required" },
      "odd",
    ];
    const stage = await stageBefore(await answering(jsonReply({ detail }, 422)));
    expect(await failureOf(chat(stage))).toEqual({
      status: 422,
      error: {
        message: "max_tokens: Input should be greater than 0; messages.0.role: Field required",
        type: "invalid_request_error",
        param: "max_tokens",
        code: "invalid_request",
      },
    });
  });

  it.each([[[]], [[{ loc: ["body"] }]], [{}], [[7]]])("may be unreadable: %j", async (detail) => {
    const stage = await stageBefore(await answering(jsonReply({ detail }, 422)));
    expect(await failureOf(chat(stage))).toMatchObject({
      status: 422,
      error: { message: "The backend answered 422", param: null },
    });
  });
});
