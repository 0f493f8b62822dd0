import {
  callIdOf,
  isCutShort,
  isJsonObject,
  oneHubChoice,
  readHubArguments,
  readHubCalls,
  readHubMessage,
  reportBeside,
  seal,
} from "gatewright";
import type { HubCall, HubMessage, JsonObject, MappingInfo, SealedItem } from "gatewright";
import { toStop } from "./stop-reason.ts";
import { fromToolName } from "./tool-names.ts";
import { toUsage } from "./usage.ts";

type Info = Pick<MappingInfo, "requestId" | "requestedModel" | "request" | "report">;

/** A whole reply of chat as a message. Throws for one that holds no answer. */
export function toMessage(reply: JsonObject, info: Info): JsonObject {
  reportBeside(reply, info);
  const choice = oneHubChoice(reply, info);
  const answer = choice?.["message"];
  if (!isJsonObject(answer)) throw new TypeError("the reply has no message");
  const { finish_reason: finishReason, stop_reason: stopReason, logprobs } = choice!;
  const said = readHubMessage(answer, info);
  reportUncarried(said, logprobs, info);
  const { refusal } = said;
  const made = readHubCalls(said.calls);
  const calls = toToolUses(made, isCutShort(finishReason), info);
  return {
    ...toEnvelope(info),
    content: [...toThinking(said, made, info), ...toTexts(said), ...calls],
    ...toStop({ finishReason, stopReason, refusal, hasCalls: calls.length > 0 }, info),
    usage: toUsage(reply["usage"]),
  };
}

/**
 * What a message has no place for. Its citations do not suit: each quotes its source, and comes back with what the vendor
 * encrypted of it (https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool#citations).
 */
export function reportUncarried(said: HubMessage, logprobs: unknown, { report }: Info): void {
  if (said.images.length > 0) report("images");
  if (said.annotations.length > 0) report("annotations");
  if (isJsonObject(logprobs)) report("logprobs");
}

/** The members of every message, whole or just begun. */
export function toEnvelope({ requestId, requestedModel }: Info): JsonObject {
  return {
    id: `msg_${requestId.replaceAll(/[^A-Za-z0-9_]/g, "")}`,
    type: "message",
    role: "assistant",
    model: requestedModel,
    container: null,
  };
}

/**
 * Signed blocks as they came; else the text, in a block with what another vendor wants back in place of the signature.
 * Without a text only calls are worth a block: whoever asked for none reads the first block for the text.
 */
function toThinking(said: HubMessage, calls: readonly HubCall[], info: Info): readonly JsonObject[] {
  const { thinkingBlocks: blocks, extra } = said;
  const thinking = blocks.length > 0 ? "" : said.reasoning;
  const items: SealedItem[] = calls.flatMap((call) => toSealedCall(call, info) ?? []);
  if (thinking === "" && items.length === 0) {
    if (extra) info.report("extra_content");
    return blocks;
  }
  if (extra) items.push({ type: "extra_content", extra_content: extra });
  return [...blocks, { type: "thinking", thinking, signature: seal(items) }];
}

/** What the vendor of a call wants back with it. */
export function toSealedCall(
  { id, position, extra }: HubCall,
  info: Pick<Info, "requestId">,
): SealedItem | undefined {
  if (!extra) return undefined;
  return { type: "extra_content", call_id: id ?? toToolUseId(info, position), extra_content: extra };
}

function toTexts({ text: content, refusal }: HubMessage): JsonObject[] {
  return [content, refusal].filter((text) => text !== "").map((text) => ({ type: "text", text }));
}

/** `cut`: the last call may not be whole; it is left out then. */
function toToolUses(calls: readonly HubCall[], cut: boolean, info: Info): JsonObject[] {
  return calls.flatMap((call) => {
    const input = readHubArguments(call.input);
    if (input === undefined && cut && call === calls.at(-1)) {
      info.report("tool_calls");
      return [];
    }
    if (input === undefined || call.name === undefined)
      throw new TypeError("the reply has a call that cannot be read");
    return {
      type: "tool_use",
      id: call.id ?? toToolUseId(info, call.position),
      name: fromToolName(call.name, info.request),
      input,
      caller: { type: "direct" },
    };
  });
}

/** Stable within the reply. */
export function toToolUseId({ requestId }: Pick<Info, "requestId">, index: number): string {
  return callIdOf(requestId, index, "toolu");
}
