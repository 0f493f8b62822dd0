import { refusedField, testAdapter } from "@gatewright/adapter-tests";
import { env } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import { describe, expect, it } from "vitest";
import * as v from "valibot";
import { toCloudMessagesRequest } from "../../adapters/src/_anthropic/chat-request.ts";
import { traitsOf } from "../../adapters/src/_anthropic/claude-models.ts";
import anthropic, {
  AnthropicOptions,
  contentPartFields,
  fields,
  messageFields,
} from "../../adapters/src/anthropic.ts";
import { deepFreeze } from "../_support/deep-freeze.ts";
import { COUNT_TOKENS_FIELDS } from "./_count-tokens.ts";
import { exchangesOf } from "./_exchanges.ts";

const user = { role: "user", content: "Hi" };

testAdapter(anthropic, {
  exchanges: exchangesOf("anthropic"),
  models: {
    body: {
      data: [
        {
          type: "model",
          id: "claude-opus-5",
          display_name: "Claude Opus 5",
          created_at: "2026-07-01T00:00:00Z",
          max_input_tokens: 1_000_000,
          max_tokens: 128_000,
          lifecycle: "active",
        },
        {
          type: "model",
          id: "claude-haiku-4-5-20251001",
          created_at: "1970-01-01T00:00:00Z",
          max_tokens: null,
        },
        { type: "model", id: "claude-3-opus-20240229", lifecycle: "retired" },
        { type: "model" },
      ],
      has_more: false,
      first_id: "claude-opus-5",
      last_id: "claude-3-opus-20240229",
    },
    listed: [
      {
        id: "claude-opus-5",
        created: 1_782_864_000,
        ownedBy: "anthropic",
        maxInputTokens: 1_000_000,
        maxOutputTokens: 128_000,
      },
      { id: "claude-haiku-4-5-20251001", ownedBy: "anthropic" },
    ],
  },
  withoutEffect: [
    "response_format.json_schema.strict",
    // Where the schema goes by no name, or the tools may not be called.
    "response_format.json_schema.name",
    "parallel_tool_calls",
  ],
  // Tools that are not allowed are left out on purpose.
  leftOut: ["chat-tool-choice-allowed"],
  fields,
  fieldTests: {
    countTokens: COUNT_TOKENS_FIELDS,
    chat: {
      samples: {
        top_k: 40,
        min_p: 0.05,
        stop: "END",
        stop_sequences: ["END"],
        tools: [{ type: "function", function: { name: "now" } }],
        thinking: { type: "adaptive" },
        output_config: { effort: "low" },
        system: "Be short.",
        service_tier: "default",
      },
      defaults: { stream: false, temperature: 1, top_p: 1 },
      byExchange: ["tool_choice", "parallel_tool_calls", "response_format"],
    },
  },
});

const parse = (options: unknown) => v.parse(AnthropicOptions, options);

describe("options of anthropic", () => {
  it("refuses a misspelt option, in the settings of a model too", () => {
    expect(v.safeParse(AnthropicOptions, { version: "2023-06-01" }).success).toBe(false);
    expect(v.safeParse(AnthropicOptions, { modelSettings: { "*": { max_tokens: 1 } } }).success).toBe(false);
  });

  it("refuses a version that is no date, and a budget below the vendor's least", () => {
    expect(v.safeParse(AnthropicOptions, { anthropicVersion: "latest" }).success).toBe(false);
    expect(v.safeParse(AnthropicOptions, { thinkingBudgets: { low: 1023 } }).success).toBe(false);
  });

  it("F: refuses names of betas that could smuggle another header", () => {
    expect(v.safeParse(AnthropicOptions, { betas: ["a\r\nx-b: c"] }).success).toBe(false);
  });

  it("P: keeps a secret header masked until it is sent", () => {
    const options = parse({ headers: { "X-Key": env("GATEWRIGHT_TEST_UNSET", "s3cret") } });
    expect(JSON.stringify(options)).not.toContain("s3cret");
    expect(anthropic.headers?.(options)).toEqual({ "anthropic-version": "2023-06-01", "x-key": "s3cret" });
  });

  it("asks no key of servers that have none", () => {
    expect(anthropic.auth(undefined, parse({}))).toEqual({});
  });

  it("mo-8: answers to its prefix in both spellings", () => {
    expect(anthropic.vendorPrefixes).toEqual(["anthropic", "ahtnorpic"]);
  });
});

describe("what is known of Claude models by name", () => {
  const old = { thinking: "none", structuredOutput: "refuse", sampling: true };
  const budget = { thinking: "budget", structuredOutput: "refuse", sampling: true };
  const schema = { thinking: "budget", structuredOutput: "native", sampling: true };
  const adaptive = { thinking: "adaptive", structuredOutput: "native", sampling: true };
  const current = { thinking: "adaptive", structuredOutput: "native", sampling: false };
  const always = { thinking: "always", structuredOutput: "native", sampling: false };

  it.each([
    ["claude-3-opus-20240229", old],
    ["anthropic.claude-3-5-sonnet-20241022-v2:0", old],
    ["claude-3-7-sonnet@20250219", budget],
    ["claude-sonnet-4-20250514", budget],
    ["claude-opus-4-1", budget],
    ["anthropic/claude-opus-4.5", schema],
    ["claude-haiku-4-5-20251001", schema],
    ["us.anthropic.claude-sonnet-4-6", adaptive],
    ["claude-opus-4-7", current],
    ["claude-opus-4-10", current],
    ["claude-sonnet-5", current],
    ["claude-haiku-5-5", current],
    ["claude-sonnet-5-5", always],
    ["claude-opus-5-5@20260922", always],
    ["claude-opus-6", always],
    ["claude-mythos-preview", always],
    ["claude-fable-5-1", always],
    ["house-model", adaptive],
  ])("%s", (model, traits) => {
    expect(traitsOf(model, parse({}))).toEqual(traits);
  });

  it("gives way to the first pattern of the config that matches the whole name", () => {
    const settings = parse({
      modelSettings: {
        "claude-opus": { sampling: true },
        "*opus.5": { sampling: true },
        "*-5": { maxTokens: 9 },
      },
    });
    expect(traitsOf("claude-opus-5", settings)).toEqual({ ...current, maxTokens: 9 });
  });
});

describe("content parts and messages of anthropic", () => {
  const chat = (message: JsonObject): MappingInfo<v.InferOutput<typeof AnthropicOptions>> => ({
    operation: "chat",
    model: "claude-opus-5",
    requestedModel: "client-model",
    stream: false,
    options: parse({}),
    requestId: "req-1",
    nowSeconds: 0,
    report: () => {},
    request: deepFreeze({ max_tokens: 64, messages: [user, message, user] }),
  });
  const map = (info: ReturnType<typeof chat>) => anthropic.operations.chat!.toRequest!(info.request, info);

  it.each(Object.entries(messageFields).filter(([, { fate }]) => fate === "drop"))(
    "reports `%s` of a message",
    (name) => {
      const plain = map(chat({ role: "assistant", content: "Ho" }));
      const { body, dropped } = map(chat({ role: "assistant", content: "Ho", [name]: "x" }));
      expect(body).toEqual(plain.body);
      expect(dropped).toEqual([`messages[].${name}`]);
    },
  );

  it.each(Object.entries(messageFields).filter(([, { fate }]) => fate === "refuse"))(
    "refuses `%s` of a message",
    (name) => {
      const info = chat({ role: "assistant", content: "Ho", [name]: { id: "x" } });
      expect(refusedField(() => map(info))).toBe(`messages[1].${name}`);
    },
  );

  it("reports members that nobody knows, of a message and of a part", () => {
    const content = [{ type: "text", text: "Ho", prompt_cache_breakpoint: "a", x_part: 1 }];
    const { body, dropped } = map(chat({ role: "assistant", content, x_message: 1 }));
    expect(body["messages"]).toEqual([user, { role: "assistant", content: "Ho" }, user]);
    expect(dropped).toEqual([
      "messages[].x_message",
      "messages[].content[].prompt_cache_breakpoint",
      "messages[].content[].x_part",
    ]);
  });

  it("states a fate for each kind of part that the hub knows", () => {
    expect(Object.keys(contentPartFields).sort()).toEqual([
      "file",
      "image_url",
      "input_audio",
      "refusal",
      "text",
    ]);
  });

  it("refuses roles that it does not know, and results without a call", () => {
    expect(refusedField(() => map(chat({ role: "function", content: "x" })))).toBe("messages[1].role");
    expect(refusedField(() => map(chat({ role: "tool", content: "x" })))).toBe("messages[1].tool_call_id");
  });

  it("leaves model and version to clouds that have them elsewhere", () => {
    const info = { ...chat({ role: "assistant", content: "Ho" }), stream: true };
    expect(toCloudMessagesRequest(info.request, info, "vertex-2023-10-16")).toEqual({
      body: {
        anthropic_version: "vertex-2023-10-16",
        max_tokens: 64,
        messages: [user, { role: "assistant", content: "Ho" }, user],
        stream: true,
      },
      dropped: [],
    });
  });
});

describe("streams of anthropic", () => {
  it("makes ids for a message and calls that have none, the same for the same request", () => {
    const { stream } = anthropic.operations.chat!;
    const info: Parameters<NonNullable<typeof stream>["start"]>[0] = {
      operation: "chat",
      model: "claude-opus-5",
      requestedModel: "client-model",
      stream: true,
      options: parse({}),
      requestId: "req_5c1f0f9e2b7d4a3e9c000001",
      nowSeconds: 7,
      report: () => {},
      request: {},
    };
    const block = { type: "tool_use", name: "now", input: {} };
    const events = stream!.event(
      stream!.start(info),
      { type: "content_block_start", content_block: block },
      info,
    );
    const head = {
      id: "chatcmpl-req_5c1f0f9e2b7d4a3e9c000001",
      object: "chat.completion.chunk",
      created: 7,
      model: "client-model",
    };
    const call = { index: 0, id: "call_5c1f0f9e2b7d4a3e9c000001_0", type: "function" };
    const choice = { index: 0, finish_reason: null };
    expect(events).toEqual([
      { ...head, choices: [{ ...choice, delta: { role: "assistant" } }] },
      {
        ...head,
        choices: [
          { ...choice, delta: { tool_calls: [{ ...call, function: { name: "now", arguments: "" } }] } },
        ],
      },
    ]);
  });

  it("says nothing more after an error, or at the end of a stream that has none", () => {
    const { stream } = anthropic.operations.chat!;
    const info = { options: parse({}), model: "claude-opus-5", request: {} } as Parameters<
      NonNullable<typeof stream>["start"]
    >[0];
    const state = stream!.start(info);
    expect(stream!.end!(state, info)).toEqual([]);
    expect(stream!.event(state, { type: "error" }, info)).toEqual([{ error: {} }]);
    expect(stream!.event(state, { type: "message_stop" }, info)).toEqual([]);
    expect(stream!.end!(state, info)).toEqual([]);
  });
});

describe("errors of anthropic", () => {
  it.each([null, "busy", [], {}, { error: "x" }, { error: { type: 1 } }])("finds nothing in %j", (body) => {
    expect(anthropic.fromError?.(500, body)).toEqual({});
  });

  it("keeps types of a later day as they are", () => {
    const error = { type: "teapot_error", message: "Short and stout" };
    expect(anthropic.fromError?.(500, { type: "error", error })).toEqual({
      type: "teapot_error",
      code: "teapot_error",
      message: "Short and stout",
    });
  });

  it("takes a count of tokens for an answer where tokens are counted, and nowhere else", () => {
    expect(anthropic.errorInReply?.({ input_tokens: 14 }, "messagesCountTokens")).toBeUndefined();
    expect(anthropic.errorInReply?.({ content: [] }, "messagesCountTokens")).toMatchObject({ status: 502 });
    expect(anthropic.errorInReply?.({ content: [] }, "messages")).toBeUndefined();
    expect(anthropic.errorInReply?.({ input_tokens: 14 }, "messages")).toMatchObject({ status: 502 });
  });

  it("U12: waits for the last of the limits that are used up, by the reply's own clock", () => {
    const headers = {
      date: "Sat, 21 Nov 2026 11:30:00 GMT",
      "anthropic-ratelimit-requests-remaining": "0",
      "anthropic-ratelimit-requests-reset": "2026-11-21T11:30:02Z",
      "anthropic-ratelimit-input-tokens-remaining": "0",
      "anthropic-ratelimit-input-tokens-reset": "2026-11-21T11:30:17Z",
      "anthropic-ratelimit-output-tokens-remaining": "8000",
      "anthropic-ratelimit-output-tokens-reset": "2026-11-21T11:31:00Z",
    };
    expect(anthropic.retryAfterMs?.(headers, {})).toBe(17_000);
    expect(anthropic.retryAfterMs?.({ ...headers, date: "" }, {})).toBeUndefined();
    expect(anthropic.retryAfterMs?.({}, {})).toBeUndefined();
  });
});
