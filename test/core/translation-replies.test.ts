import fc from "fast-check";
import { parseJson } from "gatewright";
import type { JsonObject, MappingInfo, Operation, OperationMapping } from "gatewright";
import { describe, expect, it } from "vitest";
import anthropic from "../../adapters/src/anthropic.ts";
import gemini from "../../adapters/src/gemini.ts";
import { chatReply, fromChunks, toChunks, type ReplyKinds } from "./_arbitrary-replies.ts";
import { BACKENDS, DOORS, infoOf, wireOf } from "./_translation.ts";

const RUNS = { seed: 20_261_121, numRuns: 300 };
const cuts = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { maxLength: 6 });

/** A front door whose vendor's adapter can read what it writes. */
interface Pair {
  readonly door: Operation;
  readonly back: OperationMapping;
  readonly options: Record<string, unknown>;
  /** A request that asks for all that the door can tell. */
  readonly request: JsonObject;
  readonly kinds: ReplyKinds;
}

const STOP = "END";
const PAIRS: Readonly<Record<string, Pair>> = {
  messages: {
    door: DOORS.messages,
    back: anthropic.operations.chat as OperationMapping,
    options: BACKENDS.anthropic.options,
    request: { stop_sequences: [STOP] },
    kinds: { signed: true, stop: STOP, cacheWrites: true },
  },
  // Google has no word for a stop string that was met, none for what a cache took, and signs no thoughts.
  generateContent: {
    door: DOORS.generateContent,
    back: gemini.operations.chat as OperationMapping,
    options: BACKENDS.gemini.options,
    request: { generationConfig: { thinkingConfig: { includeThoughts: true } } },
    kinds: { extra: true },
  },
};

/** What a client learns from a reply of chat. Arguments count by their value, absent counts by zero. */
function meaning(reply: JsonObject): unknown {
  const [choice] = reply["choices"] as [
    { message: JsonObject; finish_reason: unknown; stop_reason?: unknown },
  ];
  const { message, finish_reason, stop_reason = null } = choice;
  const { content, reasoning_content = "", thinking_blocks = [], tool_calls = [] } = message;
  const usage = reply["usage"] as JsonObject & Record<string, JsonObject | undefined>;
  return wireOf({
    content: content || null,
    reasoning_content,
    thinking_blocks,
    calls: (tool_calls as (JsonObject & { function: { name: string; arguments: string } })[]).map(
      ({ function: called, ...rest }) => ({
        ...rest,
        name: called.name,
        arguments: parseJson(called.arguments),
      }),
    ),
    finish_reason,
    stop_reason,
    counts: [
      usage["prompt_tokens"],
      usage["completion_tokens"],
      usage["total_tokens"],
      usage["prompt_tokens_details"]?.["cached_tokens"] ?? 0,
      usage["prompt_tokens_details"]?.["cache_write_tokens"] ?? 0,
      usage["completion_tokens_details"]?.["reasoning_tokens"] ?? 0,
    ],
  });
}

/** The events of a front door for chunks. */
function eventsOf(door: Operation, chunks: readonly JsonObject[], info: MappingInfo): JsonObject[] {
  const writer = door.bridge!.stream!;
  const state = writer.start(info);
  return [
    ...chunks.flatMap((chunk) => [...writer.event(state, chunk, info)]),
    ...(writer.end?.(state, info) ?? []),
  ].map(wireOf);
}

/** What the vendor's adapter makes of them. */
function streamBack({ door, back, options, request }: Pair, chunks: readonly JsonObject[]): JsonObject[] {
  const info = infoOf(request, { options, stream: true });
  const events = eventsOf(door, chunks, info);
  const reader = back.stream!;
  const reading = reader.start(info);
  return [
    ...events.flatMap((event) => [...reader.event(reading, event, info, door.stream?.eventName?.(event))]),
    ...(reader.end?.(reading, info) ?? []),
  ];
}

describe.each(Object.entries(PAIRS))("random replies of chat to %s and back", (_name, pair) => {
  const { door, back, options, request, kinds } = pair;

  it("whole: nothing is lost", () => {
    fc.assert(
      fc.property(chatReply(kinds), (reply) => {
        const info = infoOf(request, { options });
        const told = wireOf(door.bridge!.fromResponse(reply, info));
        expect(meaning(back.fromResponse!(told, info))).toEqual(meaning(reply));
      }),
      RUNS,
    );
  });

  it("streamed, in pieces of any length: the same", () => {
    fc.assert(
      fc.property(chatReply(kinds), cuts, (reply, places) => {
        expect(meaning(fromChunks(streamBack(pair, toChunks(reply, places))))).toEqual(meaning(reply));
      }),
      RUNS,
    );
  });
});

interface Item {
  type: string;
  content?: { text?: string }[];
  summary?: { text: string }[];
  call_id?: string;
  name?: string;
  arguments?: string;
}

/** What a client of the Responses API learns, in the words of `meaning`. */
function meaningOfResponse(response: JsonObject): unknown {
  const output = response["output"] as Item[];
  const usage = response["usage"] as JsonObject & Record<string, JsonObject | undefined>;
  const calls = output.filter(({ type }) => type === "function_call");
  const reason = (response["incomplete_details"] as { reason: string } | null)?.reason;
  const finish = calls.length > 0 ? "tool_calls" : "stop";
  const textsOf = (kind: string): string =>
    output
      .filter(({ type }) => type === kind)
      .flatMap(({ content = [], summary = [] }) => [...summary, ...content])
      .map(({ text = "" }) => text)
      .join("");
  return wireOf({
    content: textsOf("message") || null,
    reasoning_content: textsOf("reasoning"),
    calls: calls.map(({ call_id, name, arguments: text }) => ({
      id: call_id,
      type: "function",
      name,
      arguments: parseJson(text!),
    })),
    finish_reason: reason === undefined ? finish : reason === "max_output_tokens" ? "length" : reason,
    counts: [
      usage["input_tokens"],
      usage["output_tokens"],
      usage["total_tokens"],
      usage["input_tokens_details"]?.["cached_tokens"],
      usage["input_tokens_details"]?.["cache_write_tokens"] ?? 0,
      usage["output_tokens_details"]?.["reasoning_tokens"],
    ],
  });
}

describe("random replies of chat to responses", () => {
  const door = DOORS.responses;
  const request = { input: "Hello!", reasoning: { effort: "low", summary: "auto" } };
  const kinds = { signed: true, extra: true, cacheWrites: true };

  /** Signatures come back sealed, which no client reads. */
  function expected(reply: JsonObject): unknown {
    const told = meaning(reply) as JsonObject & { calls: JsonObject[] };
    const { thinking_blocks: _blocks, stop_reason: _stop, calls, ...rest } = told;
    return { ...rest, calls: calls.map(({ extra_content: _extra, ...call }) => call) };
  }

  it("whole: nothing is lost, and the next turn brings signatures back", () => {
    fc.assert(
      fc.property(chatReply(kinds), (reply) => {
        const response = wireOf(door.bridge!.fromResponse(reply, infoOf(request)));
        expect(meaningOfResponse(response)).toEqual(expected(reply));
        expectHistory(response, reply);
      }),
      RUNS,
    );
  });

  it("streamed, in pieces of any length: the same", () => {
    fc.assert(
      fc.property(chatReply(kinds), cuts, (reply, places) => {
        const events = eventsOf(door, toChunks(reply, places), infoOf(request, { stream: true }));
        expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_, index) => index));
        const { response } = events.at(-1) as { response: JsonObject };
        expect(meaningOfResponse(response)).toEqual(expected(reply));
        expectHistory(response, reply);
      }),
      RUNS,
    );
  });

  /** The output as the input of the next turn is the message that it was made of. */
  function expectHistory({ output }: JsonObject, reply: JsonObject): void {
    const [{ message }] = reply["choices"] as [{ message: JsonObject }];
    const { body } = door.bridge!.toRequest({ input: output }, infoOf({ input: output }));
    const [turn, ...others] = wireOf(body["messages"]) as JsonObject[];
    expect(others).toEqual([]);
    const { content, reasoning_content, thinking_blocks, tool_calls } = message;
    expect({ ...turn, content: turn!["content"] || null }).toEqual(
      wireOf({ role: "assistant", content, reasoning_content, thinking_blocks, tool_calls }),
    );
  }
});

/** Doors whose vendor signs in its own way, before backends whose vendor signs in another. */
const FOREIGN: Readonly<Record<string, { door: Operation; request: JsonObject; kinds: ReplyKinds }>> = {
  messages: { door: DOORS.messages, request: {}, kinds: { extra: true } },
  generateContent: {
    door: DOORS.generateContent,
    request: { generationConfig: { thinkingConfig: { includeThoughts: true } } },
    kinds: { signed: true },
  },
  "generateContent with hidden thoughts": {
    door: DOORS.generateContent,
    request: {},
    kinds: { signed: true },
  },
};

describe.each(Object.entries(FOREIGN))("random replies that another vendor signed to %s", (_name, given) => {
  const { door, request, kinds } = given;

  /** The reply as the history of the next request. */
  function asHistory(replies: readonly JsonObject[]): JsonObject {
    if (door === DOORS.messages)
      return { messages: [{ role: "assistant", content: replies[0]!["content"] }] };
    const candidates = replies.flatMap(({ candidates: list }) => list as { content: JsonObject }[]);
    return { contents: candidates.map(({ content }) => content) };
  }

  /** What vendors want back, of the message that a history comes to. */
  function signedOf(history: JsonObject): unknown {
    const { body } = door.bridge!.toRequest(history, infoOf(history));
    const [turn] = wireOf(body["messages"]) as JsonObject[];
    return wantedBack(turn!);
  }

  function wantedBack({ thinking_blocks: blocks, tool_calls: calls = [] }: JsonObject): unknown {
    return wireOf({
      blocks,
      calls: (calls as JsonObject[]).map(({ id, extra_content }) => ({ id, extra_content })),
    });
  }

  const messageOf = (reply: JsonObject): JsonObject =>
    (reply["choices"] as { message: JsonObject }[])[0]!.message;

  it("whole: the next turn brings every signature back", () => {
    fc.assert(
      fc.property(chatReply(kinds), (reply) => {
        const told = wireOf(door.bridge!.fromResponse(reply, infoOf(request)));
        expect(signedOf(asHistory([told]))).toEqual(wantedBack(messageOf(reply)));
      }),
      RUNS,
    );
  });

  it("streamed, in pieces of any length: the same", () => {
    fc.assert(
      fc.property(chatReply(kinds), cuts, (reply, places) => {
        const events = eventsOf(door, toChunks(reply, places), infoOf(request, { stream: true }));
        const replies = door === DOORS.messages ? [joinedMessage(events)] : events;
        expect(signedOf(asHistory(replies))).toEqual(wantedBack(messageOf(reply)));
      }),
      RUNS,
    );
  });
});

/** The message of a stream of events, as Anthropic's SDK puts it together. */
function joinedMessage(events: readonly JsonObject[]): JsonObject {
  const content: (JsonObject & { json?: string })[] = [];
  for (const { type, content_block: block, delta } of events) {
    if (type === "content_block_start") content.push({ ...(block as JsonObject) });
    if (type !== "content_block_delta") continue;
    const open = content.at(-1)!;
    const { type: _, partial_json: piece, ...texts } = delta as Record<string, string>;
    if (piece !== undefined) open.json = (open.json ?? "") + piece;
    for (const [name, text] of Object.entries(texts)) open[name] = String(open[name]) + text;
  }
  return {
    content: content.map(({ json, ...block }) =>
      json === undefined ? block : { ...block, input: parseJson(json) },
    ),
  };
}
