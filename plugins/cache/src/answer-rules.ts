import type { JsonObject, RequestBody } from "gatewright";

/** Which answers of an operation may be given again. */
export interface AnswerRules {
  /** Answers are drawn by chance, unless the temperature is 0. */
  readonly sampled: boolean;
  /** Whether a whole reply, or one event of a stream, lets the answer be kept. */
  mayKeep(json: JsonObject, isEvent: boolean): boolean;
}

const FIXED: AnswerRules = { sampled: false, mayKeep: ({ error }) => !error };
const CHOICES: AnswerRules = { sampled: true, mayKeep: mayKeepChoices };

/** Operations whose answers can be judged; all others go by the cache. */
const RULES: Readonly<Record<string, AnswerRules>> = {
  chat: CHOICES,
  completions: CHOICES,
  embeddings: FIXED,
  rerank: FIXED,
  moderation: FIXED,
  imageGeneration: { ...FIXED, sampled: true },
};

export function answerRules(operation: string): AnswerRules | undefined {
  return Object.hasOwn(RULES, operation) ? RULES[operation] : undefined;
}

/** An absent temperature is the backend's own, which is seldom 0. */
export function isSampled(rules: AnswerRules, body: RequestBody): boolean {
  return rules.sampled && body.get("temperature") !== 0;
}

/** An answer that ran into the request's own `max_tokens` is what was asked for. */
const WHOLE = new Set<unknown>(["stop", "length"]);

interface Choice {
  readonly finish_reason?: unknown;
  readonly message?: Message | null;
  readonly delta?: Message | null;
}

interface Message {
  readonly tool_calls?: unknown;
  readonly function_call?: unknown;
  readonly refusal?: unknown;
}

function mayKeepChoices({ choices, error }: JsonObject, isEvent: boolean): boolean {
  if (error) return false;
  // The last event of a stream may hold usage alone.
  if (!Array.isArray(choices) || choices.length === 0) return isEvent;
  return (choices as Choice[]).every(({ finish_reason, message, delta }) => {
    const isUnfinished = finish_reason === null || finish_reason === undefined;
    return (WHOLE.has(finish_reason) || (isEvent && isUnfinished)) && !isSpecial(message ?? delta ?? {});
  });
}

/** Calls have effects in the client, refusals may not be the last word. */
function isSpecial({ tool_calls, function_call, refusal }: Message): boolean {
  const calls = Array.isArray(tool_calls) ? tool_calls.length > 0 : Boolean(tool_calls);
  return calls || Boolean(function_call) || Boolean(refusal);
}
