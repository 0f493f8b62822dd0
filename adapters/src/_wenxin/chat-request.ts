import {
  compact,
  drop,
  forward,
  is,
  isEmpty,
  isJsonObject,
  refuse,
  report,
  reportRest,
  wrongShape,
} from "gatewright";
import { sortFields, translate, UnsupportedField } from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { otherFormat } from "../_response-format.ts";
import { isTextOnly } from "../_text-only.ts";

/** Fates of the fields of a chat request. */
export const chatFields: FieldTable = {
  model: translate("the endpoint in the path"),
  messages: translate(
    "texts; system messages become `system`, calls and results `function_call` and `function`",
  ),
  stream: translate("itself"),
  stream_options: translate("Wenxin tells the usage unasked"),
  max_completion_tokens: translate("`max_output_tokens`; wins over `max_tokens`"),
  max_tokens: translate("`max_output_tokens`"),
  temperature: forward("the same at Wenxin, above 0 and up to 1"),
  top_p: forward("the same at Wenxin"),
  stop: translate("a list"),
  tools: translate("`functions`", isEmpty),
  tool_choice: translate("itself where it names a function; `none` leaves the functions out"),
  response_format: translate("`json_object` or `text`"),
  user: translate("`user_id`", isEmpty),
  n: refuse("Wenxin gives one choice a request", is(1)),
  logit_bias: refuse("Wenxin takes no biases", isEmpty),
  logprobs: refuse("Wenxin does not tell them", is(false)),
  top_logprobs: refuse("Wenxin does not tell them", is(0)),
  functions: refuse("use `tools`", isEmpty),
  function_call: refuse("use `tool_choice`"),
  modalities: refuse("Wenxin answers in text", isTextOnly),
  audio: refuse("Wenxin answers in text"),
  web_search_options: refuse("Wenxin searches the web unless `disable_search` is true"),
  moderation: refuse("Wenxin moderates by itself"),
  parallel_tool_calls: translate("left out: Wenxin calls one function at a time"),
  seed: drop("Wenxin has no seed"),
  presence_penalty: drop("Wenxin has `penalty_score`, of another scale", is(0)),
  frequency_penalty: drop("Wenxin has `penalty_score`, of another scale", is(0)),
  reasoning_effort: drop("Wenxin's models do not reason"),
  verbosity: drop("Wenxin has no such hint"),
  prediction: drop("Wenxin takes no predicted output"),
  store: drop("Wenxin stores nothing", is(false)),
  metadata: drop("Wenxin stores nothing", isEmpty),
  service_tier: drop("Wenxin has no tiers", is("auto", "default")),
  safety_identifier: drop("Wenxin has `user_id` alone", isEmpty),
  prompt_cache_key: drop("Wenxin caches no prompts", isEmpty),
  prompt_cache_options: drop("Wenxin caches no prompts", isEmpty),
  prompt_cache_retention: drop("Wenxin caches no prompts"),
};

/** Fates of the members of one message. */
export const messageFields: FieldTable = {
  role: translate("system messages become `system`, those of tools `function`"),
  content: translate("one text"),
  refusal: translate("part of the content"),
  tool_calls: translate("`function_call`", isEmpty),
  tool_call_id: translate("the name of the call that it answers"),
  name: drop("Wenxin does not tell participants apart", isEmpty),
  reasoning_content: drop("Wenxin's models do not reason", isEmpty),
  annotations: drop("Wenxin takes no annotations back", isEmpty),
  audio: refuse("it refers to audio that another backend keeps"),
};

export function toChatRequest(request: JsonObject, { stream }: MappingInfo<unknown>): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated: fields } = sortFields(request, chatFields, dropped);
  const { max_completion_tokens, max_tokens, stop, user } = fields;
  if (max_completion_tokens !== undefined && max_tokens !== undefined) report(dropped, "max_tokens");
  const { system, messages } = toMessages(fields["messages"], dropped);
  const body = compact({
    ...forwarded,
    messages,
    system: forwarded["system"] ?? (system === "" ? undefined : system),
    stream,
    max_output_tokens: max_completion_tokens ?? max_tokens,
    stop: typeof stop === "string" ? [stop] : stop,
    user_id: user,
    response_format: toFormat(fields["response_format"]),
    ...toFunctions(fields["tools"], fields["tool_choice"], dropped),
  });
  return { body, dropped: [...dropped] };
}

function toMessages(messages: unknown, dropped: Set<string>): { system: string; messages: JsonObject[] } {
  if (!Array.isArray(messages) || messages.length === 0)
    throw wrongShape("messages", "a list of at least one message", messages);
  const system: string[] = [];
  const written: JsonObject[] = [];
  const names = new Map<unknown, unknown>();
  for (const [index, message] of messages.entries()) {
    const at = `messages[${index}]`;
    if (!isJsonObject(message)) throw wrongShape(at, "an object", message);
    const { forwarded, translated } = sortFields(message, messageFields, dropped, `${at}.`);
    reportRest(dropped, forwarded, `${at}.`);
    const { role, content, refusal, tool_calls, tool_call_id } = translated;
    const said = toText(content, `${at}.content`, dropped);
    const text = [said, toText(refusal, `${at}.refusal`, dropped)].filter(Boolean).join("\n");
    if (role === "system" || role === "developer") system.push(text);
    else if (role === "tool")
      written.push({ role: "function", name: names.get(tool_call_id), content: text });
    else
      written.push(compact({ role, content: text, function_call: toCall(tool_calls, at, names, dropped) }));
  }
  return { system: system.join("\n\n"), messages: written };
}

function toText(content: unknown, at: string, dropped: Set<string>): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  const parts = Array.isArray(content) ? (content as unknown[]) : [content];
  const texts = parts.map((part, index) => {
    const { type: _, text, refusal, ...rest } = isJsonObject(part) ? part : {};
    const said = text ?? refusal;
    reportRest(dropped, rest, `${at}[${index}].`);
    if (typeof said === "string") return said;
    throw new UnsupportedField(`${at}[${index}]`, `\`${at}[${index}]\`: Wenxin takes text alone`);
  });
  return texts.join("\n");
}

/** `names` gathers the functions that were called, by the ids of the calls. */
function toCall(
  calls: unknown,
  at: string,
  names: Map<unknown, unknown>,
  dropped: Set<string>,
): JsonObject | undefined {
  if (!Array.isArray(calls) || calls.length === 0) return undefined;
  const [call]: unknown[] = calls;
  if (calls.length > 1 || !isJsonObject(call) || !isJsonObject(call["function"]))
    throw new UnsupportedField(
      `${at}.tool_calls`,
      `\`${at}.tool_calls\`: Wenxin knows one function call a turn`,
    );
  const { id, type: _, function: called, ...rest } = call;
  const { name, arguments: input } = called;
  reportRest(dropped, rest, `${at}.tool_calls[].`);
  names.set(id, name);
  return { name, arguments: input };
}

function toFunctions(tools: unknown, choice: unknown, dropped: Set<string>): JsonObject {
  if (tools !== undefined && !Array.isArray(tools)) throw wrongShape("tools", "a list", tools);
  if (choice === "required" || (isJsonObject(choice) && choice["type"] !== "function"))
    throw new UnsupportedField("tool_choice", "`tool_choice`: Wenxin takes `auto`, `none` or one function");
  if (tools === undefined || choice === "none") return {};
  const functions = tools.map((tool: unknown, index) => {
    const at = `tools[${index}]`;
    if (!isJsonObject(tool) || !isJsonObject(tool["function"]))
      throw new UnsupportedField(at, `\`${at}\`: Wenxin takes functions alone`);
    const { type: _, function: definition, ...rest } = tool;
    reportRest(dropped, rest, `${at}.`);
    return toFunction(definition, `${at}.function`, dropped);
  });
  return { functions, ...(isJsonObject(choice) && { tool_choice: choice }) };
}

/** A description and parameters are required there. */
function toFunction(definition: JsonObject, at: string, dropped: Set<string>): JsonObject {
  const { name, description, parameters, strict, ...rest } = definition;
  reportRest(dropped, rest, `${at}.`);
  if (strict === true) report(dropped, `${at}.strict`);
  return {
    name,
    description: description ?? name,
    parameters: parameters ?? { type: "object", properties: {} },
  };
}

function toFormat(format: unknown): unknown {
  if (format === undefined) return undefined;
  const type = isJsonObject(format) ? format["type"] : undefined;
  if (type === "text") return undefined;
  if (type === "json_object") return type;
  throw otherFormat("text, or JSON without a schema, for Wenxin", format);
}
