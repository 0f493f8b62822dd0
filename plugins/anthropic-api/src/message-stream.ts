import {
  finishOf,
  HubCallReader,
  isJsonObject,
  isWholeInput,
  oneHubChoice,
  readHubMessage,
  reportBeside,
  seal,
} from "gatewright";
import type {
  HubCall,
  HubCallPiece,
  HubMessage,
  JsonObject,
  MappingInfo,
  OperationBridge,
  SealedItem,
} from "gatewright";
import { reportUncarried, toEnvelope, toSealedCall, toToolUseId } from "./message-reply.ts";
import { toStop } from "./stop-reason.ts";
import { fromToolName } from "./tool-names.ts";
import { toUsage } from "./usage.ts";

/** A block on its way: opened when its turn comes, until when its deltas wait. */
interface Block {
  kind: "text" | "thinking" | "tool";
  opened: boolean;
  waiting: JsonObject[];
  /** Nothing more can come. */
  complete: boolean;
  /** What a block of a tool is about. */
  call?: HubCall;
  /** Of thoughts that their vendor did not sign: what stands in place of the signature. */
  unsigned?: SealedItem[];
}

export interface MessageStreamState {
  started: boolean;
  /** The first is open or about to be; the others wait for it to close. */
  queue: Block[];
  /** `index` of the first. */
  index: number;
  /** `index` of the choice of chat that is shown. */
  choice: unknown;
  readonly calls: HubCallReader;
  /** The blocks of calls so far. */
  readonly tools: Map<HubCall, Block>;
  /** Calls of which it is told what their vendor wants back. */
  readonly sealed: Set<HubCall>;
  /** The same of the message, as long as no block has taken it along. */
  extra: JsonObject | undefined;
  finishReason: string | undefined;
  stopReason: unknown;
  refusal: string;
  usage: unknown;
}

/**
 * Chunks of chat to the events of a message (https://platform.claude.com/docs/en/build-with-claude/streaming). Blocks
 * of a message never interleave, while calls of chat may: what belongs to a later block waits until the one before
 * it can be closed, which for a call is when its arguments are a whole JSON object, or at the end.
 */
export const messageStream: NonNullable<OperationBridge<MessageStreamState>["stream"]> = {
  start: () => ({
    started: false,
    queue: [],
    index: 0,
    choice: undefined,
    calls: new HubCallReader(),
    tools: new Map(),
    sealed: new Set(),
    extra: undefined,
    finishReason: undefined,
    stopReason: undefined,
    refusal: "",
    usage: undefined,
  }),

  event(state, chunk, info) {
    const out: JsonObject[] = [];
    reportBeside(chunk, info);
    if (isJsonObject(chunk["usage"])) state.usage = chunk["usage"];
    if (!state.started) {
      state.started = true;
      out.push(toMessageStart(state.usage, info));
    }
    const choice = oneHubChoice(chunk, info, state.choice);
    if (!choice || state.finishReason !== undefined) return out;
    state.choice ??= choice["index"] ?? 0;
    if (isJsonObject(choice["delta"])) {
      const said = readHubMessage(choice["delta"], info);
      reportUncarried(said, choice["logprobs"], info);
      addDelta(state, said, info);
    }
    state.finishReason = finishOf(choice);
    if (state.finishReason !== undefined) {
      state.stopReason = choice["stop_reason"];
      if (state.extra) info.report("extra_content");
      for (const block of state.queue) block.complete = true;
    }
    advance(state, out, info);
    return out;
  },

  end(state, info) {
    if (state.finishReason === undefined) return [];
    const delta = toStop({ ...state, hasCalls: state.tools.size > 0 }, info);
    return [
      { type: "message_delta", delta: { ...delta, container: null }, usage: toUsage(state.usage) },
      { type: "message_stop" },
    ];
  },
};

/** The counts are provisional: those of `message_delta` hold. */
function toMessageStart(usage: unknown, info: MappingInfo): JsonObject {
  const message = {
    ...toEnvelope(info),
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    usage: toUsage(usage),
  };
  return { type: "message_start", message };
}

function addDelta(state: MessageStreamState, said: HubMessage, info: MappingInfo): void {
  const { reasoning: thinking, refusal } = said;
  if (thinking !== "") addPiece(state, "thinking", { type: "thinking_delta", thinking });
  for (const block of said.thinkingBlocks) addThinkingBlock(state, block);
  for (const text of [said.text, refusal])
    if (text !== "") addPiece(state, "text", { type: "text_delta", text });
  state.refusal += refusal;
  state.extra = said.extra ?? state.extra;
  for (const piece of state.calls.read(said.calls)) {
    sealCall(state, piece.call, info);
    addCall(state, piece);
  }
}

function newBlock(state: MessageStreamState, kind: Block["kind"]): Block {
  const block: Block = { kind, opened: false, waiting: [], complete: false };
  if (kind === "thinking") block.unsigned = [];
  state.queue.push(block);
  return block;
}

/** A piece of the last block, or of a new one. */
function addPiece(state: MessageStreamState, kind: "text" | "thinking", delta: JsonObject): Block {
  const last = state.queue.at(-1);
  const block = last?.kind === kind && !last.complete ? last : newBlock(state, kind);
  block.waiting.push(delta);
  return block;
}

/** A whole block, whose text may have come in pieces before: then its signature is what is new. */
function addThinkingBlock(state: MessageStreamState, { type, thinking, signature, data }: JsonObject): void {
  if (type === "redacted_thinking") {
    const block = newBlock(state, "thinking");
    block.complete = true;
    block.unsigned = undefined;
    block.waiting.push({ type, data });
    return;
  }
  const last = state.queue.at(-1);
  const begun = last?.kind === "thinking" && !last.complete;
  const block = begun ? last : newBlock(state, "thinking");
  if (!begun && typeof thinking === "string" && thinking !== "")
    block.waiting.push({ type: "thinking_delta", thinking });
  if (typeof signature === "string" && signature !== "") {
    block.waiting.push({ type: "signature_delta", signature });
    block.unsigned = undefined;
  }
  block.complete = true;
}

/**
 * What the vendor of a call wants back with it stands in place of the signature of the thoughts before the call, or in a
 * block of its own: clients have to return those beside calls
 * (https://platform.claude.com/docs/en/build-with-claude/extended-thinking#extended-thinking-with-tool-use).
 */
function sealCall(state: MessageStreamState, call: HubCall, info: MappingInfo): void {
  const item = state.sealed.has(call) ? undefined : toSealedCall(call, info);
  if (!item) return;
  state.sealed.add(call);
  const last = state.queue.at(-1);
  const block = last?.unsigned && !last.complete ? last : newBlock(state, "thinking");
  block.unsigned!.push(item);
  if (state.extra) block.unsigned!.push({ type: "extra_content", extra_content: state.extra });
  state.extra = undefined;
}

function addCall(state: MessageStreamState, { call, input }: HubCallPiece): void {
  let block = state.tools.get(call);
  if (!block) {
    block = newBlock(state, "tool");
    block.call = call;
    state.tools.set(call, block);
  }
  if (input === "") return;
  if (!state.queue.includes(block)) {
    if (input.trim() === "") return;
    throw new TypeError("arguments of a call went on after they were whole");
  }
  block.waiting.push({ type: "input_json_delta", partial_json: input });
}

/** Writes what can be written: the first block, and those after it as soon as it can be closed. */
function advance(state: MessageStreamState, out: JsonObject[], info: MappingInfo): void {
  for (;;) {
    const block = state.queue[0];
    if (!block || !open(state, block, out, info)) return;
    const { index } = state;
    for (const delta of block.waiting) out.push({ type: "content_block_delta", index, delta });
    block.waiting = [];
    const closes =
      block.complete || (state.queue.length > 1 && (!block.call || isWholeInput(block.call.input)));
    if (!closes) return;
    if (block.unsigned)
      out.push({
        type: "content_block_delta",
        index,
        delta: { type: "signature_delta", signature: seal(block.unsigned) },
      });
    out.push({ type: "content_block_stop", index });
    state.queue.shift();
    state.index++;
  }
}

/** False as long as a call has no name. */
function open(state: MessageStreamState, block: Block, out: JsonObject[], info: MappingInfo): boolean {
  if (block.opened) return true;
  const { index } = state;
  const start = toStart(block, info);
  if (!start) {
    if (block.complete) throw new TypeError("a call has no name");
    return false;
  }
  block.opened = true;
  out.push({ type: "content_block_start", index, content_block: start });
  return true;
}

function toStart({ kind, waiting, call }: Block, info: MappingInfo): JsonObject | undefined {
  if (kind === "text") return { type: "text", text: "" };
  if (kind === "thinking") {
    // A redacted block comes whole with its start.
    if (waiting[0]?.["type"] === "redacted_thinking") return waiting.shift();
    return { type: "thinking", thinking: "", signature: "" };
  }
  if (call?.name === undefined) return undefined;
  const { id = toToolUseId(info, call.position) } = call;
  const name = fromToolName(call.name, info.request);
  return { type: "tool_use", id, name, input: {}, caller: { type: "direct" } };
}
