import { isJsonObject, stringifyJson } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import { isThinking } from "./conversation.ts";
import type { ClaudeSettings } from "./options.ts";
import { reportBlock, toAnnotations, toCallId, toFinish, toRefusal, toReplyId, toUsage } from "./reply.ts";
import { answeringTool } from "./structured-output.ts";

type Info = MappingInfo<ClaudeSettings>;

/** A whole message as a chat reply. The adapter's `errorInReply` has let it through, so that it is one. */
export function fromMessagesReply(reply: JsonObject, info: Info): JsonObject {
  const { message, answered } = toMessage(reply, info);
  return {
    id: toReplyId(reply, info),
    object: "chat.completion",
    created: info.nowSeconds,
    model: info.requestedModel,
    choices: [{ index: 0, message, logprobs: null, ...toFinish(reply, answered, info) }],
    usage: toUsage(isJsonObject(reply["usage"]) ? reply["usage"] : {}),
  };
}

/** Blocks of server tools are left out, and reported: the text says what came of them. */
function toMessage(reply: JsonObject, info: Info): { message: JsonObject; answered: boolean } {
  const answering = answeringTool(info);
  const blocks = (reply["content"] as unknown[]).filter(isJsonObject);
  const thinkingBlocks = blocks.filter(isThinking);
  const annotations: JsonObject[] = [];
  const calls: JsonObject[] = [];
  let content = "";
  let reasoning = "";
  let answered = false;
  for (const block of blocks) {
    const { type, text, thinking, citations, name, input } = block;
    if (type === "text" && typeof text === "string") {
      const start = content.length;
      content += text;
      annotations.push(...toAnnotations(citations, { start, end: content.length }, info));
    } else if (type === "thinking" && typeof thinking === "string") {
      reasoning += thinking;
    } else if (type === "tool_use" && name === answering) {
      content += stringifyJson(input ?? {});
      answered = true;
    } else if (type === "tool_use") {
      const called = { name, arguments: stringifyJson(input ?? {}) };
      calls.push({ id: toCallId(block, calls.length, info), type: "function", function: called });
    } else if (!isThinking(block)) {
      reportBlock(block, info);
    }
  }
  const refusal = toRefusal(reply);
  const message = {
    role: "assistant",
    content: content || (calls.length > 0 || refusal !== null ? null : ""),
    refusal,
    ...(reasoning !== "" && { reasoning_content: reasoning }),
    ...(thinkingBlocks.length > 0 && { thinking_blocks: thinkingBlocks }),
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(annotations.length > 0 && { annotations }),
  };
  return { message, answered };
}
