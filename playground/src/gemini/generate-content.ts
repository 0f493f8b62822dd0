import { randomUUID } from "node:crypto";
import { answer, type Answer, type Prompt } from "../answer.ts";
import type { Exchange, Handler } from "../dialect.ts";
import { geminiEvents } from "../events.ts";
import { asNumber, asObject, asObjects, asText, asTexts, type JsonObject } from "../json-fields.ts";
import { sign } from "../signature.ts";
import type { Settings } from "../settings.ts";
import { countTokens as countText } from "../tokens.ts";
import { checkRequest, type CheckedRequest } from "./check-request.ts";
import { readContents } from "./contents.ts";
import { refuseOthers } from "./fields.ts";
import { requireModel } from "./models.ts";

/** `:generateContent` and `:streamGenerateContent`. */
export function generateContent(stream: boolean): Handler {
  return async function generated(exchange) {
    const { body, reply, request, settings } = exchange;
    const model = requireModel(exchange);
    const prompt = toPrompt(body, checkRequest(body, model), model);
    const count = asNumber(asObject(body.generationConfig).candidateCount) ?? 1;
    const answers = Array.from({ length: count }, (_, index) => answer(prompt, settings, index));
    const withThoughts = asObject(asObject(body.generationConfig).thinkingConfig).includeThoughts === true;
    const replies = toReplies(answers, { model, withThoughts, settings });
    if (stream && new URLSearchParams(request.query).get("alt") === "sse") return streamed(exchange, replies);
    await reply.tokens(answers.reduce((sum, { outputTokens }) => sum + outputTokens, 0));
    // Without `alt=sse` a stream is one list, which is not sent piece by piece here.
    await reply.json(stream ? replies : joined(replies));
  };
}

async function streamed({ reply }: Exchange, replies: readonly JsonObject[]): Promise<void> {
  await reply.openEvents(geminiEvents);
  for (const [index, piece] of replies.entries()) {
    await reply.nextToken();
    const isLast = index === replies.length - 1;
    await reply.event(JSON.stringify(piece), isLast ? { role: "finish" } : {});
  }
  await reply.endEvents();
}

/** `:countTokens`, of contents or of a whole request. */
export async function countTokens(exchange: Exchange): Promise<void> {
  const { body, reply } = exchange;
  const model = requireModel(exchange);
  refuseOthers(body, ["contents", "generateContentRequest"], "");
  const { model: _, ...whole } = asObject(body.generateContentRequest);
  const request: CheckedRequest =
    body.contents === undefined
      ? checkRequest(whole, model)
      : { contents: readContents(body.contents, model), instruction: "" };
  const { text } = toPrompt(whole, request, model);
  await reply.json({
    totalTokens: countText(text),
    promptTokensDetails: [{ modality: "TEXT", tokenCount: countText(text) }],
  });
}

interface ReplyScope {
  readonly model: string;
  readonly withThoughts: boolean;
  readonly settings: Settings;
}

/** What a stream says, reply by reply: each holds the new parts, and the counts so far. */
function toReplies(answers: readonly Answer[], { model, withThoughts, settings }: ReplyScope): JsonObject[] {
  const responseId = randomUUID();
  const steps = answers.map((given) => toSteps(given, withThoughts));
  const longest = Math.max(...steps.map((list) => list.length));
  const finishes = answers.map(({ finish }) => FINISH_REASONS[finish]);
  return Array.from({ length: longest }, (_, step) => ({
    candidates: steps.flatMap((list, index) => {
      const part = list[step];
      if (!part) return [];
      const ends = step === list.length - 1;
      return {
        content: { parts: [part], role: "model" },
        ...(ends && { finishReason: finishes[index] }),
        index,
        ...(ends && finishes[index] === "SAFETY" && { safetyRatings: [BLOCKED] }),
      };
    }),
    usageMetadata: toUsage(answers, settings, step === longest - 1),
    modelVersion: model,
    responseId,
  }));
}

const FINISH_REASONS: Readonly<Record<Answer["finish"], string>> = {
  stop: "STOP",
  length: "MAX_TOKENS",
  tool_calls: "STOP",
  content_filter: "SAFETY",
};
const BLOCKED = { category: "HARM_CATEGORY_DANGEROUS_CONTENT", probability: "HIGH", blocked: true };

/**
 * Parts one by one, the last with the end. Of calls side by side the first is signed; a text is signed in the part
 * that ends it, which holds no text (https://ai.google.dev/gemini-api/docs/thought-signatures).
 */
function toSteps({ thinking, pieces, calls }: Answer, withThoughts: boolean): JsonObject[] {
  const thoughts = withThoughts ? thinking.map((text) => ({ text, thought: true })) : [];
  if (calls.length === 0)
    return [...thoughts, ...pieces.map((text) => ({ text })), { text: "", thoughtSignature: sign("text") }];
  return [
    ...thoughts,
    ...calls.map(({ name, arguments: args }, index) => ({
      functionCall: { name, args, id: randomUUID().slice(0, 8) },
      ...(index === 0 && { thoughtSignature: sign(name) }),
    })),
  ];
}

/** The same at once: neighbouring texts are one part. */
function joined(replies: readonly JsonObject[]): JsonObject {
  const candidates = new Map<unknown, JsonObject>();
  for (const { candidates: list } of replies) {
    for (const { content, index, ...rest } of asObjects(list)) {
      const whole = candidates.get(index) ?? { content: { parts: [], role: "model" } };
      const parts = asObject(whole.content).parts as JsonObject[];
      for (const part of asObjects(asObject(content).parts)) addPart(parts, part);
      candidates.set(index, { ...whole, ...rest, index });
    }
  }
  return { ...replies.at(-1), candidates: [...candidates.values()] };
}

function addPart(parts: JsonObject[], part: JsonObject): void {
  const last = parts.at(-1);
  const text = asText(part.text);
  if (last && text !== undefined && typeof last.text === "string" && last.thought === part.thought)
    Object.assign(last, part, { text: last.text + text });
  else parts.push({ ...part });
}

/** Thoughts stand beside the candidates' tokens. What was answered is known at the end; before it, the prompt alone. */
function toUsage(answers: readonly Answer[], settings: Settings, whole: boolean): JsonObject {
  const prompt = answers[0]!.inputTokens;
  const thoughts = answers.reduce((sum, { thinking }) => sum + thinking.length, 0);
  const output = answers.reduce((sum, { outputTokens }) => sum + outputTokens, 0);
  const cached = Math.min(settings.cachedTokens, prompt);
  return {
    promptTokenCount: prompt,
    ...(cached > 0 && { cachedContentTokenCount: cached }),
    ...(whole && { candidatesTokenCount: output - thoughts }),
    ...(thoughts > 0 && { thoughtsTokenCount: thoughts }),
    totalTokenCount: prompt + (whole ? output : thoughts),
    promptTokensDetails: [{ modality: "TEXT", tokenCount: prompt }],
  };
}

function toPrompt(body: JsonObject, { contents, instruction }: CheckedRequest, model: string): Prompt {
  const config = asObject(body.generationConfig);
  const calling = asObject(asObject(body.toolConfig).functionCallingConfig);
  const thinking = asObject(config.thinkingConfig);
  const last = contents.at(-1)!;
  const results = last.parts.flatMap(({ functionResponse: result }) =>
    result === undefined ? [] : toResultText(asObject(result).response),
  );
  const allowed = asTexts(calling.allowedFunctionNames);
  const schema = config.responseJsonSchema ?? config.responseSchema;
  return {
    model,
    text: [
      `system: ${instruction}`,
      ...contents.map(({ role, parts }) => `${role}: ${parts.map(textOf).join("\n")}`),
    ].join("\n"),
    question: last.role === "user" && results.length === 0 ? last.parts.map(textOf).join("\n") : undefined,
    toolResults: results,
    images: contents.flatMap(({ parts }) => parts).filter((part) => part.inlineData ?? part.fileData).length,
    tools: asObjects(body.tools)
      .flatMap((tool) => asObjects(tool.functionDeclarations))
      .map(({ name, parameters, parametersJsonSchema }) => ({
        name: asText(name) ?? "",
        parameters: parametersJsonSchema ?? parameters,
      }))
      .filter(({ name }) => allowed.length === 0 || allowed.includes(name)),
    toolChoice: calling.mode === "NONE" ? "none" : calling.mode === "ANY" ? "required" : "auto",
    parallelTools: true,
    json: config.responseMimeType === "application/json" ? { schema } : undefined,
    maxTokens: asNumber(config.maxOutputTokens),
    stop: asTexts(config.stopSequences),
    thinking: thinking.thinkingLevel !== undefined || Boolean(thinking.thinkingBudget),
  };
}

function textOf({ text, functionResponse: result }: JsonObject): string {
  return asText(text) ?? (result === undefined ? "" : toResultText(asObject(result).response));
}

/** `output` is what Google asks results to stand under. */
function toResultText(response: unknown): string {
  const { output } = asObject(response);
  return asText(output) ?? JSON.stringify(output ?? response);
}
