import { UnsupportedField, wrongShape } from "gatewright";
import type { JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { drop, forward, is, isEmpty, refuse, report, reportRest, sortFields, translate } from "gatewright";
import type { FieldTable } from "gatewright";
import { compact, isJsonObject } from "gatewright";
import { readArguments } from "../_call-arguments.ts";
import { otherFormat } from "../_response-format.ts";
import { reportStreamOptions } from "../_stream-options.ts";
import { isTextOnly } from "../_text-only.ts";
import { generationFields, toParameters } from "./options.ts";
import type { OllamaSettings } from "./options.ts";

/** Fates of the fields of a chat request. */
export const chatFields: FieldTable = {
  ...generationFields,
  messages: translate(
    "text and bare base64 images, arguments as objects, `tool_name` found by the call's id",
  ),
  tools: translate("as they are; custom tools are refused", isEmpty),
  tool_choice: translate(
    "`auto` and `none` by giving or leaving out the tools; what forces a call is refused",
  ),
  parallel_tool_calls: drop("Ollama cannot be told to call one tool at a time", is(true)),
  response_format: translate("`format`"),
  reasoning_effort: translate("`think`"),
  think: forward("a field of Ollama's own; wins over `reasoning_effort`, which is then reported"),
  format: forward("a field of Ollama's own; wins over `response_format`, which is then reported"),
  logprobs: forward("the same in Ollama"),
  top_logprobs: forward("the same in Ollama"),
  functions: refuse("use `tools`", isEmpty),
  function_call: refuse("use `tools`"),
  modalities: refuse("Ollama answers in text", isTextOnly),
  audio: refuse("Ollama answers in text"),
  web_search_options: refuse("Ollama does not search the web"),
  moderation: refuse("Ollama does not moderate"),
  verbosity: drop("Ollama has no such hint"),
  prediction: drop("Ollama takes no predicted output"),
  store: drop("Ollama stores nothing", is(false)),
  metadata: drop("Ollama stores nothing", isEmpty),
  service_tier: drop("Ollama has no tiers", is("auto", "default")),
  safety_identifier: drop("Ollama knows no end users", isEmpty),
  prompt_cache_key: drop("Ollama caches prompts by itself", isEmpty),
  prompt_cache_options: drop("Ollama caches prompts by itself", isEmpty),
  prompt_cache_retention: drop("Ollama caches prompts by itself"),
};

/** Fates of the members of one message. */
export const messageFields: FieldTable = {
  role: translate("`developer` becomes `system`"),
  content: translate("one text, parts joined by a newline; images go to `images`"),
  refusal: translate("part of `content`"),
  reasoning_content: translate("`thinking`"),
  reasoning: translate("`thinking`"),
  tool_calls: translate("arguments as objects", isEmpty),
  tool_call_id: translate("itself, and `tool_name` of the call that it answers"),
  name: drop("Ollama does not tell participants apart", isEmpty),
  annotations: drop("Ollama has no annotations", isEmpty),
  thinking_blocks: drop("signed by another vendor; their text is `reasoning_content`", isEmpty),
  extra_content: drop("signed by another vendor", isEmpty),
  cache_control: drop("Ollama caches prompts by itself", isEmpty),
  audio: refuse("it refers to audio that another backend keeps"),
  function_call: refuse("use `tool_calls`"),
};

/** Values of `reasoning_effort` that Ollama's `think` calls by another name. */
const THINK: ReadonlyMap<unknown, unknown> = new Map<unknown, unknown>([
  ["none", false],
  ["minimal", "low"],
  ["xhigh", "max"],
]);

export function toChatRequest(request: JsonObject, info: MappingInfo<OllamaSettings>): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, chatFields, dropped);
  reportStreamOptions(translated["stream_options"], dropped);
  if (Object.hasOwn(forwarded, "think") && Object.hasOwn(translated, "reasoning_effort"))
    report(dropped, "reasoning_effort");
  if (Object.hasOwn(forwarded, "format") && Object.hasOwn(translated, "response_format"))
    report(dropped, "response_format");
  const body = compact({
    ...forwarded,
    model: info.model,
    messages: toMessages(translated["messages"], dropped),
    stream: info.stream,
    tools: toTools(translated["tools"], translated["tool_choice"], dropped),
    format: forwarded["format"] ?? toFormat(translated["response_format"], dropped),
    think: forwarded["think"] ?? toThink(translated["reasoning_effort"]) ?? info.options.think,
    keep_alive: forwarded["keep_alive"] ?? info.options.keepAlive,
    options: toParameters(translated, info.options, dropped),
  });
  return { body, dropped: [...dropped] };
}

function toMessages(messages: unknown, dropped: Set<string>): JsonObject[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw wrongShape("messages", "a list of at least one message", messages);
  const toolNames = new Map<unknown, unknown>();
  return messages.map((message: unknown, index) =>
    toMessage(message, `messages[${index}]`, toolNames, dropped),
  );
}

/** `toolNames` gathers the names of the calls by their ids, and gives them to the results. */
function toMessage(
  message: unknown,
  at: string,
  toolNames: Map<unknown, unknown>,
  dropped: Set<string>,
): JsonObject {
  if (!isJsonObject(message)) throw wrongShape(at, "an object", message);
  const { forwarded, translated } = sortFields(message, messageFields, dropped, `${at}.`);
  const { role, refusal, reasoning_content, reasoning, tool_calls, tool_call_id } = translated;
  if (role === "function") throw new UnsupportedField(`${at}.role`, `\`${at}.role\`: use \`tool\``);
  const { texts, images } = toContent(translated["content"], `${at}.content`, dropped);
  if (refusal !== undefined) texts.push(toText(refusal, `${at}.refusal`));

  const thinking = forwarded["thinking"] ?? reasoning_content ?? reasoning;
  if (reasoning_content !== undefined && reasoning_content !== thinking)
    report(dropped, `${at}.reasoning_content`);
  if (reasoning !== undefined && reasoning !== thinking) report(dropped, `${at}.reasoning`);

  const ownImages = toOwnImages(forwarded["images"], `${at}.images`, dropped);
  return compact({
    ...forwarded,
    role: role === "developer" ? "system" : role,
    content: texts.join("\n"),
    thinking,
    images: images.length > 0 ? [...(Array.isArray(ownImages) ? ownImages : []), ...images] : ownImages,
    tool_calls: toToolCalls(tool_calls, `${at}.tool_calls`, toolNames, dropped),
    tool_name: forwarded["tool_name"] ?? (role === "tool" ? toolNames.get(tool_call_id) : undefined),
    tool_call_id,
  });
}

function toContent(
  content: unknown,
  at: string,
  dropped: Set<string>,
): { texts: string[]; images: string[] } {
  const texts: string[] = [];
  const images: string[] = [];
  if (content === undefined) return { texts, images };
  if (!Array.isArray(content)) return { texts: [toText(content, at)], images };
  for (const [index, part] of content.entries()) {
    const place = `${at}[${index}]`;
    if (!isJsonObject(part)) throw wrongShape(place, "a content part", part);
    const { type, ...members } = part;
    if (type === "text" || type === "refusal") {
      const { [type]: text, ...rest } = members;
      texts.push(toText(text, `${place}.${type}`));
      reportRest(dropped, rest, `${place}.`);
    } else if (type === "image_url") {
      const { image_url, ...rest } = members;
      images.push(toImage(image_url, `${place}.image_url`, dropped));
      reportRest(dropped, rest, `${place}.`);
    } else {
      const field = typeof type === "string" && Object.hasOwn(members, type) ? `${place}.${type}` : place;
      throw new UnsupportedField(field, `\`${field}\`: Ollama takes text and images only`);
    }
  }
  return { texts, images };
}

function toText(value: unknown, at: string): string {
  if (typeof value !== "string") throw wrongShape(at, "a string", value);
  return value;
}

/** Images under Ollama's own name are base64; those that a model of another vendor made are like parts. */
function toOwnImages(images: unknown, at: string, dropped: Set<string>): unknown {
  if (!Array.isArray(images)) return images;
  return images.map((image: unknown, index) =>
    isJsonObject(image) ? toImage(image["image_url"], `${at}[${index}].image_url`, dropped) : image,
  );
}

/** Bare base64, as Ollama wants it. */
function toImage(image: unknown, at: string, dropped: Set<string>): string {
  if (!isJsonObject(image)) throw wrongShape(at, "an object", image);
  const { url, detail, ...rest } = image;
  if (detail !== undefined && detail !== null && detail !== "auto") report(dropped, `${at}.detail`);
  reportRest(dropped, rest, `${at}.`);
  const comma = typeof url === "string" ? url.indexOf(",") : -1;
  if (typeof url !== "string" || !/^data:image\/[^,]*;base64$/i.test(url.slice(0, Math.max(comma, 0))))
    throw new UnsupportedField(at, `\`${at}\`: Ollama takes images as base64 data URLs only`);
  return url.slice(comma + 1);
}

/** Extensions of the hub that calls and tools may have. */
export const itemFields: FieldTable = {
  extra_content: drop("signed by another vendor", isEmpty),
  cache_control: drop("Ollama caches prompts by itself", isEmpty),
};

function toToolCalls(
  calls: unknown,
  at: string,
  toolNames: Map<unknown, unknown>,
  dropped: Set<string>,
): JsonObject[] | undefined {
  if (calls === undefined) return undefined;
  if (!Array.isArray(calls)) throw wrongShape(at, "a list", calls);
  return calls.map((call: unknown, index) => {
    const place = `${at}[${index}]`;
    if (!isJsonObject(call) || !isJsonObject(call["function"]))
      throw new UnsupportedField(place, `\`${place}\`: Ollama takes calls of functions only`);
    const { id, type: _, function: called, ...members } = call;
    const { name, arguments: text, ...others } = called;
    const { forwarded: rest } = sortFields(members, itemFields, dropped, `${place}.`);
    toolNames.set(id, name);
    const input = isJsonObject(text) ? text : readArguments(text, `${place}.function.arguments`);
    return compact({ ...rest, id, function: { ...others, index, name, arguments: input } });
  });
}

/** Ollama has no tool choice: tools are given or left out. */
function toTools(tools: unknown, choice: unknown, dropped: Set<string>): JsonObject[] | undefined {
  if (tools !== undefined && !Array.isArray(tools)) throw wrongShape("tools", "a list", tools);
  if (choice === "none") return undefined;
  const allowed = toAllowed(choice);
  if (tools === undefined && !allowed) return undefined;
  const offered = (tools ?? []).flatMap<JsonObject>((tool: unknown, index) => {
    const at = `tools[${index}]`;
    if (!isJsonObject(tool) || !isJsonObject(tool["function"]))
      throw new UnsupportedField(at, `\`${at}\`: Ollama takes functions only`);
    if (allowed && !allowed.has(tool["function"]["name"])) return [];
    return sortFields(tool, itemFields, dropped, `${at}.`).forwarded;
  });
  if (allowed && offered.length === 0)
    throw new UnsupportedField("tool_choice", "`tool_choice` must find its tool among `tools`");
  return offered;
}

/** Names that the choice narrows the tools to; undefined for all of them. */
function toAllowed(choice: unknown): Set<unknown> | undefined {
  if (choice === undefined || choice === "auto") return undefined;
  const list =
    isJsonObject(choice) && choice["type"] === "allowed_tools" ? choice["allowed_tools"] : undefined;
  if (!isJsonObject(list) || list["mode"] !== "auto" || !Array.isArray(list["tools"]))
    throw new UnsupportedField("tool_choice", "`tool_choice`: Ollama cannot be made to call a tool");
  return new Set(
    list["tools"].map((tool: unknown) =>
      isJsonObject(tool) && isJsonObject(tool["function"]) ? tool["function"]["name"] : undefined,
    ),
  );
}

function toFormat(format: unknown, dropped: Set<string>): unknown {
  if (format === undefined) return undefined;
  if (isJsonObject(format)) {
    const { type, schema, json_schema: named } = format;
    if (type === "text") return undefined;
    // llama.cpp's clients put a schema beside the type.
    if (type === "json_object") return schema ?? "json";
    if (type === "json_schema" && isJsonObject(named)) {
      if (named["description"]) report(dropped, "response_format.json_schema.description");
      return named["schema"] ?? "json";
    }
  }
  throw otherFormat("text, or JSON with or without a schema, for Ollama", format);
}

function toThink(effort: unknown): unknown {
  return THINK.has(effort) ? THINK.get(effort) : effort;
}
