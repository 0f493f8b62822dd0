import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { parseJson, seal, stringifyJson } from "gatewright";
import type { JsonObject } from "gatewright";

/** Text that says something, in characters of all lengths. */
export const text: Arbitrary<string> = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
  .filter((value) => value.trim() !== "");
const name = fc.stringMatching(/^[a-z][a-z0-9_]{2,11}$/);
const id = fc.uuid().map((value) => `call_${value.replaceAll("-", "").slice(0, 24)}`);
const number = (most: number) => fc.integer({ min: 1, max: 100 }).map((value) => (value / 128) * most);
/** Base64 of some bytes. */
const base64 = fc
  .uint8Array({ minLength: 3, maxLength: 30 })
  .map((bytes) => Buffer.from(bytes).toString("base64"));
const imageType = fc.constantFrom("image/png", "image/jpeg", "image/webp");

const image = fc.record({ mediaType: imageType, data: base64 });

/** JSON text of what a call is made with: ids of 64 bits, which a number does not hold, are among it. */
export const argumentsText: Arbitrary<string> = fc
  .dictionary(
    fc.string({ maxLength: 8 }),
    fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.bigInt({ min: 2n ** 62n, max: 2n ** 64n })),
    { maxKeys: 3 },
  )
  .map((value) => {
    // Longer than any text or name that there is.
    const text = JSON.stringify(value, (_, member: unknown) =>
      typeof member === "bigint" ? `@${member}` : member,
    );
    return text.replaceAll(/"@(\d{19,})"/g, "$1");
  });

/** Arguments of a call, as core reads them. */
const args = argumentsText.map((text) => parseJson(text) as JsonObject);

const schema: Arbitrary<JsonObject> = fc
  .dictionary(name, fc.record({ type: fc.constantFrom("string", "number", "boolean"), description: text }), {
    minKeys: 1,
    maxKeys: 3,
  })
  .map((properties) => ({
    type: "object",
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  }));

/** Some of the members. */
function some(members: Record<string, Arbitrary<unknown>>): Arbitrary<JsonObject> {
  return fc.record(members, { requiredKeys: [] });
}

/** What a model called, and what came of it. */
interface Call {
  readonly id: string;
  readonly name: string;
  readonly args: JsonObject;
  readonly result: string;
  /** A picture beside the text of the result. */
  readonly shows?: Image;
}

interface Image {
  readonly mediaType: string;
  /** Base64. */
  readonly data: string;
}

/** One round: the user speaks, perhaps tools are called, the model answers. */
interface Round {
  readonly says: string;
  readonly image?: Image;
  readonly calls: readonly Call[];
  readonly thinking?: string;
  readonly answers: string;
  /** A PDF, base64. */
  readonly document?: string;
  /** Caches reach until here. */
  readonly marked?: boolean;
  /** Thoughts that are hidden, as their vendor encrypted them. */
  readonly hidden?: string;
}

export interface Conversation {
  readonly system?: string;
  readonly rounds: readonly Round[];
  /** The user's last words. */
  readonly asks: string;
  readonly tools: readonly { name: string; description: string; parameters: JsonObject }[];
}

/** A conversation in words of no dialect. Ids of calls are told apart over the whole of it. */
export const conversation: Arbitrary<Conversation> = fc
  .record(
    {
      system: text,
      rounds: fc.array(
        fc.record(
          {
            says: text,
            image,
            calls: fc.array(
              fc.record(
                { id, name, args, result: text, shows: image },
                { requiredKeys: ["id", "name", "args", "result"] },
              ),
              { maxLength: 3 },
            ),
            thinking: text,
            answers: text,
            document: base64,
            marked: fc.boolean(),
            hidden: base64,
          },
          { requiredKeys: ["says", "calls", "answers"] },
        ),
        { maxLength: 3 },
      ),
      asks: text,
      tools: fc.uniqueArray(fc.record({ name, description: text, parameters: schema }), {
        maxLength: 3,
        selector: (tool) => tool.name,
      }),
    },
    { requiredKeys: ["rounds", "asks", "tools"] },
  )
  .map((given) => ({ ...given, rounds: given.rounds.map(withOwnIds) }));

function withOwnIds(round: Round, at: number): Round {
  return {
    ...round,
    calls: round.calls.map((call, index) => ({ ...call, id: `${call.id}_${at}_${index}` })),
  };
}

// --- OpenAI's chat

export const chatRequest: Arbitrary<JsonObject> = conversation.chain((given) =>
  some({
    temperature: number(1),
    top_p: number(0.9),
    stop: fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 4 })),
    max_completion_tokens: fc.integer({ min: 2_048, max: 8_192 }),
    seed: fc.integer({ min: 2, max: 1_000 }),
    presence_penalty: number(2),
    frequency_penalty: number(2),
    reasoning_effort: fc.constantFrom("low", "medium", "high"),
    parallel_tool_calls: fc.constant(false),
    tool_choice: fc.constantFrom("auto", "none"),
    response_format: fc.record({
      type: fc.constant("json_schema"),
      json_schema: fc.record({ name, schema, strict: fc.boolean() }),
    }),
    verbosity: fc.constantFrom("low", "high"),
    user: text,
    metadata: fc.record({ key: text }),
    store: fc.constant(true),
    prompt_cache_key: text,
    logprobs: rarely(fc.constant(true)),
    n: rarely(fc.constant(2)),
    logit_bias: rarely(fc.constant({ "50256": -100 })),
  }).map((rest) => ({ model: "m", messages: toChatMessages(given), ...toChatTools(given, rest) })),
);

/** Else most requests would be refused, and nothing learned of their other fields. */
function rarely<Value>(value: Arbitrary<Value>): Arbitrary<Value | undefined> {
  return fc.option(value, { freq: 12, nil: undefined }).map((given) => given);
}

function toChatTools({ tools }: Conversation, rest: JsonObject): JsonObject {
  const { tool_choice, parallel_tool_calls, ...others } = rest;
  if (tools.length === 0) return others;
  return {
    ...others,
    ...(tool_choice !== undefined && { tool_choice }),
    ...(parallel_tool_calls !== undefined && { parallel_tool_calls }),
    tools: tools.map((tool) => ({ type: "function", function: tool })),
  };
}

export function toChatMessages({ system, rounds, asks }: Conversation): JsonObject[] {
  return [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    ...rounds.flatMap(({ says, image, document, marked, calls, thinking, hidden, answers }) => [
      {
        role: "user",
        content:
          image || document !== undefined || marked
            ? [
                ...(image ? [toImagePart(image)] : []),
                ...(document === undefined
                  ? []
                  : [
                      {
                        type: "file",
                        file: { file_data: `data:application/pdf;base64,${document}`, filename: "a.pdf" },
                      },
                    ]),
                { type: "text", text: says, ...(marked && { cache_control: { type: "ephemeral" } }) },
              ]
            : says,
      },
      ...(calls.length > 0
        ? [
            {
              role: "assistant",
              content: null,
              ...(thinking !== undefined && {
                reasoning_content: thinking,
                thinking_blocks: [
                  { type: "thinking", thinking, signature: `signed ${thinking}` },
                  ...(hidden === undefined ? [] : [{ type: "redacted_thinking", data: hidden }]),
                ],
              }),
              tool_calls: calls.map((call, index) => ({
                id: call.id,
                type: "function",
                function: { name: call.name, arguments: stringifyJson(call.args) },
                ...(index === 0 &&
                  thinking === undefined && {
                    extra_content: { google: { thought_signature: `signed ${call.id}` } },
                  }),
              })),
            },
            ...calls.map(({ id: tool_call_id, result, shows }) => ({
              role: "tool",
              tool_call_id,
              content: shows ? [{ type: "text", text: result }, toImagePart(shows)] : result,
            })),
          ]
        : []),
      { role: "assistant", content: answers },
    ]),
    { role: "user", content: asks },
  ];
}

function toImagePart({ mediaType, data }: Image): JsonObject {
  return { type: "image_url", image_url: { url: `data:${mediaType};base64,${data}` } };
}

// --- OpenAI's responses

export const responsesRequest: Arbitrary<JsonObject> = conversation.chain((given) =>
  some({
    temperature: number(1),
    top_p: number(0.9),
    max_output_tokens: fc.integer({ min: 2_048, max: 8_192 }),
    reasoning: fc.record({ effort: fc.constantFrom("low", "high") }),
    text: fc.record({
      format: fc.record({ type: fc.constant("json_schema"), name, schema, strict: fc.boolean() }),
      verbosity: fc.constantFrom("low", "high"),
    }),
    parallel_tool_calls: fc.constant(false),
    user: text,
    safety_identifier: text,
    prompt_cache_key: text,
    store: fc.constant(true),
    truncation: fc.constant("auto"),
    max_tool_calls: fc.integer({ min: 1, max: 9 }),
    previous_response_id: rarely(fc.constant("resp_1")),
  }).map((rest) => ({
    model: "m",
    ...(given.system !== undefined && { instructions: given.system }),
    input: toInput(given),
    ...(given.tools.length > 0 && { tools: given.tools.map((tool) => ({ type: "function", ...tool })) }),
    ...rest,
  })),
);

function toInput({ rounds, asks }: Conversation): JsonObject[] {
  return [
    ...rounds.flatMap(({ says, image, document, calls, thinking, hidden, answers }) => [
      {
        role: "user",
        content: [
          { type: "input_text", text: says },
          ...(image ? [toInputImage(image)] : []),
          ...(document === undefined
            ? []
            : [
                {
                  type: "input_file",
                  filename: "a.pdf",
                  file_data: `data:application/pdf;base64,${document}`,
                },
              ]),
        ],
      },
      ...(thinking === undefined
        ? []
        : [
            {
              type: "reasoning",
              id: "rs_1",
              summary: [{ type: "summary_text", text: thinking }],
              ...(hidden !== undefined && {
                encrypted_content: seal([{ type: "redacted_thinking", data: hidden }]),
              }),
            },
          ]),
      ...calls.map((call) => ({
        type: "function_call",
        call_id: call.id,
        name: call.name,
        arguments: stringifyJson(call.args),
      })),
      ...calls.map(({ id: call_id, result, shows }) => ({
        type: "function_call_output",
        call_id,
        output: shows ? [{ type: "input_text", text: result }, toInputImage(shows)] : result,
      })),
      { type: "message", role: "assistant", content: [{ type: "output_text", text: answers }] },
    ]),
    { role: "user", content: asks },
  ];
}

function toInputImage({ mediaType, data }: Image): JsonObject {
  return { type: "input_image", image_url: `data:${mediaType};base64,${data}` };
}

// --- Anthropic's messages

export const messagesRequest: Arbitrary<JsonObject> = conversation.chain((given) =>
  some({
    temperature: number(1),
    top_k: fc.integer({ min: 2, max: 50 }),
    stop_sequences: fc.array(text, { minLength: 1, maxLength: 4 }),
    metadata: fc.record({ user_id: fc.uuid() }),
    output_config: fc.record({ format: fc.record({ type: fc.constant("json_schema"), schema }) }),
    tool_choice: fc.constantFrom(
      { type: "auto" },
      { type: "any" },
      { type: "none" },
      { type: "auto", disable_parallel_tool_use: true },
    ),
    service_tier: fc.constant("standard_only"),
    container: rarely(fc.constant("container_1")),
  }).map(({ tool_choice, ...rest }) => ({
    model: "m",
    max_tokens: 4_096,
    ...(given.system !== undefined && { system: given.system }),
    messages: toMessages(given),
    ...(given.tools.length > 0 && {
      tools: given.tools.map(({ name: called, description, parameters }) => ({
        name: called,
        description,
        input_schema: parameters,
      })),
      ...(tool_choice !== undefined && { tool_choice }),
    }),
    ...rest,
  })),
);

function toMessages({ rounds, asks }: Conversation): JsonObject[] {
  return [
    ...rounds.flatMap(({ says, image, document, marked, calls, thinking, hidden, answers }) => {
      const thought = [
        ...(thinking === undefined ? [] : [{ type: "thinking", thinking, signature: `signed ${thinking}` }]),
        ...(hidden === undefined ? [] : [{ type: "redacted_thinking", data: hidden }]),
      ];
      return [
        {
          role: "user",
          content: [
            ...(image ? [toImageBlock(image)] : []),
            ...(document === undefined
              ? []
              : [
                  {
                    type: "document",
                    source: { type: "base64", media_type: "application/pdf", data: document },
                  },
                ]),
            { type: "text", text: says, ...(marked && { cache_control: { type: "ephemeral" } }) },
          ],
        },
        ...(calls.length > 0
          ? [
              {
                role: "assistant",
                content: [
                  ...thought,
                  ...calls.map((call) => ({
                    type: "tool_use",
                    id: call.id,
                    name: call.name,
                    input: call.args,
                  })),
                ],
              },
              {
                role: "user",
                content: calls.map(({ id: tool_use_id, result, shows }) => ({
                  type: "tool_result",
                  tool_use_id,
                  content: shows ? [{ type: "text", text: result }, toImageBlock(shows)] : result,
                })),
              },
            ]
          : []),
        { role: "assistant", content: [{ type: "text", text: answers }] },
      ];
    }),
    { role: "user", content: asks },
  ];
}

function toImageBlock({ mediaType, data }: Image): JsonObject {
  return { type: "image", source: { type: "base64", media_type: mediaType, data } };
}

// --- Gemini

export const generateContentRequest: Arbitrary<JsonObject> = conversation.chain((given) =>
  fc
    .record(
      {
        generationConfig: some({
          temperature: number(1),
          topP: number(0.9),
          topK: fc.integer({ min: 2, max: 50 }),
          maxOutputTokens: fc.integer({ min: 2_048, max: 8_192 }),
          stopSequences: fc.array(text, { minLength: 1, maxLength: 4 }),
          seed: fc.integer({ min: 2, max: 1_000 }),
          presencePenalty: number(2),
          frequencyPenalty: number(2),
        }),
        toolConfig: fc.constantFrom(
          { functionCallingConfig: { mode: "AUTO" } },
          { functionCallingConfig: { mode: "ANY" } },
          { functionCallingConfig: { mode: "NONE" } },
        ),
        structured: schema,
        safetySettings: fc.constant([{ category: "HARM_CATEGORY_HARASSMENT", threshold: "OFF" }]),
        labels: fc.record({ team: text }),
      },
      { requiredKeys: [] },
    )
    .map(({ structured, toolConfig, generationConfig = {}, ...rest }) => ({
      ...(given.system !== undefined && { systemInstruction: { parts: [{ text: given.system }] } }),
      contents: toContents(given),
      generationConfig: {
        ...generationConfig,
        ...(structured && { responseMimeType: "application/json", responseJsonSchema: structured }),
      },
      ...(given.tools.length > 0 && {
        tools: [
          {
            functionDeclarations: given.tools.map(({ name: called, description, parameters }) => ({
              name: called,
              description,
              parametersJsonSchema: parameters,
            })),
          },
        ],
        ...(toolConfig && { toolConfig }),
      }),
      ...rest,
    })),
);

function toContents({ rounds, asks }: Conversation): JsonObject[] {
  return [
    ...rounds.flatMap(({ says, image, document, calls, answers }) => [
      {
        role: "user",
        parts: [
          { text: says },
          ...(image ? [{ inlineData: { mimeType: image.mediaType, data: image.data } }] : []),
          ...(document === undefined
            ? []
            : [{ inlineData: { mimeType: "application/pdf", data: document } }]),
        ],
      },
      ...(calls.length > 0
        ? [
            {
              role: "model",
              parts: calls.map((call, index) => ({
                functionCall: { id: call.id, name: call.name, args: call.args },
                ...(index === 0 && { thoughtSignature: `signed ${call.id}` }),
              })),
            },
            {
              role: "user",
              parts: calls.map((call) => ({
                functionResponse: { id: call.id, name: call.name, response: { output: call.result } },
              })),
            },
          ]
        : []),
      { role: "model", parts: [{ text: answers }] },
    ]),
    { role: "user", parts: [{ text: asks }] },
  ];
}

export const REQUESTS: Readonly<
  Record<"chat" | "responses" | "messages" | "generateContent", Arbitrary<JsonObject>>
> = {
  chat: chatRequest,
  responses: responsesRequest,
  messages: messagesRequest,
  generateContent: generateContentRequest,
};
