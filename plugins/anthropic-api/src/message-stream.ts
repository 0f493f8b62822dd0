import { isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo, OperationBridge } from "gatewright";
import { readInput, toEnvelope, toToolUseId } from "./message-reply.ts";
import { firstChoice, reasoningOf, toStop } from "./stop-reason.ts";
import { fromToolName } from "./tool-names.ts";
import { toUsage } from "./usage.ts";

/** A block on its way: opened when its turn comes, until when its deltas wait. */
interface Block {
  kind: "text" | "thinking" | "tool";
  opened: boolean;
  waiting: JsonObject[];
  /** Nothing more can come. */
  complete: boolean;
  /** Of a tool: how chat tells its pieces from those of other calls. */
  key?: unknown;
  id?: string;
  name?: string;
  input: string;
}

export interface MessageStreamState {
  started: boolean;
  /** The first is open or about to be; the others wait for it to close. */
  queue: Block[];
  /** `index` of the first. */
  index: number;
  /** Calls so far, by key. */
  calls: Map<unknown, Block>;
  finishReason: unknown;
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
    calls: new Map(),
    finishReason: undefined,
    stopReason: undefined,
    refusal: "",
    usage: undefined,
  }),

  event(state, chunk, info) {
    const out: JsonObject[] = [];
    if (isJsonObject(chunk["usage"])) state.usage = chunk["usage"];
    if (!state.started) {
      state.started = true;
      out.push(toMessageStart(state.usage, info));
    }
    const choice = firstChoice(chunk);
    if (!choice || typeof state.finishReason === "string") return out;
    if (isJsonObject(choice["delta"])) addDelta(state, choice["delta"], info);
    if (typeof choice["finish_reason"] === "string") {
      state.finishReason = choice["finish_reason"];
      state.stopReason = choice["stop_reason"];
      for (const block of state.queue) block.complete = true;
    }
    advance(state, out, info);
    return out;
  },

  end(state, info) {
    if (typeof state.finishReason !== "string") return [];
    const delta = toStop({ ...state, hasCalls: state.calls.size > 0 }, info.request);
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

function addDelta(state: MessageStreamState, delta: JsonObject, info: MappingInfo): void {
  const thinking = reasoningOf(delta);
  if (thinking !== "") addPiece(state, "thinking", { type: "thinking_delta", thinking });
  if (Array.isArray(delta["thinking_blocks"])) {
    for (const block of delta["thinking_blocks"].filter(isJsonObject)) addThinkingBlock(state, block);
  }
  for (const text of [delta["content"], delta["refusal"]]) {
    if (typeof text === "string" && text !== "") addPiece(state, "text", { type: "text_delta", text });
  }
  if (typeof delta["refusal"] === "string") state.refusal += delta["refusal"];
  if (Array.isArray(delta["tool_calls"])) {
    for (const [at, call] of delta["tool_calls"].filter(isJsonObject).entries())
      addCall(state, call, at, info);
  }
}

function newBlock(state: MessageStreamState, kind: Block["kind"]): Block {
  const block: Block = { kind, opened: false, waiting: [], complete: false, input: "" };
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
    block.waiting.push({ type, data });
    return;
  }
  const last = state.queue.at(-1);
  const begun = last?.kind === "thinking" && !last.complete;
  const block = begun ? last : newBlock(state, "thinking");
  if (!begun && typeof thinking === "string" && thinking !== "")
    block.waiting.push({ type: "thinking_delta", thinking });
  if (typeof signature === "string" && signature !== "")
    block.waiting.push({ type: "signature_delta", signature });
  block.complete = true;
}

function addCall(state: MessageStreamState, call: JsonObject, at: number, info: MappingInfo): void {
  const { index, id } = call;
  const called: JsonObject = isJsonObject(call["function"]) ? call["function"] : {};
  // Some servers number no calls.
  const key = index ?? (typeof id === "string" && id !== "" ? id : at);
  let block = state.calls.get(key);
  if (!block) {
    block = newBlock(state, "tool");
    state.calls.set(key, block);
  }
  // Some repeat both with each piece.
  if (typeof id === "string" && id !== "") block.id ??= id;
  if (typeof called["name"] === "string" && called["name"] !== "")
    block.name ??= fromToolName(called["name"], info.request);
  const piece = called["arguments"];
  if (typeof piece !== "string" || piece === "") return;
  if (!state.queue.includes(block)) {
    if (piece.trim() === "") return;
    throw new TypeError("arguments of a call went on after they were whole");
  }
  block.input += piece;
  block.waiting.push({ type: "input_json_delta", partial_json: piece });
}

/** Writes what can be written: the first block, and those after it as soon as it can be closed. */
function advance(state: MessageStreamState, out: JsonObject[], info: MappingInfo): void {
  for (;;) {
    const block = state.queue[0];
    if (!block || !open(state, block, out, info)) return;
    const { index } = state;
    for (const delta of block.waiting) out.push({ type: "content_block_delta", index, delta });
    block.waiting = [];
    const closes = block.complete || (state.queue.length > 1 && (block.kind !== "tool" || isWhole(block)));
    if (!closes) return;
    out.push({ type: "content_block_stop", index });
    state.queue.shift();
    state.index++;
  }
}

/** False as long as a call has no name. */
function open(state: MessageStreamState, block: Block, out: JsonObject[], info: MappingInfo): boolean {
  if (block.opened) return true;
  const { index } = state;
  const start = toStart(block, state, info);
  if (!start) {
    if (block.complete) throw new TypeError("a call has no name");
    return false;
  }
  block.opened = true;
  out.push({ type: "content_block_start", index, content_block: start });
  return true;
}

function toStart(block: Block, state: MessageStreamState, info: MappingInfo): JsonObject | undefined {
  if (block.kind === "text") return { type: "text", text: "" };
  if (block.kind === "thinking") {
    // A redacted block comes whole with its start.
    if (block.waiting[0]?.["type"] === "redacted_thinking") return block.waiting.shift();
    return { type: "thinking", thinking: "", signature: "" };
  }
  if (block.name === undefined) return undefined;
  const position = [...state.calls.values()].indexOf(block);
  const { id = toToolUseId(info, position), name } = block;
  return { type: "tool_use", id, name, input: {}, caller: { type: "direct" } };
}

function isWhole({ input }: Block): boolean {
  return input !== "" && readInput(input) !== undefined;
}
