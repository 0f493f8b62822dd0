import { UnsupportedField, type MappingInfo } from "../../adapter.ts";
import { wrongShape } from "../../field-fault.ts";
import { report, reportRest, sortFields } from "../../field-table.ts";
import { compact, isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";
import { createRequestMapping } from "../request-mapping.ts";
import { responsesFields } from "./fields.ts";
import { toMessages } from "./messages.ts";
import { toToolChoice, toTools } from "./tools.ts";

/** A Responses request as a chat request. Throws `UnsupportedField` for what chat cannot carry. */
export function toChatRequest(
  request: JsonObject,
  info: MappingInfo,
): { body: JsonObject; dropped: readonly string[] } {
  const mapping = createRequestMapping(info);
  const { dropped } = mapping;
  const { forwarded, translated } = sortFields(request, responsesFields, dropped);
  const tools = toTools(translated["tools"]);
  const choice = toToolChoice(translated["tool_choice"], tools ?? []);
  const hasTools = tools !== undefined && tools.length > 0;
  // Servers refuse these two beside no tools; without any they say nothing, unless a call is demanded.
  const idle = !hasTools && (choice === "auto" || choice === "none");
  const body = compact({
    ...forwarded,
    messages: toMessages(translated["instructions"], translated["input"], mapping),
    max_completion_tokens: translated["max_output_tokens"],
    tools: hasTools ? tools : undefined,
    tool_choice: idle ? undefined : choice,
    parallel_tool_calls: hasTools ? translated["parallel_tool_calls"] : undefined,
    ...toText(translated["text"], dropped),
    ...toReasoning(translated["reasoning"], dropped),
    ...toLogprobs(translated["top_logprobs"], translated["include"], dropped),
  });
  if (isJsonObject(translated["stream_options"]) && translated["stream_options"]["include_obfuscation"])
    report(dropped, "stream_options.include_obfuscation");
  return { body, dropped: [...dropped] };
}

function toText(text: unknown, dropped: Set<string>): JsonObject {
  if (text === undefined) return {};
  if (!isJsonObject(text)) throw wrongShape("text", "an object", text);
  const { format, verbosity, ...rest } = text;
  reportRest(dropped, rest, "text.");
  return { response_format: toResponseFormat(format), verbosity };
}

function toResponseFormat(format: unknown): unknown {
  if (format === undefined || format === null) return undefined;
  if (isJsonObject(format)) {
    const { type, ...schema } = format;
    if (type === "text") return undefined;
    if (type === "json_object") return { type };
    if (type === "json_schema") return { type, json_schema: schema };
  }
  throw new UnsupportedField("text.format", "`text.format`: chat gives text, JSON or JSON by a schema");
}

/** `summary` is no matter of the backend's: what it gives of its reasoning is shown where the client asked for it. */
function toReasoning(reasoning: unknown, dropped: Set<string>): JsonObject {
  if (reasoning === undefined) return {};
  if (!isJsonObject(reasoning)) throw wrongShape("reasoning", "an object", reasoning);
  const { effort, summary: _s, generate_summary: _g, ...rest } = reasoning;
  reportRest(dropped, rest, "reasoning.");
  return { reasoning_effort: effort };
}

const LOGPROBS = "message.output_text.logprobs";
/** What comes with the response unasked where there is any: reasoning as its vendor signed it. */
const SIGNED_REASONING = "reasoning.encrypted_content";

function toLogprobs(top: unknown, include: unknown, dropped: Set<string>): JsonObject {
  const included: readonly unknown[] = Array.isArray(include) ? include : [];
  if (included.some((name) => name !== LOGPROBS && name !== SIGNED_REASONING)) report(dropped, "include");
  if (top === undefined && !included.includes(LOGPROBS)) return {};
  return { logprobs: true, top_logprobs: top };
}
