import { retry } from "@gatewright/retry";
import { describe, expect, it } from "vitest";
import { chunk, replyHead } from "../_support/scripted-upstream.ts";
import {
  answering,
  chat,
  chatBody,
  chatStream,
  delta,
  DONE,
  errorOf,
  event,
  EVENT_STREAM,
  FINISH,
  MODEL,
  openaiAt,
  post,
  scripted,
  simulated,
  stageBefore,
  startStage,
  streamReply,
} from "./_stage.ts";

const COMMENT = `: ${"p".repeat(100_000)}\n\n`;
const ROLE = event({
  choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }],
});

/** Events of a Responses stream that repeat the request's instructions, as OpenAI's do, before any content. */
function responsesStream(instructions: string): string[] {
  const response = { id: "resp_1", object: "response", model: MODEL, instructions, output: [] };
  const text = { item_id: "msg_1", output_index: 0, content_index: 0 };
  const events: { type: string; [field: string]: unknown }[] = [
    { type: "response.created", response: { ...response, status: "in_progress" } },
    { type: "response.in_progress", response: { ...response, status: "in_progress" } },
    { type: "response.output_text.delta", ...text, delta: "Hello" },
    { type: "response.completed", response: { ...response, status: "completed" } },
  ];
  return events.map((json, sequence_number) => {
    return `event: ${json.type}\ndata: ${JSON.stringify({ ...json, sequence_number })}\n\n`;
  });
}

describe("what comes before the first content of a stream", () => {
  it("may be long: comments and a role of 300 kB pass with the first token", async () => {
    const pieces = [ROLE, COMMENT, COMMENT, COMMENT, delta("hi") + FINISH + DONE];
    const stage = await stageBefore(await answering(streamReply(...pieces)));
    expect(await chatStream(stage)).toBe(pieces.join(""));
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("may be long: instructions of 200 kB, which the Responses API sends back twice", async () => {
    const instructions = "Be kind. ".repeat(22_000);
    const events = responsesStream(instructions);
    const stage = await stageBefore(await answering(streamReply(...events)));
    const response = await post(`${stage.url}/v1/responses`, {
      model: MODEL,
      stream: true,
      instructions,
      input: "Hi",
    });
    expect(await response.text()).toBe(events.join(""));
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("may be long where the gateway itself writes it: instructions of 200 kB over a chat backend", async () => {
    const backend = await simulated({ dialect: "ollama" });
    const stage = await startStage({
      backends: { main: { adapter: "ollama", baseURL: backend.url, models: [MODEL] } },
    });
    const response = await post(`${stage.url}/v1/responses`, {
      model: MODEL,
      stream: true,
      instructions: "Be kind. ".repeat(22_000),
      input: "Hi",
    });
    expect(await response.text()).toContain("event: response.completed\n");
  });

  it.each([
    ["firstTokenMs", { firstTokenMs: 300 }],
    ["idleMs", { idleMs: 300 }],
    ["attemptMs", { attemptMs: 300 }],
  ])("however much it is, `%s` holds, and goes on to another backend", async (_, timeouts) => {
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(200, EVENT_STREAM));
      for (let n = 0; n < 4; n++) await connection.send(chunk(COMMENT));
    });
    const other = await simulated();
    const stage = await startStage({
      backends: { main: openaiAt(upstream, { timeouts }), other: openaiAt(other) },
      plugins: [retry()],
    });
    const response = await chat(stage, { stream: true });
    expect(response.headers.get("x-gatewright-backend")).toBe("other");
    expect((await response.text()).endsWith(DONE)).toBe(true);
    expect((await stage.ended()).attempts[0]).toMatchObject({
      outcome: "upstream_error",
      error: { code: "timeout", upstream: { kind: "timeout" } },
    });
  });

  /** Fills a connection without end with what is no content. */
  const endless = () =>
    scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(200, EVENT_STREAM));
      while (!connection.ended) await connection.send(chunk(COMMENT));
    });

  it("is not held without bound: a backend that never comes to the point is malformed", async () => {
    const stage = await stageBefore(await endless());
    const response = await chat(stage, { stream: true });
    expect(response.status).toBe(502);
    expect((await errorOf(response)).code).toBe("provider_error");
    expect((await stage.ended()).attempts[0]).toMatchObject({
      outcome: "upstream_error",
      error: { upstream: { kind: "malformed" } },
    });
  });

  it("is not held without bound: the request goes on to another backend", async () => {
    const stage = await startStage({
      backends: { main: openaiAt(await endless()), other: openaiAt(await simulated()) },
      plugins: [retry()],
    });
    const response = await post(`${stage.url}/v1/chat/completions`, chatBody({ stream: true }));
    expect(response.headers.get("x-gatewright-backend")).toBe("other");
    expect((await response.text()).endsWith(DONE)).toBe(true);
  });

  it("a first content of any size is no part of it", async () => {
    const long = delta("x".repeat(12 * 1024 * 1024));
    const stage = await stageBefore(await answering(streamReply(ROLE, long, FINISH, DONE)));
    expect(await chatStream(stage)).toBe(ROLE + long + FINISH + DONE);
  });
});
