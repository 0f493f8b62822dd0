import {
  compact,
  createRequestMapping,
  isJsonObject,
  report,
  reportRest,
  sortFields,
  UnsupportedField,
  wrongShape,
} from "gatewright";
import type { JsonObject, MappingInfo, ReasoningEffortsOf, RequestMapping } from "gatewright";
import { toChatHistory, type ChatHistory } from "./chat-messages.ts";
import { asText, keepCacheControl } from "./content-parts.ts";
import { toReasoningEffort } from "./effort.ts";
import { messagesFields, toolFields } from "./fields.ts";
import { toToolName } from "./tool-names.ts";

/** The longest `user` that OpenAI takes; ids of Claude Code are longer. */
const MAX_USER_LENGTH = 64;

/** A messages request as one of chat. Throws `UnsupportedField`. */
export function toChatRequest(
  request: JsonObject,
  info: Pick<MappingInfo, "model" | "extensions" | "reasoningEfforts">,
  effortsFor: ReasoningEffortsOf,
): { body: JsonObject; dropped: readonly string[] } {
  const mapping = createRequestMapping(info);
  const { dropped, takes } = mapping;
  const { forwarded, translated: fields } = sortFields(request, messagesFields, dropped);
  if (fields["max_tokens"] === 0)
    throw new UnsupportedField("max_tokens", "`max_tokens`: 0 warms the vendor's cache alone");
  const output: JsonObject = isJsonObject(fields["output_config"]) ? fields["output_config"] : {};
  const { effort, format, ...rest } = output;
  reportRest(dropped, rest, "output_config.");
  if (fields["top_k"] !== undefined && !takes("top_k")) report(dropped, "top_k");
  const history = toChatHistory(fields["system"], fields["messages"], mapping);
  const tools = toTools(fields["tools"], history, mapping);

  const body = compact({
    ...forwarded,
    messages: history.messages,
    max_completion_tokens: fields["max_tokens"],
    stop: fields["stop_sequences"],
    top_k: takes("top_k") ? fields["top_k"] : undefined,
    ...toToolChoice(fields["tool_choice"], tools),
    reasoning_effort: toReasoningEffort(fields["thinking"], effort, effortsFor(info), dropped),
    response_format: toResponseFormat(format ?? fields["output_format"]),
    user: toUser(fields["metadata"], dropped),
    service_tier: fields["service_tier"] === "standard_only" ? "default" : undefined,
  });
  return { body, dropped: [...dropped] };
}

function toTools(tools: unknown, { added, removed }: ChatHistory, mapping: RequestMapping): JsonObject[] {
  if (tools !== undefined && !Array.isArray(tools)) throw wrongShape("tools", "a list", tools);
  return [...((tools as unknown[] | undefined) ?? []), ...added]
    .filter((tool) => !isJsonObject(tool) || !removed.has(tool["name"]))
    .map((tool, index) => toTool(tool, `tools[${index}]`, mapping));
}

function toTool(tool: unknown, at: string, mapping: RequestMapping): JsonObject {
  if (!isJsonObject(tool)) throw wrongShape(at, "an object", tool);
  const { forwarded, translated } = sortFields(tool, toolFields, mapping.dropped, `${at}.`);
  const { type = "custom", name, description, input_schema, strict, cache_control } = translated;
  if (type !== "custom")
    throw new UnsupportedField(`${at}.type`, `\`${at}.type\`: tools of the vendor's own cannot be carried`);
  reportRest(mapping.dropped, forwarded, `${at}.`);
  const mapped: JsonObject = {
    type: "function",
    function: compact({
      name: toToolName(asText(name, `${at}.name`)),
      description,
      parameters: input_schema,
      strict,
    }),
  };
  keepCacheControl(mapped, cache_control, at, mapping);
  return mapped;
}

/** The tools, and how they are to be used: without any of them, chat takes no choice either. */
function toToolChoice(choice: unknown, tools: readonly JsonObject[]): JsonObject {
  const { type, name, disable_parallel_tool_use: single }: JsonObject = isJsonObject(choice) ? choice : {};
  const given = tools.length > 0 ? { tools, ...(single === true && { parallel_tool_calls: false }) } : {};
  if (choice === undefined) return given;
  if (type === "auto" || type === "none") return tools.length > 0 ? { ...given, tool_choice: type } : given;
  if (tools.length > 0 && type === "any") return { ...given, tool_choice: "required" };
  if (tools.length > 0 && type === "tool" && typeof name === "string")
    return { ...given, tool_choice: { type: "function", function: { name: toToolName(name) } } };
  throw new UnsupportedField("tool_choice", "`tool_choice` must be of type `auto`, `any`, `tool` or `none`");
}

function toResponseFormat(format: unknown): JsonObject | undefined {
  if (format === undefined || format === null) return undefined;
  if (!isJsonObject(format) || format["type"] !== "json_schema" || !isJsonObject(format["schema"]))
    throw new UnsupportedField("output_config.format", "`output_config.format` must be a JSON schema");
  // The vendor's grammar always holds the model to the schema.
  return {
    type: "json_schema",
    json_schema: { name: "output", schema: format["schema"], strict: true },
  };
}

function toUser(metadata: unknown, dropped: Set<string>): string | undefined {
  if (!isJsonObject(metadata)) return undefined;
  const { user_id, ...rest } = metadata;
  reportRest(dropped, rest, "metadata.");
  if (typeof user_id !== "string" || user_id === "") return undefined;
  if (user_id.length <= MAX_USER_LENGTH) return user_id;
  report(dropped, "metadata.user_id");
  return undefined;
}
