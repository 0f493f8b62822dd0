import { createReasoningEfforts, GatewayError, seal, viewOf } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromChatReply } from "../../plugins/gemini-api/src/chat-reply.ts";
import { chatStream } from "../../plugins/gemini-api/src/chat-stream.ts";
import { geminiDialect } from "../../plugins/gemini-api/src/dialect.ts";
import { createGenerateContent } from "../../plugins/gemini-api/src/generate-content.ts";
import { readUsageMetadata, toUsageMetadata } from "../../plugins/gemini-api/src/usage.ts";
import { deepFreeze } from "../_support/deep-freeze.ts";

/** Marks the first call of an answer that no vendor signed. */
const UNSIGNED = seal([]);

const THOUGHTFUL = { generationConfig: { thinkingConfig: { includeThoughts: true } } };

function infoFor(request: JsonObject = THOUGHTFUL): MappingInfo {
  return {
    operation: "generateContent",
    model: "upstream-model",
    requestedModel: "client-model",
    stream: true,
    options: {},
    requestId: "req-1",
    nowSeconds: 0,
    report: () => {},
    request,
  };
}

function choice(message: JsonObject, rest: JsonObject = {}): JsonObject {
  return { index: 0, message: { role: "assistant", ...message }, finish_reason: "stop", ...rest };
}

function replyTo(choices: JsonObject[], rest: JsonObject = {}, request?: JsonObject): JsonObject {
  return fromChatReply(deepFreeze({ id: "chatcmpl-1", choices, ...rest }), infoFor(request));
}

function candidateOf(message: JsonObject, rest: JsonObject = {}, request?: JsonObject): JsonObject {
  return (replyTo([choice(message, rest)], {}, request)["candidates"] as JsonObject[])[0]!;
}

function partsOf(message: JsonObject, request?: JsonObject): unknown {
  return (candidateOf(message, {}, request)["content"] as JsonObject)["parts"];
}

const toCall = (id: string, name: string, args: string): JsonObject => ({
  id,
  type: "function",
  function: { name, arguments: args },
});

describe("whole replies", () => {
  it("has candidates, usage, the model that was asked for and the reply's id", () => {
    const usage = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 };
    expect(replyTo([choice({ content: "Hello!" })], { usage, model: "upstream-model" })).toEqual({
      candidates: [
        { content: { role: "model", parts: [{ text: "Hello!" }] }, finishReason: "STOP", index: 0 },
      ],
      usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 12, totalTokenCount: 21 },
      modelVersion: "client-model",
      responseId: "chatcmpl-1",
    });
  });

  it("has an id of the gateway's where the backend gave none, and no usage where there is none", () => {
    const reply = fromChatReply({ choices: [choice({ content: "" })] }, infoFor());
    expect(reply).toMatchObject({
      responseId: "req-1",
      candidates: [{ content: { parts: [{ text: "" }] } }],
    });
    expect(reply).not.toHaveProperty("usageMetadata");
  });

  it("has thoughts, then text, then calls with their arguments as objects", () => {
    const tool_calls = [toCall("1", "f", '{"city":"Rome"}'), toCall("2", "g", "")];
    expect(partsOf({ reasoning_content: "Hm.", content: "Well.", tool_calls })).toEqual([
      { text: "Hm.", thought: true },
      { text: "Well." },
      { functionCall: { id: "1", name: "f", args: { city: "Rome" } }, thoughtSignature: UNSIGNED },
      { functionCall: { id: "2", name: "g", args: {} } },
    ]);
  });

  it("shows thoughts only to who asked for them", () => {
    const message = { reasoning_content: "Hm.", content: "Well." };
    expect(partsOf(message, {})).toEqual([{ text: "Well." }]);
    const snake = { generation_config: { thinking_config: { include_thoughts: true } } };
    expect(partsOf(message, snake)).toHaveLength(2);
  });

  it("returns Google's own signatures where they came from", () => {
    const google = (thought_signature: string): JsonObject => ({ google: { thought_signature } });
    const message = {
      reasoning_content: "Hm.",
      content: "Well.",
      extra_content: google("b"),
      tool_calls: [{ ...toCall("1", "f", "{}"), extra_content: google("c") }],
    };
    expect(partsOf(message)).toEqual([
      { text: "Hm.", thought: true },
      { text: "Well.", thoughtSignature: "b" },
      { functionCall: { id: "1", name: "f", args: {} }, thoughtSignature: "c" },
    ]);
    expect(partsOf({ content: null, extra_content: google("b") })).toEqual([
      { text: "", thoughtSignature: "b" },
    ]);
  });

  it("seals thoughts that another vendor signed on the first call, else on the text, shown or not", () => {
    const thinking_blocks = [
      { type: "thinking", thinking: "Hm.", signature: "a" },
      { type: "redacted_thinking", data: "secret" },
    ];
    const thoughtSignature = seal(thinking_blocks);
    const tool_calls = [toCall("1", "f", "{}"), toCall("2", "f", "{}")];
    const called = (id: string) => ({ functionCall: { id, name: "f", args: {} } });
    expect(partsOf({ thinking_blocks, reasoning_content: "Hm.", content: "Well.", tool_calls })).toEqual([
      { text: "Hm.", thought: true },
      { text: "Well." },
      { ...called("1"), thoughtSignature },
      called("2"),
    ]);
    expect(partsOf({ thinking_blocks, content: "Well." }, {})).toEqual([{ text: "Well.", thoughtSignature }]);
    expect(partsOf({ thinking_blocks })).toEqual([
      { text: "Hm.", thought: true },
      { text: "", thoughtSignature },
    ]);
    // Clients decode it as bytes (ai.google.dev/api/caching#Part), by either alphabet.
    expect(Buffer.from(thoughtSignature, "base64").toString("base64")).toBe(thoughtSignature);
  });

  it.each([
    ["stop", "STOP"],
    ["tool_calls", "STOP"],
    ["length", "MAX_TOKENS"],
    ["content_filter", "SAFETY"],
    ["insufficient_system_resource", "OTHER"],
    [null, "OTHER"],
  ])("says of the end %s that it is %s", (finish_reason, finishReason) => {
    expect(candidateOf({ content: "a" }, { finish_reason })["finishReason"]).toBe(finishReason);
  });

  it("says of a refusal that the filter stopped it, and what it said", () => {
    expect(candidateOf({ content: null, refusal: "No." })).toMatchObject({
      content: { parts: [{ text: "No." }] },
      finishReason: "SAFETY",
    });
  });

  it("has sources, their places counted in bytes of the text", () => {
    const url_citation = { url: "https://a.example", title: "A", start_index: 3, end_index: 5 };
    expect(
      candidateOf({ content: "né: ü.", annotations: [{ type: "url_citation", url_citation }] }),
    ).toMatchObject({
      groundingMetadata: {
        groundingChunks: [{ web: { uri: "https://a.example", title: "A" } }],
        // n é : are four bytes, the space and ü three more.
        groundingSupports: [{ segment: { startIndex: 4, endIndex: 7 }, groundingChunkIndices: [0] }],
      },
    });
  });

  it("has log probabilities", () => {
    const content = [
      { token: "a", logprob: -0.5, top_logprobs: [{ token: "b", logprob: -1 }] },
      { token: "c", logprob: -1.5, top_logprobs: [] },
    ];
    expect(candidateOf({ content: "ac" }, { logprobs: { content } })).toMatchObject({
      avgLogprobs: -1,
      logprobsResult: {
        chosenCandidates: [
          { token: "a", logProbability: -0.5 },
          { token: "c", logProbability: -1.5 },
        ],
        topCandidates: [{ candidates: [{ token: "b", logProbability: -1 }] }, { candidates: [] }],
      },
    });
  });

  it("has pictures that a backend made", () => {
    const images = [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }];
    expect(partsOf({ content: "", images })).toEqual([
      { inlineData: { mimeType: "image/png", data: "AA==" } },
    ]);
  });

  it.each([
    ["no choices", []],
    ["arguments that are no JSON", [choice({ tool_calls: [toCall("1", "f", "{")] })]],
    ["arguments that are no object", [choice({ tool_calls: [toCall("1", "f", "[1]")] })]],
  ])("takes a reply with %s for broken", (_, choices) => {
    expect(() => replyTo(choices)).toThrow();
  });
});

describe("usage", () => {
  it("counts thoughts beside the candidates' tokens, and both ways alike", () => {
    const metadata = toUsageMetadata({
      prompt_tokens: 100,
      completion_tokens: 30,
      total_tokens: 130,
      prompt_tokens_details: { cached_tokens: 60 },
      completion_tokens_details: { reasoning_tokens: 20 },
    });
    expect(metadata).toEqual({
      promptTokenCount: 100,
      candidatesTokenCount: 10,
      totalTokenCount: 130,
      cachedContentTokenCount: 60,
      thoughtsTokenCount: 20,
    });
    expect(readUsageMetadata(viewOf({ usageMetadata: metadata }))).toEqual({
      inputTokens: 100,
      outputTokens: 30,
      totalTokens: 130,
      cachedTokens: 60,
      reasoningTokens: 20,
    });
  });

  it("counts what tools brought into the prompt", () => {
    const usageMetadata = { promptTokenCount: 10, toolUsePromptTokenCount: 5, candidatesTokenCount: 1 };
    expect(readUsageMetadata(viewOf({ usageMetadata }))).toEqual({
      inputTokens: 15,
      outputTokens: 1,
      totalTokens: 16,
    });
    expect(readUsageMetadata(viewOf({}))).toBeUndefined();
  });
});

describe("streams", () => {
  function eventsOf(chunks: readonly JsonObject[], request?: JsonObject): JsonObject[] {
    const info = infoFor(request);
    const state = chatStream.start(info);
    const events = chunks.flatMap((chunk) => chatStream.event(state, deepFreeze(chunk), info));
    return [...events, ...chatStream.end!(state, info)];
  }
  const chunk = (delta: JsonObject, rest: JsonObject = {}): JsonObject => ({
    id: "chatcmpl-1",
    choices: [{ index: 0, delta, finish_reason: null, ...rest }],
  });
  const finish = (reason: string, rest: JsonObject = {}): JsonObject =>
    chunk({}, { finish_reason: reason, ...rest });
  const USAGE = {
    id: "chatcmpl-1",
    choices: [],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  };
  const usageMetadata = { promptTokenCount: 1, candidatesTokenCount: 2, totalTokenCount: 3 };
  const head = { modelVersion: "client-model", responseId: "chatcmpl-1" };
  const says = (...parts: JsonObject[]): JsonObject => ({
    candidates: [{ content: { role: "model", parts }, index: 0 }],
    ...head,
  });
  const ends = (finishReason: string, rest: JsonObject = {}): JsonObject => ({
    candidates: [{ content: { role: "model", parts: [{ text: "" }] }, finishReason, index: 0 }],
    ...head,
    ...rest,
  });

  it("has the new parts in each event, and the end with the usage in the last", () => {
    expect(
      eventsOf([
        chunk({ role: "assistant" }),
        chunk({ content: "Hel" }),
        chunk({ content: "lo" }),
        finish("length"),
        USAGE,
      ]),
    ).toEqual([says({ text: "Hel" }), says({ text: "lo" }), ends("MAX_TOKENS", { usageMetadata })]);
  });

  it("ends without usage where the backend tells none, and says nothing more after the end", () => {
    expect(eventsOf([chunk({ content: "a" }), finish("stop")])).toEqual([says({ text: "a" }), ends("STOP")]);
    expect(
      eventsOf([chunk({ content: "a" }), finish("stop"), USAGE, chunk({ content: "b" }), USAGE]),
    ).toHaveLength(2);
  });

  it("takes the last of running counts", () => {
    const running = (count: number): JsonObject => ({ usage: { ...USAGE.usage, completion_tokens: count } });
    const events = eventsOf([
      { ...chunk({ content: "a" }), ...running(1) },
      { ...finish("stop"), ...running(2) },
    ]);
    expect(events.at(-1)).toMatchObject({ usageMetadata: { candidatesTokenCount: 2 } });
    expect(events[0]).not.toHaveProperty("usageMetadata");
  });

  it("does not end what is not whole", () => {
    expect(eventsOf([chunk({ content: "a" })])).toEqual([says({ text: "a" })]);
    const both = { generationConfig: { candidateCount: 2 } };
    const events = eventsOf(
      [chunk({ content: "a" }), chunk({ content: "b" }, { index: 1 }), finish("stop"), USAGE],
      both,
    );
    expect(JSON.stringify(events)).not.toContain("finishReason");
  });

  it("ends several answers in one event", () => {
    const both = { generationConfig: { candidateCount: 2 } };
    const last = eventsOf([finish("stop"), finish("length", { index: 1 }), USAGE], both).at(-1)!;
    expect(last).toMatchObject({
      candidates: [
        { index: 0, finishReason: "STOP" },
        { index: 1, finishReason: "MAX_TOKENS" },
      ],
      usageMetadata,
    });
  });

  it("has calls whole, in one event, whichever way their pieces came", () => {
    const piece = (index: number, text: string, rest: JsonObject = {}): JsonObject =>
      chunk({ tool_calls: [{ index, function: { arguments: text }, ...rest }] });
    const events = eventsOf([
      chunk({
        tool_calls: [{ index: 0, id: "1", type: "function", function: { name: "f", arguments: "" } }],
      }),
      piece(0, '{"a":'),
      chunk({
        tool_calls: [{ index: 1, id: "2", type: "function", function: { name: "g", arguments: '{"b"' } }],
      }),
      piece(0, "1}"),
      piece(1, ":2}", { id: "2" }),
      finish("tool_calls"),
      USAGE,
    ]);
    expect(events).toEqual([
      // Tells at once that something comes.
      says({ text: "" }),
      says(
        { functionCall: { id: "1", name: "f", args: { a: 1 } }, thoughtSignature: UNSIGNED },
        { functionCall: { id: "2", name: "g", args: { b: 2 } } },
      ),
      ends("STOP", { usageMetadata }),
    ]);
  });

  it("has calls of servers that leave out the index", () => {
    const whole = [toCall("1", "f", "{}"), toCall("2", "g", '{"a":1}')].map((call) =>
      chunk({ tool_calls: [call] }),
    );
    expect(eventsOf([...whole, finish("tool_calls")])[1]).toEqual(
      says(
        { functionCall: { id: "1", name: "f", args: {} }, thoughtSignature: UNSIGNED },
        { functionCall: { id: "2", name: "g", args: { a: 1 } } },
      ),
    );
  });

  it("breaks on a call whose arguments are no object", () => {
    expect(() =>
      eventsOf([chunk({ tool_calls: [toCall("1", "f", '{"a"')] }), finish("tool_calls")]),
    ).toThrow();
  });

  it("has thoughts as they come, and what their vendor wants back when the answer is over", () => {
    const block = { type: "thinking", thinking: "Hm.", signature: "c2ln" };
    const thoughtSignature = seal([block]);
    const thoughts = [
      chunk({ reasoning_content: "H" }),
      chunk({ reasoning_content: "m." }),
      chunk({ thinking_blocks: [block] }),
    ];
    expect(eventsOf([...thoughts, chunk({ content: "a" }), finish("stop")])).toEqual([
      says({ text: "H", thought: true }),
      says({ text: "m.", thought: true }),
      says({ text: "a" }),
      says({ text: "", thoughtSignature }),
      ends("STOP"),
    ]);
    // Hidden, they tell once that something comes.
    expect(eventsOf([...thoughts, chunk({ content: "a" }), finish("stop")], {})).toEqual([
      says({ text: "" }),
      says({ text: "a" }),
      says({ text: "", thoughtSignature }),
      ends("STOP"),
    ]);
    const called = chunk({ tool_calls: [{ index: 0, ...toCall("a", "f", "{}") }] });
    expect(eventsOf([...thoughts.slice(2), called, finish("tool_calls")], {})).toEqual([
      says({ text: "" }),
      says({ functionCall: { id: "a", name: "f", args: {} }, thoughtSignature }),
      ends("STOP"),
    ]);
  });

  it("has signatures that come by themselves, and sources", () => {
    const url_citation = { url: "https://a.example", title: "A", start_index: 0, end_index: 1 };
    const events = eventsOf([
      chunk({ content: "ü" }),
      chunk({ extra_content: { google: { thought_signature: "c2ln" } } }),
      chunk({ annotations: [{ type: "url_citation", url_citation }] }),
      finish("stop"),
    ]);
    expect(events[1]).toEqual(says({ text: "", thoughtSignature: "c2ln" }));
    expect(events[2]).toMatchObject({
      candidates: [
        { groundingMetadata: { groundingSupports: [{ segment: { startIndex: 0, endIndex: 2 } }] } },
      ],
    });
  });

  it("takes its id from the first chunk that has one, and makes one where none has", () => {
    const filtered = { id: "", choices: [], prompt_filter_results: [{}] };
    expect(eventsOf([filtered, chunk({ content: "Hi" }), finish("stop"), USAGE])).toEqual([
      says({ text: "Hi" }),
      ends("STOP", { usageMetadata }),
    ]);
    const nameless = [{ ...chunk({ content: "Hi" }), id: "" }];
    expect(eventsOf(nameless)).toMatchObject([{ responseId: "req-1" }]);
    expect(replyTo([choice({ content: "Hi" })], { id: "" })).toMatchObject({ responseId: "req-1" });
  });

  it("tells the text of an answer of which the tokens ran out in a call, and the calls before it", () => {
    const pieces = [
      { index: 0, ...toCall("a", "f", "{}") },
      { index: 1, ...toCall("b", "g", '{"y') },
    ];
    const chunks = [
      chunk({ content: "Let me" }),
      ...pieces.map((piece) => chunk({ tool_calls: [piece] })),
      finish("length"),
      USAGE,
    ];
    expect(eventsOf(chunks)).toEqual([
      says({ text: "Let me" }),
      says({ functionCall: { id: "a", name: "f", args: {} }, thoughtSignature: UNSIGNED }),
      ends("MAX_TOKENS", { usageMetadata }),
    ]);
    expect(() => eventsOf(chunks.toSpliced(3, 1, finish("tool_calls")))).toThrow(TypeError);
  });

  it("tells no call twice, and nothing after the end of an answer", () => {
    const late = [chunk({ content: "more" }), finish("stop")];
    const chunks = [chunk({ tool_calls: [toCall("a", "f", "{}")] }), finish("tool_calls"), ...late, USAGE];
    expect(eventsOf(chunks)).toEqual([
      says({ text: "" }),
      says({ functionCall: { id: "a", name: "f", args: {} }, thoughtSignature: UNSIGNED }),
      ends("STOP", { usageMetadata }),
    ]);
  });

  it("st-4: says in pieces what the whole reply says, wherever the pieces are cut", () => {
    const cut = (text: string, at: readonly number[]): string[] => {
      const places = [...new Set(at.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
      return [0, ...places].map((from, index) => text.slice(from, places[index])).filter(Boolean);
    };
    const text = fc.string({ maxLength: 20 });
    const name = fc.string({ minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(
        text,
        text,
        fc.array(
          fc.record({ name, args: fc.dictionary(text, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }) }),
          {
            maxLength: 3,
          },
        ),
        fc.array(fc.nat({ max: 40 }), { maxLength: 6 }),
        (thought, content, calls, at) => {
          const tool_calls = calls.map(({ name, args }, index) =>
            toCall(`id-${index}`, name, JSON.stringify(args)),
          );
          const message = {
            ...(thought && { reasoning_content: thought }),
            content,
            ...(tool_calls.length > 0 && { tool_calls }),
          };
          const chunks = [
            ...cut(thought, at).map((reasoning_content) => chunk({ reasoning_content })),
            ...cut(content, at).map((piece) => chunk({ content: piece })),
            ...tool_calls.flatMap(({ function: called, ...rest }, index) => {
              const { name, arguments: args } = called as { name: string; arguments: string };
              const [first = "", ...others] = cut(args, at);
              return [
                chunk({ tool_calls: [{ index, ...rest, function: { name, arguments: first } }] }),
                ...others.map((piece) => chunk({ tool_calls: [{ index, function: { arguments: piece } }] })),
              ];
            }),
            finish("stop"),
            USAGE,
          ];
          expect(gather(eventsOf(chunks))).toEqual(gather([replyTo([choice(message)])]));
        },
      ),
      { seed: 11 },
    );
  });

  /** Thoughts, text and calls of all events together. */
  function gather(events: readonly JsonObject[]): unknown {
    const candidates = events.flatMap((event) => event["candidates"] as JsonObject[]);
    const parts = candidates.flatMap(({ content }) => (content as JsonObject)["parts"] as JsonObject[]);
    const join = (thought: boolean): string =>
      parts
        .filter((part) => (part["thought"] ?? false) === thought)
        .map((part) => (part["text"] ?? "") as string)
        .join("");
    const calls = parts.flatMap((part) => part["functionCall"] ?? []);
    return {
      thoughts: join(true),
      text: join(false),
      calls,
      ends: candidates.map((one) => one["finishReason"]).filter(Boolean),
    };
  }
});

describe("rules of streams in Google's own dialect", () => {
  const rules = createGenerateContent(createReasoningEfforts()).stream!;

  it("knows content, ends and blocked prompts", () => {
    const candidates = [{ content: { parts: [{ text: "a" }] } }, { finishReason: "STOP" }];
    expect(rules.isContent({ candidates })).toBe(true);
    expect(rules.isContent({ candidates: [{ content: {} }] })).toBe(false);
    expect(rules.isContent({})).toBe(false);
    expect(rules.finishes({ candidates })).toBe(1);
    expect(rules.finishes({ promptFeedback: { blockReason: "SAFETY" } })).toBeGreaterThan(7);
    expect(rules.finishes({ promptFeedback: { safetyRatings: [] } })).toBe(0);
  });

  it("knows errors", () => {
    expect(rules.error!({ error: { code: 503, message: "busy", status: "UNAVAILABLE" } })).toEqual({
      message: "busy",
      code: "UNAVAILABLE",
      status: 503,
    });
    expect(rules.error!({ candidates: [] })).toBeUndefined();
  });
});

describe("errors", () => {
  const shown = (error: GatewayError): JsonObject =>
    (JSON.parse(geminiDialect.errorBody(error, "req-1")) as { error: JsonObject }).error;

  it.each([
    [400, "INVALID_ARGUMENT"],
    [401, "UNAUTHENTICATED"],
    [403, "PERMISSION_DENIED"],
    [404, "NOT_FOUND"],
    [409, "ABORTED"],
    [413, "INVALID_ARGUMENT"],
    [415, "INVALID_ARGUMENT"],
    [422, "INVALID_ARGUMENT"],
    [429, "RESOURCE_EXHAUSTED"],
    [499, "CANCELLED"],
    [500, "INTERNAL"],
    [501, "UNIMPLEMENTED"],
    [502, "UNAVAILABLE"],
    [503, "UNAVAILABLE"],
    [504, "DEADLINE_EXCEEDED"],
  ])("calls the status %i %s", (status, name) => {
    expect(shown(new GatewayError("some_code", { status, message: "So." }))).toMatchObject({
      code: status,
      message: "So.",
      status: name,
      details: [
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "SOME_CODE", domain: "gatewright" },
      ],
    });
  });

  it("names the field and the wait in Google's types", () => {
    const error = new GatewayError("x", { status: 429, param: "contents", headers: { "retry-after": "7" } });
    expect(shown(error)["details"]).toEqual([
      expect.anything(),
      {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        fieldViolations: [{ field: "contents", description: "x" }],
      },
      { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "7s" },
    ]);
  });

  it("ends a stream with one event, without a name", () => {
    const event = geminiDialect.errorEvent(new GatewayError("provider_error"), "req-1");
    expect(event).toMatch(/^data: \{"error":\{"code":502,.*\}\n\n$/);
  });
});
