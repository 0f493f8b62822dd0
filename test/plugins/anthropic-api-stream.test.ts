import { anthropicApi } from "@gatewright/anthropic-api";
import fc from "fast-check";
import { seal } from "gatewright";
import type { JsonObject, MappingInfo, Operation } from "gatewright";
import { describe, expect, it } from "vitest";
import { deepFreeze } from "../_support/deep-freeze.ts";
import { createHost, setupPlugin } from "./_context.ts";

const { operations } = await setupPlugin(anthropicApi(), createHost());
const messages = operations!.find(({ name }) => name === "messages") as Operation;
const rules = messages.stream!;

/** Stands in place of the signature where no vendor signed. */
const UNSIGNED = seal([]);

const info = (request: JsonObject = {}): MappingInfo => ({
  operation: "messages",
  model: "upstream-model",
  requestedModel: "client-model",
  stream: true,
  options: {},
  requestId: "req_7f3a",
  nowSeconds: 1_767_225_600,
  report: () => {},
  request,
});

function chunk(delta: JsonObject, choice: JsonObject = {}): JsonObject {
  const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "m" };
  return { ...head, choices: [{ index: 0, delta, finish_reason: null, ...choice }] };
}
const opening = chunk({ role: "assistant" });
const finish = (finish_reason: string, choice: JsonObject = {}): JsonObject =>
  chunk({}, { finish_reason, ...choice });
const usageOf = (usage: JsonObject): JsonObject => ({ choices: [], usage });
const call = (index: number | undefined, args: string, head: JsonObject = {}): JsonObject =>
  chunk({ tool_calls: [{ ...(index !== undefined && { index }), function: { arguments: args }, ...head }] });
const begin = (index: number, name = `tool_${index}`): JsonObject =>
  chunk({
    tool_calls: [{ index, id: `call_${index}`, type: "function", function: { name, arguments: "" } }],
  });

/** All events of a stream of these chunks, `message_start` left out. */
function write(chunks: readonly JsonObject[], request: JsonObject = {}): JsonObject[] {
  const { stream } = messages.bridge!;
  const state = stream!.start(info(request));
  const events = chunks.flatMap((json) => stream!.event(state, deepFreeze(json), info(request)));
  events.push(...stream!.end!(state, info(request)));
  expect(events[0]?.["type"]).toBe("message_start");
  return events.slice(1);
}

/** Blocks as a reader puts them together, which checks the order of events on the way. */
function readBlocks(events: readonly JsonObject[]): JsonObject[] {
  const blocks: JsonObject[] = [];
  let isOpen = false;
  for (const event of events) {
    if (event["type"] === "content_block_start") {
      expect([isOpen, event["index"]]).toEqual([false, blocks.length]);
      isOpen = true;
      blocks.push({ ...(event["content_block"] as JsonObject), json: "" });
    } else if (event["type"] === "content_block_delta") {
      expect([isOpen, event["index"]]).toEqual([true, blocks.length - 1]);
      const block = blocks.at(-1)!;
      const { type: _, partial_json, ...rest } = event["delta"] as JsonObject;
      if (typeof partial_json === "string") block["json"] = (block["json"] as string) + partial_json;
      for (const [name, value] of Object.entries(rest)) block[name] = (block[name] as string) + String(value);
    } else if (event["type"] === "content_block_stop") {
      expect([isOpen, event["index"]]).toEqual([true, blocks.length - 1]);
      isOpen = false;
    }
  }
  expect(isOpen).toBe(false);
  return blocks.map(({ json, ...block }) =>
    block["type"] === "tool_use"
      ? { ...block, input: JSON.parse((json as string) || "{}") as unknown }
      : block,
  );
}

const typesOf = (events: readonly JsonObject[]): unknown[] => events.map(({ type }) => type);

describe("st-4: chunks of chat become the events of a message", () => {
  it("begins with an empty message and ends with its stop reason, usage and stop", () => {
    const { stream } = messages.bridge!;
    const state = stream!.start(info());
    const [start] = stream!.event(state, opening, info());
    expect(start).toEqual({
      type: "message_start",
      message: {
        id: "msg_req_7f3a",
        type: "message",
        role: "assistant",
        model: "client-model",
        container: null,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        stop_details: null,
        usage: {
          input_tokens: 0,
          cache_creation_input_tokens: null,
          cache_read_input_tokens: null,
          output_tokens: 0,
          output_tokens_details: null,
          server_tool_use: null,
        },
      },
    });
    const usage = {
      prompt_tokens: 9,
      completion_tokens: 2,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 1 },
    };
    expect(
      write([opening, chunk({ content: "Hel" }), chunk({ content: "lo" }), finish("stop"), usageOf(usage)]),
    ).toEqual([
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hel" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "lo" } },
      { type: "content_block_stop", index: 0 },
      {
        type: "message_delta",
        delta: { stop_reason: "end_turn", stop_sequence: null, stop_details: null, container: null },
        usage: {
          input_tokens: 5,
          cache_creation_input_tokens: null,
          cache_read_input_tokens: 4,
          output_tokens: 2,
          output_tokens_details: { thinking_tokens: 1 },
          server_tool_use: null,
        },
      },
      { type: "message_stop" },
    ]);
  });

  it("names each event by its type, and knows content, the end, errors and the model's place", () => {
    const events = write([opening, chunk({ content: "x" }), finish("stop")]);
    expect(events.map((event) => rules.eventName!(event))).toEqual(typesOf(events));
    expect(events.map((event) => rules.isContent(event))).toEqual([false, true, false, false, false]);
    expect(events.map((event) => rules.finishes(event))).toEqual([0, 0, 0, 0, 1]);
    expect(rules.isContent({ type: "content_block_start", content_block: { type: "tool_use" } })).toBe(true);
    expect(rules.isContent({ type: "ping" })).toBe(false);
    expect(rules.error!({ type: "error", error: { type: "overloaded_error", message: "Busy" } })).toEqual({
      message: "Busy",
      code: "overloaded_error",
    });
    expect(rules.error!(events[0]!)).toBeUndefined();
    expect([rules.modelAt, rules.terminator]).toEqual([["message", "model"], null]);
  });

  it("says no end of an answer that was not whole", () => {
    expect(typesOf(write([opening, chunk({ content: "x" })]))).toEqual([
      "content_block_start",
      "content_block_delta",
    ]);
  });

  it("writes reasoning as a thinking block before the text", () => {
    for (const name of ["reasoning_content", "reasoning"]) {
      const events = write([
        opening,
        chunk({ [name]: "Hm" }),
        chunk({ [name]: "." }),
        chunk({ content: "Yes" }),
        finish("stop"),
      ]);
      expect(readBlocks(events)).toEqual([
        { type: "thinking", thinking: "Hm.", signature: UNSIGNED },
        { type: "text", text: "Yes" },
      ]);
    }
  });

  it("signs a thinking block last, keeps blocks apart, and gives redacted ones whole", () => {
    const signed = (thinking: string, signature: string): JsonObject =>
      chunk({ thinking_blocks: [{ type: "thinking", thinking, signature }] });
    const events = write([
      opening,
      chunk({ reasoning_content: "One" }),
      signed("One", "s1"),
      chunk({ thinking_blocks: [{ type: "redacted_thinking", data: "xyz" }] }),
      signed("Unseen", "s2"),
      chunk({ reasoning_content: "Three" }),
      chunk({ content: "Yes" }),
      finish("stop"),
    ]);
    expect(readBlocks(events)).toEqual([
      { type: "thinking", thinking: "One", signature: "s1" },
      { type: "redacted_thinking", data: "xyz" },
      { type: "thinking", thinking: "Unseen", signature: "s2" },
      { type: "thinking", thinking: "Three", signature: UNSIGNED },
      { type: "text", text: "Yes" },
    ]);
    const deltas = events.flatMap(({ delta, index }) => (index === 0 && delta ? [delta] : []));
    expect(deltas).toEqual([
      { type: "thinking_delta", thinking: "One" },
      { type: "signature_delta", signature: "s1" },
    ]);
  });

  it("keeps what a vendor wants back with calls in the thoughts before them, else in blocks of their own", () => {
    const extra = (signature: string) => ({ google: { thought_signature: signature } });
    const item = (id: string) => ({ type: "extra_content", call_id: id, extra_content: extra(id) });
    const signedCall = (index: number): JsonObject => {
      const head = { index, id: `call_${index}`, type: "function", extra_content: extra(`call_${index}`) };
      return chunk({ tool_calls: [{ ...head, function: { name: "f", arguments: "{}" } }] });
    };
    const use = (id: string) => ({
      type: "tool_use",
      id,
      name: "f",
      input: {},
      caller: { type: "direct" },
    });
    const thought = (thinking: string, signature: string) => ({ type: "thinking", thinking, signature });
    const own = { type: "extra_content", extra_content: extra("text") };
    expect(
      readBlocks(
        write([
          opening,
          chunk({ reasoning_content: "Hm." }),
          signedCall(0),
          chunk({ content: "And", extra_content: extra("text") }),
          signedCall(1),
          finish("tool_calls"),
        ]),
      ),
    ).toEqual([
      thought("Hm.", seal([item("call_0")])),
      use("call_0"),
      { type: "text", text: "And" },
      thought("", seal([item("call_1"), own])),
      use("call_1"),
    ]);
  });

  it("reports what a vendor wants back with a text alone, which readers expect last", () => {
    const reports: string[] = [];
    const { stream } = messages.bridge!;
    const told = { ...info(), report: (name: string) => void reports.push(name) };
    const state = stream!.start(told);
    const extra_content = { google: { thought_signature: "s" } };
    for (const json of [opening, chunk({ content: "Yes" }), chunk({ extra_content }), finish("stop")])
      stream!.event(state, json, told);
    expect(reports).toEqual(["extra_content"]);
  });

  it("streams the arguments of a call as they come", () => {
    const { stream } = messages.bridge!;
    const state = stream!.start(info());
    const steps = [
      opening,
      chunk({ content: "A" }),
      begin(0),
      call(0, '{"a"'),
      call(0, ":1}"),
      finish("tool_calls"),
    ];
    const written = steps.map((json) => stream!.event(state, json, info()));
    expect(written[2]).toEqual([
      { type: "content_block_stop", index: 0 },
      {
        type: "content_block_start",
        index: 1,
        content_block: {
          type: "tool_use",
          id: "call_0",
          name: "tool_0",
          input: {},
          caller: { type: "direct" },
        },
      },
    ]);
    const piece = (partial_json: string): JsonObject => ({
      type: "content_block_delta",
      index: 1,
      delta: { type: "input_json_delta", partial_json },
    });
    expect(written.slice(3)).toEqual([
      [piece('{"a"')],
      [piece(":1}")],
      [{ type: "content_block_stop", index: 1 }],
    ]);
    expect(stream!.end!(state, info())[0]).toMatchObject({ delta: { stop_reason: "tool_use" } });
  });

  it("streams the next call as soon as the one before it is whole", () => {
    const { stream } = messages.bridge!;
    const state = stream!.start(info());
    const step = (json: JsonObject): unknown[] => typesOf(stream!.event(state, json, info()));
    step(opening);
    step(begin(0));
    step(call(0, '{"a":'));
    // Not whole: the second waits.
    expect(step(begin(1))).toEqual([]);
    expect(step(call(1, '{"b"'))).toEqual([]);
    expect(step(call(0, "1}"))).toEqual([
      "content_block_delta",
      "content_block_stop",
      "content_block_start",
      "content_block_delta",
    ]);
    expect(step(call(1, ":2}"))).toEqual(["content_block_delta"]);
    expect(step(finish("tool_calls"))).toEqual(["content_block_stop"]);
  });

  it("never interleaves blocks, whatever the order of the pieces, and loses none", () => {
    const inputs = fc.array(
      fc.dictionary(fc.stringMatching(/^[a-z"\\é]{1,4}$/), fc.string(), { maxKeys: 3 }),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    fc.assert(
      fc.property(inputs, fc.infiniteStream(fc.nat(9)), (calls, dice) => {
        const left = calls.map((input) => {
          const args = JSON.stringify(input);
          const cut = dice.next().value % (args.length + 1);
          return [args.slice(0, cut), args.slice(cut)];
        });
        const chunks = [opening, ...calls.map((_, index) => begin(index))];
        while (left.some((pieces) => pieces.length > 0)) {
          const index = dice.next().value % left.length;
          const piece = left[index]!.shift();
          if (piece !== undefined) chunks.push(call(index, piece));
        }
        const events = write([...chunks, finish("tool_calls")]);
        expect(readBlocks(events).map(({ id, input }) => [id, input])).toEqual(
          calls.map((input, index) => [`call_${index}`, JSON.parse(JSON.stringify(input))]),
        );
      }),
      { seed: 11, numRuns: 200 },
    );
  });

  it("holds text that follows a call until the call is whole", () => {
    const events = write([
      opening,
      begin(0),
      chunk({ content: "Done" }),
      call(0, "{}"),
      finish("tool_calls"),
    ]);
    expect(readBlocks(events)).toMatchObject([{ type: "tool_use", input: {} }, { text: "Done" }]);
  });

  it("reads calls that come whole, repeat their heads, lack a number, an id or arguments", () => {
    const whole = (id: string | undefined, name: string, args?: string): JsonObject => ({
      ...(id && { id }),
      function: { name, ...(args !== undefined && { arguments: args }) },
    });
    const cases: [JsonObject[], [unknown, unknown, unknown][]][] = [
      [
        [chunk({ tool_calls: [whole("a", "x", '{"a":1}'), whole("b", "y", "")] })],
        [
          ["a", "x", { a: 1 }],
          ["b", "y", {}],
        ],
      ],
      [
        [call(0, '{"a"', { id: "a", function: { name: "x", arguments: '{"a"' } })].concat(
          call(0, "", { id: "a", function: { name: "x", arguments: ":1}" } }),
        ),
        [["a", "x", { a: 1 }]],
      ],
      [[chunk({ tool_calls: [{ index: 0, ...whole(undefined, "x") }] })], [["toolu_req7f3a_0", "x", {}]]],
    ];
    for (const [chunks, expected] of cases) {
      const blocks = readBlocks(write([opening, ...chunks, finish("stop")]));
      expect(blocks.map(({ id, name, input }) => [id, name, input])).toEqual(expected);
    }
  });

  it("throws for a call without a name, and for arguments after the end of a call", () => {
    expect(() => write([opening, call(0, "{}"), finish("tool_calls")])).toThrow("no name");
    expect(() => write([opening, begin(0), call(0, "{}"), begin(1), call(0, "!")])).toThrow("went on");
    expect(() =>
      write([opening, begin(0), call(0, "{}"), begin(1), call(0, "\n"), finish("stop")]),
    ).not.toThrow();
  });

  it.each([
    ["stop", {}, { stop_reason: "end_turn" }],
    ["length", {}, { stop_reason: "max_tokens" }],
    ["content_filter", {}, { stop_reason: "refusal", stop_details: { explanation: null } }],
    ["stop", { stop_reason: "END" }, { stop_reason: "stop_sequence", stop_sequence: "END" }],
  ])("finish %s %j", (reason, choice, expected) => {
    const events = write([opening, chunk({ content: "x" }), finish(reason, choice)], {
      stop_sequences: ["END"],
    });
    expect(events.at(-2)).toMatchObject({ type: "message_delta", delta: expected });
  });

  it("writes a refusal as text, and says so", () => {
    const events = write([opening, chunk({ refusal: "No" }), chunk({ refusal: "." }), finish("stop")]);
    expect(readBlocks(events)).toMatchObject([{ type: "text", text: "No." }]);
    expect(events.at(-2)).toMatchObject({
      delta: { stop_reason: "refusal", stop_details: { type: "refusal", explanation: "No." } },
    });
  });

  it("takes an answer without any content", () => {
    expect(typesOf(write([opening, finish("stop")]))).toEqual(["message_delta", "message_stop"]);
  });
});

describe("usage of a stream of Anthropic's own", () => {
  const start = (usage: JsonObject): JsonObject => ({ type: "message_start", message: { usage } });
  const delta = (usage: JsonObject): JsonObject => ({ type: "message_delta", usage });
  const read = (...events: JsonObject[]) =>
    events.reduce<ReturnType<NonNullable<typeof rules.usage>>>(
      (before, event) => rules.usage!(event, undefined, before) ?? before,
      undefined,
    );

  it("is put together from its beginning and its end", () => {
    const input = {
      input_tokens: 10,
      cache_read_input_tokens: 60,
      cache_creation_input_tokens: 30,
      output_tokens: 1,
    };
    const expected = { inputTokens: 100, outputTokens: 20, totalTokens: 120, cachedTokens: 60 };
    expect(read(start(input), { type: "ping" }, delta({ output_tokens: 20 }))).toEqual(expected);
    expect(read(start(input), delta({ ...input, output_tokens: 20 }))).toEqual(expected);
    expect(read(start(input), delta({ input_tokens: 10, output_tokens: 20 }))).toEqual(expected);
  });

  it("has thinking as part of the output", () => {
    const usage = { input_tokens: 1, output_tokens: 9, output_tokens_details: { thinking_tokens: 4 } };
    expect(read(delta(usage))).toEqual({
      inputTokens: 1,
      outputTokens: 9,
      totalTokens: 10,
      reasoningTokens: 4,
    });
  });
});
