import { anthropicApi } from "@gatewright/anthropic-api";
import { streamRecovery } from "@gatewright/stream-recovery";
import { describe, expect, it } from "vitest";
import { messageDialect } from "../../plugins/stream-recovery/src/message-event.ts";
import { chunk, LAST_CHUNK, replyHead } from "../_support/scripted-upstream.ts";
import { EVENT_STREAM, MODEL, post, scripted, startStage } from "../e2e/_stage.ts";

type Event = Record<string, unknown>;

const open = (type: string): Event => ({
  type: "content_block_start",
  index: 0,
  content_block: { type, text: "" },
});
const say = (text: string): Event => ({
  type: "content_block_delta",
  index: 0,
  delta: { type: "text_delta", text },
});
const START: Event = {
  type: "message_start",
  message: { id: "msg", model: MODEL, usage: { input_tokens: 5, output_tokens: 1 } },
};
const STOP: Event = { type: "content_block_stop", index: 0 };
const END: Event = { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 3 } };
const LAST: Event = { type: "message_stop" };

const spoken = (...texts: string[]): Event[] => [START, open("text"), ...texts.map(say)];
const whole = (...texts: string[]): Event[] => [...spoken(...texts), STOP, END, LAST];

interface Told {
  readonly events: readonly Event[];
  /** Names on the `event:` lines. */
  readonly names: readonly string[];
  readonly text: string;
  /** What the second backend was asked. */
  readonly asked: readonly Record<string, unknown>[];
}

/** The first backend breaks after these events; the second one answers with those. */
async function heal(broken: readonly Event[], answer: readonly Event[], options: object = {}): Promise<Told> {
  const asked: Record<string, unknown>[] = [];
  const write = (events: readonly Event[]): Buffer =>
    Buffer.concat(
      events.map((event) => chunk(`event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`)),
    );
  const first = await scripted(async (connection) => {
    await connection.readRequest();
    await connection.send(Buffer.concat([Buffer.from(replyHead(200, EVENT_STREAM)), write(broken)]));
    connection.halfClose();
  });
  const second = await scripted(async (connection) => {
    for (;;) {
      const { body } = await connection.readRequest();
      asked.push(JSON.parse(String(body)) as Record<string, unknown>);
      await connection.send(
        Buffer.concat([Buffer.from(replyHead(200, EVENT_STREAM)), write(answer), Buffer.from(LAST_CHUNK)]),
      );
    }
  });
  const backendAt = ({ url }: { url: string }) => ({
    adapter: "anthropic",
    baseURL: url,
    apiKey: "k",
    models: [MODEL],
  });
  const stage = await startStage({
    backends: { first: backendAt(first), second: backendAt(second) },
    plugins: [anthropicApi(), streamRecovery({ strategy: "continue", ...options })],
  });
  const response = await post(
    `${stage.url}/v1/messages`,
    { model: MODEL, max_tokens: 50, stream: true, messages: [{ role: "user", content: "Count." }] },
    { headers: { "anthropic-version": "2023-06-01" } },
  );
  const text = await response.text();
  const events = Array.from(text.matchAll(/^data: (.*)$/gm), ([, data]) => JSON.parse(data!) as Event);
  return {
    events,
    names: Array.from(text.matchAll(/^event: (.*)$/gm), ([, name]) => name!),
    text: events.map(({ delta }) => (delta as { text?: string } | undefined)?.text ?? "").join(""),
    asked,
  };
}

const ORDER = ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"];

describe("a broken message of Anthropic's API", () => {
  it("goes on by prefill, begun and ended once, its events under their names", async () => {
    const { names, text, asked, events } = await heal(spoken("One, ", "two"), whole(", three", "."), {
      prefill: ["second"],
    });
    expect(text).toBe("One, two, three.");
    expect(names.filter((name) => name !== "content_block_delta")).toEqual(ORDER);
    expect(names).toEqual(events.map(({ type }) => type));
    expect(asked[0]).toMatchObject({
      messages: [
        { role: "user", content: "Count." },
        { role: "assistant", content: "One, two" },
      ],
      max_tokens: 48,
    });
  });

  it("goes on by restart where the text is the same, and adds up what was produced", async () => {
    const { text, events, names } = await heal(spoken("One, ", "two"), whole("One", ", two, th", "ree."));
    expect(text).toBe("One, two, three.");
    expect(names.filter((name) => name !== "content_block_delta")).toEqual(ORDER);
    const { usage } = events.find(({ type }) => type === "message_delta") as {
      usage: { output_tokens: number };
    };
    expect(usage.output_tokens).toBe(3 + 2);
  });

  it.each([
    ["other words", whole("Three, two"), []],
    ["thoughts first", [START, open("thinking"), STOP, END, LAST], ["second"]],
    ["nothing more", [START, open("text"), STOP, END, LAST], ["second"]],
  ])("is reported as broken where the other backend gives %s", async (_, answer, prefill) => {
    const { names, text } = await heal(spoken("One, ", "two"), answer, { prefill });
    expect(names.at(-1)).toBe("error");
    expect(text).toMatch(/^One, two/);
    expect(names.filter((name) => name === "message_start")).toHaveLength(1);
  });

  it.each([
    [
      "a call",
      [
        ...spoken("One"),
        STOP,
        { type: "content_block_start", index: 1, content_block: { type: "tool_use" } },
      ],
    ],
    ["a text that is closed", [...spoken("One"), STOP]],
    [
      "a thought",
      [
        START,
        open("thinking"),
        { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "a" } },
      ],
    ],
  ])("is not gone on with after %s", async (_, broken) => {
    const { names, asked } = await heal(broken, whole("One, two"), { prefill: ["second"] });
    expect(names.at(-1)).toBe("error");
    expect(asked).toEqual([]);
  });

  it("is not prefilled with the parameters of another API", async () => {
    const { asked } = await heal(spoken("One"), whole("One, two"), {
      prefill: ["second"],
      prefillMode: "vllm",
    });
    expect(asked.map(({ messages }) => messages)).toEqual([[{ role: "user", content: "Count." }]]);
  });

  it("leaves an event without usage alone", () => {
    expect(messageDialect.addUsage(LAST, [], 0)).toBe(LAST);
    expect(messageDialect.adopt({ type: "ping" }, {})).toEqual({ type: "ping" });
  });
});
