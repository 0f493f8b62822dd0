import { refusedField } from "@gatewright/adapter-tests";
import type { FieldRule, FieldTable, JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import { fields } from "@gatewright/gemini-api";
import { createReasoningEfforts, seal } from "gatewright";
import { KNOWN_EFFORTS } from "../../adapters/src/_reasoning-efforts.ts";
import { toChatRequest } from "../../plugins/gemini-api/src/chat-request.ts";
import { generationFields, thinkingFields } from "../../plugins/gemini-api/src/generation-config.ts";
import { toJsonSchema } from "../../plugins/gemini-api/src/json-schema.ts";
import {
  callingFields,
  declarationFields,
  toolConfigFields,
  toolFields,
} from "../../plugins/gemini-api/src/tools.ts";
import { callFields } from "../../plugins/gemini-api/src/assistant-message.ts";
import { contentFields, partFields } from "../../plugins/gemini-api/src/contents.ts";
import { blobFields, fileFields } from "../../plugins/gemini-api/src/media.ts";
import { resultFields } from "../../plugins/gemini-api/src/user-messages.ts";
import { deepFreeze } from "../_support/deep-freeze.ts";

const HELLO = [{ role: "user", parts: [{ text: "Hello!" }] }];

/** By default the backend takes all that a bridge may add, and its model every effort of Gemini's. */
function toChat(
  request: JsonObject,
  extensions?: readonly string[],
  model = "gemini-2.5-flash",
): { body: JsonObject; dropped: readonly string[] } {
  const info = { model, extensions, reasoningEfforts: KNOWN_EFFORTS };
  return toChatRequest(deepFreeze(request), info, createReasoningEfforts());
}

function messagesOf(contents: unknown[], rest: JsonObject = {}): unknown {
  return toChat({ contents, ...rest }).body["messages"];
}

function user(...parts: unknown[]): JsonObject {
  return { role: "user", parts };
}

function model(...parts: unknown[]): JsonObject {
  return { role: "model", parts };
}

const call = (name: string, rest: JsonObject = {}): JsonObject => ({
  functionCall: { name, args: {}, ...rest },
});
const result = (name: string, response: unknown = {}, rest: JsonObject = {}): JsonObject => ({
  functionResponse: { name, response, ...rest },
});

describe("contents", () => {
  it("becomes messages, the system instruction first and its parts joined by blank lines", () => {
    const systemInstruction = { parts: [{ text: "Be brief." }, { text: "Be kind." }] };
    expect(
      messagesOf([user({ text: "Hi" }), model({ text: "Yes?" }), user({ text: "Go on" })], {
        systemInstruction,
      }),
    ).toEqual([
      { role: "system", content: "Be brief.\n\nBe kind." },
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Yes?" },
      { role: "user", content: "Go on" },
    ]);
  });

  it("joins the contents of one streamed answer", () => {
    expect(
      messagesOf([user({ text: "Hi" }), model({ text: "Hel" }), model({ text: "lo" }), model({ text: "" })]),
    ).toEqual([
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello" },
    ]);
  });

  it("reads names in snake case as well", () => {
    const request = {
      system_instruction: { parts: [{ text: "Be brief." }] },
      contents: [user({ inline_data: { mime_type: "image/png", data: "AA==" } })],
      generation_config: { max_output_tokens: 7, stop_sequences: ["x"] },
    };
    expect(toChat(request)).toEqual({
      body: {
        messages: [
          { role: "system", content: "Be brief." },
          {
            role: "user",
            content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }],
          },
        ],
        max_completion_tokens: 7,
        stop: ["x"],
      },
      dropped: [],
    });
  });

  it.each([
    ["image/png", { type: "image_url", image_url: { url: "data:image/png;base64,-_8=" } }],
    ["audio/wav", { type: "input_audio", input_audio: { data: "-_8=", format: "wav" } }],
    ["audio/mpeg", { type: "input_audio", input_audio: { data: "-_8=", format: "mp3" } }],
    [
      "application/pdf",
      { type: "file", file: { file_data: "data:application/pdf;base64,-_8=", filename: "document.pdf" } },
    ],
  ])("carries %s, in the standard alphabet of base64", (mimeType, part) => {
    const expected = JSON.parse(JSON.stringify(part).replace("-_8=", "+/8=")) as unknown;
    expect(messagesOf([user({ inlineData: { mimeType, data: "-_8=" } })])).toEqual([
      { role: "user", content: [expected] },
    ]);
  });

  it("reads a text file, keeps the name of a document, and sends an image of the web by its address", () => {
    const text = Buffer.from("naïve").toString("base64");
    expect(
      messagesOf([
        user(
          { inlineData: { mimeType: "text/plain", data: text } },
          { inlineData: { mimeType: "application/pdf", data: "AA==", displayName: "a.pdf" } },
          { fileData: { mimeType: "image/jpeg", fileUri: "https://images.example/a.jpg" } },
        ),
      ]),
    ).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "naïve" },
          { type: "file", file: { file_data: "data:application/pdf;base64,AA==", filename: "a.pdf" } },
          { type: "image_url", image_url: { url: "https://images.example/a.jpg" } },
        ],
      },
    ]);
  });

  it.each([
    [
      "a file kept by Google",
      {
        fileData: {
          mimeType: "image/png",
          fileUri: "https://generativelanguage.googleapis.com/v1beta/files/a",
        },
      },
      "contents[0].parts[0].fileData.fileUri",
    ],
    [
      "a bucket",
      { fileData: { mimeType: "image/png", fileUri: "gs://bucket/a.png" } },
      "contents[0].parts[0].fileData.fileUri",
    ],
    [
      "a film",
      { fileData: { mimeType: "video/mp4", fileUri: "https://films.example/a" } },
      "contents[0].parts[0].fileData.fileUri",
    ],
    [
      "a film in the request",
      { inlineData: { mimeType: "video/mp4", data: "AA==" } },
      "contents[0].parts[0].inlineData.mimeType",
    ],
    ["code that ran", { executableCode: { code: "1" } }, "contents[0].parts[0].executableCode"],
    ["a kind that nobody knows", { hologram: {} }, "contents[0].parts[0].hologram"],
    ["a call by the user", call("f"), "contents[0].parts[0].functionCall"],
    ["a result without its call", result("f"), "contents[0].parts[0].functionResponse"],
    ["a text that is none", { text: 1 }, "contents[0].parts[0].text"],
    ["a part that is none", "text", "contents[0].parts[0]"],
  ])("refuses %s, naming it", (_, part, field) => {
    expect(refusedField(() => toChat({ contents: [user(part)] }))).toBe(field);
  });

  it("refuses another role, and media of the model's", () => {
    expect(refusedField(() => toChat({ contents: [{ role: "system", parts: [] }] }))).toBe(
      "contents[0].role",
    );
    const contents = [model({ inlineData: { mimeType: "image/png", data: "AA==" } })];
    expect(refusedField(() => toChat({ contents }))).toBe("contents[0].parts[0].inlineData");
  });
});

describe("calls and results", () => {
  it("becomes tool calls and messages, matched by id in any order", () => {
    expect(
      messagesOf([
        user({ text: "?" }),
        model(call("a", { id: "1", args: { x: 1 } }), call("a", { id: "2" })),
        user(result("a", { output: "two" }, { id: "2" }), result("a", { output: "one" }, { id: "1" })),
      ]),
    ).toEqual([
      { role: "user", content: "?" },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "1", type: "function", function: { name: "a", arguments: '{"x":1}' } },
          { id: "2", type: "function", function: { name: "a", arguments: "{}" } },
        ],
      },
      { role: "tool", tool_call_id: "2", content: "two" },
      { role: "tool", tool_call_id: "1", content: "one" },
    ]);
  });

  it("makes ids where there are none, and matches by name in order", () => {
    const messages = messagesOf([
      user({ text: "?" }),
      model({ text: "Well." }, call("a"), call("b"), call("a")),
      user(
        { text: "Here:" },
        result("b", { output: 2 }),
        result("a", { output: 1 }),
        result("a", { output: 3 }),
      ),
    ]) as JsonObject[];
    expect(messages[1]).toMatchObject({
      content: "Well.",
      tool_calls: [{ id: "call_1_0" }, { id: "call_1_1" }, { id: "call_1_2" }],
    });
    expect(messages.slice(2)).toEqual([
      { role: "tool", tool_call_id: "call_1_1", content: "2" },
      { role: "tool", tool_call_id: "call_1_0", content: "1" },
      { role: "tool", tool_call_id: "call_1_2", content: "3" },
      { role: "user", content: "Here:" },
    ]);
  });

  it.each([
    [{ output: "text" }, "text"],
    [{ output: { a: 1 } }, '{"a":1}'],
    [{ error: "no such city" }, "Error: no such city"],
    [{ degrees: 18 }, '{"degrees":18}'],
    [{}, "{}"],
    [undefined, ""],
  ])("writes the result %j as %j", (response, content) => {
    const contents = [model(call("f")), user({ functionResponse: { name: "f", response } })];
    expect(messagesOf(contents)).toMatchObject([{}, { content }]);
  });

  it("gives the images of a result to a message of the user's, and says so", () => {
    const parts = [{ inlineData: { mimeType: "image/png", data: "AA==" } }];
    const { body, dropped } = toChat({
      contents: [model(call("f")), user(result("f", { output: "seen" }, { parts }))],
    });
    expect((body["messages"] as unknown[]).slice(1)).toEqual([
      { role: "tool", tool_call_id: "call_0_0", content: "seen" },
      { role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }] },
    ]);
    expect(dropped).toEqual(["contents[].parts[].functionResponse.parts"]);
  });

  it("does not match a result with the call of an earlier turn", () => {
    const contents = [
      model(call("f")),
      user({ text: "Never mind" }),
      model({ text: "Fine" }),
      user(result("f")),
    ];
    expect(refusedField(() => toChat({ contents }))).toBe("contents[3].parts[0].functionResponse");
  });
});

describe("thoughts and signatures", () => {
  const blocks = [
    { type: "thinking", thinking: "Let me see.", signature: "c2ln" },
    { type: "redacted_thinking", data: "secret" },
  ];
  const contents = [
    user({ text: "?" }),
    model(
      { text: "Let me ", thought: true },
      { text: "see.", thought: true },
      { text: "It is", thoughtSignature: "dGV4dA==" },
      { ...call("f", { id: "1" }), thoughtSignature: "Y2FsbA==" },
    ),
    user(result("f", { output: "sunny" }, { id: "1" })),
    // Some SDKs write the bytes by the other alphabet of base64 (RFC 4648, section 5).
    model({ text: "", thoughtSignature: seal(blocks).replaceAll("+", "-").replaceAll("/", "_") }),
  ];

  it("carries them to backends that take them", () => {
    expect(messagesOf(contents)).toMatchObject([
      {},
      {
        content: "It is",
        reasoning_content: "Let me see.",
        extra_content: { google: { thought_signature: "dGV4dA==" } },
        tool_calls: [{ extra_content: { google: { thought_signature: "Y2FsbA==" } } }],
      },
      { role: "tool" },
      { content: "", thinking_blocks: blocks },
    ]);
  });

  it("leaves them out for the others, and says so", () => {
    const { body, dropped } = toChat({ contents }, []);
    expect(body["messages"]).toMatchObject([
      {},
      {
        role: "assistant",
        content: "It is",
        tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      {},
      { role: "assistant", content: "" },
    ]);
    expect(JSON.stringify(body)).not.toMatch(/thinking|signature|extra_content/);
    expect([...dropped].sort()).toEqual([
      "contents[].parts[].thought",
      "contents[].parts[].thoughtSignature",
    ]);
  });

  it("takes the mark of a call that nobody signed for nothing, and no signature of Google's for another's", () => {
    const unsigned = model({ ...call("f", { id: "1" }), thoughtSignature: seal([]) });
    expect(toChat({ contents: [user({ text: "?" }), unsigned] }, [])).toMatchObject({ dropped: [] });
    const thought = model({ text: "Hm", thought: true, thoughtSignature: "c2ln" });
    const { body, dropped } = toChat({ contents: [user({ text: "?" }), thought] });
    expect((body["messages"] as unknown[])[1]).toEqual({
      role: "assistant",
      content: "",
      reasoning_content: "Hm",
    });
    expect(dropped).toEqual(["contents[].parts[].thoughtSignature"]);
  });
});

describe("tools", () => {
  const declared = [
    {
      functionDeclarations: [
        { name: "a", description: "A" },
        { name: "b", parametersJsonSchema: { type: "object" } },
      ],
    },
  ];
  const choose = (functionCallingConfig: JsonObject): unknown =>
    toChat({ contents: HELLO, tools: declared, toolConfig: { functionCallingConfig } }).body["tool_choice"];
  const named = (name: string): JsonObject => ({ type: "function", function: { name } });

  it("becomes functions, those of several tools in one list", () => {
    const tools = [...declared, { functionDeclarations: [{ name: "c", parameters: { type: "OBJECT" } }] }];
    expect(toChat({ contents: HELLO, tools }).body["tools"]).toEqual([
      { type: "function", function: { name: "a", description: "A" } },
      { type: "function", function: { name: "b", parameters: { type: "object" } } },
      { type: "function", function: { name: "c", parameters: { type: "object" } } },
    ]);
  });

  it.each([
    [{ mode: "AUTO" }, undefined],
    [{ mode: "NONE" }, "none"],
    [{ mode: "ANY" }, "required"],
    [{ mode: "ANY", allowedFunctionNames: ["a"] }, named("a")],
    [
      { mode: "ANY", allowedFunctionNames: ["a", "b"] },
      { type: "allowed_tools", allowed_tools: { mode: "required", tools: [named("a"), named("b")] } },
    ],
    [{ mode: "VALIDATED" }, undefined],
    [
      { mode: "VALIDATED", allowedFunctionNames: ["a"] },
      { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [named("a")] } },
    ],
  ])("chooses by %j", (config, choice) => {
    expect(choose(config)).toEqual(choice);
  });

  it("makes no choice between no tools, and refuses a mode that nobody knows", () => {
    const toolConfig = { functionCallingConfig: { mode: "NONE" } };
    expect(toChat({ contents: HELLO, toolConfig }).body).not.toHaveProperty("tool_choice");
    expect(refusedField(() => choose({ mode: "SOMETIMES" }))).toBe("toolConfig.functionCallingConfig.mode");
  });

  it("makes a choice of functions that there are not no choice, and refuses it where a call is demanded", () => {
    const config = "toolConfig.functionCallingConfig";
    expect(choose({ mode: "VALIDATED", allowedFunctionNames: ["z"] })).toBe("none");
    for (const allowedFunctionNames of [["z"], ["y", "z"]])
      expect(refusedField(() => choose({ mode: "ANY", allowedFunctionNames }))).toBe(
        `${config}.allowedFunctionNames`,
      );
    const toolConfig = { functionCallingConfig: { mode: "ANY" } };
    expect(refusedField(() => toChat({ contents: HELLO, toolConfig }))).toBe(`${config}.mode`);
  });

  it.each(["googleSearch", "codeExecution", "urlContext", "telepathy"])(
    "refuses %s, which Google runs",
    (name) => {
      expect(refusedField(() => toChat({ contents: HELLO, tools: [{ [name]: {} }] }))).toBe(
        `tools[0].${name}`,
      );
    },
  );
});

describe("generationConfig", () => {
  const settings = (generationConfig: JsonObject, extensions?: string[]): JsonObject => {
    const { messages: _, ...rest } = toChat({ contents: HELLO, generationConfig }, extensions).body;
    return rest;
  };

  it("gives each setting its name in OpenAI's chat", () => {
    expect(
      settings({
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        seed: 7,
        candidateCount: 2,
        maxOutputTokens: 100,
        stopSequences: ["a", "b"],
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        responseLogprobs: true,
        logprobs: 3,
      }),
    ).toEqual({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      seed: 7,
      n: 2,
      max_completion_tokens: 100,
      stop: ["a", "b"],
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
      logprobs: true,
      top_logprobs: 3,
    });
  });

  it("leaves `topK` out where the backend does not take it, and says so", () => {
    const request = { contents: HELLO, generationConfig: { topK: 40 } };
    expect(toChat(request, [])).toMatchObject({ dropped: ["generationConfig.topK"] });
    expect(toChat(request, []).body).not.toHaveProperty("top_k");
    expect(toChat(request, ["top_k"])).toMatchObject({ dropped: [], body: { top_k: 40 } });
  });

  it.each([
    [{ thinkingLevel: "MINIMAL" }, "minimal"],
    [{ thinkingLevel: "HIGH", includeThoughts: true }, "high"],
    [{ thinkingBudget: 0 }, "none"],
    [{ thinkingBudget: 4_095 }, "low"],
    [{ thinkingBudget: 4_096 }, "medium"],
    [{ thinkingBudget: 16_384 }, "high"],
    [{ thinkingBudget: -1 }, undefined],
    [{ includeThoughts: true }, undefined],
  ])("thinks as hard as %j says: %s", (thinkingConfig, effort) => {
    expect(settings({ thinkingConfig })["reasoning_effort"]).toBe(effort);
  });

  it.each([
    ["gpt-4o", { thinkingBudget: 9_000 }, undefined, ["thinkingBudget"]],
    ["gpt-4o", { thinkingBudget: 0 }, undefined, []],
    ["gpt-5", { thinkingBudget: 0 }, "minimal", ["thinkingBudget"]],
    ["o4-mini", { thinkingLevel: "MINIMAL" }, "low", ["thinkingLevel"]],
    ["openai/gpt-oss-120b", { thinkingLevel: "HIGH" }, "high", []],
    ["gpt-5", { thinkingLevel: "EXTREME" }, undefined, ["thinkingLevel"]],
    ["qwen3:8b", { thinkingLevel: "LOW" }, undefined, ["thinkingLevel"]],
  ])("%s, %j: %s, the nearest that the model takes", (model, thinkingConfig, effort, reported) => {
    const { body, dropped } = toChat(
      { contents: HELLO, generationConfig: { thinkingConfig } },
      undefined,
      model,
    );
    expect(body["reasoning_effort"]).toBe(effort);
    expect(dropped).toEqual(reported.map((name) => `generationConfig.thinkingConfig.${name}`));
  });

  it.each([
    [{ responseMimeType: "text/plain" }, undefined],
    [{ responseMimeType: "application/json" }, { type: "json_object" }],
    [
      { responseMimeType: "application/json", responseSchema: { type: "STRING" } },
      { type: "json_schema", json_schema: { name: "output", schema: { type: "string" } } },
    ],
    [
      { responseMimeType: "application/json", responseJsonSchema: { type: "string" } },
      { type: "json_schema", json_schema: { name: "output", schema: { type: "string" } } },
    ],
  ])("asks for the format of %j", (config, format) => {
    expect(settings(config)["response_format"]).toEqual(format);
  });

  it("refuses a format of its own", () => {
    expect(refusedField(() => settings({ responseMimeType: "text/x.enum" }))).toBe(
      "generationConfig.responseMimeType",
    );
  });

  it("passes on what it does not know", () => {
    const { body } = toChat({ contents: HELLO, x_top: 1, generationConfig: { min_p: 0.1 } });
    expect(body).toMatchObject({ x_top: 1, min_p: 0.1 });
  });
});

/** Where a table's fields stand in a request, and a request with one of them. */
const PLACES: readonly [
  name: string,
  table: FieldTable,
  prefix: string,
  at: (fields: JsonObject) => JsonObject,
][] = [
  ["a request", fields.generateContent!, "", (given) => ({ contents: HELLO, ...given })],
  [
    "generationConfig",
    generationFields,
    "generationConfig.",
    (given) => ({ contents: HELLO, generationConfig: given }),
  ],
  [
    "thinkingConfig",
    thinkingFields,
    "generationConfig.thinkingConfig.",
    (given) => ({ contents: HELLO, generationConfig: { thinkingConfig: given } }),
  ],
  ["a part", partFields, "contents[].parts[].", (given) => ({ contents: [user({ text: "a", ...given })] })],
  ["a tool", toolFields, "tools[].", (given) => ({ contents: HELLO, tools: [given] })],
  [
    "a declaration",
    declarationFields,
    "tools[].functionDeclarations[].",
    (given) => ({ contents: HELLO, tools: [{ functionDeclarations: [{ name: "f", ...given }] }] }),
  ],
  ["toolConfig", toolConfigFields, "toolConfig.", (given) => ({ contents: HELLO, toolConfig: given })],
  [
    "functionCallingConfig",
    callingFields,
    "toolConfig.functionCallingConfig.",
    (given) => ({ contents: HELLO, toolConfig: { functionCallingConfig: { mode: "AUTO", ...given } } }),
  ],
  [
    "a content",
    contentFields,
    "contents[].",
    (given) => ({ contents: [{ ...user({ text: "a" }), ...given }] }),
  ],
  [
    "inlineData",
    blobFields,
    "contents[].parts[].inlineData.",
    (given) => ({ contents: [user({ inlineData: { mimeType: "image/png", data: "AA==", ...given } })] }),
  ],
  [
    "fileData",
    fileFields,
    "contents[].parts[].fileData.",
    (given) => ({
      contents: [user({ fileData: { mimeType: "image/png", fileUri: "https://a.example/b.png", ...given } })],
    }),
  ],
  [
    "functionCall",
    callFields,
    "contents[].parts[].functionCall.",
    (given) => ({ contents: [model(call("f", given))] }),
  ],
  [
    "functionResponse",
    resultFields,
    "contents[].parts[].functionResponse.",
    (given) => ({ contents: [model(call("f")), user(result("f", {}, given))] }),
  ],
];

/** Without these there is nothing to tell of. */
const REQUIRED = new Set(["contents", "name", "text", "parts", "mimeType", "data", "fileUri", "response"]);

describe.each(PLACES)("fates of the fields of %s", (_, table, prefix, at) => {
  const rules = (fate: FieldRule["fate"]): string[] =>
    Object.keys(table).filter((name) => table[name]!.fate === fate);
  const value = { some: "value" };

  it("drops and reports what it says, and refuses what it says", () => {
    const whole = JSON.stringify(toChat(at({})).body);
    for (const name of rules("drop")) {
      const { body, dropped } = toChat(at({ [name]: value }));
      expect([name, JSON.stringify(body), dropped]).toEqual([name, whole, [prefix + name]]);
    }
    for (const name of rules("refuse")) {
      const field = refusedField(() => toChat(at({ [name]: value })));
      expect(field?.replaceAll(/\[\d+\]/g, "[]")).toBe(prefix + name);
    }
    for (const name of rules("forward")) expect(toChat(at({ [name]: 1 })).body).toMatchObject({ [name]: 1 });
  });

  it("takes null for absent", () => {
    const nothing = Object.fromEntries(
      Object.keys(table)
        .filter((name) => !REQUIRED.has(name))
        .map((name) => [name, null]),
    );
    expect(toChat(at(nothing))).toEqual(toChat(at({})));
  });
});

describe("schemas", () => {
  it("writes Google's types as JSON Schema does", () => {
    expect(
      toJsonSchema({
        type: "OBJECT",
        description: "A dish",
        properties: {
          minutes: { type: "INTEGER", format: "int32", minimum: 1 },
          name: { type: "STRING", maxLength: "40", nullable: true },
          kind: { type: "STRING", format: "enum", enum: ["soup", "cake"], nullable: true },
          steps: { type: "ARRAY", items: { type: "STRING" }, min_items: "1" },
          either: { any_of: [{ type: "NUMBER" }, { type: "BOOLEAN" }], nullable: true },
        },
        required: ["name"],
        propertyOrdering: ["name", "kind", "minutes"],
        example: { name: "Soup" },
      }),
    ).toEqual({
      type: "object",
      description: "A dish",
      properties: {
        name: { type: ["string", "null"], maxLength: 40 },
        kind: { type: ["string", "null"], enum: ["soup", "cake", null] },
        minutes: { type: "integer", format: "int32", minimum: 1 },
        steps: { type: "array", items: { type: "string" }, minItems: 1 },
        either: { anyOf: [{ type: "number" }, { type: "boolean" }, { type: "null" }] },
      },
      required: ["name"],
      examples: [{ name: "Soup" }],
    });
  });

  it("orders properties as asked, the others after them", () => {
    const properties = { a: {}, b: {}, c: {}, d: {} };
    const schema = toJsonSchema({ type: "OBJECT", properties, property_ordering: ["c", "a"] }) as JsonObject;
    expect(Object.keys(schema["properties"] as JsonObject)).toEqual(["c", "a", "b", "d"]);
  });

  it("leaves JSON Schema as it is, properties named like keywords included", () => {
    const schema = {
      $ref: "#/$defs/node",
      $defs: {
        node: {
          type: ["object", "null"],
          properties: {
            nullable: { type: "boolean" },
            format: { const: "enum" },
            max_items: { type: "integer" },
          },
          additionalProperties: false,
          patternProperties: { "^x_": { type: "string" } },
        },
      },
    };
    expect(toJsonSchema(schema)).toEqual(schema);
  });
});
