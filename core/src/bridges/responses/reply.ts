import type { MappingInfo } from "../../adapter.ts";
import { isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";
import { toCallId, toItemId } from "./ids.ts";
import {
  toAnnotations,
  toCallItem,
  toLogprobItems,
  toMessageItem,
  toReasoningItem,
  toRefusalPart,
  toTextPart,
  type ItemStatus,
} from "./items.ts";
import { wantsSummary } from "./reasoning.ts";
import { endResponse, incompleteReason, startResponse } from "./response.ts";

/** A whole chat reply as a response. */
export function fromChatReply(reply: JsonObject, info: MappingInfo): JsonObject {
  const choices: readonly unknown[] = Array.isArray(reply["choices"]) ? reply["choices"] : [];
  const choice = isJsonObject(choices[0]) ? choices[0] : {};
  const finish = choice["finish_reason"];
  return endResponse(startResponse(info), {
    output: toOutput(choice, info),
    finish,
    usage: reply["usage"],
    serviceTier: reply["service_tier"],
  });
}

/** Items in the order in which a model makes them: thoughts, text, calls. */
function toOutput(choice: JsonObject, info: MappingInfo): JsonObject[] {
  const message = isJsonObject(choice["message"]) ? choice["message"] : {};
  const { reasoning_content, thinking_blocks, tool_calls } = message;
  const calls = Array.isArray(tool_calls) ? tool_calls.filter(isJsonObject) : [];
  const content = toParts(message, choice["logprobs"]);
  const thoughts = typeof reasoning_content === "string" ? reasoning_content : "";
  const blocks: readonly unknown[] = Array.isArray(thinking_blocks) ? thinking_blocks : [];
  const output: JsonObject[] = [];
  const idOf = (prefix: string): string => toItemId(prefix, info.requestId, output.length);

  if (thoughts !== "" || blocks.length > 0)
    output.push(
      toReasoningItem(idOf("rs"), { text: thoughts, asSummary: wantsSummary(info.request), blocks }),
    );
  // What was cut is the last thing that was said.
  const cut: ItemStatus =
    incompleteReason(choice["finish_reason"]) === undefined ? "completed" : "incomplete";
  if (content.length > 0 || (calls.length === 0 && output.length === 0))
    output.push(
      toMessageItem(
        idOf("msg"),
        content.length > 0 ? content : [toTextPart("")],
        calls.length === 0 ? cut : "completed",
        message["extra_content"],
      ),
    );
  for (const [index, call] of calls.entries()) {
    const type = call["type"] === "custom" ? "custom" : "function";
    const called = isJsonObject(call[type]) ? call[type] : {};
    const { id, extra_content } = call;
    output.push(
      toCallItem(
        idOf(type === "custom" ? "ctc" : "fc"),
        {
          type,
          callId: typeof id === "string" && id !== "" ? id : toCallId(info.requestId, index),
          name: toText(called["name"]),
          input: toText(type === "custom" ? called["input"] : called["arguments"]),
          extra: extra_content,
        },
        index === calls.length - 1 ? cut : "completed",
      ),
    );
  }
  return output;
}

function toParts(message: JsonObject, logprobs: unknown): JsonObject[] {
  const { content, refusal, annotations } = message;
  const parts: JsonObject[] = [];
  if (typeof content === "string" && content !== "")
    parts.push(toTextPart(content, toAnnotations(annotations), toLogprobItems(logprobs)));
  if (typeof refusal === "string" && refusal !== "") parts.push(toRefusalPart(refusal));
  return parts;
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
