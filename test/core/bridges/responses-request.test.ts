import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import { fields } from "../../../core/src/operations/responses.ts";
import { chatOf, messagesOf } from "./_responses.ts";

describe("the input of a response as messages", () => {
  it("takes a text as the user's message, after the instructions", () => {
    expect(messagesOf("Hello", { instructions: "Be brief" })).toEqual([
      { role: "system", content: "Be brief" },
      { role: "user", content: "Hello" },
    ]);
  });

  it("takes messages with and without a type, and developers as the system", () => {
    expect(
      messagesOf([
        { role: "developer", content: "Rule" },
        { type: "message", role: "user", content: [{ type: "input_text", text: "Hi" }] },
        {
          role: "system",
          content: [
            { type: "input_text", text: "a" },
            { type: "input_text", text: "b" },
          ],
        },
      ]),
    ).toEqual([
      { role: "system", content: "Rule" },
      { role: "user", content: "Hi" },
      {
        role: "system",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
    ]);
  });

  it("in-3: carries images with their detail, files with data, and audio", () => {
    expect(
      messagesOf([
        {
          role: "user",
          content: [
            { type: "input_text", text: "What is it?", cache_control: { type: "ephemeral" } },
            { type: "input_image", image_url: "https://host/a.png", detail: "low" },
            { type: "input_image", image_url: "data:image/png;base64,AA==" },
            { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AA==" },
            { type: "input_audio", input_audio: { data: "AA==", format: "wav" } },
          ],
        },
      ]),
    ).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "What is it?", cache_control: { type: "ephemeral" } },
          { type: "image_url", image_url: { url: "https://host/a.png", detail: "low" } },
          { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } },
          { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AA==" } },
          { type: "input_audio", input_audio: { data: "AA==", format: "wav" } },
        ],
      },
    ]);
  });

  it("in-3: makes one turn of reasoning, text and calls in a row, and a message of each result", () => {
    expect(
      messagesOf([
        { role: "user", content: "Weather?" },
        { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "Look it up." }] },
        {
          type: "message",
          id: "msg_1",
          status: "completed",
          role: "assistant",
          content: [{ type: "output_text", text: "Let me see.", annotations: [], logprobs: [] }],
        },
        { type: "function_call", id: "fc_1", call_id: "c1", name: "weather", arguments: '{"city":"Rome"}' },
        { type: "custom_tool_call", id: "ctc_1", call_id: "c2", name: "shell", input: "ls" },
        { type: "function_call_output", call_id: "c1", output: "18" },
        { type: "custom_tool_call_output", call_id: "c2", output: [{ type: "input_text", text: "a.txt" }] },
        { role: "user", content: "Thanks" },
      ]),
    ).toEqual([
      { role: "user", content: "Weather?" },
      {
        role: "assistant",
        content: "Let me see.",
        reasoning_content: "Look it up.",
        tool_calls: [
          { id: "c1", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } },
          { id: "c2", type: "custom", custom: { name: "shell", input: "ls" } },
        ],
      },
      { role: "tool", tool_call_id: "c1", content: "18" },
      { role: "tool", tool_call_id: "c2", content: "a.txt" },
      { role: "user", content: "Thanks" },
    ]);
  });

  it("begins another turn after results, and with a text after a text", () => {
    expect(
      messagesOf([
        { type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: "1" },
        { type: "function_call", call_id: "c2", name: "f", arguments: "{}" },
        { type: "function_call_output", call_id: "c2", output: "2" },
        { role: "assistant", content: "One" },
        { role: "assistant", content: "Two" },
      ]),
    ).toEqual([
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c1", content: "1" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c2", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c2", content: "2" },
      { role: "assistant", content: "One" },
      { role: "assistant", content: "Two" },
    ]);
  });

  it("keeps all calls of a turn before their results, whatever was said between them", () => {
    const messages = messagesOf([
      { role: "assistant", content: "First" },
      { type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
      { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "And now" }] },
      { role: "assistant", content: "Second" },
      { type: "function_call", call_id: "c2", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: "1" },
      { type: "function_call_output", call_id: "c2", output: "2" },
    ]) as { role: string; content: unknown; tool_calls?: { id: string }[] }[];
    expect(messages.map(({ role }) => role)).toEqual(["assistant", "tool", "tool"]);
    expect(messages[0]).toMatchObject({ content: "First\n\nSecond", reasoning_content: "And now" });
    expect(messages[0]!.tool_calls!.map(({ id }) => id)).toEqual(["c1", "c2"]);
  });

  it("gives what a tool returned beside text to the user, after all results, and says so", () => {
    const image = { type: "input_image", image_url: "data:image/png;base64,AA==" };
    const { body, dropped } = chatOf({
      input: [
        { type: "function_call", call_id: "c1", name: "shot", arguments: "{}" },
        { type: "function_call", call_id: "c2", name: "shot", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: [{ type: "input_text", text: "ok" }, image] },
        { type: "function_call_output", call_id: "c2", output: "none" },
      ],
    });
    expect((body["messages"] as object[]).slice(1)).toEqual([
      { role: "tool", tool_call_id: "c1", content: [{ type: "text", text: "ok" }] },
      { role: "tool", tool_call_id: "c2", content: "none" },
      { role: "user", content: [{ type: "image_url", image_url: { url: image.image_url } }] },
    ]);
    expect(dropped).toEqual(["input[].output"]);
  });

  it("shows an image that the model made as the user's, and says so", () => {
    const image = { type: "image_generation_call", id: "ig_1", status: "completed" };
    const { body, dropped } = chatOf({
      input: [
        { role: "user", content: "Draw" },
        { role: "assistant", content: "Here:" },
        { ...image, result: "AA==", output_format: "jpeg" },
        { ...image, result: "BB==" },
        { ...image, status: "failed", result: null },
        { role: "user", content: "Bluer" },
      ],
    });
    const part = (url: string): JsonObject => ({ type: "image_url", image_url: { url } });
    expect((body["messages"] as object[]).slice(1)).toEqual([
      { role: "assistant", content: "Here:" },
      { role: "user", content: [part("data:image/jpeg;base64,AA=="), part("data:image/png;base64,BB==")] },
      { role: "user", content: "Bluer" },
    ]);
    expect(dropped).toEqual(["input[].result"]);
  });

  it("carries a refusal of the model", () => {
    expect(messagesOf([{ role: "assistant", content: [{ type: "refusal", refusal: "No." }] }])).toEqual([
      { role: "assistant", content: "", refusal: "No." },
    ]);
  });

  it("brings signed thoughts back, and reports those that another vendor sealed", () => {
    const blocks = [{ type: "thinking", thinking: "Hm", signature: "sig" }];
    const sealed = `gatewrightv1${Buffer.from(JSON.stringify(blocks)).toString("base64")}`;
    const input = (encrypted_content: string) => [
      { type: "reasoning", summary: [], encrypted_content },
      { role: "assistant", content: "Yes" },
    ];
    expect(messagesOf(input(sealed))).toEqual([
      { role: "assistant", content: "Yes", thinking_blocks: blocks },
    ]);
    const ill = `gatewrightv1${Buffer.from("[1]").toString("base64")}`;
    for (const foreign of ["gAAAAB", "gatewrightv1!!", ill]) {
      const { body, dropped } = chatOf({ input: input(foreign) });
      expect(body["messages"]).toEqual([{ role: "assistant", content: "Yes" }]);
      expect(dropped).toEqual(["input[].encrypted_content"]);
    }
  });

  it("does without thoughts that are referred to, and reports them; other items it refuses", () => {
    const referring = (id: string) => ({
      input: [
        { type: "item_reference", id },
        { role: "user", content: "Go on" },
      ],
    });
    expect(chatOf(referring("rs_0123_0"))).toMatchObject({
      body: { messages: [{ role: "user", content: "Go on" }] },
      dropped: ["input[].id"],
    });
    expect(() => chatOf(referring("msg_0123_0"))).toThrow("refers to an item");
  });

  it("brings what a vendor wants back with each call, sealed before them", () => {
    const extra = (signature: string) => ({ google: { thought_signature: signature } });
    const items = [1, 2].map((n) => ({
      type: "extra_content",
      call_id: `c${n}`,
      extra_content: extra(`s${n}`),
    }));
    const sealed = `gatewrightv1${Buffer.from(JSON.stringify(items)).toString("base64")}`;
    const call = (id: string) => ({ type: "function_call", call_id: id, name: "f", arguments: "{}" });
    const made = (id: string, rest: object) => ({
      id,
      type: "function",
      function: { name: "f", arguments: "{}" },
      ...rest,
    });
    expect(
      messagesOf([
        { type: "reasoning", summary: [], encrypted_content: sealed },
        call("c1"),
        call("c2"),
        call("c3"),
      ]),
    ).toEqual([
      {
        role: "assistant",
        content: null,
        tool_calls: [
          made("c1", { extra_content: extra("s1") }),
          made("c2", { extra_content: extra("s2") }),
          made("c3", {}),
        ],
      },
    ]);
  });

  it("brings what a vendor wants back with a call and with a text", () => {
    const extra_content = { google: { thought_signature: "s" } };
    expect(
      messagesOf([
        { role: "assistant", content: "a", extra_content },
        { type: "function_call", call_id: "c1", name: "f", arguments: "{}", extra_content },
      ]),
    ).toEqual([
      {
        role: "assistant",
        content: "a",
        extra_content,
        tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" }, extra_content }],
      },
    ]);
  });

  it.each([
    ["input[0]", [{ type: "item_reference", id: "msg_1" }]],
    ["input[0].type", [{ type: "web_search_call", id: "ws_1" }]],
    ["input[0].type", [{ type: "compaction", encrypted_content: "a" }]],
    ["input[0].role", [{ role: "critic", content: "a" }]],
    ["input[0].content", [{ role: "user", content: 1 }]],
    ["input[0].content[0].type", [{ role: "user", content: [{ type: "input_video" }] }]],
    ["input[0].content[0].file_id", [{ role: "user", content: [{ type: "input_image", file_id: "f" }] }]],
    ["input[0].content[0].file_id", [{ role: "user", content: [{ type: "input_file", file_id: "f" }] }]],
    ["input[0].content[0].file_url", [{ role: "user", content: [{ type: "input_file", file_url: "u" }] }]],
    ["input[0].content[0]", [{ role: "assistant", content: [{ type: "input_image" }] }]],
    ["input[0]", ["text"]],
  ])("refuses what chat cannot hold, naming %s", (field, input) => {
    expect(() => chatOf({ input })).toThrow(expect.objectContaining({ name: "UnsupportedField", field }));
  });
});

describe("the fields of a response's request", () => {
  it("nests tools and their choice, and the format of the text", () => {
    const parameters = { type: "object", properties: {} };
    const { body, dropped } = chatOf({
      model: "m",
      input: "a",
      tools: [
        { type: "function", name: "f", description: "d", parameters, strict: true },
        { type: "function", name: "g", parameters: null, strict: null, cache_control: { type: "ephemeral" } },
        { type: "custom", name: "c", format: { type: "grammar", syntax: "lark", definition: "start: A" } },
        { type: "custom", name: "t", format: { type: "text" } },
      ],
      tool_choice: { type: "function", name: "f" },
      parallel_tool_calls: false,
      text: {
        format: { type: "json_schema", name: "city", schema: { type: "object" }, strict: true },
        verbosity: "low",
      },
      max_output_tokens: 9,
      reasoning: { effort: "low", summary: "auto" },
      temperature: 0.5,
      top_p: 0.9,
      user: "u",
      top_k: 3,
    });
    expect(body).toEqual({
      model: "m",
      messages: [{ role: "user", content: "a" }],
      tools: [
        { type: "function", function: { name: "f", description: "d", parameters, strict: true } },
        { type: "function", function: { name: "g" }, cache_control: { type: "ephemeral" } },
        {
          type: "custom",
          custom: {
            name: "c",
            format: { type: "grammar", grammar: { syntax: "lark", definition: "start: A" } },
          },
        },
        { type: "custom", custom: { name: "t", format: { type: "text" } } },
      ],
      tool_choice: { type: "function", function: { name: "f" } },
      parallel_tool_calls: false,
      response_format: {
        type: "json_schema",
        json_schema: { name: "city", schema: { type: "object" }, strict: true },
      },
      verbosity: "low",
      max_completion_tokens: 9,
      reasoning_effort: "low",
      temperature: 0.5,
      top_p: 0.9,
      user: "u",
      top_k: 3,
    });
    expect(dropped).toEqual([]);
  });

  it.each([
    ["auto", "auto"],
    ["required", "required"],
    [
      { type: "custom", name: "c" },
      { type: "custom", custom: { name: "c" } },
    ],
    [
      { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "f" }] },
      {
        type: "allowed_tools",
        allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "f" } }] },
      },
    ],
  ])("takes the tool choice %j", (tool_choice, expected) => {
    const tools = [{ type: "function", name: "f" }];
    expect(chatOf({ input: "a", tools, tool_choice }).body["tool_choice"]).toEqual(expected);
  });

  it("makes a choice of tools that there are not no choice, and refuses it where a call is demanded", () => {
    const tools = [
      { type: "function", name: "f" },
      { type: "custom", name: "c" },
    ];
    const allow = (mode: string, name: string, type = "function"): JsonObject => ({
      type: "allowed_tools",
      mode,
      tools: [{ type, name }],
    });
    const choose = (tool_choice: JsonObject, given: JsonObject[] = tools): unknown =>
      chatOf({ input: "a", tools: given, tool_choice }).body["tool_choice"];
    expect(choose(allow("auto", "g"))).toBe("none");
    expect(choose(allow("auto", "f"), [])).toBeUndefined();
    expect(choose(allow("required", "c", "custom"))).toMatchObject({ type: "allowed_tools" });
    for (const given of [tools, []])
      expect(() => choose(allow("required", "g"), given)).toThrow(
        expect.objectContaining({ name: "UnsupportedField", field: "tool_choice.tools" }),
      );
  });

  it("says nothing of tools where there are none, as servers refuse that", () => {
    const { body } = chatOf({ input: "a", tools: [], tool_choice: "auto", parallel_tool_calls: true });
    expect(Object.keys(body)).toEqual(["messages"]);
  });

  it("asks for log probabilities in either way", () => {
    expect(chatOf({ input: "a", top_logprobs: 2 }).body).toMatchObject({ logprobs: true, top_logprobs: 2 });
    const include = ["message.output_text.logprobs"];
    const asked = chatOf({ input: "a", include });
    expect(asked.body["logprobs"]).toBe(true);
    expect(asked.dropped).toEqual([]);
  });

  it("leaves out and reports what does not change the answer, and is silent about defaults", () => {
    const { body, dropped } = chatOf({
      input: "a",
      store: true,
      truncation: "auto",
      include: ["file_search_call.results"],
      max_tool_calls: 3,
      stream_options: { include_obfuscation: true },
      text: { format: { type: "text" }, tone: "soft" },
      reasoning: { effort: null, context: "auto" },
      metadata: { a: "b" },
      input_note: null,
    });
    expect(Object.keys(body)).toEqual(["messages"]);
    expect(dropped!.toSorted()).toEqual([
      "include",
      "max_tool_calls",
      "reasoning.context",
      "store",
      "stream_options.include_obfuscation",
      "text.tone",
      "truncation",
    ]);
    const silent = {
      include: ["reasoning.encrypted_content"],
      store: false,
      truncation: "disabled",
      background: false,
      previous_response_id: null,
    };
    expect(chatOf({ input: "a", ...silent }).dropped).toEqual([]);
  });

  it.each([
    ["previous_response_id", { previous_response_id: "resp_1" }],
    ["conversation", { conversation: "conv_1" }],
    ["prompt", { prompt: { id: "pmpt_1" } }],
    ["background", { background: true }],
    ["tools[0].type", { tools: [{ type: "web_search" }] }],
    ["tools[0].type", { tools: [{ type: "mcp", server_label: "a" }] }],
    ["tool_choice", { tool_choice: { type: "file_search" } }],
    ["text.format", { text: { format: { type: "grammar" } } }],
    ["instructions", { instructions: ["a"] }],
  ])("refuses %s, which only an account of the vendor's can serve", (field, rest) => {
    expect(() => chatOf({ input: "a", ...rest })).toThrow(
      expect.objectContaining({ name: "UnsupportedField", field }),
    );
  });

  it("states a fate for every field that the API knows", () => {
    const known = [
      "model input instructions max_output_tokens max_tool_calls temperature top_p top_logprobs tools tool_choice",
      "parallel_tool_calls text reasoning include store previous_response_id conversation background stream",
      "stream_options truncation prompt context_management metadata service_tier user safety_identifier",
      "prompt_cache_key prompt_cache_options prompt_cache_retention moderation",
    ].flatMap((line) => line.split(" "));
    expect(Object.keys(fields).toSorted()).toEqual(known.toSorted());
  });
});
