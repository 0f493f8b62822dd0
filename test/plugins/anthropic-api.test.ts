import { anthropicApi, fields } from "@gatewright/anthropic-api";
import { GatewayError, seal, UnsupportedField } from "gatewright";
import type { JsonObject, MappingInfo, Operation } from "gatewright";
import { describe, expect, it } from "vitest";
import { KNOWN_EFFORTS } from "../../adapters/src/_reasoning-efforts.ts";
import { deepFreeze } from "../_support/deep-freeze.ts";
import { createHost, findFaults, setupPlugin } from "./_context.ts";
import { describePlugin } from "./_suite.ts";
import { toolFields } from "../../plugins/anthropic-api/src/fields.ts";

describePlugin({ folder: "anthropic-api", factory: "anthropicApi", create: () => anthropicApi() });

describe("options", () => {
  it("refuses an effort that does not exist and names the field", () => {
    const plugin = anthropicApi({ reasoningEfforts: { "qwen3*": ["hard" as never] } });
    expect(findFaults(plugin).map((fault) => fault.path)).toEqual(["reasoningEfforts.qwen3*.0"]);
  });
});

async function messagesOf(options: Parameters<typeof anthropicApi>[0] = {}): Promise<Operation> {
  const { operations } = await setupPlugin(anthropicApi(options), createHost());
  return operations!.find(({ name }) => name === "messages")!;
}
const messages = await messagesOf();

/** Stands in place of the signature where no vendor signed. */
const UNSIGNED = seal([]);

const INFO: MappingInfo = {
  operation: "messages",
  model: "upstream-model",
  requestedModel: "client-model",
  stream: false,
  options: {},
  requestId: "req_7f-3a",
  nowSeconds: 1_767_225_600,
  report: () => {},
  request: {},
};
const HELLO = { model: "client-model", max_tokens: 100, messages: [{ role: "user", content: "Hello" }] };

interface Mapped {
  body: JsonObject & { messages: JsonObject[] };
  dropped: readonly string[];
}

/** A plain server is one that is sent the request as it comes out, and takes nothing beyond OpenAI's API. */
function map(request: JsonObject, info: Partial<MappingInfo> = {}, operation = messages): Mapped {
  const mapped = operation.bridge!.toRequest(deepFreeze({ ...HELLO, ...request }), {
    ...INFO,
    extensions: [],
    reasoningEfforts: KNOWN_EFFORTS,
    ...info,
  });
  return { dropped: [], ...(JSON.parse(JSON.stringify(mapped)) as object) } as unknown as Mapped;
}

function mapTurns(...turns: JsonObject[]): Mapped {
  return map({ messages: turns });
}

function refusedField(request: JsonObject): string | undefined {
  try {
    map(request);
  } catch (error) {
    if (error instanceof UnsupportedField) return error.field;
    throw error;
  }
  return undefined;
}

const user = (...content: JsonObject[]): JsonObject => ({ role: "user", content });
const assistant = (...content: JsonObject[]): JsonObject => ({ role: "assistant", content });
const text = (value: string): JsonObject => ({ type: "text", text: value });
const EPHEMERAL = { type: "ephemeral" };
const PNG = { type: "base64", media_type: "image/png", data: "AAAA" };
const PNG_PART = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
const WEATHER = { name: "get_weather", description: "Weather", input_schema: { type: "object" } };

describe("in-11: a request becomes one of chat", () => {
  it("has the limit, the text and nothing else", () => {
    expect(map({})).toEqual({
      body: { messages: [{ role: "user", content: "Hello" }], max_completion_tokens: 100 },
      dropped: [],
    });
  });

  it("has the system prompt first, its blocks joined by a blank line", () => {
    expect(map({ system: "Be brief" }).body.messages[0]).toEqual({ role: "system", content: "Be brief" });
    expect(map({ system: [text("One"), text("Two")] }).body.messages[0]).toEqual({
      role: "system",
      content: "One\n\nTwo",
    });
    expect(map({ system: [] }).body.messages).toHaveLength(1);
  });

  it("keeps system messages in their places", () => {
    const { body } = mapTurns({ role: "user", content: "Hi" }, { role: "system", content: [text("Env")] });
    expect(body.messages).toEqual([
      { role: "user", content: "Hi" },
      { role: "system", content: "Env" },
    ]);
  });

  it("turns images into image parts", () => {
    const url = { type: "url", url: "https://example.com/a.png" };
    expect(
      mapTurns(user({ type: "image", source: PNG }, { type: "image", source: url }, text("What?"))).body
        .messages,
    ).toEqual([
      {
        role: "user",
        content: [PNG_PART, { type: "image_url", image_url: { url: url.url } }, text("What?")],
      },
    ]);
  });

  it("turns a PDF into a file, and other documents into text, each behind its title and context", () => {
    const pdf = { type: "base64", media_type: "application/pdf", data: "JVBE" };
    const { body } = mapTurns(
      user(
        { type: "document", source: pdf, title: "a.pdf", context: "A report" },
        { type: "document", source: { type: "text", media_type: "text/plain", data: "Plain" } },
        {
          type: "document",
          source: { type: "content", content: [text("In"), { type: "image", source: PNG }] },
        },
        { type: "document", source: { type: "content", content: "Bare" }, title: "T" },
      ),
    );
    expect(body.messages[0]!["content"]).toEqual([
      text("a.pdf\nA report"),
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBE" } },
      text("Plain"),
      text("In"),
      PNG_PART,
      text("T"),
      text("Bare"),
    ]);
  });

  it("writes search results out", () => {
    const result = {
      type: "search_result",
      title: "T",
      source: "https://a.b",
      content: [text("x"), text("y")],
    };
    expect(mapTurns(user(result)).body.messages[0]!["content"]).toBe("T\nhttps://a.b\nx\ny");
  });

  it("turns calls into tool_calls, with content null where there is no text", () => {
    const call = { type: "tool_use", id: "toolu_1", name: "get_weather", input: { city: "Rome" } };
    const { body } = mapTurns(
      assistant(text("Let me "), text("see."), call),
      assistant({ ...call, id: "toolu_2", input: {} }),
    );
    const called = (id: string, args: string) => ({
      id,
      type: "function",
      function: { name: "get_weather", arguments: args },
    });
    expect(body.messages).toEqual([
      { role: "assistant", content: "Let me see.", tool_calls: [called("toolu_1", '{"city":"Rome"}')] },
      { role: "assistant", content: null, tool_calls: [called("toolu_2", "{}")] },
    ]);
  });

  it("puts each result of a tool before the rest of its turn, errors marked", () => {
    const { body, dropped } = mapTurns(
      user(
        text("And now?"),
        { type: "tool_result", tool_use_id: "a", content: "Sunny" },
        { type: "tool_result", tool_use_id: "b", content: [text("No"), text("such city")], is_error: true },
        { type: "tool_result", tool_use_id: "c" },
      ),
    );
    expect(body.messages).toEqual([
      { role: "tool", tool_call_id: "a", content: "Sunny" },
      { role: "tool", tool_call_id: "b", content: "Error: No\nsuch city" },
      { role: "tool", tool_call_id: "c", content: "" },
      { role: "user", content: "And now?" },
    ]);
    expect(dropped).toEqual([]);
  });

  it("hands images and files of results over in the user message that follows, and reports it", () => {
    const pdf = { type: "base64", media_type: "application/pdf", data: "JVBE" };
    const { body, dropped } = mapTurns(
      user(
        {
          type: "tool_result",
          tool_use_id: "a",
          content: [text("Shot:"), { type: "image", source: PNG }, { type: "document", source: pdf }],
        },
        text("Well?"),
      ),
    );
    expect(body.messages).toEqual([
      { role: "tool", tool_call_id: "a", content: "Shot:\n[image: see below]\n[document: see below]" },
      {
        role: "user",
        content: [
          text("The image of the result a:"),
          PNG_PART,
          text("The document of the result a:"),
          { type: "file", file: { filename: "document.pdf", file_data: "data:application/pdf;base64,JVBE" } },
          text("Well?"),
        ],
      },
    ]);
    expect(dropped).toEqual([
      "messages[].content[].content[].image",
      "messages[].content[].content[].document",
    ]);
  });

  it("turns tools into functions and reports hints that chat does not have", () => {
    const { body, dropped } = map({
      tools: [
        { ...WEATHER, type: "custom", strict: true, cache_control: EPHEMERAL },
        { ...WEATHER, name: "late", defer_loading: true, input_examples: [{}], eager_input_streaming: true },
      ],
    });
    const parameters = { type: "object" };
    expect(body["tools"]).toEqual([
      {
        type: "function",
        function: { name: "get_weather", description: "Weather", parameters, strict: true },
      },
      { type: "function", function: { name: "late", description: "Weather", parameters } },
    ]);
    expect(dropped).toEqual([
      "tools[].cache_control",
      "tools[].defer_loading",
      "tools[].input_examples",
      "tools[].eager_input_streaming",
    ]);
  });

  it("follows tools that are added and removed on the way", () => {
    const change = (type: string, tool: JsonObject): JsonObject => ({
      role: "system",
      content: [{ type, tool }],
    });
    const { body } = map({
      tools: [WEATHER, { ...WEATHER, name: "old" }],
      messages: [
        { role: "user", content: "Hi" },
        change("tool_addition", { type: "tool_definition", definition: { ...WEATHER, name: "new" } }),
        change("tool_removal", { type: "tool_reference", name: "old" }),
      ],
    });
    const names = (body["tools"] as { function: JsonObject }[]).map((tool) => tool.function["name"]);
    expect(names).toEqual(["get_weather", "new"]);
    expect(body.messages).toHaveLength(1);
  });

  it.each([
    [{ type: "auto" }, { tool_choice: "auto" }],
    [{ type: "none" }, { tool_choice: "none" }],
    [{ type: "any" }, { tool_choice: "required" }],
    [
      { type: "tool", name: "get_weather" },
      { tool_choice: { type: "function", function: { name: "get_weather" } } },
    ],
    [
      { type: "auto", disable_parallel_tool_use: true },
      { tool_choice: "auto", parallel_tool_calls: false },
    ],
  ])("tool_choice %j", (tool_choice, expected) => {
    const {
      tools: _,
      messages: __,
      max_completion_tokens: ___,
      ...rest
    } = map({
      tools: [WEATHER],
      tool_choice,
    }).body;
    expect(rest).toEqual(expected);
  });

  it("leaves a choice out that has no tools, unless it forces one", () => {
    expect(map({ tool_choice: { type: "auto" } }).body).toEqual(map({}).body);
    expect(refusedField({ tool_choice: { type: "any" } })).toBe("tool_choice");
  });

  it("carries sampling, stops, the user and the tier", () => {
    const { body, dropped } = map({
      temperature: 0.5,
      top_p: 0.9,
      stop_sequences: ["END"],
      metadata: { user_id: "u-1" },
      service_tier: "standard_only",
      invented: { a: 1 },
    });
    expect(body).toMatchObject({
      temperature: 0.5,
      top_p: 0.9,
      stop: ["END"],
      user: "u-1",
      service_tier: "default",
      invented: { a: 1 },
    });
    expect(dropped).toEqual([]);
  });

  it("reports a user that is longer than chat takes", () => {
    const { body, dropped } = map({ metadata: { user_id: "u".repeat(65) } });
    expect(body).not.toHaveProperty("user");
    expect(dropped).toEqual(["metadata.user_id"]);
  });

  it.each([{ output_config: { format: "FORMAT" } }, { output_format: "FORMAT" }])(
    "asks for JSON by the schema of %j",
    (request) => {
      const schema = { type: "object", properties: {}, additionalProperties: false };
      const format = { type: "json_schema", schema };
      const asked = JSON.parse(
        JSON.stringify(request).replace('"FORMAT"', JSON.stringify(format)),
      ) as JsonObject;
      expect(map(asked).body["response_format"]).toEqual({
        type: "json_schema",
        json_schema: { name: "output", schema, strict: true },
      });
    },
  );

  it("cuts names of tools that chat finds too long, the same way everywhere, and gives them back", () => {
    const name = `mcp__${"server".repeat(12)}__tool`;
    const { body } = map({
      tools: [{ ...WEATHER, name }],
      tool_choice: { type: "tool", name },
      messages: [assistant({ type: "tool_use", id: "a", name, input: {} })],
    });
    const short = (body["tools"] as { function: { name: string } }[])[0]!.function.name;
    expect(short).toHaveLength(64);
    expect(body["tool_choice"]).toEqual({ type: "function", function: { name: short } });
    expect(body.messages[0]!["tool_calls"]).toMatchObject([{ function: { name: short } }]);
    const reply = replyWith({
      tool_calls: [{ id: "a", type: "function", function: { name: short, arguments: "{}" } }],
    });
    const request = { tools: [{ ...WEATHER, name }] };
    expect(messages.bridge!.fromResponse(reply, { ...INFO, request })["content"]).toMatchObject([{ name }]);
  });
});

describe("members that only some backends take", () => {
  const turn = assistant(
    { type: "thinking", thinking: "Hm. ", signature: "sig" },
    { type: "redacted_thinking", data: "xyz" },
    { type: "thinking", thinking: "Well.", signature: "" },
    text("Yes"),
  );
  const request = {
    top_k: 5,
    system: [{ ...text("S"), cache_control: EPHEMERAL }],
    tools: [{ ...WEATHER, cache_control: EPHEMERAL }],
    messages: [
      turn,
      user({ type: "tool_result", tool_use_id: "a", content: "ok", cache_control: EPHEMERAL }, text("x"), {
        ...text("y"),
        cache_control: EPHEMERAL,
      }),
    ],
  };

  it("are left out and reported for a server of plain OpenAI", () => {
    const { body, dropped } = map(request);
    expect(body).not.toHaveProperty("top_k");
    expect(JSON.stringify(body)).not.toMatch(/cache_control|thinking|reasoning/);
    expect(body.messages.at(-1)).toEqual({ role: "user", content: "x\n\ny" });
    expect(dropped).toEqual([
      "top_k",
      "system[].cache_control",
      "messages[].content[].thinking",
      "messages[].content[].cache_control",
      "tools[].cache_control",
    ]);
  });

  it("go to adapters that sort them out", () => {
    const { body, dropped } = map(request, { extensions: undefined });
    expect(dropped).toEqual([]);
    expect(body["top_k"]).toBe(5);
    expect(body["tools"]).toMatchObject([{ cache_control: EPHEMERAL }]);
    expect(body.messages).toEqual([
      { role: "system", content: [{ ...text("S"), cache_control: EPHEMERAL }] },
      {
        role: "assistant",
        content: "Yes",
        reasoning_content: "Hm. Well.",
        thinking_blocks: [
          { type: "thinking", thinking: "Hm. ", signature: "sig" },
          { type: "redacted_thinking", data: "xyz" },
        ],
      },
      { role: "tool", tool_call_id: "a", content: "ok", cache_control: EPHEMERAL },
      { role: "user", content: [text("x"), { ...text("y"), cache_control: EPHEMERAL }] },
    ]);
  });

  it("give calls back what their vendor wants with them, and the text alone where a gateway signed", () => {
    const extra = (signature: string) => ({ google: { thought_signature: signature } });
    const items = [
      { type: "extra_content", call_id: "c1", extra_content: extra("c") },
      { type: "extra_content", extra_content: extra("t") },
      { type: "extra_content", call_id: "gone", extra_content: extra("g") },
    ];
    const history = {
      ...HELLO,
      messages: [
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Hm", signature: seal(items) },
            { type: "tool_use", id: "c1", name: "f", input: {} },
            { type: "tool_use", id: "c2", name: "f", input: {} },
          ],
        },
        user({ type: "tool_result", tool_use_id: "c1", content: "ok" }),
      ],
    };
    const made = (id: string) => ({ id, type: "function", function: { name: "f", arguments: "{}" } });
    const { body, dropped } = map(history, { extensions: undefined });
    expect(body.messages[0]).toEqual({
      role: "assistant",
      content: null,
      reasoning_content: "Hm",
      extra_content: extra("t"),
      tool_calls: [{ ...made("c1"), extra_content: extra("c") }, made("c2")],
    });
    expect(dropped).toEqual([]);
    expect(map(history, { extensions: ["reasoning_content", "thinking_blocks"] })).toMatchObject({
      body: { messages: [{ reasoning_content: "Hm", tool_calls: [made("c1"), made("c2")] }, {}] },
      dropped: ["messages[].content[].signature"],
    });
    expect(map(history).dropped).toEqual(["messages[].content[].signature", "messages[].content[].thinking"]);
  });

  it("go to a server that names them", () => {
    const { body, dropped } = map(request, { extensions: ["reasoning_content", "top_k"] });
    expect(body["top_k"]).toBe(5);
    expect(body.messages[1]).toEqual({ role: "assistant", content: "Yes", reasoning_content: "Hm. Well." });
    expect(dropped).not.toContain("messages[].content[].thinking");
  });
});

describe("thinking becomes an effort", () => {
  const enabled = (budget_tokens: number): JsonObject => ({ type: "enabled", budget_tokens });
  it.each([
    ["gpt-5", { thinking: enabled(4_095) }, "low"],
    ["gpt-5", { thinking: enabled(4_096) }, "medium"],
    ["gpt-5", { thinking: enabled(16_384) }, "high"],
    ["gpt-5", { thinking: { type: "adaptive" } }, undefined],
    ["gpt-5", { thinking: { type: "adaptive" }, output_config: { effort: "low" } }, "low"],
    ["gpt-5", { output_config: { effort: "high" } }, "high"],
    ["gpt-5.1", { thinking: { type: "disabled" }, output_config: { effort: "high" } }, "none"],
    ["publisher/gpt-oss-120b", { output_config: { effort: "high" } }, "high"],
    ["claude-opus-5-5", { output_config: { effort: "max" } }, "max"],
  ])("%s, %j: %s, unreported", (model, request, effort) => {
    const { body, dropped } = map(request, { model });
    expect(body["reasoning_effort"]).toBe(effort);
    expect(dropped).toEqual([]);
  });

  it.each([
    // The least that it takes.
    ["gpt-5", { thinking: { type: "disabled" } }, "minimal", ["thinking"]],
    ["o3", { thinking: { type: "disabled" } }, "low", ["thinking"]],
    ["o3", { output_config: { effort: "max" } }, "high", ["output_config.effort"]],
    ["gpt-5-pro", { output_config: { effort: "low" } }, "high", ["output_config.effort"]],
    ["gpt-4o", { thinking: enabled(9_000) }, undefined, ["thinking"]],
    [
      "gpt-4o",
      { thinking: { type: "adaptive", display: "omitted" }, output_config: { effort: "medium" } },
      undefined,
      ["thinking.display", "thinking", "output_config.effort"],
    ],
  ])("%s, %j: %s, with a report", (model, request, effort, reported) => {
    const { body, dropped } = map(request, { model });
    expect(body["reasoning_effort"]).toBe(effort);
    expect(dropped).toEqual(reported);
  });

  it("says nothing of a model that could not think anyway", () => {
    expect(map({ thinking: { type: "disabled" } }, { model: "gpt-4o" })).toEqual(map({}));
  });

  it("asks the user's table first", async () => {
    const own = await messagesOf({ reasoningEfforts: { "qwen3:*": ["none", "high"], "gpt-5*": [] } });
    const effort = (model: string) =>
      map({ output_config: { effort: "high" } }, { model }, own).body["reasoning_effort"];
    expect([effort("Qwen3:8b"), effort("qwen3"), effort("gpt-5"), effort("o3")]).toEqual([
      "high",
      undefined,
      undefined,
      "high",
    ]);
  });
});

describe("what would change the answer is refused, naming the field", () => {
  const document = (source: JsonObject): JsonObject => ({ messages: [user({ type: "document", source })] });
  const turn = (...content: JsonObject[]): JsonObject => ({ messages: [assistant(...content)] });
  const at = "messages[0].content[0]";
  it.each<[JsonObject, string]>([
    [{ max_tokens: 0 }, "max_tokens"],
    [{ mcp_servers: [{ url: "https://a.b" }] }, "mcp_servers"],
    [{ thread: { type: "create" } }, "thread"],
    [{ compaction: { type: "summarize" } }, "compaction"],
    [{ tools: [{ type: "web_search_20250305", name: "web_search" }] }, "tools[0].type"],
    [{ tools: [{ type: "bash_20250124", name: "bash" }] }, "tools[0].type"],
    [{ tools: ["x"] }, "tools[0]"],
    [{ tools: "x" }, "tools"],
    [{ tools: [WEATHER], tool_choice: { type: "maybe" } }, "tool_choice"],
    [{ output_config: { format: { type: "xml" } } }, "output_config.format"],
    [document({ type: "url", url: "https://a.b/c.pdf" }), `${at}.source`],
    [document({ type: "file", file_id: "f" }), `${at}.source`],
    [{ messages: [user({ type: "image", source: { type: "file", file_id: "f" } })] }, `${at}.source`],
    [{ messages: [user({ type: "container_upload", file_id: "f" })] }, at],
    [turn({ type: "server_tool_use", id: "s", name: "web_search", input: {} }), at],
    [turn({ type: "web_search_tool_result", tool_use_id: "s", content: [] }), at],
    [turn({ type: "document", source: { type: "text", data: "x" } }), at],
    [turn({ type: "tool_use", name: "x", input: {} }), `${at}.id`],
    [{ messages: [{ role: "tool", content: "x" }] }, "messages[0].role"],
    [{ messages: ["x"] }, "messages[0]"],
    [{ messages: [{ role: "user" }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: 1 }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: ["x"] }] }, at],
    [{ messages: [user({ type: "text" })] }, `${at}.text`],
  ])("%j", (request, field) => {
    expect(refusedField(request)).toBe(field);
  });
});

describe("fates of the fields", () => {
  const SAMPLES: JsonObject = {
    cache_control: EPHEMERAL,
    container: "c",
    context_management: { edits: [{ type: "clear_thinking_20251015" }] },
    inference_geo: "us",
    speed: "fast",
    diagnostics: { previous_message_id: null },
    billing_policy: {},
    user_profile_id: "p",
    workspace_id: "w",
    fallbacks: [{ model: "x" }],
    fallback_credit_token: "t",
  };
  const TOOL_SAMPLES: JsonObject = {
    name: "then",
    description: "The time.",
    input_schema: { type: "object", properties: { zone: { type: "string" } } },
    strict: true,
    cache_control: EPHEMERAL,
    defer_loading: true,
  };
  const rules = Object.entries(fields.messages!);

  it.each(rules.filter(([, { fate }]) => fate === "drop"))("%s is dropped and reported", (name) => {
    expect(SAMPLES).toHaveProperty(name);
    expect(map({ [name]: SAMPLES[name] })).toEqual({ ...map({}), dropped: [name] });
  });

  it.each(rules.filter(([name]) => name !== "messages"))("in-3: %s: null is as good as absent", (name) => {
    const { max_completion_tokens: _, ...rest } = map({ [name]: null }).body;
    expect(rest).toEqual({ messages: map({}).body.messages });
  });

  it.each(Object.entries(toolFields).filter(([name]) => name !== "type"))(
    "of a tool: %s",
    (name, { fate }) => {
      const tool = { name: "now", input_schema: { type: "object" } };
      const withTool = (given: JsonObject) => map({ tools: [{ ...tool, ...given }] });
      const { body, dropped } = withTool({ [name]: TOOL_SAMPLES[name] ?? { some: "value" } });
      if (fate === "drop") expect([body, dropped]).toEqual([withTool({}).body, [`tools[].${name}`]]);
      else expect([body, dropped]).not.toEqual([withTool({}).body, []]);
    },
  );

  it.each([
    { speed: "standard" },
    { service_tier: "auto" },
    { stop_sequences: [] },
    { tools: [] },
    { metadata: {} },
    { fallbacks: [] },
    { mcp_servers: [] },
    { output_config: {} },
  ])("the default %j is left out without a word", (request) => {
    expect(map(request)).toEqual(map({}));
  });
});

function replyWith(message: JsonObject, choice: JsonObject = {}, rest: JsonObject = {}): JsonObject {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: null, ...message },
        finish_reason: "stop",
        ...choice,
      },
    ],
    ...rest,
  };
}
const read = (reply: JsonObject, request: JsonObject = {}): JsonObject =>
  messages.bridge!.fromResponse(deepFreeze(reply), { ...INFO, request });

describe("in-11: a reply of chat becomes a message", () => {
  it("with the name asked for, the text and the usage, caches counted apart", () => {
    const usage = {
      prompt_tokens: 100,
      completion_tokens: 20,
      prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 30 },
      completion_tokens_details: { reasoning_tokens: 12 },
    };
    expect(read(replyWith({ content: "Hi" }, {}, { usage }))).toEqual({
      id: "msg_req_7f3a",
      type: "message",
      role: "assistant",
      model: "client-model",
      container: null,
      content: [{ type: "text", text: "Hi" }],
      stop_reason: "end_turn",
      stop_sequence: null,
      stop_details: null,
      usage: {
        input_tokens: 10,
        cache_creation_input_tokens: 30,
        cache_read_input_tokens: 60,
        output_tokens: 20,
        output_tokens_details: { thinking_tokens: 12 },
        server_tool_use: null,
      },
    });
  });

  it("never counts less than nothing", () => {
    const usage = { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 60 } };
    expect(read(replyWith({}, {}, { usage }))["usage"]).toMatchObject({ input_tokens: 0, output_tokens: 0 });
  });

  it("with thinking first, signed as it came, else unsigned", () => {
    const blocks = [{ type: "thinking", thinking: "Hm", signature: "s" }];
    expect(
      read(replyWith({ content: "A", reasoning_content: "Hm", thinking_blocks: blocks }))["content"],
    ).toEqual([...blocks, { type: "text", text: "A" }]);
    for (const name of ["reasoning_content", "reasoning"]) {
      expect(read(replyWith({ content: "", [name]: "Hm" }))["content"]).toEqual([
        { type: "thinking", thinking: "Hm", signature: UNSIGNED },
      ]);
    }
  });

  it("with what a vendor wants back in place of a signature, where there are thoughts or calls", () => {
    const extra = (signature: string) => ({ google: { thought_signature: signature } });
    const item = (call_id: string) => ({ type: "extra_content", call_id, extra_content: extra("c") });
    const own = { type: "extra_content", extra_content: extra("t") };
    const made = { type: "function", function: { name: "f", arguments: "{}" }, extra_content: extra("c") };
    const first = (message: JsonObject): unknown => (read(replyWith(message))["content"] as unknown[])[0];
    expect(first({ content: "A", tool_calls: [{ id: "c1", ...made }, made] })).toEqual({
      type: "thinking",
      thinking: "",
      signature: seal([item("c1"), item("toolu_req7f3a_1")]),
    });
    expect(first({ content: "A", reasoning_content: "Hm", extra_content: extra("t") })).toEqual({
      type: "thinking",
      thinking: "Hm",
      signature: seal([own]),
    });
    // Who asked for no thoughts reads the first block.
    expect(first({ content: "A", extra_content: extra("t") })).toEqual({ type: "text", text: "A" });
  });

  it("with calls as tool_use, also where the server says stop or gives no id", () => {
    const called = (args: string): JsonObject => ({
      type: "function",
      function: { name: "get_weather", arguments: args },
    });
    const { content, stop_reason } = read(
      replyWith({ tool_calls: [{ id: "call_1", ...called('{"city":"Rome"}') }, called("")] }),
    );
    const block = { type: "tool_use", name: "get_weather", caller: { type: "direct" } };
    expect(content).toEqual([
      { ...block, id: "call_1", input: { city: "Rome" } },
      { ...block, id: "toolu_req7f3a_1", input: {} },
    ]);
    expect(stop_reason).toBe("tool_use");
  });

  it.each([
    [{ finish_reason: "stop" }, "end_turn", null],
    [{ finish_reason: "length" }, "max_tokens", null],
    // There is nothing to answer.
    [{ finish_reason: "tool_calls" }, "end_turn", null],
    [{ finish_reason: "content_filter" }, "refusal", null],
    [{ finish_reason: "something_new" }, "end_turn", null],
    [{ finish_reason: "stop", stop_reason: "END" }, "stop_sequence", "END"],
    [{ finish_reason: "stop", stop_reason: 2 }, "end_turn", null],
    [{ finish_reason: "stop", stop_reason: "unasked" }, "end_turn", null],
    [{ finish_reason: "length", stop_reason: "END" }, "max_tokens", null],
  ])("stop reason of %j: %s", (choice, stop_reason, stop_sequence) => {
    expect(read(replyWith({ content: "x" }, choice), { stop_sequences: ["END"] })).toMatchObject({
      stop_reason,
      stop_sequence,
    });
  });

  it("with a refusal in words", () => {
    expect(read(replyWith({ refusal: "No." }))).toMatchObject({
      content: [{ type: "text", text: "No." }],
      stop_reason: "refusal",
      stop_details: { type: "refusal", category: null, explanation: "No." },
    });
  });

  it("without a last call that the limit cut off", () => {
    const call = { id: "a", type: "function", function: { name: "x", arguments: '{"city":"R' } };
    const reply = replyWith({ content: "T", tool_calls: [call] }, { finish_reason: "length" });
    expect(read(reply)).toMatchObject({ content: [{ type: "text" }], stop_reason: "max_tokens" });
  });

  it.each([
    {},
    { choices: [] },
    replyWith({ tool_calls: [{ id: "a", function: { name: "x", arguments: "{oops" } }] }),
    replyWith({ tool_calls: [{ id: "a", function: { name: "x", arguments: "[1]" } }] }),
    replyWith({ tool_calls: [{ id: "a", function: {} }] }),
  ])("or throws where there is none in it: %j", (reply) => {
    expect(() => read(reply)).toThrow(TypeError);
  });
});

describe("errors in Anthropic's shape", () => {
  const { dialect } = messages;

  it.each([
    [400, "invalid_request_error"],
    [401, "authentication_error"],
    [402, "billing_error"],
    [403, "permission_error"],
    [404, "not_found_error"],
    [405, "invalid_request_error"],
    [409, "conflict_error"],
    [413, "request_too_large"],
    [415, "invalid_request_error"],
    [422, "invalid_request_error"],
    [429, "rate_limit_error"],
    [500, "api_error"],
    [501, "api_error"],
    [502, "api_error"],
    [503, "overloaded_error"],
    [504, "timeout_error"],
    [529, "overloaded_error"],
  ])("%i is %s", (status, type) => {
    const error = new GatewayError("some_code", {
      status,
      message: "Why",
      param: "f",
      details: { limit: 1 },
    });
    expect(JSON.parse(dialect.errorBody(error, "req_1"))).toEqual({
      type: "error",
      error: { type, message: "Why", details: { error_code: "some_code", param: "f", limit: 1 } },
      request_id: "req_1",
    });
  });

  it("in streams by an event of that name", () => {
    const event = dialect.errorEvent(new GatewayError("upstream_interrupted"), "req_1");
    expect(event).toMatch(/^event: error\ndata: \{"type":"error","error":\{"type":"api_error",.*\}\n\n$/);
  });

  it("in streams with the type that the backend named", () => {
    const upstream = { kind: "stream_error", sent: true, code: "overloaded_error" } as const;
    const error = new GatewayError("provider_error", { upstream });
    expect(dialect.errorEvent(error, "req_1")).toContain('"type":"overloaded_error"');
  });
});
