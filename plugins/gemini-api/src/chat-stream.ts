import { isEmpty, isJsonObject, viewOf } from "gatewright";
import type { JsonObject, MappingInfo, OperationBridge } from "gatewright";
import {
  listOf,
  toCallPart,
  toCandidateExtras,
  toFinishReason,
  toImageParts,
  toTextParts,
  toThoughtDeltaParts,
} from "./candidate.ts";
import { answersOf, asksForThoughts } from "./request-settings.ts";
import { toUsageMetadata } from "./usage.ts";

interface ChatStreamState {
  readonly answers: number;
  readonly withThoughts: boolean;
  readonly choices: Map<number, OpenChoice>;
  responseId: unknown;
  usage: unknown;
  /** An event has gone out. */
  begun: boolean;
  /** The last event has gone out. */
  over: boolean;
}

interface OpenChoice {
  /** Calls so far, by their index; Google's dialect has only whole ones. */
  readonly calls: Map<unknown, JsonObject>;
  /** What was said so far. */
  text: string;
  refused: boolean;
  finishReason: unknown;
}

/**
 * Chunks of OpenAI's chat to replies of `streamGenerateContent`: each holds the new parts, calls come whole with the
 * chunk that ends their answer, and the last has the reasons of the end and the usage.
 */
export const chatStream: NonNullable<OperationBridge<ChatStreamState>["stream"]> = {
  start: ({ request }) => ({
    answers: answersOf(viewOf(request)),
    withThoughts: asksForThoughts(viewOf(request)),
    choices: new Map(),
    responseId: undefined,
    usage: undefined,
    begun: false,
    over: false,
  }),

  event(state, chunk, info) {
    if (state.over) return [];
    state.responseId ??= chunk["id"];
    if (isJsonObject(chunk["usage"])) state.usage = chunk["usage"];
    const choices = listOf(chunk["choices"]);
    const candidates = choices.flatMap((choice) => toCandidate(state, choice));
    if (candidates.length > 0) {
      state.begun = true;
      return [toReply(state, info, candidates)];
    }
    // Usage stands alone in the chunk after the last reason.
    return choices.length === 0 && state.usage !== undefined ? close(state, info) : [];
  },

  end: close,
};

/** The new parts of a choice. Of what is not shown yet, or never, an empty text tells once that something is coming. */
function toCandidate(state: ChatStreamState, choice: JsonObject): JsonObject[] {
  const index = typeof choice["index"] === "number" ? choice["index"] : 0;
  const delta = isJsonObject(choice["delta"]) ? choice["delta"] : {};
  let open = state.choices.get(index);
  if (!open)
    state.choices.set(
      index,
      (open = { calls: new Map(), text: "", refused: false, finishReason: undefined }),
    );
  if (typeof delta["content"] === "string") open.text += delta["content"];
  if (delta["refusal"]) open.refused = true;

  const thoughts = toThoughtDeltaParts(delta);
  const parts = [...(state.withThoughts ? thoughts : []), ...toTextParts(delta), ...toImageParts(delta)];
  const calls = listOf(delta["tool_calls"]);
  for (const call of calls) gather(open.calls, call);
  if (typeof choice["finish_reason"] === "string") {
    open.finishReason = choice["finish_reason"];
    for (const call of open.calls.values()) parts.push(toCallPart(call));
    open.calls.clear();
  }
  const extras = toCandidateExtras(choice, delta, open.text);
  if (parts.length === 0) {
    const awaited = !state.begun && (calls.length > 0 || thoughts.length > 0);
    if (!awaited && isEmpty(extras)) return [];
    parts.push({ text: "" });
  }
  return [{ content: { role: "model", parts }, index, ...extras }];
}

/** Adds a piece to its call. Servers that leave out the index send each call whole. */
function gather(calls: Map<unknown, JsonObject>, piece: JsonObject): void {
  const key = piece["index"] ?? piece["id"] ?? calls.size;
  const call = calls.get(key);
  if (!call) {
    calls.set(key, { ...piece, function: { ...(piece["function"] as JsonObject | undefined) } });
    return;
  }
  const called = call["function"] as JsonObject;
  const { name, arguments: text } = isJsonObject(piece["function"]) ? piece["function"] : {};
  called["name"] ??= name;
  if (typeof text === "string")
    called["arguments"] = ((called["arguments"] as string | undefined) ?? "") + text;
  call["id"] ??= piece["id"];
  call["extra_content"] ??= piece["extra_content"];
}

/** Says nothing while an answer is still open, and nothing twice. */
function close(state: ChatStreamState, info: MappingInfo): JsonObject[] {
  const ended = [...state.choices].filter(([, { finishReason }]) => finishReason !== undefined);
  if (state.over || ended.length < state.answers) return [];
  state.over = true;
  const candidates = ended.map(([index, { finishReason, refused }]) => ({
    // SDKs take a content without parts for a broken one and leave the whole answer out of the history.
    content: { role: "model", parts: [{ text: "" }] },
    finishReason: toFinishReason(finishReason, refused),
    index,
  }));
  const usageMetadata = toUsageMetadata(state.usage);
  return [{ ...toReply(state, info, candidates), ...(usageMetadata && { usageMetadata }) }];
}

function toReply(state: ChatStreamState, info: MappingInfo, candidates: JsonObject[]): JsonObject {
  return {
    candidates,
    modelVersion: info.requestedModel,
    responseId: state.responseId ?? info.requestId,
  };
}
