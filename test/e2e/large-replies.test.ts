/** Whole replies that cost far more to read than to pass on. */
import { describe, expect, it } from "vitest";
import { answering, chat, errorOf, jsonReply, MODEL, openaiAt, startStage, type Stage } from "./_stage.ts";

const CHAT = `"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"${MODEL}","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}`;
const MESSAGE = `"id":"msg_1","type":"message","role":"assistant","model":"${MODEL}","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":2,"output_tokens":1}`;

/** 64 KiB of JSON may weigh 8,192 numbers. */
const REPLY_BYTES = 64 * 1024;

/** A backend of the client's own dialect, whose replies pass, or of another, whose replies are read. */
async function stageWith(
  adapter: "openai" | "anthropic",
  member: string,
): Promise<{ stage: Stage; text: string }> {
  const text = `{${adapter === "openai" ? CHAT : MESSAGE},${member}}`;
  const upstream = await answering(jsonReply(text));
  const other = { adapter, baseURL: upstream.url, apiKey: "k", models: [MODEL] };
  const stage = await startStage({
    backends: { main: adapter === "openai" ? openaiAt(upstream) : other },
    server: { limits: { replyBytes: REPLY_BYTES } },
  });
  return { stage, text };
}

const nested = (depth: number): string => `"x":${"[".repeat(depth)}${"]".repeat(depth)}`;
const list = (items: number, item: string): string => `"x":[${`${item},`.repeat(items - 1)}${item}]`;

describe("a reply that is read", () => {
  it.each([
    ["as deep as a request may be", nested(127), 200],
    ["one level deeper", nested(128), 502],
    ["with 7,000 numbers", list(7_000, "1"), 200],
    ["with 8,192 numbers more than it has", list(8_192, "1"), 502],
    ["with 900 lists, each as heavy as eight numbers", list(900, "[]"), 200],
    ["with 1,024 lists more than it has", list(1_024, "[]"), 502],
    ["with 1,024 objects more than it has", list(1_024, "{}"), 502],
    ["with 1,700 members more than it has, each of five numbers", `"x":{${numbered(1_700)}}`, 502],
  ])("%s: %s", async (_, member, status) => {
    const { stage } = await stageWith("anthropic", member);
    const response = await chat(stage);
    expect(response.status).toBe(status);
    if (status === 200) return;
    expect((await errorOf(response)).code).toBe("provider_error");
    expect((await stage.ended()).attempts[0]!.error!.upstream!.kind).toBe("malformed");
  });
});

describe("a reply of the client's own dialect", () => {
  it.each([
    ["128 levels deep", nested(127), 2],
    ["deeper than what is read", nested(1_000), undefined],
    ["with more numbers than are read", list(20_000, "1"), undefined],
    ["with more objects than are read", list(10_000, "{}"), undefined],
  ])("passes byte for byte, %s", async (_, member, inputTokens) => {
    const { stage, text } = await stageWith("openai", member);
    const response = await chat(stage);
    expect([response.status, await response.text()]).toEqual([200, text]);
    expect((await stage.ended()).usage?.inputTokens).toBe(inputTokens);
  });

  it("is no JSON that can be followed where it is thousands of levels deep", async () => {
    const { stage } = await stageWith("openai", nested(5_000));
    expect((await chat(stage)).status).toBe(502);
  });

  it.each([
    [10_000 - CHAT.split(/,"(?=id|object|created|model|choices|usage)/).length, 200],
    [10_001, 502],
  ])("may have 10,000 members at its top: %i more: %i", async (count, status) => {
    const upstream = await answering(jsonReply(`{${CHAT},${numbered(count)}}`));
    const stage = await startStage({ backends: { main: openaiAt(upstream) } });
    expect((await chat(stage)).status).toBe(status);
  });

  it("tells no usage by an object of more members than are looked for", async () => {
    const { usage: _, ...rest } = JSON.parse(`{${CHAT}}`) as Record<string, unknown>;
    const text = `${JSON.stringify(rest).slice(0, -1)},"usage":{${numbered(10_001)}}}`;
    const upstream = await answering(jsonReply(text));
    const stage = await startStage({ backends: { main: openaiAt(upstream) } });
    const response = await chat(stage);
    expect([response.status, await response.text()]).toEqual([200, text]);
    expect((await stage.ended()).usage).toMatchObject({ estimated: true });
  });
});

function numbered(count: number): string {
  return Array.from({ length: count }, (_, n) => `"m${n}":1`).join(",");
}
