import type { JsonObject, MappingInfo, StreamMapping } from "gatewright";
import { startAnswer, toDeltas } from "./deltas.ts";
import type { AnswerState } from "./deltas.ts";
import { readFailure } from "./errors.ts";
import type { GeminiSettings } from "./options.ts";
import {
  candidatesOf,
  failureOf,
  idOf,
  indexOf,
  isBlocked,
  toFinishReason,
  toLogprobs,
  toUsage,
} from "./reply.ts";

interface StreamedAnswer extends AnswerState {
  finished: boolean;
}

export interface ChatStreamState {
  /** Id of the first event, which all chunks carry. */
  id: string | undefined;
  readonly answers: Map<number, StreamedAnswer>;
  /** Running values: the last ones count. */
  usage: unknown;
  failed: boolean;
}

/**
 * Each event is a whole reply that holds the new parts alone. To chunks: one delta with the role, then a delta for
 * each part, the finish; and when the upstream said its last, the usage.
 */
export const chatStream: StreamMapping<GeminiSettings, ChatStreamState> = {
  format: "sse",
  start: () => ({ id: undefined, answers: new Map(), usage: undefined, failed: false }),
  event(state, reply, info) {
    if (state.failed) return [];
    const failure = failureIn(reply);
    if (failure) {
      state.failed = true;
      return [{ error: failure }];
    }
    state.id ??= idOf(reply, info);
    state.usage = reply["usageMetadata"] ?? state.usage;
    const candidates = candidatesOf(reply);
    if (candidates.length === 0 && isBlocked(reply))
      return toChunks(state, { index: 0, finishReason: "PROHIBITED_CONTENT" }, info);
    return candidates.flatMap((candidate) => toChunks(state, candidate, info));
  },
  end(state, info) {
    const answers = [...state.answers.values()];
    if (state.failed || answers.length === 0 || !answers.every(({ finished }) => finished)) return [];
    return [{ ...headOf(state, info), choices: [], usage: toUsage(state.usage) }];
  },
};

function failureIn(reply: JsonObject): JsonObject | undefined {
  if (reply["error"]) return { ...readFailure(reply) };
  for (const candidate of candidatesOf(reply)) {
    const message = failureOf(candidate);
    if (message !== undefined) return { message };
  }
  return undefined;
}

function headOf(state: ChatStreamState, info: MappingInfo<unknown>): JsonObject {
  return {
    id: state.id,
    object: "chat.completion.chunk",
    created: info.nowSeconds,
    model: info.requestedModel,
  };
}

/** An answer that has finished says nothing more. */
function toChunks(state: ChatStreamState, candidate: JsonObject, info: MappingInfo<unknown>): JsonObject[] {
  const index = indexOf(candidate);
  const head = headOf(state, info);
  const chunks: JsonObject[] = [];
  const push = (delta: JsonObject, rest: JsonObject = {}) =>
    chunks.push({ ...head, choices: [{ index, delta, finish_reason: null, ...rest }] });

  let answer = state.answers.get(index);
  if (answer?.finished) return [];
  if (!answer) {
    state.answers.set(index, (answer = { ...startAnswer(state.id!), finished: false }));
    push({ role: "assistant" });
  }
  const deltas = toDeltas(candidate, index, answer, info);
  const logprobs = toLogprobs(candidate);
  if (logprobs && deltas.length === 0) deltas.push({ content: "" });
  // Gemini does not say which part the log probabilities belong to: they go with the last one.
  for (const [at, delta] of deltas.entries())
    push(delta, logprobs && at === deltas.length - 1 ? { logprobs } : {});

  const reason = toFinishReason(candidate, answer.calls, info);
  if (reason === undefined) return chunks;
  answer.finished = true;
  push({}, { finish_reason: reason });
  return chunks;
}
