import { anthropicApi } from "@gatewright/anthropic-api";
import { cache } from "@gatewright/cache";
import { geminiApi } from "@gatewright/gemini-api";
import { describe, expect, it } from "vitest";
import { answerRules, isSampled } from "../../plugins/cache/src/answer-rules.ts";
import { MODEL, openaiAt, post, simulated, startStage } from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";
import { createHost, FakeContext } from "./_context.ts";

interface Door {
  readonly path: string;
  readonly streamPath?: string;
  readonly body: Record<string, unknown>;
  readonly headers?: Record<string, string>;
  /** Names on `event:` lines, of which a stream has at least these. */
  readonly events: readonly string[];
}

const DOORS: Readonly<Record<string, Door>> = {
  messages: {
    path: "/v1/messages",
    body: { model: MODEL, max_tokens: 50, temperature: 0, messages: [{ role: "user", content: "Hi" }] },
    headers: { "anthropic-version": "2023-06-01" },
    events: ["message_start", "content_block_delta", "message_stop"],
  },
  generateContent: {
    path: `/v1beta/models/${MODEL}:generateContent`,
    streamPath: `/v1beta/models/${MODEL}:streamGenerateContent?alt=sse`,
    body: { contents: [{ parts: [{ text: "Hi" }] }], generationConfig: { temperature: 0 } },
    events: [],
  },
  responses: {
    path: "/v1/responses",
    body: { model: MODEL, input: "Hi", temperature: 0, store: false },
    events: ["response.created", "response.output_text.delta", "response.completed"],
  },
};

async function stageOf(): Promise<{ stage: Stage; calls: () => number }> {
  const backend = await simulated({ tokens: 5 });
  const stage = await startStage({
    backends: { main: openaiAt(backend) },
    plugins: [geminiApi(), anthropicApi(), cache()],
  });
  return { stage, calls: () => backend.requests.length };
}

function send(
  stage: Stage,
  door: Door,
  stream: boolean,
  fields: Record<string, unknown> = {},
): Promise<Response> {
  const inBody = stream && door.streamPath === undefined ? { stream: true } : {};
  const path = stream ? (door.streamPath ?? door.path) : door.path;
  return post(stage.url + path, { ...door.body, ...inBody, ...fields }, { headers: door.headers ?? {} });
}

describe.each(Object.entries(DOORS))("an answer by the front door %s", (_, door) => {
  it.each([false, true])(
    "is given again, its events under their names, streamed: %s (re-16)",
    async (stream) => {
      const { stage, calls } = await stageOf();
      const first = await (await send(stage, door, stream)).text();
      const again = await send(stage, door, stream);
      expect(again.headers.get("x-gatewright-cache")).toBe("hit");
      expect(await again.text()).toBe(first);
      expect(calls()).toBe(1);
      if (!stream) return;
      expect(again.headers.get("content-type")).toMatch(/^text\/event-stream/);
      const names = Array.from(first.matchAll(/^event: (.*)$/gm), ([, name]) => name);
      expect(names).toEqual(expect.arrayContaining([...door.events]));
      expect(names.length > 0).toBe(door.events.length > 0);
    },
  );

  it("whole is none to a stream, nor the other way about", async () => {
    const { stage, calls } = await stageOf();
    for (const stream of [false, true, false, true]) await (await send(stage, door, stream)).text();
    expect(calls()).toBe(2);
  });

  it("is not kept when it is sampled", async () => {
    const { stage } = await stageOf();
    const hot = door.body["generationConfig"] ? { generationConfig: {} } : { temperature: 1 };
    expect((await send(stage, door, false, hot)).headers.get("x-gatewright-cache")).toBe("bypass");
  });
});

describe("which answers may be kept (C3)", () => {
  const keeps = (operation: string, json: Record<string, unknown>, isEvent: boolean): boolean =>
    answerRules(operation)!.mayKeep(json, isEvent);
  const text = { type: "text", text: "a" };
  const message = { type: "message", content: [{ type: "output_text", text: "a" }] };

  it.each([
    ["messages", { content: [text], stop_reason: "end_turn" }],
    ["messages", { content: [{ type: "thinking" }, text], stop_reason: "max_tokens" }],
    ["claudeMessages", { content: [text], stop_reason: "stop_sequence" }],
    ["generateContent", { candidates: [{ content: { parts: [{ text: "a" }] }, finishReason: "STOP" }] }],
    ["generateContent", { candidates: [{ finishReason: "MAX_TOKENS" }] }],
    ["responses", { status: "completed", output: [{ type: "reasoning" }, message] }],
    [
      "responses",
      { status: "incomplete", incomplete_details: { reason: "max_output_tokens" }, output: [message] },
    ],
  ])("%s: %j", (operation, json) => {
    expect(keeps(operation, json, false)).toBe(true);
  });

  it.each([
    ["messages", { content: [text], stop_reason: null }],
    ["messages", { content: [{ type: "tool_use" }], stop_reason: "end_turn" }],
    ["messages", { content: [text], stop_reason: "refusal" }],
    ["messages", { type: "error", error: {} }],
    [
      "generateContent",
      { candidates: [{ content: { parts: [{ functionCall: {} }] }, finishReason: "STOP" }] },
    ],
    ["generateContent", { candidates: [{ finishReason: "SAFETY" }] }],
    ["generateContent", { promptFeedback: { blockReason: "SAFETY" } }],
    ["generateContent", { candidates: [] }],
    ["responses", { status: "completed", output: [{ type: "function_call" }] }],
    ["responses", { status: "completed", output: [{ type: "message", content: [{ type: "refusal" }] }] }],
    ["responses", { status: "incomplete", incomplete_details: { reason: "content_filter" }, output: [] }],
    ["responses", { status: "failed", output: [] }],
  ])("not %s: %j", (operation, json) => {
    expect(keeps(operation, json, false)).toBe(false);
  });

  it.each([
    ["messages", { type: "content_block_start", content_block: { type: "tool_use" } }],
    ["messages", { type: "message_delta", delta: { stop_reason: "refusal" } }],
    ["messages", { type: "error" }],
    ["generateContent", { candidates: [{ content: { parts: [{ functionCall: {} }] } }] }],
    ["generateContent", { candidates: [{ finishReason: "SAFETY" }] }],
    ["responses", { type: "response.failed", response: {} }],
    [
      "responses",
      { type: "response.completed", response: { status: "completed", output: [{ type: "function_call" }] } },
    ],
  ])("not a stream of %s with %j", (operation, json) => {
    expect(keeps(operation, json, true)).toBe(false);
  });

  it.each([
    ["messages", { type: "ping" }],
    ["messages", { type: "message_delta", delta: { stop_reason: "end_turn" } }],
    ["generateContent", { candidates: [{ content: { parts: [{ text: "a" }] } }] }],
    ["generateContent", { usageMetadata: {} }],
    ["responses", { type: "response.output_text.delta", delta: "a" }],
    ["responses", { type: "response.completed", response: { status: "completed", output: [message] } }],
  ])("a stream of %s with %j", (operation, json) => {
    expect(keeps(operation, json, true)).toBe(true);
  });

  const bodyOf = (json: Record<string, unknown>) => new FakeContext({ json }, createHost()).body;

  it.each([
    {},
    { store: true },
    { store: false, previous_response_id: "resp_1" },
    { store: false, conversation: "conv_1" },
    { store: false, prompt: { id: "p" } },
    { store: false, background: true },
  ])("no response to %j, which is bound to what the provider keeps", (json) => {
    expect(answerRules("responses")!.isBound!(bodyOf(json))).toBe(true);
  });

  it("reads Gemini's temperature where it stands, in both spellings", () => {
    const rules = answerRules("generateContent")!;
    expect(isSampled(rules, bodyOf({ generationConfig: { temperature: 0 } }))).toBe(false);
    expect(isSampled(rules, bodyOf({ generation_config: { temperature: 0 } }))).toBe(false);
    expect(isSampled(rules, bodyOf({ temperature: 0 }))).toBe(true);
  });
});
