import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI, ThinkingLevel } from "@google/genai";
import type { Content, GenerateContentResponse, Part } from "@google/genai";
import OpenAI from "openai";
import { KEY, type Counts } from "./_matrix-rig.ts";

/** What a client asks, in words of no dialect. */
export interface Question {
  readonly model: string;
  /** What the user says; absent where results of calls are the last word. */
  readonly text?: string;
  /** What came before, as `after` of the answer to it. */
  readonly before?: unknown;
  /** What the calls of the last answer came to, in their order. */
  readonly results?: readonly string[];
  readonly system?: string;
  /** A PNG, base64. */
  readonly image?: string;
  readonly tools?: readonly Tool[];
  /** A JSON Schema that the answer is to fit. */
  readonly schema?: Record<string, unknown>;
  readonly stop?: string;
  readonly maxTokens?: number;
  /** Think, a little. */
  readonly thinks?: boolean;
}

export interface Tool {
  readonly name: string;
  readonly parameters: Record<string, unknown>;
}

/** What the SDK made of the answer. */
export interface Answer {
  readonly model: string | undefined;
  readonly text: string;
  /** Pieces of text that came on their own. */
  readonly pieces: number;
  readonly thinking: string;
  readonly calls: readonly { name: string; args: unknown }[];
  readonly finish: "stop" | "length" | "tool_calls" | "content_filter" | undefined;
  /** The stop string that was met, where the dialect tells. */
  readonly stop?: string | null;
  readonly usage: Counts;
  /** The conversation with this answer at its end, in the dialect's own words. */
  readonly after: unknown;
}

export interface Client {
  ask(question: Question, streamed: boolean): Promise<Answer>;
}

export type ClientName = "chat" | "responses" | "messages" | "gemini";

const MAX_TOKENS = 2_000;

/** The real SDK of each dialect. `key` is what it authenticates with. */
export const CLIENTS: Readonly<Record<ClientName, (url: string, key?: string) => Client>> = {
  chat: openChat,
  responses: openResponses,
  messages: openMessages,
  gemini: openGemini,
};

export const CLIENT_NAMES = Object.keys(CLIENTS) as ClientName[];

function connectOpenAI(url: string, apiKey: string): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
}

function openChat(url: string, key = KEY): Client {
  const { completions } = connectOpenAI(url, key).chat;
  return {
    async ask(question, streamed) {
      const messages = toChatMessages(question);
      const { model, tools, schema, stop, thinks, maxTokens } = question;
      const body: OpenAI.ChatCompletionCreateParamsNonStreaming = {
        model,
        messages,
        ...(maxTokens !== undefined && { max_completion_tokens: maxTokens }),
        ...(stop !== undefined && { stop }),
        ...(thinks && { reasoning_effort: "low" }),
        ...(tools && {
          tools: tools.map(({ name, parameters }) => ({
            type: "function" as const,
            function: { name, description: `Use ${name}`, parameters },
          })),
        }),
        ...(schema && {
          response_format: { type: "json_schema", json_schema: { name: "place", schema, strict: true } },
        }),
      };
      let pieces = 0;
      let thinking = "";
      let reply: OpenAI.ChatCompletion;
      if (streamed) {
        const stream = completions.stream({ ...body, stream: true, stream_options: { include_usage: true } });
        stream.on("content", () => pieces++);
        stream.on("chunk", ({ choices }) => {
          const delta = choices[0]?.delta as { reasoning_content?: string } | undefined;
          thinking += delta?.reasoning_content ?? "";
        });
        reply = await stream.finalChatCompletion();
      } else reply = await completions.create(body);
      const { message, finish_reason, ...choice } = reply.choices[0]!;
      thinking ||= (message as { reasoning_content?: string }).reasoning_content ?? "";
      const { usage } = reply;
      return {
        model: reply.model,
        text: message.content ?? "",
        pieces,
        thinking,
        calls: (message.tool_calls ?? []).flatMap((call) =>
          call.type === "function"
            ? { name: call.function.name, args: JSON.parse(call.function.arguments) as unknown }
            : [],
        ),
        finish: finish_reason as Answer["finish"],
        stop: (choice as { stop_reason?: string }).stop_reason ?? null,
        usage: {
          input: usage!.prompt_tokens,
          output: usage!.completion_tokens,
          cached: usage!.prompt_tokens_details?.cached_tokens ?? 0,
          reasoning: usage!.completion_tokens_details?.reasoning_tokens ?? 0,
        },
        // Of members that it does not know the SDK keeps the last piece of a stream alone.
        after: [...messages, streamed && thinking ? { ...message, reasoning_content: thinking } : message],
      };
    },
  };
}

function toChatMessages({
  text,
  before,
  results,
  system,
  image,
}: Question): OpenAI.ChatCompletionMessageParam[] {
  const messages = [...((before ?? []) as OpenAI.ChatCompletionMessageParam[])];
  if (system !== undefined) messages.push({ role: "system", content: system });
  const last = messages.at(-1);
  if (results && last?.role === "assistant")
    for (const [index, { id }] of (last.tool_calls ?? []).entries())
      messages.push({ role: "tool", tool_call_id: id, content: results[index]! });
  if (text !== undefined)
    messages.push({
      role: "user",
      content: image
        ? [
            { type: "text", text },
            { type: "image_url", image_url: { url: `data:image/png;base64,${image}` } },
          ]
        : text,
    });
  return messages;
}

function openResponses(url: string, key = KEY): Client {
  const { responses } = connectOpenAI(url, key);
  return {
    async ask(question, streamed) {
      const input = toInput(question);
      const { model, tools, schema, thinks, maxTokens, system } = question;
      const body: OpenAI.Responses.ResponseCreateParamsNonStreaming = {
        model,
        input,
        store: false,
        include: ["reasoning.encrypted_content"],
        ...(system !== undefined && { instructions: system }),
        ...(maxTokens !== undefined && { max_output_tokens: maxTokens }),
        ...(thinks && { reasoning: { effort: "low", summary: "auto" } }),
        ...(tools && {
          tools: tools.map(({ name, parameters }) => ({
            type: "function" as const,
            name,
            description: `Use ${name}`,
            parameters,
            strict: false,
          })),
        }),
        ...(schema && { text: { format: { type: "json_schema", name: "place", schema, strict: true } } }),
      };
      let pieces = 0;
      let reply: OpenAI.Responses.Response;
      if (streamed) {
        const stream = responses.stream({ ...body, stream: true });
        stream.on("response.output_text.delta", () => pieces++);
        reply = await stream.finalResponse();
      } else reply = await responses.create(body);
      const { output, incomplete_details, usage } = reply;
      const calls = output.flatMap((item) =>
        item.type === "function_call" ? { name: item.name, args: JSON.parse(item.arguments) as unknown } : [],
      );
      return {
        model: reply.model,
        text: reply.output_text,
        pieces,
        thinking: output
          .flatMap((item) => (item.type === "reasoning" ? item.summary.map(({ text }) => text) : []))
          .join(""),
        calls,
        finish: toFinish(incomplete_details?.reason, calls.length),
        usage: {
          input: usage!.input_tokens,
          output: usage!.output_tokens,
          cached: usage!.input_tokens_details.cached_tokens,
          reasoning: usage!.output_tokens_details.reasoning_tokens,
        },
        after: [...input, ...(output as OpenAI.Responses.ResponseInputItem[])],
      };
    },
  };
}

function toFinish(reason: string | undefined, calls: number): Answer["finish"] {
  if (reason === "max_output_tokens") return "length";
  if (reason === "content_filter") return "content_filter";
  return calls > 0 ? "tool_calls" : "stop";
}

function toInput({ text, before, results, image }: Question): OpenAI.Responses.ResponseInputItem[] {
  const input = [...((before ?? []) as OpenAI.Responses.ResponseInputItem[])];
  if (results) {
    const calls = input.filter((item) => item.type === "function_call").slice(-results.length);
    for (const [index, { call_id }] of calls.entries())
      input.push({ type: "function_call_output", call_id, output: results[index]! });
  }
  if (text !== undefined)
    input.push({
      role: "user",
      content: [
        { type: "input_text", text },
        ...(image
          ? [
              {
                type: "input_image" as const,
                image_url: `data:image/png;base64,${image}`,
                detail: "auto" as const,
              },
            ]
          : []),
      ],
    });
  return input;
}

const MESSAGE_FINISHES: Readonly<Record<string, Answer["finish"]>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  tool_use: "tool_calls",
  refusal: "content_filter",
};

function openMessages(url: string, apiKey = KEY): Client {
  const { messages: api } = new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
  return {
    async ask(question, streamed) {
      const messages = toTurns(question);
      const { model, tools, schema, stop, thinks, maxTokens = MAX_TOKENS, system } = question;
      const body: Anthropic.MessageCreateParamsNonStreaming = {
        model,
        messages,
        max_tokens: maxTokens,
        ...(system !== undefined && { system }),
        ...(stop !== undefined && { stop_sequences: [stop] }),
        ...(thinks && { thinking: { type: "adaptive" } }),
        ...((thinks || schema) && {
          output_config: {
            ...(thinks && { effort: "low" as const }),
            ...(schema && { format: { type: "json_schema" as const, schema } }),
          },
        }),
        ...(tools && {
          tools: tools.map(({ name, parameters }) => ({
            name,
            description: `Use ${name}`,
            input_schema: parameters as Anthropic.Tool.InputSchema,
          })),
        }),
      };
      let pieces = 0;
      let reply: Anthropic.Message;
      if (streamed) {
        const stream = api.stream(body);
        stream.on("text", () => pieces++);
        reply = await stream.finalMessage();
      } else reply = await api.create(body);
      const { content, usage } = reply;
      const cached = usage.cache_read_input_tokens ?? 0;
      return {
        model: reply.model,
        text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
        pieces,
        thinking: content.map((block) => (block.type === "thinking" ? block.thinking : "")).join(""),
        calls: content.flatMap((block) =>
          block.type === "tool_use" ? { name: block.name, args: block.input } : [],
        ),
        finish: MESSAGE_FINISHES[reply.stop_reason!],
        stop: reply.stop_sequence,
        usage: {
          input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
          output: usage.output_tokens,
          cached,
          reasoning: usage.output_tokens_details?.thinking_tokens ?? 0,
        },
        after: [...messages, { role: "assistant", content }],
      };
    },
  };
}

function toTurns({ text, before, results, image }: Question): Anthropic.MessageParam[] {
  const messages = [...((before ?? []) as Anthropic.MessageParam[])];
  const content: Anthropic.ContentBlockParam[] = [];
  const last = messages.at(-1)?.content;
  if (results && Array.isArray(last)) {
    const ids = last.flatMap((block) => (block.type === "tool_use" ? block.id : []));
    for (const [index, id] of ids.entries())
      content.push({ type: "tool_result", tool_use_id: id, content: results[index]! });
  }
  if (image)
    content.push({ type: "image", source: { type: "base64", media_type: "image/png", data: image } });
  if (text !== undefined) content.push({ type: "text", text });
  return [...messages, { role: "user", content }];
}

const GEMINI_FINISHES: Readonly<Record<string, Answer["finish"]>> = {
  STOP: "stop",
  MAX_TOKENS: "length",
  SAFETY: "content_filter",
};

function openGemini(baseUrl: string, apiKey = KEY): Client {
  const { models } = new GoogleGenAI({ apiKey, httpOptions: { baseUrl } });
  return {
    async ask(question, streamed) {
      const contents = toContents(question);
      const { model, tools, schema, stop, thinks, maxTokens, system } = question;
      const request = {
        model,
        contents,
        config: {
          ...(system !== undefined && { systemInstruction: system }),
          ...(maxTokens !== undefined && { maxOutputTokens: maxTokens }),
          ...(stop !== undefined && { stopSequences: [stop] }),
          ...(thinks && { thinkingConfig: { includeThoughts: true, thinkingLevel: ThinkingLevel.LOW } }),
          ...(schema && { responseMimeType: "application/json", responseJsonSchema: schema }),
          ...(tools && {
            tools: [
              {
                functionDeclarations: tools.map(({ name, parameters }) => ({
                  name,
                  description: `Use ${name}`,
                  parametersJsonSchema: parameters,
                })),
              },
            ],
          }),
        },
      };
      const chunks: GenerateContentResponse[] = [];
      if (streamed) for await (const chunk of await models.generateContentStream(request)) chunks.push(chunk);
      else chunks.push(await models.generateContent(request));
      const answers = chunks.flatMap(({ candidates }) => candidates?.[0]?.content ?? []);
      const parts = answers.flatMap((content) => content.parts ?? []);
      const texts = (thought: boolean): string[] =>
        parts.filter((part) => (part.thought ?? false) === thought).map(({ text = "" }) => text);
      const calls = parts.flatMap(({ functionCall: call }) =>
        call ? { name: call.name!, args: call.args as unknown } : [],
      );
      const last = chunks.at(-1)!;
      const finish = GEMINI_FINISHES[last.candidates![0]!.finishReason!];
      const usage = last.usageMetadata!;
      const reasoning = usage.thoughtsTokenCount ?? 0;
      return {
        model: last.modelVersion,
        text: texts(false).join(""),
        pieces: texts(false).filter((text) => text !== "").length,
        thinking: texts(true).join(""),
        calls,
        finish: finish === "stop" && calls.length > 0 ? "tool_calls" : finish,
        usage: {
          input: usage.promptTokenCount!,
          output: (usage.candidatesTokenCount ?? 0) + reasoning,
          cached: usage.cachedContentTokenCount ?? 0,
          reasoning,
        },
        // As the SDK's own chats keep a streamed answer: one content a chunk.
        after: [...contents, ...answers],
      };
    },
  };
}

function toContents({ text, before, results, image }: Question): Content[] {
  const contents = [...((before ?? []) as Content[])];
  const parts: Part[] = [];
  if (results) {
    const calls = contents
      .flatMap((content) => content.parts ?? [])
      .flatMap(({ functionCall }) => functionCall ?? [])
      .slice(-results.length);
    for (const [index, { id, name }] of calls.entries())
      parts.push({
        functionResponse: { name: name!, ...(id && { id }), response: { output: results[index] } },
      });
  }
  if (image) parts.push({ inlineData: { mimeType: "image/png", data: image } });
  if (text !== undefined) parts.push({ text });
  return [...contents, { role: "user", parts }];
}
