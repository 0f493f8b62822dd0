import { isJsonObject } from "gatewright";
import type { JsonObject, RequestBody } from "gatewright";

/** Which answers of an operation may be given again. */
export interface AnswerRules {
  /** Where answers are drawn by chance: the temperature that the request asks for. */
  temperature?(body: RequestBody): unknown;
  /** Requests whose answers are more than what is said in them. */
  isBound?(body: RequestBody): boolean;
  /** Whether a whole reply, or one event of a stream, lets the answer be kept. */
  mayKeep(json: JsonObject, isEvent: boolean): boolean;
}

const ownTemperature = (body: RequestBody): unknown => body.get("temperature");

const FIXED: AnswerRules = { mayKeep: ({ error }) => !error };
const CHOICES: AnswerRules = {
  temperature: ownTemperature,
  // The provider is to keep the answer, under its id.
  isBound: (body) => body.get("store") === true,
  mayKeep: mayKeepChoices,
};
const MESSAGE: AnswerRules = { temperature: ownTemperature, mayKeep: mayKeepMessage };
const CANDIDATES: AnswerRules = {
  temperature: (body) =>
    (body.view("generationConfig") ?? body.view("generation_config"))?.get("temperature"),
  mayKeep: mayKeepCandidates,
};
const RESPONSE: AnswerRules = {
  temperature: ownTemperature,
  // Kept by the provider unless the request says otherwise, and part of what it keeps.
  isBound: (body) =>
    body.get("store") !== false ||
    ["previous_response_id", "conversation", "prompt"].some((name) => body.get(name)) ||
    body.get("background") === true,
  mayKeep: mayKeepResponse,
};

/** Operations whose answers can be judged; all others go by the cache. */
const RULES: Readonly<Record<string, AnswerRules>> = {
  chat: CHOICES,
  completions: CHOICES,
  responses: RESPONSE,
  messages: MESSAGE,
  claudeMessages: MESSAGE,
  messagesCountTokens: FIXED,
  generateContent: CANDIDATES,
  geminiGenerateContent: CANDIDATES,
  geminiCountTokens: FIXED,
  embeddings: FIXED,
  geminiEmbedContent: FIXED,
  geminiBatchEmbedContents: FIXED,
  rerank: FIXED,
  moderation: FIXED,
  imageGeneration: { ...FIXED, temperature: ownTemperature },
};

export function answerRules(operation: string): AnswerRules | undefined {
  return Object.hasOwn(RULES, operation) ? RULES[operation] : undefined;
}

/** An absent temperature is the backend's own, which is seldom 0. */
export function isSampled({ temperature }: AnswerRules, body: RequestBody): boolean {
  return temperature !== undefined && temperature(body) !== 0;
}

/** An answer that ran into the request's own limit is what was asked for. */
const WHOLE = new Set<unknown>("stop length end_turn stop_sequence max_tokens STOP MAX_TOKENS".split(" "));

function mayKeepChoices({ choices, error }: JsonObject, isEvent: boolean): boolean {
  if (error) return false;
  // The last event of a stream may hold usage alone.
  if (!Array.isArray(choices) || choices.length === 0) return isEvent;
  return choices.filter(isJsonObject).every(({ finish_reason, message, delta }) => {
    const said = message ?? delta;
    return isOver(finish_reason, isEvent) && !(isJsonObject(said) && isSpecial(said));
  });
}

/** The events of an answer before its last one do not say how it ends. */
function isOver(reason: unknown, isEvent: boolean): boolean {
  return WHOLE.has(reason) || (isEvent && (reason === null || reason === undefined));
}

/** Calls have effects in the client, refusals may not be the last word. */
function isSpecial({ tool_calls, function_call, refusal }: JsonObject): boolean {
  const calls = Array.isArray(tool_calls) ? tool_calls.length > 0 : Boolean(tool_calls);
  return calls || Boolean(function_call) || Boolean(refusal);
}

/** Blocks of an Anthropic message that are no calls. */
const SAID = new Set<unknown>(["text", "thinking", "redacted_thinking"]);

function mayKeepMessage(json: JsonObject, isEvent: boolean): boolean {
  const { type, content, content_block: block, delta } = json;
  if (!isEvent)
    return WHOLE.has(json["stop_reason"]) && listOf(content).every((each) => SAID.has(each["type"]));
  if (type === "content_block_start") return isJsonObject(block) && SAID.has(block["type"]);
  if (type === "message_delta") return isJsonObject(delta) && isOver(delta["stop_reason"], true);
  return type !== "error";
}

function mayKeepCandidates({ candidates, promptFeedback, error }: JsonObject, isEvent: boolean): boolean {
  if (error || (isJsonObject(promptFeedback) && promptFeedback["blockReason"])) return false;
  const answers = listOf(candidates);
  if (answers.length === 0) return isEvent;
  return answers.every(({ finishReason, content }) => {
    const parts = isJsonObject(content) ? listOf(content["parts"]) : [];
    return isOver(finishReason, isEvent) && parts.every((part) => part["functionCall"] === undefined);
  });
}

function mayKeepResponse(json: JsonObject, isEvent: boolean): boolean {
  if (isEvent) {
    const { type, response } = json;
    if (type === "error" || type === "response.failed") return false;
    const isLast = type === "response.completed" || type === "response.incomplete";
    return !isLast || (isJsonObject(response) && mayKeepResponse(response, false));
  }
  const { status, incomplete_details: details, output } = json;
  const ranOut = isJsonObject(details) && details["reason"] === "max_output_tokens";
  if (status !== "completed" && !(status === "incomplete" && ranOut)) return false;
  return listOf(output).every(
    ({ type, content }) =>
      type === "reasoning" ||
      (type === "message" && listOf(content).every((part) => part["type"] === "output_text")),
  );
}

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
