import type { JsonObject, OperationBridge } from "gatewright";
import { describe, expect, it } from "vitest";
import { deepFreeze } from "../../_support/deep-freeze.ts";
import { DOORS, infoOf } from "../_translation.ts";

/** What a client of any front door makes of an answer. */
interface Heard {
  text: string;
  thoughts: string;
  /** Base64 of pictures. */
  images: unknown[];
  calls: [id: unknown, name: unknown, args: unknown][];
  /** The dialect's own word for the end. */
  end: unknown;
}

const silence = (): Heard => ({ text: "", thoughts: "", images: [], calls: [], end: undefined });
const list = (value: unknown): JsonObject[] => (value ?? []) as JsonObject[];
/** What was cut stays a text. */
function toArgs(text: unknown): unknown {
  return text === "" || String(text).endsWith("}") ? JSON.parse((text as string) || "{}") : text;
}

function hearMessage({ content, stop_reason: end }: JsonObject): Heard {
  const heard = { ...silence(), end };
  for (const { type, text, thinking, id, name, input } of list(content)) {
    if (type === "text") heard.text += text as string;
    else if (type === "thinking") heard.thoughts += thinking as string;
    else heard.calls.push([id, name, input]);
  }
  return heard;
}

function hearMessageEvents(events: readonly JsonObject[]): Heard {
  const content: JsonObject[] = [];
  let end: unknown;
  for (const { type, content_block, delta: json } of events) {
    const delta = json as JsonObject;
    if (type === "content_block_start") content.push({ ...(content_block as JsonObject), json: "" });
    if (type === "message_delta") end = delta["stop_reason"];
    if (type !== "content_block_delta") continue;
    const block = content.at(-1)!;
    const { type: _, partial_json, ...rest } = delta;
    if (partial_json !== undefined) block["json"] += partial_json as string;
    for (const name of Object.keys(rest)) block[name] = (block[name] as string) + (rest[name] as string);
  }
  const whole = content.map((block) =>
    block["type"] === "tool_use" ? { ...block, input: toArgs(block["json"]) } : block,
  );
  return hearMessage({ content: whole, stop_reason: end });
}

function hearResponse({ output, status }: JsonObject): Heard {
  const heard = { ...silence(), end: status };
  for (const { type, content, result, call_id, name, arguments: args } of list(output)) {
    if (type === "message") for (const { text, refusal } of list(content)) heard.text += text ?? refusal;
    else if (type === "reasoning") for (const { text } of list(content)) heard.thoughts += text as string;
    else if (type === "image_generation_call") heard.images.push(result);
    else heard.calls.push([call_id, name, toArgs(args)]);
  }
  return heard;
}

function hearCandidates(replies: readonly JsonObject[]): Heard {
  const heard = silence();
  for (const reply of replies) {
    const [candidate = {}] = list(reply["candidates"]);
    for (const part of list((candidate["content"] as JsonObject | undefined)?.["parts"])) {
      const { text = "", thought, inlineData, functionCall: call } = part as Record<string, JsonObject>;
      heard[thought ? "thoughts" : "text"] += text as unknown as string;
      if (inlineData) heard.images.push(inlineData["data"]);
      if (call) heard.calls.push([call["id"], call["name"], call["args"]]);
    }
    heard.end = candidate["finishReason"] ?? heard.end;
  }
  return heard;
}

interface Door {
  readonly bridge: OperationBridge;
  readonly request: JsonObject;
  whole(reply: JsonObject): Heard;
  streamed(events: readonly JsonObject[]): Heard;
  /** How an id begins that the gateway makes. */
  readonly id: string;
}

const THOUGHTFUL = { generationConfig: { thinkingConfig: { includeThoughts: true } } };
const FRONT_DOORS: Record<string, Door> = {
  messages: {
    bridge: DOORS.messages.bridge!,
    request: {},
    whole: hearMessage,
    streamed: hearMessageEvents,
    id: "toolu_",
  },
  responses: {
    bridge: DOORS.responses.bridge!,
    request: { input: "a" },
    whole: hearResponse,
    streamed: (events) => hearResponse(events.at(-1)!["response"] as JsonObject),
    id: "call_",
  },
  generateContent: {
    bridge: DOORS.generateContent.bridge!,
    request: THOUGHTFUL,
    whole: (reply) => hearCandidates([reply]),
    streamed: hearCandidates,
    id: "call_",
  },
};

/** What a client hears of a whole reply, and what it is told that it does not hear. */
function hear(door: Door, choice: JsonObject, others: JsonObject[] = []): [Heard, string[]] {
  const reports: string[] = [];
  const info = infoOf(door.request, { report: (field) => reports.push(field) });
  const reply = { id: "chatcmpl-1", choices: [{ index: 0, finish_reason: "stop", ...choice }, ...others] };
  return [door.whole(door.bridge.fromResponse(deepFreeze(reply), info)), reports];
}

const hearSaid = (door: Door, message: JsonObject, finish_reason = "stop"): [Heard, string[]] =>
  hear(door, { message: { role: "assistant", ...message }, finish_reason });

function hearStream(door: Door, deltas: readonly JsonObject[], finish = "stop"): [Heard, string[]] {
  const reports: string[] = [];
  const info = infoOf(door.request, { stream: true, report: (field) => reports.push(field) });
  const stream = door.bridge.stream!;
  const state = stream.start(info);
  const chunks = [{ role: "assistant" }, ...deltas].map((delta) => ({ delta, finish_reason: null }));
  const choices = [...chunks, { delta: {}, finish_reason: finish }];
  const events = choices.flatMap((choice) => [
    ...stream.event(state, deepFreeze({ id: "chatcmpl-1", choices: [{ index: 0, ...choice }] }), info),
  ]);
  events.push(...stream.end!(state, info));
  return [door.streamed(events), [...new Set(reports)]];
}

const delta = (...tool_calls: JsonObject[]): JsonObject => ({ tool_calls });

describe.each(Object.entries(FRONT_DOORS))("replies of chat at the door %s", (name, door) => {
  const end = (words: [string, string, string]): string => words[Object.keys(FRONT_DOORS).indexOf(name)]!;

  it("in-3: has the calls of a server that numbers none", () => {
    const [{ calls }] = hearStream(
      door,
      [
        delta({ id: "c1", function: { name: "f", arguments: "" } }),
        delta({ function: { arguments: '{"a":1}' } }),
        delta({ id: "c2", function: { name: "g", arguments: '{"b"' } }),
        delta({ function: { arguments: ":2}" } }),
      ],
      "tool_calls",
    );
    expect(calls).toEqual([
      ["c1", "f", { a: 1 }],
      ["c2", "g", { b: 2 }],
    ]);
  });

  it("in-3: has both of two calls that a server gives the same index", () => {
    const [{ calls, end: ended }] = hearStream(
      door,
      [
        delta({ index: 0, id: "a", function: { name: "f", arguments: '{"x":1}' } }),
        delta({ index: 0, id: "b", function: { name: "g", arguments: '{"y":2}' } }),
      ],
      "tool_calls",
    );
    expect(calls).toEqual([
      ["a", "f", { x: 1 }],
      ["b", "g", { y: 2 }],
    ]);
    expect(ended).toBe(end(["tool_use", "completed", "STOP"]));
  });

  it("in-3: waits for the name of a call, and fails for one that never gets it", () => {
    const late = [
      delta({ index: 0, id: "a" }),
      delta({ index: 0, function: { name: "f", arguments: "{}" } }),
    ];
    expect(hearStream(door, late, "tool_calls")[0].calls).toEqual([["a", "f", {}]]);
    expect(() => hearStream(door, late.slice(0, 1), "tool_calls")).toThrow(TypeError);
    const nameless = { tool_calls: [{ id: "a", function: { arguments: "{}" } }] };
    expect(() => hearSaid(door, nameless, "tool_calls")).toThrow(TypeError);
  });

  it("reads a call of the deprecated kind, and makes it an id", () => {
    const called = { name: "f", arguments: '{"a":1}' };
    const expected = [[expect.stringContaining(door.id), "f", { a: 1 }]];
    const [whole] = hearSaid(door, { content: null, function_call: called }, "function_call");
    expect(whole.calls).toEqual(expected);
    expect(whole.end).toBe(end(["tool_use", "completed", "STOP"]));
    const pieces = [{ name: "f", arguments: "" }, { arguments: '{"a"' }, { arguments: ":1}" }];
    const deltas = pieces.map((function_call) => ({ content: null, function_call }));
    expect(hearStream(door, deltas, "function_call")[0].calls).toEqual(expected);
    // Some servers always have the member, and some say a call in both ways.
    expect(hearSaid(door, { content: "Hi", function_call: {} })[0].calls).toEqual([]);
    const both = { function_call: called, tool_calls: [{ id: "c1", function: called }] };
    expect(hearSaid(door, both, "tool_calls")[0].calls).toEqual([["c1", "f", { a: 1 }]]);
  });

  it("takes blank arguments, and null, for none", () => {
    if (name === "responses") return;
    for (const args of ["", "  ", "null", null]) {
      const call = { id: "a", type: "function", function: { name: "f", arguments: args } };
      expect(hearSaid(door, { tool_calls: [call] }, "tool_calls")[0].calls).toEqual([["a", "f", {}]]);
    }
  });

  it("reads a content in parts: text, refusal, thoughts", () => {
    const content = [
      { type: "thinking", thinking: [{ type: "text", text: "Hm" }] },
      { type: "text", text: "Hel" },
      { type: "text", text: "lo" },
      { type: "refusal", refusal: " No." },
    ];
    const heard = { text: "Hello No.", thoughts: "Hm" };
    const [whole, reports] = hearSaid(door, { content });
    expect(whole).toMatchObject(heard);
    const deltas = content.map((part) => ({ content: [part] }));
    expect(hearStream(door, deltas)[0]).toMatchObject(heard);
    expect(reports).toEqual([]);
  });

  it("reports parts of a kind that nobody knows, and members likewise", () => {
    const message = {
      content: [{ type: "text", text: "Hi" }, { type: "hologram", data: "x" }, { type: "a, b: c" }, 7],
      mood: "good",
      "x-header\r\n": 1,
      // These say nothing.
      tool_calls: [],
      prefix: false,
      nothing: null,
      none: [],
    };
    const reports = ["content[].hologram", "content[]", "mood"];
    const [heard, reported] = hearSaid(door, message);
    expect([heard.text, [...new Set(reported)]]).toEqual(["Hi", reports]);
    const [streamed, inStream] = hearStream(door, [message]);
    expect([streamed.text, inStream]).toEqual(["Hi", reports]);
  });

  it("carries images where the dialect has a place for them, and reports them elsewhere", () => {
    const images = (url: string): JsonObject => ({
      images: [{ type: "image_url", image_url: { url } }],
    });
    const carried = name === "messages" ? [[], ["images"]] : [["AAAA"], []];
    for (const [message, outcome] of [
      [images("data:image/png;base64,AAAA"), carried],
      [{ content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }] }, carried],
      [images("https://example.com/a.png"), [[], ["images"]]],
    ] as const) {
      const [whole, reports] = hearSaid(door, message);
      expect([whole.images, reports]).toEqual(outcome);
      const [streamed, inStream] = hearStream(door, [message]);
      expect([streamed.images, inStream]).toEqual(outcome);
    }
  });

  it("writes what was spoken, and reports the sound", () => {
    const message = { content: null, audio: { id: "a", data: "AAAA", transcript: "Hello", expires_at: 1 } };
    const [whole, reports] = hearSaid(door, message);
    expect([whole.text, reports]).toEqual(["Hello", ["audio"]]);
    const deltas = ["Hel", "lo"].map((transcript) => ({ audio: { id: "a", transcript } }));
    const [streamed, inStream] = hearStream(door, deltas);
    expect([streamed.text, inStream]).toEqual(["Hello", ["audio"]]);
  });

  it("reports citations, signatures and log probabilities that it cannot carry", () => {
    const url_citation = { url: "u", title: "t", start_index: 0, end_index: 1 };
    const call = { id: "a", function: { name: "f", arguments: "{}" }, extra_content: { vendor: { key: 1 } } };
    const [, reports] = hear(door, {
      message: {
        content: "Hi",
        annotations: [{ type: "url_citation", url_citation }],
        extra_content: { vendor: { key: 1 } },
        tool_calls: [call],
      },
      logprobs: { content: [{ token: "Hi", logprob: -0.1, bytes: null, top_logprobs: [] }] },
    });
    const extras = ["extra_content", "tool_calls[].extra_content"];
    expect(reports).toEqual(
      { messages: ["annotations", "logprobs"], responses: [], generateContent: extras }[name],
    );
  });

  it("ends by a reason that nobody knows as ordinary answers do, also when it is the name of something else", () => {
    for (const finish of ["constructor", "toString", "eureka"]) {
      const expected = end(["end_turn", "completed", "OTHER"]);
      const [whole, reports] = hearSaid(door, { content: "Hi" }, finish);
      expect(whole).toMatchObject({ text: "Hi", end: expected });
      expect(hearStream(door, [{ content: "Hi" }], finish)[0].end).toBe(expected);
      // Google's own word for it tells.
      expect(reports).toEqual(name === "generateContent" ? [] : ["finish_reason"]);
    }
  });

  it("goes on where a server has an empty reason until the end", () => {
    const info = infoOf(door.request, { stream: true });
    const stream = door.bridge.stream!;
    const state = stream.start(info);
    const choices = [
      { delta: { content: "One" }, finish_reason: "" },
      { delta: { content: " two" }, finish_reason: "" },
      { delta: {}, finish_reason: "stop" },
    ];
    const read = (choice: JsonObject): JsonObject[] => [...stream.event(state, { choices: [choice] }, info)];
    const events = choices.flatMap(read);
    events.push(...stream.end!(state, info));
    expect(door.streamed(events)).toMatchObject({
      text: "One two",
      end: end(["end_turn", "completed", "STOP"]),
    });
    const { finishes } = DOORS.chat.stream!;
    expect(choices.map((choice) => finishes({ choices: [choice] }))).toEqual([0, 0, 1]);
  });

  it.each([
    ["length", ["max_tokens", "incomplete", "MAX_TOKENS"]],
    ["content_filter", ["refusal", "incomplete", "SAFETY"]],
  ] as const)("tells the text of an answer that was cut within a call, by %s", (finish, ends) => {
    const tool_calls = [
      { index: 0, id: "a", function: { name: "f", arguments: '{"x":1}' } },
      { index: 1, id: "b", function: { name: "g", arguments: '{"y' } },
    ];
    const [heard, reports] = hearSaid(door, { content: "Let me", tool_calls }, finish);
    // The Responses API has a status for calls that are not whole.
    const cut = name === "responses" ? [["b", "g", '{"y']] : [];
    expect(heard).toMatchObject({ text: "Let me", calls: [["a", "f", { x: 1 }], ...cut] });
    expect(heard.end).toBe(end([...ends]));
    expect(reports).toEqual(name === "responses" ? [] : ["tool_calls"]);
    if (name === "responses") return;
    // Only the last one can have been cut.
    expect(() => hearSaid(door, { tool_calls: tool_calls.toReversed() }, finish)).toThrow(TypeError);
    expect(() => hearSaid(door, { tool_calls }, "tool_calls")).toThrow(TypeError);
  });

  it("20: invents no usage where the backend told none", () => {
    if (name === "messages") return;
    const info = infoOf(door.request);
    const choices = [{ index: 0, message: { content: "Hi" }, finish_reason: "stop" }];
    for (const usage of [undefined, null, {}, { prompt_tokens: null }]) {
      const reply = door.bridge.fromResponse({ choices, usage }, info);
      expect(reply["usage"] ?? reply["usageMetadata"] ?? null).toBeNull();
    }
  });

  it("fails for a reply without an answer", () => {
    const info = infoOf(door.request);
    for (const reply of [{}, { choices: [] }, { choices: [{ index: 0, finish_reason: "stop" }] }])
      expect(() => door.bridge.fromResponse(reply, info)).toThrow(TypeError);
  });
});

describe.each(["messages", "responses"])("several answers at the door %s, which shows one", (name) => {
  const door = FRONT_DOORS[name]!;

  it("shows the first, and reports the others", () => {
    const answer = (content: string, index: number): JsonObject => ({
      index,
      message: { content },
      finish_reason: "stop",
    });
    const [heard, reports] = hear(door, answer("One", 0), [answer("Two", 1)]);
    expect([heard.text, reports]).toEqual(["One", ["choices"]]);
  });

  it("does not mix them in a stream", () => {
    const reports: string[] = [];
    const info = infoOf(door.request, { stream: true, report: (field) => reports.push(field) });
    const stream = door.bridge.stream!;
    const state = stream.start(info);
    const events = ["One", "Two"].flatMap((content, index) => [
      ...stream.event(state, { choices: [{ index, delta: { content }, finish_reason: null }] }, info),
    ]);
    events.push(...stream.event(state, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }, info));
    events.push(...stream.end!(state, info));
    expect([door.streamed(events).text, reports]).toEqual(["One", ["choices"]]);
  });
});
