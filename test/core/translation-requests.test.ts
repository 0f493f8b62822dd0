import fc from "fast-check";
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import { REQUESTS } from "./_arbitrary-requests.ts";
import {
  BACKENDS,
  toBackend,
  toHub,
  unnoticed,
  wireOf,
  type BackendName,
  type Outcome,
} from "./_translation.ts";

const RUNS = { seed: 20_261_121, numRuns: 300 };
/**
 * Each value of each request is changed and the whole translated again, some 25,000 times a test: three seconds of
 * work, which become many where the processor is shared.
 */
const LIMIT_MS = 60_000;
const BACKEND_NAMES = Object.keys(BACKENDS) as BackendName[];
const DOOR_NAMES = ["responses", "messages", "generateContent"] as const;

/** What the format is called, and that it binds, which it always does there. */
const FORMAT_LABELS = ["response_format.json_schema.name", "response_format.json_schema.strict"];
const TYPES = ["tools[].type", "messages[].tool_calls[].type"];
/** A call and its result name each other twice over. */
const RESULT_NAMES = ["contents[].parts[].functionResponse.id", "contents[].parts[].functionResponse.name"];

/** Values that say nothing over there, or not in every request. */
const SILENT: Readonly<Record<string, readonly string[]>> = {
  // A choice of no tools leaves them nothing to do side by side; signed thinking says what its bare text says.
  anthropic: [...FORMAT_LABELS, ...TYPES, "parallel_tool_calls", "messages[].reasoning_content"],
  gemini: [...FORMAT_LABELS, ...TYPES],
  ollama: [...FORMAT_LABELS, ...TYPES],
  // There is one kind of cache there, and signed thinking says what its bare text says.
  bedrock: [
    ...FORMAT_LABELS,
    ...TYPES,
    "messages[].reasoning_content",
    "messages[].content[].cache_control.type",
  ],
  // Of no tools there is nothing to choose. An item of reasoning is told by its text.
  responses: ["parallel_tool_calls", "input[].id", "input[].summary[].type"],
  messages: [],
  generateContent: RESULT_NAMES,
};

/** Nothing that is known to say nothing is told. */
function told(silent: Set<string>, name: string, request: JsonObject): string[] {
  for (const known of ["model", ...SILENT[name]!]) silent.delete(known);
  // Some are told not to call tools by not being told of them.
  const untold = (name === "ollama" || name === "bedrock") && request["tool_choice"] === "none";
  return [...silent].filter((field) => !untold || !field.startsWith("tools[]."));
}

describe("random requests, value by value", { timeout: LIMIT_MS }, () => {
  it.each(BACKEND_NAMES)("chat to %s: each is carried, reported or refused", (name) => {
    fc.assert(
      fc.property(REQUESTS.chat, (request) => {
        const silent = unnoticed(request, (one) => toBackend(name, one));
        expect(told(silent, name, request)).toEqual([]);
      }),
      RUNS,
    );
  });

  it.each(DOOR_NAMES)("%s to chat: each is carried, reported or refused", (door) => {
    fc.assert(
      fc.property(REQUESTS[door], (request) => {
        const silent = unnoticed(request, (one) => toHub(door, one));
        expect(told(silent, door, request)).toEqual([]);
      }),
      RUNS,
    );
  });

  const pairs = DOOR_NAMES.flatMap((door) => BACKEND_NAMES.map((name) => [door, name] as const));
  it.each(pairs)("%s by way of chat to %s: each is carried, reported or refused", (door, name) => {
    fc.assert(
      fc.property(REQUESTS[door], (request) => {
        const { body } = toHub(door, request);
        if (body === undefined) return;
        const silent = unnoticed(body, (one) => toBackend(name, one));
        expect(told(silent, name, body)).toEqual([]);
      }),
      { ...RUNS, numRuns: 100 },
    );
  });
});

/** A request by way of chat back to the dialect that it came in. */
function thereAndBack(door: "messages" | "generateContent", request: JsonObject): Outcome {
  const hub = toHub(door, request);
  if (hub.body === undefined) return hub;
  const sent = toBackend(door === "messages" ? "anthropic" : "gemini", hub.body);
  return { ...sent, dropped: [...hub.dropped, ...sent.dropped] };
}

/** A text and a list of one block with it are the same. */
function asBlocks(content: unknown): unknown {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

/** Chat names every file, so that a document without a title comes back with one. */
function normalBlock(block: JsonObject): JsonObject {
  const { title: _, ...rest } = block;
  return rest["type"] === "tool_result" ? { ...rest, content: asBlocks(rest["content"]) } : rest;
}

/** Results of chat are texts: a picture in one follows behind all results of the turn, and says whose it is. */
function withPicturesBehind(content: readonly JsonObject[]): JsonObject[] {
  const pictures: JsonObject[] = [];
  const results = content.map((block) => {
    const [said, picture] = block["type"] === "tool_result" ? (block["content"] as JsonObject[]) : [];
    if (picture === undefined) return block;
    pictures.push(
      { type: "text", text: `The image of the result ${String(block["tool_use_id"])}:` },
      picture,
    );
    return { ...block, content: asBlocks(`${String(said!["text"])}\n[image: see below]`) };
  });
  return [...results, ...pictures];
}

function normalMessages({ messages, ...rest }: JsonObject): JsonObject {
  return {
    ...rest,
    model: "m",
    messages: (messages as JsonObject[]).map(({ role, content }) => ({
      role,
      content: withPicturesBehind((asBlocks(content) as JsonObject[]).map(normalBlock)),
    })),
  };
}

/** What Google means where nothing is said. */
function normalContents({ toolConfig, generationConfig, ...rest }: JsonObject): JsonObject {
  const isAuto = JSON.stringify(toolConfig) === '{"functionCallingConfig":{"mode":"AUTO"}}';
  const isPlain = JSON.stringify(generationConfig) === "{}";
  return {
    ...rest,
    ...(!isAuto && toolConfig !== undefined && { toolConfig }),
    ...(!isPlain && generationConfig !== undefined && { generationConfig }),
  };
}

describe("random requests there and back", () => {
  it("messages by way of chat to Anthropic: the same but for what is reported", () => {
    fc.assert(
      fc.property(REQUESTS.messages, (request) => {
        const { body, dropped } = thereAndBack("messages", request);
        const { container, ...kept } = request;
        const shows = JSON.stringify(request["messages"]).includes('},{"type":"image"');
        expect(dropped.toSorted()).toEqual([
          ...(container === undefined ? [] : ["container"]),
          ...(shows ? ["messages[].content[].content[].image"] : []),
        ]);
        expect(normalMessages(body!)).toEqual(normalMessages(wireOf(kept)));
      }),
      RUNS,
    );
  });

  it("generateContent by way of chat to Gemini: the same but for what is reported", () => {
    fc.assert(
      fc.property(REQUESTS.generateContent, (request) => {
        const { body, dropped } = thereAndBack("generateContent", request);
        const { safetySettings, labels, ...kept } = request;
        // Chat names every file, Google none.
        const hasFile = JSON.stringify(request["contents"]).includes('"application/pdf"');
        const reported = [
          ...(safetySettings ? ["safetySettings"] : []),
          ...(labels ? ["labels"] : []),
          ...(hasFile ? ["messages[].content[].file.filename"] : []),
        ];
        expect(dropped).toEqual(reported);
        expect(normalContents(body!)).toEqual(normalContents(wireOf(kept)));
      }),
      RUNS,
    );
  });
});
