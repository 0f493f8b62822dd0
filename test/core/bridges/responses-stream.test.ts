import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "gatewright";
import { chunk, eventsOf, reply, responseOf, unsealed, usageChunk } from "./_responses.ts";

const BASE = "0123456789abcdef";
const USAGE = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 };

const typesOf = (events: readonly JsonObject[]): unknown[] => events.map(({ type }) => type);
const finalOf = (events: readonly JsonObject[]): JsonObject => events.at(-1)!["response"] as JsonObject;
const call = (index: number, fn: JsonObject, rest: JsonObject = {}): JsonObject => ({
  tool_calls: [{ index, ...rest, function: fn }],
});

describe("chat chunks as the events of a response", () => {
  it("in-10 st-4: climbs the whole ladder for a text", () => {
    const events = eventsOf([
      chunk({ role: "assistant", content: "" }),
      chunk({ content: "Hel" }),
      chunk({ content: "lo" }),
      chunk({}, "stop"),
      usageChunk(USAGE),
    ]);
    expect(typesOf(events)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(events.map((event) => event["sequence_number"])).toEqual(events.map((_, index) => index));
    const at = { item_id: `msg_${BASE}_0`, output_index: 0, content_index: 0 };
    const part = { type: "output_text", text: "Hello", annotations: [], logprobs: [] };
    const item = { id: at.item_id, type: "message", role: "assistant" };
    expect(events.slice(0, 3)).toMatchObject([
      { response: { id: `resp_${BASE}`, status: "in_progress", output: [], usage: null } },
      { response: { id: `resp_${BASE}`, status: "in_progress" } },
      { output_index: 0, item: { ...item, status: "in_progress", content: [] } },
    ]);
    expect(events.slice(3, 9)).toMatchObject([
      { ...at, part: { ...part, text: "" } },
      { ...at, delta: "Hel", logprobs: [] },
      { ...at, delta: "lo", logprobs: [] },
      { ...at, text: "Hello", logprobs: [] },
      { ...at, part },
      { output_index: 0, item: { ...item, status: "completed", content: [part] } },
    ]);
    expect(finalOf(events)).toMatchObject({
      status: "completed",
      output: [{ ...item, status: "completed", content: [part] }],
      usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 },
    });
  });

  it("ends as soon as usage has come, and at the upstream's last word where none comes", () => {
    const told = [chunk({ content: "a" }), chunk({}, "stop")];
    const open = eventsOf(told);
    expect(typesOf(open).at(-1)).toBe("response.completed");
    expect(finalOf(open)["usage"]).toBeNull();
    const late = eventsOf([...told, usageChunk(USAGE), chunk({ content: "never" })]);
    expect(typesOf(late).filter((type) => type === "response.completed")).toHaveLength(1);
    expect(typesOf(late).at(-1)).toBe("response.completed");
  });

  it("reads usage that comes with the finish or with every chunk", () => {
    const events = eventsOf([
      { ...chunk({ content: "a" }), usage: { prompt_tokens: 3, completion_tokens: 1 } },
      { ...chunk({}, "stop"), usage: USAGE },
    ]);
    expect(finalOf(events)["usage"]).toMatchObject({ input_tokens: 3, output_tokens: 4 });
  });

  it("st-6: says nothing of an end when the answer was not whole", () => {
    const events = eventsOf([chunk({ content: "Half" })]);
    expect(typesOf(events).at(-1)).toBe("response.output_text.delta");
    expect(eventsOf([])).toEqual([]);
  });

  it.each([
    ["length", "max_output_tokens"],
    ["content_filter", "content_filter"],
  ])("is incomplete when it ended by %s", (finish, reason) => {
    const events = eventsOf([chunk({ content: "Half" }), chunk({}, finish)]);
    expect(events.at(-1)).toMatchObject({
      type: "response.incomplete",
      response: {
        status: "incomplete",
        incomplete_details: { reason },
        output: [{ type: "message", status: "incomplete" }],
      },
    });
    expect(events.at(-2)).toMatchObject({ item: { status: "incomplete" } });
  });

  it("closes reasoning before the text, as text or as summary", () => {
    const chunks = [
      chunk({ reasoning_content: "H" }),
      chunk({ reasoning_content: "m" }),
      chunk({ content: "a" }),
      chunk({}, "stop"),
    ];
    const events = eventsOf(chunks);
    const reasoning = events.filter((event) => event["output_index"] === 0);
    expect(typesOf(reasoning)).toEqual([
      "response.output_item.added",
      "response.content_part.added",
      "response.reasoning_text.delta",
      "response.reasoning_text.delta",
      "response.reasoning_text.done",
      "response.content_part.done",
      "response.output_item.done",
    ]);
    expect(reasoning[4]).toMatchObject({ item_id: `rs_${BASE}_0`, content_index: 0, text: "Hm" });
    expect(typesOf(events).indexOf("response.output_item.done")).toBeLessThan(
      typesOf(events).indexOf("response.output_text.delta"),
    );

    const summed = eventsOf(chunks, { input: "a", reasoning: { summary: "auto" } });
    expect(typesOf(summed.filter((event) => event["output_index"] === 0))).toEqual([
      "response.output_item.added",
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done",
      "response.reasoning_summary_part.done",
      "response.output_item.done",
    ]);
    expect(finalOf(summed)["output"]).toMatchObject([
      { type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }] },
      { type: "message" },
    ]);
  });

  it("seals signed thoughts into their item, hidden ones included", () => {
    const block = { type: "thinking", thinking: "Hm", signature: "sig" };
    const hidden = { type: "redacted_thinking", data: "x" };
    const events = eventsOf([
      chunk({ reasoning_content: "Hm" }),
      chunk({ thinking_blocks: [block] }),
      chunk({ thinking_blocks: [hidden] }),
      chunk({ content: "a" }),
      chunk({}, "stop"),
    ]);
    const [item] = finalOf(events)["output"] as JsonObject[];
    expect(unsealed(item!)).toEqual([block, hidden]);
  });

  it("in-3: streams parallel calls one after the other, each closed when the next begins", () => {
    const events = eventsOf([
      chunk({ role: "assistant", content: null }),
      chunk(call(0, { name: "f", arguments: "" }, { id: "c1", type: "function" })),
      chunk(call(0, { arguments: '{"a"' })),
      chunk(call(0, { arguments: ":1}" })),
      chunk(call(1, { name: "g", arguments: "{}" }, { id: "c2", type: "function" })),
      chunk({}, "tool_calls"),
    ]);
    expect(typesOf(events.slice(2))).toEqual([
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(events[2]).toMatchObject({
      item: { type: "function_call", status: "in_progress", call_id: "c1", name: "f", arguments: "" },
    });
    expect(events[5]).toMatchObject({ item_id: `fc_${BASE}_0`, name: "f", arguments: '{"a":1}' });
    expect(finalOf(events)["output"]).toMatchObject([
      { id: `fc_${BASE}_0`, call_id: "c1", arguments: '{"a":1}', status: "completed" },
      { id: `fc_${BASE}_1`, call_id: "c2", arguments: "{}", status: "completed" },
    ]);
  });

  it("in-3: loses nothing of calls that a backend weaves, or gives without an index", () => {
    const woven = eventsOf([
      chunk(call(0, { name: "f", arguments: "" }, { id: "c1" })),
      chunk(call(1, { name: "g", arguments: '{"b"' }, { id: "c2" })),
      chunk(call(0, { arguments: '{"a":1}' })),
      chunk(call(1, { arguments: ":2}" })),
      chunk({}, "tool_calls"),
    ]);
    expect(finalOf(woven)["output"]).toMatchObject([{ arguments: '{"a":1}' }, { arguments: '{"b":2}' }]);
    const indices = woven
      .filter(({ type }) => type === "response.output_item.done")
      .map((event) => event["output_index"]);
    expect(indices).toEqual([0, 1]);

    const bare = eventsOf([
      chunk({ tool_calls: [{ id: "c1", function: { name: "f", arguments: '{"a"' } }] }),
      chunk({ tool_calls: [{ function: { arguments: ":1}" } }] }),
      chunk({ tool_calls: [{ id: "c2", function: { name: "g", arguments: "{}" } }] }),
      chunk({}, "tool_calls"),
    ]);
    expect(finalOf(bare)["output"]).toMatchObject([
      { call_id: "c1", arguments: '{"a":1}' },
      { call_id: "c2", arguments: "{}" },
    ]);
  });

  it("fails for arguments that go on after they were whole, but for space", () => {
    const after = (more: string): JsonObject[] => [
      chunk(call(0, { name: "f", arguments: "{}" }, { id: "c1" })),
      chunk(call(1, { name: "g", arguments: "" }, { id: "c2" })),
      chunk(call(0, { arguments: more })),
      chunk({}, "tool_calls"),
    ];
    expect(() => eventsOf(after("!"))).toThrow("went on");
    expect(finalOf(eventsOf(after("\n")))["output"]).toMatchObject([
      { arguments: "{}" },
      { arguments: "{}" },
    ]);
  });

  it("in-3: gives a call without arguments the empty object, in its pieces as well", () => {
    const events = eventsOf([chunk(call(0, { name: "f" }, { id: "c1" })), chunk({}, "tool_calls")]);
    expect(events.slice(2, -1)).toMatchObject([
      { type: "response.output_item.added", item: { arguments: "" } },
      { type: "response.function_call_arguments.delta", delta: "{}" },
      { type: "response.function_call_arguments.done", arguments: "{}" },
      { type: "response.output_item.done", item: { arguments: "{}" } },
    ]);
    expect(finalOf(events)["output"]).toMatchObject([{ arguments: "{}" }]);
  });

  it("adds nothing to a call that is cut before its arguments, nor to the input of a custom tool", () => {
    const cut = eventsOf([chunk(call(0, { name: "f" }, { id: "c1" })), chunk({}, "length")]);
    expect(finalOf(cut)["output"]).toMatchObject([{ status: "incomplete", arguments: "" }]);
    const custom = { tool_calls: [{ index: 0, id: "c1", type: "custom", custom: { name: "shell" } }] };
    const events = eventsOf([chunk(custom), chunk({}, "tool_calls")]);
    expect(finalOf(events)["output"]).toMatchObject([{ type: "custom_tool_call", input: "" }]);
  });

  it("opens a call as soon as its name is known, with what came before", () => {
    const events = eventsOf([
      chunk(call(0, { arguments: '{"a"' }, { id: "c1" })),
      chunk(call(0, { name: "f", arguments: ":1}" })),
      chunk({}, "tool_calls"),
    ]);
    expect(events.slice(2, 4)).toMatchObject([
      { type: "response.output_item.added", item: { call_id: "c1", name: "f", arguments: "" } },
      { type: "response.function_call_arguments.delta", delta: '{"a":1}' },
    ]);
  });

  it("shows signed thoughts of which no text came before", () => {
    const thinking_blocks = [{ type: "thinking", thinking: "Hm", signature: "sig" }];
    const chunks = [chunk({ thinking_blocks }), chunk({ content: "Yes" }), chunk({}, "stop")];
    expect(finalOf(eventsOf(chunks))["output"]).toEqual(
      responseOf(reply({ content: "Yes", thinking_blocks }))["output"],
    );
  });

  it("gives an image as the item of the tool that makes them", () => {
    const images = [{ type: "image_url", image_url: { url: "data:image/webp;base64,AAAA" } }];
    const events = eventsOf([chunk({ content: "Here" }), chunk({ images }), chunk({}, "stop")]);
    const id = `ig_${BASE}_1`;
    const item = { id, type: "image_generation_call", output_format: "webp" };
    const done = { ...item, status: "completed", result: "AAAA" };
    expect(events.slice(-4)).toMatchObject([
      {
        type: "response.output_item.added",
        output_index: 1,
        item: { ...item, status: "in_progress", result: null },
      },
      { type: "response.image_generation_call.completed", output_index: 1, item_id: id },
      { type: "response.output_item.done", output_index: 1, item: done },
      { type: "response.completed", response: { output: [{ type: "message", status: "completed" }, done] } },
    ]);
  });

  it("streams the input of a custom tool, and keeps what a vendor wants back", () => {
    const extra_content = { google: { thought_signature: "s" } };
    const events = eventsOf([
      chunk({
        tool_calls: [
          { index: 0, id: "c1", type: "custom", custom: { name: "shell", input: "l" }, extra_content },
        ],
      }),
      chunk({ tool_calls: [{ index: 0, custom: { input: "s" } }] }),
      chunk({}, "tool_calls"),
    ]);
    expect(typesOf(events.slice(2, -1))).toEqual([
      "response.output_item.added",
      "response.output_item.done",
      "response.output_item.added",
      "response.custom_tool_call_input.delta",
      "response.custom_tool_call_input.delta",
      "response.custom_tool_call_input.done",
      "response.output_item.done",
    ]);
    const [reasoning, ...others] = finalOf(events)["output"] as JsonObject[];
    expect(unsealed(reasoning!)).toEqual([{ type: "extra_content", call_id: "c1", extra_content }]);
    expect(others).toEqual([
      {
        id: `ctc_${BASE}_1`,
        type: "custom_tool_call",
        status: "completed",
        call_id: "c1",
        name: "shell",
        input: "ls",
      },
    ]);
  });

  it("keeps what a vendor wants back with a call when it comes after the call's name", () => {
    const extra_content = { google: { thought_signature: "s" } };
    const events = eventsOf([
      chunk(call(0, { name: "f", arguments: "{}" }, { id: "c1", type: "function" })),
      chunk(call(0, { arguments: "" }, { extra_content })),
      chunk({}, "tool_calls"),
    ]);
    const [called, reasoning, ...others] = finalOf(events)["output"] as JsonObject[];
    expect([called, others]).toMatchObject([{ type: "function_call", call_id: "c1", arguments: "{}" }, []]);
    expect(unsealed(reasoning!)).toEqual([{ type: "extra_content", call_id: "c1", extra_content }]);
  });

  it("streams a refusal in place of text", () => {
    const events = eventsOf([chunk({ refusal: "N" }), chunk({ refusal: "o." }), chunk({}, "stop")]);
    expect(typesOf(events.slice(2, -1))).toEqual([
      "response.output_item.added",
      "response.content_part.added",
      "response.refusal.delta",
      "response.refusal.delta",
      "response.refusal.done",
      "response.content_part.done",
      "response.output_item.done",
    ]);
    expect(events[6]).toMatchObject({ refusal: "No.", content_index: 0 });
  });

  it("streams citations and log probabilities with their text", () => {
    const token = { token: "a", logprob: -0.1, top_logprobs: [] };
    const citation = { url: "u", title: "t", start_index: 0, end_index: 1 };
    const events = eventsOf([
      chunk({ content: "a" }, null, { logprobs: { content: [token] } }),
      chunk({ annotations: [{ type: "url_citation", url_citation: citation }] }),
      chunk({}, "stop"),
    ]);
    expect(events.find(({ type }) => type === "response.output_text.delta")).toMatchObject({
      logprobs: [token],
    });
    expect(events.find(({ type }) => type === "response.output_text.annotation.added")).toMatchObject({
      annotation_index: 0,
      annotation: { type: "url_citation", ...citation },
    });
    expect(finalOf(events)["output"]).toMatchObject([
      { content: [{ annotations: [{ type: "url_citation", ...citation }], logprobs: [token] }] },
    ]);
  });

  it("st-4: adds up to the whole reply, however it is cut", () => {
    const text = fc.string({ maxLength: 12 });
    const answer = fc.record({
      thoughts: text,
      content: text,
      calls: fc.array(fc.record({ a: text }), { maxLength: 3 }),
      finish: fc.constantFrom("stop", "length", "tool_calls"),
      cut: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(answer, ({ thoughts, content, calls, finish, cut }) => {
        const tool_calls = calls.map((input, index) => ({
          id: `c${index}`,
          type: "function",
          function: { name: "f", arguments: JSON.stringify(input) },
        }));
        const pieces = (whole: string): string[] => whole.match(new RegExp(`[^]{1,${cut}}`, "g")) ?? [];
        const events = eventsOf([
          chunk({ role: "assistant" }),
          ...pieces(thoughts).map((reasoning_content) => chunk({ reasoning_content })),
          ...pieces(content).map((piece) => chunk({ content: piece })),
          ...tool_calls.flatMap(({ id, type, function: { name, arguments: input } }, index) => [
            chunk(call(index, { name, arguments: "" }, { id, type })),
            ...pieces(input).map((piece) => chunk(call(index, { arguments: piece }))),
          ]),
          chunk({}, finish),
          usageChunk(USAGE),
        ]);
        const message: JsonObject = { content };
        if (thoughts !== "") message["reasoning_content"] = thoughts;
        if (tool_calls.length > 0) message["tool_calls"] = tool_calls;
        expect(finalOf(events)).toEqual(responseOf(reply(message, finish, { usage: USAGE })));

        // Every item is opened and closed once, in order, and deltas add up to what it ends with.
        for (const kind of ["added", "done"]) {
          const indices = events
            .filter(({ type }) => type === `response.output_item.${kind}`)
            .map((event) => event["output_index"]);
          expect(indices).toEqual((finalOf(events)["output"] as unknown[]).map((_, index) => index));
        }
        const said = events.filter(({ type }) => type === "response.output_text.delta");
        expect(said.map(({ delta }) => delta).join("")).toBe(content);
      }),
      { seed: 11, numRuns: 200 },
    );
  });
});
