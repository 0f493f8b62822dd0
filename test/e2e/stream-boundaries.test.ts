import { describe, expect, it } from "vitest";
import { chunk, LAST_CHUNK, replyHead } from "../_support/scripted-upstream.ts";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ALIAS,
  chat,
  EVENT_STREAM,
  MODEL,
  NDJSON,
  ollamaAt,
  scripted,
  stageBefore,
  startStage,
  type Stage,
} from "./_stage.ts";

/** Characters of two, three and four bytes, raw and escaped. */
const TEXT = ["né漢字😀🏳️‍🌈", "\\ud83d\\ude00"];

const OPENAI_EVENTS = [
  `data: {"id":"c-1","object":"chat.completion.chunk","created":1.0,"model":"${MODEL}","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}`,
  ...TEXT.map(
    (text) =>
      `data: {"id":"c-1", "model": "${MODEL}", "choices":[{"index":0,"delta":{"content":"${text}"}}], "usage": null}`,
  ),
  ": a comment",
  `data: {"id":"c-1","model":"${MODEL}","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}`,
  `data: {"id":"c-1","model":"${MODEL}","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`,
  "data: [DONE]",
];
const OPENAI_STREAM = OPENAI_EVENTS.map((event) => `${event}\n\n`).join("");
const RENAMED_STREAM = OPENAI_STREAM.replaceAll(`"${MODEL}"`, `"${ALIAS}"`);
const WITHOUT_USAGE = OPENAI_EVENTS.filter((event) => !event.includes("prompt_tokens"))
  .map((event) => `${event.replace(/, ?"usage": ?null/, "")}\n\n`)
  .join("");

const OLLAMA_STREAM = [
  ...["né", "漢字", "😀🏳️‍🌈"].map((content) => ({ message: { role: "assistant", content }, done: false })),
  {
    message: { role: "assistant", content: "" },
    done: true,
    done_reason: "stop",
    prompt_eval_count: 3,
    eval_count: 4,
  },
]
  .map((line) => `${JSON.stringify({ model: MODEL, created_at: "2025-11-01T00:00:00Z", ...line })}\n`)
  .join("");

/** Requests that run at once: the pauses between the pieces overlap. */
const PARALLEL = 32;
const ASK_FOR_USAGE = { stream_options: { include_usage: true } };

/** An upstream that cuts the body of its n-th reply after n bytes, and a gateway before it. */
async function stageWithCuts(body: string, headers: Record<string, string>, adapter: "openai" | "ollama") {
  const bytes = Buffer.from(body);
  let cuts = 0;
  const upstream = await scripted(async (connection) => {
    for (;;) {
      await connection.readRequest();
      const cut = cuts++ % bytes.length;
      await connection.send(replyHead(200, headers));
      if (cut > 0) await connection.send(chunk(bytes.subarray(0, cut)));
      // The event loop turns, so that the gateway reads the pieces one by one.
      await sleep(0);
      await connection.send(Buffer.concat([chunk(bytes.subarray(cut)), Buffer.from(LAST_CHUNK)]));
    }
  });
  const stage =
    adapter === "openai"
      ? await stageBefore(upstream)
      : await startStage({ backends: { main: ollamaAt(upstream) } });
  return { stage, count: bytes.length };
}

/** What the client gets for each of so many requests, without repetition. */
async function distinctStreams(
  stage: Stage,
  count: number,
  request: Record<string, unknown>,
): Promise<string[]> {
  const streams = new Set<string>();
  let left = count;
  const ask = async (): Promise<void> => {
    while (left-- > 0) {
      const response = await chat(
        stage,
        { stream: true, ...request },
        { headers: { "x-request-id": "req-7f3a" } },
      );
      streams.add(await response.text());
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, ask));
  return [...streams];
}

/** Ids that the gateway makes are of one request. */
const withoutIds = (stream: string): string => stream.replaceAll(/"id":"[^"]*"/g, '"id":""');

describe("a stream cut in two at every byte", () => {
  it("E1 E12 st-1: passes byte for byte in the same dialect", async () => {
    const { stage, count } = await stageWithCuts(OPENAI_STREAM, EVENT_STREAM, "openai");
    expect(await distinctStreams(stage, count, ASK_FOR_USAGE)).toEqual([OPENAI_STREAM]);
  });

  it("E1 E12 mo-4: differs in the model's name alone where that is restored", async () => {
    const { stage, count } = await stageWithCuts(OPENAI_STREAM, EVENT_STREAM, "openai");
    expect(await distinctStreams(stage, count, { ...ASK_FOR_USAGE, model: ALIAS })).toEqual([RENAMED_STREAM]);
  });

  it("E1 E12 E19: lacks the usage that the client did not ask for, and nothing else", async () => {
    const { stage, count } = await stageWithCuts(OPENAI_STREAM, EVENT_STREAM, "openai");
    expect(await distinctStreams(stage, count, {})).toEqual([WITHOUT_USAGE]);
    expect(stage.ends.every(({ usage }) => usage?.totalTokens === 7)).toBe(true);
  });

  it("E1 E12: comes out with LF where the backend writes CRLF", async () => {
    const { stage, count } = await stageWithCuts(
      OPENAI_STREAM.replaceAll("\n", "\r\n"),
      EVENT_STREAM,
      "openai",
    );
    expect(await distinctStreams(stage, count, ASK_FOR_USAGE)).toEqual([OPENAI_STREAM]);
  });

  it("E3: loses a byte order mark in front", async () => {
    const { stage, count } = await stageWithCuts(`\ufeff${OPENAI_STREAM}`, EVENT_STREAM, "openai");
    expect(await distinctStreams(stage, count, ASK_FOR_USAGE)).toEqual([OPENAI_STREAM]);
  });

  it("E1 E12 st-4: is translated alike from Ollama's lines", async () => {
    const { stage, count } = await stageWithCuts(OLLAMA_STREAM, NDJSON, "ollama");
    const streams = (await distinctStreams(stage, count, ASK_FOR_USAGE)).map(withoutIds);
    expect(new Set(streams).size).toBe(1);
    const chunks = streams[0]!.trimEnd().split("\n\n");
    expect(chunks.pop()).toBe("data: [DONE]");
    const texts = chunks.map((data) => {
      const { choices } = JSON.parse(data.slice(6)) as { choices: { delta: { content?: string } }[] };
      return choices[0]?.delta.content ?? "";
    });
    expect(texts.join("")).toBe("né漢字😀🏳️‍🌈");
  });
});

describe("a stream in single bytes", () => {
  /** Each byte of the reply, its head included, is a TCP segment of its own. */
  async function stageByteByByte(
    body: string,
    headers: Record<string, string>,
    adapter: "openai" | "ollama",
  ) {
    const { "transfer-encoding": _, ...rest } = headers;
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      const head = replyHead(200, { ...rest, "content-length": String(Buffer.byteLength(body)) });
      await connection.sendPieces(head + body, { size: 1 });
    });
    return adapter === "openai"
      ? stageBefore(upstream)
      : startStage({ backends: { main: ollamaAt(upstream) } });
  }

  it("E1: passes byte for byte in the same dialect", async () => {
    const stage = await stageByteByByte(OPENAI_STREAM, EVENT_STREAM, "openai");
    const response = await chat(stage, { stream: true, ...ASK_FOR_USAGE });
    expect(await response.text()).toBe(OPENAI_STREAM);
  });

  it("E1: loses no character where the model's name is restored and CRLF becomes LF", async () => {
    const stage = await stageByteByByte(OPENAI_STREAM.replaceAll("\n", "\r\n"), EVENT_STREAM, "openai");
    const response = await chat(stage, { stream: true, model: ALIAS, ...ASK_FOR_USAGE });
    expect(await response.text()).toBe(RENAMED_STREAM);
  });

  it("E1: loses no character in translation", async () => {
    const stage = await stageByteByByte(OLLAMA_STREAM, NDJSON, "ollama");
    const text = await (await chat(stage, { stream: true })).text();
    expect(text).toContain('"content":"😀🏳️‍🌈"');
    expect(text).not.toContain("\ufffd");
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  });
});
