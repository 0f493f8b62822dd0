import type { MappingInfo } from "../../adapter.ts";
import { isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";
import { readHubCalls } from "../hub-calls.ts";
import { oneHubChoice, readHubMessage, reportBeside, type HubMessage } from "../hub-message.ts";
import { toCallId, toItemId } from "./ids.ts";
import {
  toAnnotations,
  toCallItem,
  toImageItem,
  toLogprobItems,
  toMessageItem,
  toReasoningItem,
  toRefusalPart,
  toTextPart,
} from "./items.ts";
import { wantsSummary } from "./reasoning.ts";
import { endResponse, endStatus, reportUnknownFinish, startResponse } from "./response.ts";

/** A whole chat reply as a response. Throws for one that holds no answer. */
export function fromChatReply(reply: JsonObject, info: MappingInfo): JsonObject {
  reportBeside(reply, info);
  const choice = oneHubChoice(reply, info);
  const message = choice?.["message"];
  if (!isJsonObject(message)) throw new TypeError("the reply has no message");
  const { finish_reason: finish, logprobs } = choice!;
  reportUnknownFinish(finish, info);
  return endResponse(startResponse(info), {
    output: toOutput(readHubMessage(message, info), { finish, logprobs }, info),
    finish,
    usage: reply["usage"],
    serviceTier: reply["service_tier"],
  });
}

/** Items in the order in which a model makes them: thoughts, text, images, calls. */
function toOutput(
  said: HubMessage,
  { finish, logprobs }: { finish: unknown; logprobs: unknown },
  info: MappingInfo,
): JsonObject[] {
  const { thinkingBlocks: blocks, images } = said;
  const calls = readHubCalls(said.calls).map((call) => ({
    ...call,
    callId: call.id ?? toCallId(info.requestId, call.position),
  }));
  const extras = calls.flatMap(({ callId: call_id, extra: extra_content }) =>
    extra_content ? [{ type: "extra_content", call_id, extra_content }] : [],
  );
  const content = toParts(said, logprobs, info);
  const thoughts = said.reasoning || blocks.map(({ thinking }) => toText(thinking)).join("");
  const output: JsonObject[] = [];
  const idOf = (prefix: string): string => toItemId(prefix, info.requestId, output.length);

  const sealed = [...blocks, ...extras];
  if (thoughts !== "" || sealed.length > 0)
    output.push(
      toReasoningItem(idOf("rs"), { text: thoughts, asSummary: wantsSummary(info.request), sealed }),
    );
  // What was cut is the last thing that was said.
  const last = endStatus(finish);
  const hasMore = calls.length > 0 || images.length > 0;
  if (content.length > 0 || said.extra || (!hasMore && output.length === 0))
    output.push(
      toMessageItem(
        idOf("msg"),
        content.length > 0 || said.extra ? content : [toTextPart("")],
        hasMore ? "completed" : last,
        said.extra,
      ),
    );
  for (const url of images) {
    const item = toImageItem(idOf("ig"), url);
    if (item) output.push(item);
    else info.report("images");
  }
  for (const { type, callId, name, input, position } of calls) {
    if (name === undefined) throw new TypeError("the reply has a call without a name");
    output.push(
      toCallItem(
        idOf(type === "custom" ? "ctc" : "fc"),
        { type, callId, name, input },
        position === calls.length - 1 ? last : "completed",
      ),
    );
  }
  return output;
}

function toParts(
  { text, refusal, annotations }: HubMessage,
  logprobs: unknown,
  info: MappingInfo,
): JsonObject[] {
  const parts: JsonObject[] = [];
  if (text !== "") parts.push(toTextPart(text, toAnnotations(annotations), toLogprobItems(logprobs)));
  else if (annotations.length > 0) info.report("annotations");
  if (refusal !== "") parts.push(toRefusalPart(refusal));
  return parts;
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
