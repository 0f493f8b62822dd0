/** What is accounted where a backend tells no usage, or only part of it. */
import { anthropicApi } from "@gatewright/anthropic-api";
import { describe, expect, it } from "vitest";
import { chunk, replyHead } from "../_support/scripted-upstream.ts";
import {
  answering,
  chat,
  chatStream,
  delta,
  DONE,
  EVENT_STREAM,
  FINISH,
  jsonReply,
  MODEL,
  openaiAt,
  post,
  scripted,
  stageBefore,
  startStage,
  streamReply,
} from "./_stage.ts";

/** "Say something." has 13 characters that are no white space. */
const PROMPT_TOKENS = 4;

function answer(content: string, rest: Record<string, unknown> = {}): string {
  const message = { role: "assistant", content };
  return jsonReply({
    id: "c",
    model: MODEL,
    choices: [{ index: 0, message, finish_reason: "stop" }],
    ...rest,
  });
}

describe("usage that nobody told (st-5)", () => {
  it("is estimated for a whole reply, marked, and not shown to the client", async () => {
    const stage = await stageBefore(await answering(answer("你好 world")));
    const text = await (await chat(stage)).text();
    expect(text).not.toContain("usage");
    const usage = { inputTokens: PROMPT_TOKENS, outputTokens: 3, totalTokens: PROMPT_TOKENS + 3 };
    expect((await stage.ended()).usage).toEqual({ ...usage, estimated: true });
  });

  it("is taken as it comes where the backend tells it", async () => {
    const usage = { prompt_tokens: 20, completion_tokens: 50, total_tokens: 70 };
    const stage = await stageBefore(await answering(answer("你好 world", { usage })));
    await (await chat(stage)).text();
    expect((await stage.ended()).usage).toEqual({ inputTokens: 20, outputTokens: 50, totalTokens: 70 });
  });

  it("is estimated for a stream, however its texts are cut", async () => {
    const upstream = await answering(streamReply(delta("你"), delta("好 wo"), delta("rld"), FINISH, DONE));
    const stage = await stageBefore(upstream);
    expect(await chatStream(stage)).not.toContain("usage");
    const { usage, outcome } = await stage.ended();
    expect(outcome).toBe("complete");
    expect(usage).toEqual({
      inputTokens: PROMPT_TOKENS,
      outputTokens: 3,
      totalTokens: PROMPT_TOKENS + 3,
      estimated: true,
    });
  });

  it("of a long stream is that of its beginning, in proportion", async () => {
    const pieces = Array.from({ length: 2_000 }, () => delta("four"));
    const stage = await stageBefore(await answering(streamReply(...pieces, FINISH, DONE)));
    await chatStream(stage);
    const { usage } = await stage.ended();
    expect(usage!.estimated).toBe(true);
    expect(Math.abs(usage!.outputTokens - 2_000)).toBeLessThan(40);
  });

  it("is estimated for a stream whose client left, up to there (st-7)", async () => {
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(200, EVENT_STREAM) + chunk(delta("four") + delta("four")).toString());
    });
    const stage = await stageBefore(upstream);
    const client = new AbortController();
    const response = await chat(stage, { stream: true }, { signal: client.signal });
    await response.body!.getReader().read();
    client.abort();
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "client_abort", usage: { outputTokens: 2, estimated: true } });
  });

  it("is none for an attempt that brought nothing", async () => {
    const stage = await stageBefore(await answering(jsonReply({ error: { message: "no" } }, 500)));
    await (await chat(stage)).text();
    expect((await stage.ended()).usage).toBeUndefined();
  });

  it("is none for operations that have no tokens", async () => {
    const stage = await stageBefore(await answering(jsonReply({ id: "m", results: [{ flagged: false }] })));
    await (await post(`${stage.url}/v1/moderations`, { model: MODEL, input: "a" })).text();
    expect((await stage.ended()).usage).toBeUndefined();
  });

  it("is estimated for a front door in the words of its client, which are shown as they were told", async () => {
    const stage = await startStage({
      backends: { main: openaiAt(await answering(answer("你好 world"))) },
      plugins: [anthropicApi()],
    });
    const response = await post(
      `${stage.url}/v1/messages`,
      { model: MODEL, max_tokens: 9, system: "four", messages: [{ role: "user", content: "eightyxx" }] },
      { headers: { "anthropic-version": "2023-06-01" } },
    );
    expect(((await response.json()) as { usage: object }).usage).toMatchObject({ output_tokens: 0 });
    const { usage } = await stage.ended();
    expect(usage).toEqual({ inputTokens: 3, outputTokens: 3, totalTokens: 6, estimated: true });
  });

  it("keeps what a broken stream had told of its prompt", async () => {
    const start = { type: "message_start", message: { usage: { input_tokens: 25, output_tokens: 1 } } };
    const open = { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } };
    const text = { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "eightyxx" } };
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      const events = [start, open, text].map(
        (json) => `event: ${json.type}\ndata: ${JSON.stringify(json)}\n\n`,
      );
      await connection.send(replyHead(200, EVENT_STREAM) + chunk(events.join("")).toString());
      connection.halfClose();
    });
    const stage = await startStage({
      backends: { main: { adapter: "anthropic", baseURL: upstream.url, apiKey: "k", models: [MODEL] } },
      plugins: [anthropicApi()],
    });
    const asked = { model: MODEL, max_tokens: 9, stream: true, messages: [{ role: "user", content: "a" }] };
    const version = { headers: { "anthropic-version": "2023-06-01" } };
    await (await post(`${stage.url}/v1/messages`, asked, version)).text();
    expect(await stage.ended()).toMatchObject({
      outcome: "truncated",
      usage: { inputTokens: 25, outputTokens: 2, totalTokens: 27, estimated: true },
    });
  });
});
