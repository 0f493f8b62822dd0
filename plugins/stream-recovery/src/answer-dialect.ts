import type { JsonObject, OperationName } from "gatewright";
import { chatDialect } from "./chat-chunk.ts";
import { messageDialect } from "./message-event.ts";
import type { ContinueOptions } from "./options.ts";
import type { BrokenPart } from "./usage-sum.ts";

/** What one event of a stream with one answer brings. */
export interface EventContent {
  readonly text: string;
  /** It brings nothing but text: no tool call, refusal, reasoning, audio or log probabilities. */
  readonly plain: boolean;
  /** It ends the answer. */
  readonly finishes: boolean;
}

/** How the streams of one operation are read and gone on with. All functions are pure. */
export interface AnswerDialect {
  /** Answers have a beginning of their own, which shows whether they are texts: before it nothing is joined. */
  readonly hasOpening: boolean;
  /** How a backend may be asked to complete an answer. */
  readonly prefillModes: readonly ContinueOptions["prefillMode"][];
  read(json: JsonObject): EventContent;
  /** Members that identify an answer: every event of it has the same. */
  identityOf(json: JsonObject): JsonObject;
  /** The event with other text. */
  withText(json: JsonObject, text: string): JsonObject;
  /**
   * An event of another answer as one of the answer with this identity, without what was told at its beginning.
   * `undefined` when nothing is left to tell.
   */
  adopt(json: JsonObject, identity: JsonObject): JsonObject | undefined;
  /** The event with what broken attempts used added to its usage, if it has any. */
  addUsage(json: JsonObject, parts: readonly BrokenPart[], prefilled: number): JsonObject;
}

/**
 * Operations whose streams can be gone on with. Those of the Responses API number their events and repeat the whole text
 * at their end, and Gemini's API takes no answer to complete: these break as they are.
 */
const DIALECTS: Readonly<Partial<Record<string, AnswerDialect>>> = {
  chat: chatDialect,
  messages: messageDialect,
  claudeMessages: messageDialect,
};

export function answerDialect(operation: OperationName): AnswerDialect | undefined {
  return Object.hasOwn(DIALECTS, operation) ? DIALECTS[operation] : undefined;
}
