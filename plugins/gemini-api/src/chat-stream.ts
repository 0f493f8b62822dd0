import {
  finishOf,
  HubCallReader,
  isCutShort,
  isEmpty,
  isJsonObject,
  readHubMessage,
  reportBeside,
  viewOf,
} from "gatewright";
import type { JsonObject, MappingInfo, OperationBridge } from "gatewright";
import {
  addSealed,
  listOf,
  reportUncarried,
  toCallParts,
  toCandidateExtras,
  toFinishReason,
  toImageParts,
  toTextParts,
  toThoughtParts,
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
  /** Calls so far; Google's dialect has only whole ones. */
  readonly calls: HubCallReader;
  /** Thoughts as their vendor signed them. */
  readonly blocks: JsonObject[];
  /** What was said so far. */
  text: string;
  refused: boolean;
  finishReason: string | undefined;
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
    reportBeside(chunk, info);
    // The first chunk of some backends has an empty one.
    state.responseId ||= chunk["id"];
    if (isJsonObject(chunk["usage"])) state.usage = chunk["usage"];
    const choices = listOf(chunk["choices"]);
    const candidates = choices.flatMap((choice) => toCandidate(state, choice, info));
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
function toCandidate(state: ChatStreamState, choice: JsonObject, info: MappingInfo): JsonObject[] {
  const index = typeof choice["index"] === "number" ? choice["index"] : 0;
  let open = state.choices.get(index);
  if (!open) {
    open = {
      calls: new HubCallReader(),
      blocks: [],
      text: "",
      refused: false,
      finishReason: undefined,
    };
    state.choices.set(index, open);
  }
  // What an answer says after its end it does not say.
  if (open.finishReason !== undefined) return [];
  const said = readHubMessage(isJsonObject(choice["delta"]) ? choice["delta"] : {}, info);
  reportUncarried(said, info);
  open.text += said.text;
  if (said.refusal !== "") open.refused = true;

  const thoughts = toThoughtParts(said);
  open.blocks.push(...said.thinkingBlocks);
  const parts = [...(state.withThoughts ? thoughts : []), ...toTextParts(said), ...toImageParts(said, info)];
  open.calls.read(said.calls);
  open.finishReason = finishOf(choice);
  if (open.finishReason !== undefined) {
    const cut = isCutShort(open.finishReason);
    parts.push(...toCallParts(open.calls.calls, { cut, answer: index }, info));
    addSealed(parts, open.blocks);
  }
  const extras = toCandidateExtras(choice, said, open.text);
  if (parts.length === 0) {
    const thinks = thoughts.length > 0 || said.thinkingBlocks.length > 0;
    const awaited = !state.begun && (said.calls.length > 0 || thinks);
    if (!awaited && isEmpty(extras)) return [];
    parts.push({ text: "" });
  }
  return [{ content: { role: "model", parts }, index, ...extras }];
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
    responseId: state.responseId || info.requestId,
  };
}
