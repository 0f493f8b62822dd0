/** Answers as some servers with OpenAI's API give them, and OpenAI does not: every front door reads the same of them. */
import { playBackend } from "@gatewright/adapter-tests";
import type { UpstreamReply } from "@gatewright/adapter-tests";
import { anthropicApi } from "@gatewright/anthropic-api";
import { geminiApi } from "@gatewright/gemini-api";
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";

interface Said {
  text: string;
  calls: [name: string, input: unknown][];
}

const tool = { name: "weather", description: "The weather.", parameters: { type: "object", properties: {} } };

/** What a client of each front door asks, and how it reads the answer; `json` is a whole answer, or the events. */
interface Door {
  path(streamed: boolean): string;
  body(streamed: boolean): JsonObject;
  read(events: JsonObject[], streamed: boolean): Said;
}

const DOORS: Readonly<Record<string, Door>> = {
  messages: {
    path: () => "/v1/messages",
    body: (stream) => ({
      model: "smart",
      max_tokens: 64,
      messages: [{ role: "user", content: "Weather?" }],
      tools: [{ name: tool.name, input_schema: tool.parameters }],
      stream,
    }),
    read(events, streamed) {
      if (!streamed) return saidInBlocks(events[0]!["content"] as Block[]);
      const blocks: Block[] = [];
      for (const event of events) {
        const at = event["index"] as number;
        if (event["type"] === "content_block_start") blocks[at] = event["content_block"] as Block;
        if (event["type"] !== "content_block_delta") continue;
        const { text, partial_json } = event["delta"] as { text?: string; partial_json?: string };
        const block = blocks[at]!;
        if (text !== undefined) blocks[at] = { ...block, text: `${block.text ?? ""}${text}` };
        if (partial_json !== undefined)
          blocks[at] = {
            ...block,
            input: `${typeof block.input === "string" ? block.input : ""}${partial_json}`,
          };
      }
      return saidInBlocks(
        blocks.map((block) =>
          typeof block.input === "string" ? { ...block, input: JSON.parse(block.input) as unknown } : block,
        ),
      );
    },
  },
  generateContent: {
    path: (streamed) =>
      `/v1beta/models/smart:${streamed ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: () => ({
      contents: [{ role: "user", parts: [{ text: "Weather?" }] }],
      tools: [{ functionDeclarations: [tool] }],
    }),
    read(events) {
      const parts = events.flatMap(({ candidates }) =>
        (candidates as { content?: { parts: Part[] } }[]).flatMap(({ content }) => content?.parts ?? []),
      );
      return {
        text: parts.map(({ text }) => text ?? "").join(""),
        calls: parts.flatMap(({ functionCall: call }) => (call ? [[call.name, call.args]] : [])),
      };
    },
  },
  responses: {
    path: () => "/v1/responses",
    body: (stream) => ({
      model: "smart",
      input: "Weather?",
      tools: [{ type: "function", strict: false, ...tool }],
      stream,
    }),
    read(events, streamed) {
      const whole = streamed ? (events.at(-1)!["response"] as JsonObject) : events[0]!;
      const output = whole["output"] as OutputItem[];
      return {
        text: output.flatMap(({ content }) => content?.map(({ text }) => text) ?? []).join(""),
        calls: output.flatMap(({ type, name, arguments: input }) =>
          type === "function_call" ? [[name!, JSON.parse(input!) as unknown]] : [],
        ),
      };
    },
  },
};

interface Block {
  type: string;
  text?: string;
  name?: string;
  input?: unknown;
}
interface Part {
  text?: string;
  functionCall?: { name: string; args: unknown };
}
interface OutputItem {
  type: string;
  content?: { text: string }[];
  name?: string;
  arguments?: string;
}

function saidInBlocks(blocks: readonly Block[]): Said {
  return {
    text: blocks.map(({ text }) => text ?? "").join(""),
    calls: blocks.flatMap(({ type, name, input }) => (type === "tool_use" ? [[name!, input]] : [])),
  };
}

const head = { id: "c-1", created: 1_767_000_000, model: "vendor/model-1" };
const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 };

function whole(message: JsonObject, finish_reason: string): UpstreamReply {
  const choices = [{ index: 0, message: { role: "assistant", ...message }, finish_reason }];
  return {
    status: 200,
    headers: { "content-type": "application/json" },
    body: { ...head, object: "chat.completion", choices, usage },
  };
}

function streamed(deltas: readonly JsonObject[], finish: string, open: unknown = null): UpstreamReply {
  const all = [{ role: "assistant", content: "" }, ...deltas, {}];
  const events: JsonObject[] = all.map((delta, at) => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: at === all.length - 1 ? finish : open }],
  }));
  events.push({ ...head, object: "chat.completion.chunk", choices: [], usage });
  return {
    status: 200,
    headers: { "content-type": "text/event-stream" },
    chunks: [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), "data: [DONE]\n\n"],
  };
}

/** One piece of a call. */
const piece = (text: string, { index, id, name }: { index?: number; id?: string; name?: string } = {}) => ({
  tool_calls: [
    {
      ...(index !== undefined && { index }),
      ...(id !== undefined && { id, type: "function" }),
      function: { ...(name !== undefined && { name }), arguments: text },
    },
  ],
});
const [bern, oslo] = ['{"city":"Bern"}', '{"city":"Oslo"}'];
const BOTH: Said = {
  text: "",
  calls: [
    ["weather", { city: "Bern" }],
    ["weather", { city: "Oslo" }],
  ],
};

interface OddStream {
  deltas: JsonObject[];
  finish: string;
  /** The finish reason of chunks before the last. */
  open?: unknown;
  said: Said;
}

const STREAMS: Readonly<Record<string, OddStream>> = {
  // https://platform.stepfun.com/docs/zh/api-reference/chat/streaming
  "an empty finish reason and an empty role in each chunk": {
    deltas: [
      { role: "", content: "Grüß" },
      { role: "", content: " Gott" },
    ],
    finish: "stop",
    open: "",
    said: { text: "Grüß Gott", calls: [] },
  },
  "whole calls without an index": {
    deltas: [
      piece(bern, { id: "callbern1", name: "weather" }),
      piece(oslo, { id: "calloslo1", name: "weather" }),
    ],
    finish: "tool_calls",
    said: BOTH,
  },
  "whole calls without an index in one delta": {
    deltas: [
      {
        tool_calls: [
          ...piece(bern, { id: "callbern1", name: "weather" }).tool_calls,
          ...piece(oslo, { id: "calloslo1", name: "weather" }).tool_calls,
        ],
      },
    ],
    finish: "tool_calls",
    said: BOTH,
  },
  "calls in pieces without an index, each with its id": {
    deltas: [
      piece(bern.slice(0, 5), { id: "callbern1", name: "weather" }),
      piece(bern.slice(5), { id: "callbern1" }),
      piece(oslo.slice(0, 5), { id: "calloslo1", name: "weather" }),
      piece(oslo.slice(5), { id: "calloslo1" }),
    ],
    finish: "tool_calls",
    said: BOTH,
  },
  "calls in pieces without an index, the id in the first alone": {
    deltas: [
      piece(bern.slice(0, 5), { id: "callbern1", name: "weather" }),
      piece(bern.slice(5)),
      piece(oslo.slice(0, 5), { id: "calloslo1", name: "weather" }),
      piece(oslo.slice(5)),
    ],
    finish: "tool_calls",
    said: BOTH,
  },
  "two calls under one index, told apart by their ids": {
    deltas: [
      piece(bern, { index: 0, id: "callbern1", name: "weather" }),
      piece(oslo, { index: 0, id: "calloslo1", name: "weather" }),
    ],
    finish: "tool_calls",
    said: BOTH,
  },
  "two calls under one index, in pieces": {
    deltas: [
      piece("", { index: 0, id: "callbern1", name: "weather" }),
      piece(bern.slice(0, 5), { index: 0 }),
      piece(bern.slice(5), { index: 0 }),
      piece("", { index: 0, id: "calloslo1", name: "weather" }),
      piece(oslo.slice(0, 5), { index: 0 }),
      piece(oslo.slice(5), { index: 0 }),
    ],
    finish: "tool_calls",
    said: BOTH,
  },
  "one call whose id comes with each piece": {
    deltas: [
      piece(bern.slice(0, 5), { index: 0, id: "callbern1", name: "weather" }),
      piece(bern.slice(5), { index: 0, id: "callbern1", name: "" }),
    ],
    finish: "tool_calls",
    said: { text: "", calls: [["weather", { city: "Bern" }]] },
  },
  "one call whose later pieces have an empty id": {
    deltas: [
      piece(bern.slice(0, 5), { index: 0, id: "callbern1", name: "weather" }),
      piece(bern.slice(5), { index: 0, id: "" }),
    ],
    finish: "tool_calls",
    said: { text: "", calls: [["weather", { city: "Bern" }]] },
  },
  "content as a list of parts": {
    deltas: [{ content: [{ type: "text", text: "Grüß" }] }, { content: [{ type: "text", text: " Gott" }] }],
    finish: "stop",
    said: { text: "Grüß Gott", calls: [] },
  },
};

const WHOLE: Readonly<Record<string, { message: JsonObject; finish: string; said: Said }>> = {
  "content as a list of parts": {
    message: {
      content: [
        { type: "text", text: "Grüß" },
        { type: "text", text: " Gott" },
      ],
    },
    finish: "stop",
    said: { text: "Grüß Gott", calls: [] },
  },
  "arguments with members that objects inherit elsewhere": {
    message: {
      content: null,
      tool_calls: [
        {
          id: "callbern1",
          type: "function",
          function: { name: "weather", arguments: '{"__proto__":{"x":1},"constructor":2}' },
        },
      ],
    },
    finish: "tool_calls",
    said: { text: "", calls: [["weather", JSON.parse('{"__proto__":{"x":1},"constructor":2}')]] },
  },
  "a tool by the name of what objects inherit": {
    message: {
      content: null,
      tool_calls: [
        { id: "callbern1", type: "function", function: { name: "constructor", arguments: "{}" } },
        { id: "calloslo1", type: "function", function: { name: "__proto__", arguments: "{}" } },
      ],
    },
    finish: "tool_calls",
    said: {
      text: "",
      calls: [
        ["constructor", {}],
        ["__proto__", {}],
      ],
    },
  },
};

async function ask(adapter: string, door: Door, reply: UpstreamReply, stream: boolean): Promise<Said> {
  const backend = await playBackend(reply);
  try {
    await using gateway = await startTestGateway({
      log: { level: "silent" },
      backends: { one: { adapter, baseURL: backend.url, models: ["smart"] } },
      plugins: [anthropicApi(), geminiApi()],
    });
    const response = await fetch(gateway.url + door.path(stream), {
      method: "POST",
      headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
      body: JSON.stringify(door.body(stream)),
    });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    const events = stream
      ? text
          .split("\n")
          .filter((line) => line.startsWith("data: "))
          .map((line) => JSON.parse(line.slice("data: ".length)) as JsonObject)
      : [JSON.parse(text) as JsonObject];
    return door.read(events, stream);
  } finally {
    await backend.close();
  }
}

/** One that sends requests as they are, one that translates some, one that reads answers too, and one with its own words. */
const ADAPTERS = ["openai-compatible", "moonshot", "cerebras", "mistral"];

describe.each(ADAPTERS)("an odd answer of %s", (adapter) => {
  describe.each(Object.entries(DOORS))("for a client of %s", (_name, door) => {
    it.each(Object.entries(STREAMS))(
      "st-3: in a stream: %s",
      async (_title, { deltas, finish, open, said }) => {
        expect(await ask(adapter, door, streamed(deltas, finish, open), true)).toEqual(said);
      },
    );
    it.each(Object.entries(WHOLE))("in one piece: %s", async (_title, { message, finish, said }) => {
      expect(await ask(adapter, door, whole(message, finish), false)).toEqual(said);
    });
  });
});
