import { isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import { firstChoice, reasoningOf, toStop } from "./stop-reason.ts";
import { fromToolName } from "./tool-names.ts";
import { toUsage } from "./usage.ts";

type Info = Pick<MappingInfo, "requestId" | "requestedModel" | "request">;

/** A whole reply of chat as a message. Throws for one that holds no answer. */
export function toMessage(reply: JsonObject, info: Info): JsonObject {
  const choice = firstChoice(reply);
  const answer = choice?.["message"];
  if (!isJsonObject(answer)) throw new TypeError("the reply has no message");
  const { finish_reason: finishReason, stop_reason: stopReason } = choice!;
  const refusal = typeof answer["refusal"] === "string" ? answer["refusal"] : "";
  const calls = toToolUses(answer["tool_calls"], finishReason === "length", info);
  return {
    ...toEnvelope(info),
    content: [...toThinking(answer), ...toTexts(answer["content"], refusal), ...calls],
    ...toStop({ finishReason, stopReason, refusal, hasCalls: calls.length > 0 }, info.request),
    usage: toUsage(reply["usage"]),
  };
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

/** Signed blocks as they came; else the text, unsigned. */
function toThinking(answer: JsonObject): JsonObject[] {
  const { thinking_blocks: blocks } = answer;
  if (Array.isArray(blocks) && blocks.length > 0) return blocks.filter(isJsonObject);
  const thinking = reasoningOf(answer);
  return thinking === "" ? [] : [{ type: "thinking", thinking, signature: "" }];
}

function toTexts(content: unknown, refusal: string): JsonObject[] {
  const texts = [typeof content === "string" ? content : joinParts(content), refusal];
  return texts.filter((text) => text !== "").map((text) => ({ type: "text", text }));
}

/** Some servers answer in parts. */
function joinParts(content: unknown): string {
  if (!Array.isArray(content)) return "";
  return content
    .filter(isJsonObject)
    .map(({ text }) => (typeof text === "string" ? text : ""))
    .join("");
}

/** `cut`: the answer met its limit, so that the last call may not be whole; it is left out then. */
function toToolUses(calls: unknown, cut: boolean, info: Info): JsonObject[] {
  if (!Array.isArray(calls)) return [];
  return calls.filter(isJsonObject).flatMap((call, index) => {
    const called: JsonObject = isJsonObject(call["function"]) ? call["function"] : {};
    const input = readInput(called["arguments"]);
    if (input === undefined && cut && index === calls.length - 1) return [];
    if (input === undefined || typeof called["name"] !== "string")
      throw new TypeError("the reply has a call that cannot be read");
    return {
      type: "tool_use",
      id: typeof call["id"] === "string" && call["id"] !== "" ? call["id"] : toToolUseId(info, index),
      name: fromToolName(called["name"], info.request),
      input,
      caller: { type: "direct" },
    };
  });
}

/** Undefined for what is no JSON object. */
export function readInput(text: unknown): JsonObject | undefined {
  if (isJsonObject(text)) return text;
  if (text === undefined || text === null || text === "") return {};
  if (typeof text !== "string") return undefined;
  try {
    const input: unknown = JSON.parse(text);
    return isJsonObject(input) ? input : undefined;
  } catch {
    return undefined;
  }
}

/** Stable within the reply. */
export function toToolUseId({ requestId }: Info, index: number): string {
  return `toolu_${requestId.replaceAll(/[^A-Za-z0-9]/g, "").slice(-24)}_${index}`;
}
