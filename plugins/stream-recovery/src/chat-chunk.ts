import { finishOf } from "gatewright";
import type { JsonObject } from "gatewright";
import type { AnswerDialect, EventContent } from "./answer-dialect.ts";
import { addUsage } from "./usage-sum.ts";

interface Choice {
  readonly index?: unknown;
  readonly delta?: JsonObject | null;
  readonly logprobs?: unknown;
  readonly finish_reason?: unknown;
}

/** Members that identify an answer: every chunk of it has the same. */
const IDENTITY = ["id", "created", "model", "system_fingerprint", "service_tier"];

/** Chunks of a chat stream. */
export const chatDialect: AnswerDialect = {
  hasOpening: false,
  prefillModes: ["plain", "vllm"],
  read: readChunk,
  identityOf,
  withText,
  adopt: adoptChunk,
  addUsage,
};

export function readChunk(json: JsonObject): EventContent {
  const choices = choicesOf(json);
  const [choice] = choices;
  if (!choice) return { text: "", plain: true, finishes: false };
  const { role: _, content, ...rest } = choice.delta ?? {};
  return {
    text: typeof content === "string" ? content : "",
    plain:
      choices.length === 1 &&
      (choice.index ?? 0) === 0 &&
      (isEmpty(content) || typeof content === "string") &&
      isEmpty(choice.logprobs) &&
      Object.values(rest).every(isEmpty),
    finishes: finishOf(choice) !== undefined,
  };
}

export function identityOf(json: JsonObject): JsonObject {
  return Object.fromEntries(IDENTITY.filter((name) => name in json).map((name) => [name, json[name]]));
}

/** The chunk with other text. */
export function withText(json: JsonObject, text: string): JsonObject {
  const [choice] = choicesOf(json);
  if (!choice) return json;
  return { ...json, choices: [{ ...choice, delta: { ...choice.delta, content: text } }] };
}

/**
 * A chunk of another answer as one of the answer with this identity, without the role, which was told. `undefined`
 * when nothing is left to tell.
 */
export function adoptChunk(json: JsonObject, identity: JsonObject): JsonObject | undefined {
  const adopted = { ...json, ...identity };
  const [choice] = choicesOf(json);
  if (!choice) return adopted;
  const delta = Object.entries(choice.delta ?? {}).filter(
    ([name, value]) => name !== "role" && !isEmpty(value),
  );
  if (delta.length === 0 && isEmpty(choice.finish_reason) && isEmpty(json["usage"])) return undefined;
  return { ...adopted, choices: [{ ...choice, delta: Object.fromEntries(delta) }] };
}

function choicesOf(json: JsonObject): readonly Choice[] {
  return Array.isArray(json["choices"]) ? (json["choices"] as Choice[]) : [];
}

function isEmpty(value: unknown): boolean {
  return (
    value === null || value === undefined || value === "" || (Array.isArray(value) && value.length === 0)
  );
}
