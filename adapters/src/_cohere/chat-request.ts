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
  sortFields,
  translate,
  UnsupportedField,
} from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import type { CohereSettings } from "./options.ts";

/** Fates of the fields of a chat request. Cohere's: https://docs.cohere.com/v2/reference/chat */
export const chatFields: FieldTable = {
  model: translate("the model's name at the backend"),
  messages: translate("text and images; what the model thought goes to `tool_plan` or a `thinking` part"),
  stream: translate("always sent"),
  stream_options: translate("usage always comes with the last event", isEmpty),
  max_completion_tokens: translate("`max_tokens`"),
  max_tokens: translate("`max_tokens`"),
  temperature: forward("the same in Cohere"),
  top_p: translate("`p`"),
  top_k: translate("`k`"),
  p: forward("a field of Cohere's own; wins over `top_p`, which is then reported"),
  k: forward("a field of Cohere's own; wins over `top_k`, which is then reported"),
  seed: forward("the same in Cohere"),
  presence_penalty: translate("held between 0 and 1, and reported when it was outside"),
  frequency_penalty: translate("held between 0 and 1, and reported when it was outside"),
  stop: translate("`stop_sequences`", isEmpty),
  tools: translate("as they are; `strict` of any of them becomes `strict_tools`", isEmpty),
  tool_choice: translate("`REQUIRED` or `NONE`; named tools by leaving out the others"),
  response_format: translate("`json_object`, with the schema as `json_schema`"),
  logprobs: forward("the same in Cohere"),
  reasoning_effort: translate("`thinking`: `none` switches it off, all else on; grades are reported"),
  thinking: forward("a field of Cohere's own; wins over `reasoning_effort`, which is then reported"),
  documents: forward("a field of Cohere's own"),
  citation_options: forward("a field of Cohere's own"),
  safety_mode: forward("a field of Cohere's own"),
  strict_tools: forward("a field of Cohere's own"),
  priority: forward("a field of Cohere's own"),
  n: refuse("Cohere gives one choice a request", is(1)),
  logit_bias: refuse("Cohere has no bias by token", isEmpty),
  top_logprobs: refuse("Cohere tells the chosen tokens' probabilities only", is(0)),
  functions: refuse("use `tools`", isEmpty),
  function_call: refuse("use `tools`"),
  modalities: refuse("Cohere answers in text", (value) => Array.isArray(value) && value.every(is("text"))),
  audio: refuse("Cohere answers in text"),
  web_search_options: refuse("Cohere does not search the web"),
  moderation: refuse("Cohere does not moderate"),
  parallel_tool_calls: drop("Cohere cannot be told to call one tool at a time", is(true)),
  verbosity: drop("Cohere has no such hint"),
  prediction: drop("Cohere takes no predicted output"),
  store: drop("Cohere stores nothing", is(false)),
  metadata: drop("Cohere stores nothing", isEmpty),
  service_tier: drop("Cohere has no tiers", is("auto", "default")),
  user: drop("Cohere knows no end users", isEmpty),
  safety_identifier: drop("Cohere knows no end users", isEmpty),
  prompt_cache_key: drop("Cohere caches prompts by itself", isEmpty),
  prompt_cache_options: drop("Cohere caches prompts by itself", isEmpty),
  prompt_cache_retention: drop("Cohere caches prompts by itself"),
};

/** Fates of the members of one message. */
export const messageFields: FieldTable = {
  role: translate("`developer` becomes `system`"),
  content: translate("as it is; parts other than text and images are refused"),
  refusal: translate("part of `content`"),
  reasoning_content: translate("`tool_plan` beside calls, else a `thinking` part"),
  reasoning: translate("the same"),
  thinking_blocks: translate("the same; signatures, which are another vendor's, are reported"),
  tool_calls: translate("as they are; custom tools are refused", isEmpty),
  tool_call_id: forward("the same in Cohere"),
  name: drop("Cohere does not tell participants apart", isEmpty),
  annotations: drop("made of `citations`, which Cohere takes back", isEmpty),
  audio: refuse("it refers to audio that another backend keeps"),
  function_call: refuse("use `tool_calls`"),
};

export function toChatRequest(request: JsonObject, info: MappingInfo<CohereSettings>): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, chatFields, dropped);
  reportStreamOptions(translated["stream_options"], dropped);
  const { choice, tools, strict } = toToolSettings(translated["tools"], translated["tool_choice"], dropped);
  const maxTokens = translated["max_completion_tokens"] ?? translated["max_tokens"];
  const stop = translated["stop"];
  /** Cohere's own spelling wins over the hub's. */
  const own = (name: string, from: string, value: unknown): unknown => {
    if (!Object.hasOwn(forwarded, name)) return value;
    if (Object.hasOwn(translated, from)) report(dropped, from);
    return forwarded[name];
  };
  const body = compact({
    ...forwarded,
    model: info.model,
    messages: toMessages(translated["messages"], dropped),
    stream: info.stream,
    max_tokens: maxTokens,
    p: own("p", "top_p", translated["top_p"]),
    k: own("k", "top_k", translated["top_k"]),
    presence_penalty: toPenalty("presence_penalty", translated, dropped),
    frequency_penalty: toPenalty("frequency_penalty", translated, dropped),
    stop_sequences: typeof stop === "string" ? [stop] : stop,
    tools,
    tool_choice: choice,
    strict_tools: forwarded["strict_tools"] ?? strict,
    response_format: toResponseFormat(translated["response_format"], dropped),
    thinking: Object.hasOwn(forwarded, "thinking")
      ? own("thinking", "reasoning_effort", undefined)
      : toThinking(translated["reasoning_effort"], dropped),
  });
  return { body, dropped: [...dropped] };
}

function reportStreamOptions(asked: unknown, dropped: Set<string>): void {
  if (asked === undefined) return;
  if (!isJsonObject(asked))
    throw new UnsupportedField("stream_options", "`stream_options` must be an object");
  const { include_usage: _, ...rest } = asked;
  for (const [name, value] of Object.entries(rest))
    if (value !== false && value !== null) report(dropped, `stream_options.${name}`);
}

function toPenalty(name: string, fields: JsonObject, dropped: Set<string>): unknown {
  const value = fields[name];
  if (typeof value !== "number") return value;
  const held = Math.min(Math.max(value, 0), 1);
  if (held !== value) report(dropped, name);
  return held;
}

/** Reasoning is on unless told otherwise, and has no grades: https://docs.cohere.com/v2/docs/reasoning */
function toThinking(effort: unknown, dropped: Set<string>): JsonObject | undefined {
  if (effort === undefined) return undefined;
  if (effort === "none") return { type: "disabled" };
  if (effort !== "high") report(dropped, "reasoning_effort");
  return { type: "enabled" };
}

function toMessages(messages: unknown, dropped: Set<string>): JsonObject[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new UnsupportedField("messages", "`messages` must be a list of at least one message");
  return messages.map((message: unknown, index) => toMessage(message, `messages[${index}]`, dropped));
}

function toMessage(message: unknown, at: string, dropped: Set<string>): JsonObject {
  if (!isJsonObject(message)) throw new UnsupportedField(at, `\`${at}\` must be an object`);
  const { forwarded, translated } = sortFields(message, messageFields, dropped, `${at}.`);
  const { role } = translated;
  if (role === "function") throw new UnsupportedField(`${at}.role`, `\`${at}.role\`: use \`tool\``);
  const content = toContent(translated["content"], `${at}.content`, dropped);
  const calls = toToolCalls(translated["tool_calls"], `${at}.tool_calls`, dropped);
  const thought = toThought(translated, at, dropped);
  const { refusal } = translated;
  const thinking = calls || thought === undefined ? [] : [{ type: "thinking", thinking: thought }];
  const refused = refusal === undefined ? [] : [{ type: "text", text: toText(refusal, `${at}.refusal`) }];
  const whole = thinking.length + refused.length === 0;
  return compact({
    ...forwarded,
    role: role === "developer" ? "system" : role,
    content: whole ? content : [...thinking, ...toParts(content), ...refused],
    tool_plan: forwarded["tool_plan"] ?? (calls ? thought : undefined),
    tool_calls: calls,
  });
}

function toParts(content: string | JsonObject[] | undefined): JsonObject[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  return content ?? [];
}

/** What the model thought, in whichever of the hub's spellings. */
function toThought(fields: JsonObject, at: string, dropped: Set<string>): string | undefined {
  const { thinking_blocks: blocks, reasoning_content, reasoning } = fields;
  if (blocks === undefined) {
    if (reasoning !== undefined && reasoning_content !== undefined && reasoning !== reasoning_content)
      report(dropped, `${at}.reasoning`);
    const [name, text] =
      reasoning_content === undefined ? ["reasoning", reasoning] : ["reasoning_content", reasoning_content];
    return text === undefined ? undefined : toText(text, `${at}.${name}`);
  }
  const place = `${at}.thinking_blocks`;
  if (!Array.isArray(blocks)) throw new UnsupportedField(place, `\`${place}\` must be a list`);
  const texts = blocks.filter(isJsonObject).flatMap((block) => {
    const { type: _, thinking, ...rest } = block;
    reportRest(dropped, rest, `${place}[].`);
    return typeof thinking === "string" ? [thinking] : [];
  });
  return texts.length > 0 ? texts.join("") : undefined;
}

const TAKEN_PARTS: ReadonlySet<unknown> = new Set(["text", "image_url", "document", "thinking"]);

/** A text, or parts; those of Cohere's own pass. */
function toContent(content: unknown, at: string, dropped: Set<string>): string | JsonObject[] | undefined {
  if (content === undefined || typeof content === "string") return content;
  if (!Array.isArray(content)) throw new UnsupportedField(at, `\`${at}\` must be a string or a list`);
  return content.map((part: unknown, index) => {
    const place = `${at}[${index}]`;
    if (!isJsonObject(part)) throw new UnsupportedField(place, `\`${place}\` must be an object`);
    const { type, cache_control: cacheControl, ...rest } = part;
    if (cacheControl !== undefined && cacheControl !== null) report(dropped, `${place}.cache_control`);
    if (type === "refusal") return { type: "text", text: toText(part["refusal"], `${place}.refusal`) };
    if (!TAKEN_PARTS.has(type))
      throw new UnsupportedField(place, `\`${place}\`: Cohere takes text and images only`);
    return { type, ...rest };
  });
}

function toText(value: unknown, at: string): string {
  if (typeof value !== "string") throw new UnsupportedField(at, `\`${at}\` must be a string`);
  return value;
}

function toToolCalls(calls: unknown, at: string, dropped: Set<string>): JsonObject[] | undefined {
  if (calls === undefined) return undefined;
  if (!Array.isArray(calls)) throw new UnsupportedField(at, `\`${at}\` must be a list`);
  return calls.map((call: unknown, index) => {
    const place = `${at}[${index}]`;
    if (!isJsonObject(call) || !isJsonObject(call["function"]))
      throw new UnsupportedField(place, `\`${place}\`: Cohere takes calls of functions only`);
    const { id, type: _, function: called, ...rest } = call;
    const { name, arguments: input, ...others } = called;
    reportRest(dropped, rest, `${place}.`);
    reportRest(dropped, others, `${place}.function.`);
    const text = input === undefined || input === null || input === "" ? "{}" : input;
    return {
      id,
      type: "function",
      function: { name, arguments: toText(text, `${place}.function.arguments`) },
    };
  });
}

interface ToolSettings {
  tools?: JsonObject[] | undefined;
  choice?: "REQUIRED" | "NONE" | undefined;
  /** Some tool asks that its schema be followed; Cohere then follows that of all. */
  strict?: true | undefined;
}

function toToolSettings(tools: unknown, choice: unknown, dropped: Set<string>): ToolSettings {
  const { mode, names } = readToolChoice(choice);
  if (tools === undefined) return { choice: mode };
  if (!Array.isArray(tools)) throw new UnsupportedField("tools", "`tools` must be a list");
  let strict: true | undefined;
  const functions = tools.map((tool: unknown, index) => {
    const at = `tools[${index}]`;
    if (!isJsonObject(tool) || !isJsonObject(tool["function"]))
      throw new UnsupportedField(at, `\`${at}\`: Cohere takes functions only`);
    const { type: _, function: definition, ...rest } = tool;
    const { name, description, parameters, strict: exact, ...others } = definition;
    if (exact === true) strict = true;
    reportRest(dropped, rest, `${at}.`);
    reportRest(dropped, others, `${at}.function.`);
    // Cohere wants a schema; a function without one takes nothing.
    const schema = parameters ?? { type: "object", properties: {} };
    return { type: "function", function: compact({ name, description, parameters: schema }) };
  });
  const offered = names ? functions.filter((tool) => names.has(tool.function["name"])) : functions;
  return { tools: offered, choice: mode, strict };
}

/** A call can be forced, but not of which tool: a named one is forced by offering no other. */
function readToolChoice(choice: unknown): { mode?: "REQUIRED" | "NONE"; names?: Set<unknown> } {
  if (choice === undefined || choice === "auto") return {};
  if (choice === "none") return { mode: "NONE" };
  if (choice === "required") return { mode: "REQUIRED" };
  if (isJsonObject(choice) && choice["type"] === "function" && isJsonObject(choice["function"]))
    return { mode: "REQUIRED", names: new Set([choice["function"]["name"]]) };
  const allowed = isJsonObject(choice) ? choice["allowed_tools"] : undefined;
  if (isJsonObject(allowed) && Array.isArray(allowed["tools"])) {
    const names = new Set(
      allowed["tools"].map((tool: unknown) =>
        isJsonObject(tool) && isJsonObject(tool["function"]) ? tool["function"]["name"] : undefined,
      ),
    );
    return allowed["mode"] === "required" ? { mode: "REQUIRED", names } : { names };
  }
  throw new UnsupportedField("tool_choice", "`tool_choice` must name functions, or a mode");
}

/** https://docs.cohere.com/v2/docs/structured-outputs */
function toResponseFormat(format: unknown, dropped: Set<string>): JsonObject | undefined {
  if (format === undefined) return undefined;
  if (isJsonObject(format)) {
    const { type, json_schema: named } = format;
    if (type === "text") return undefined;
    if (type === "json_object") return format;
    if (type === "json_schema" && isJsonObject(named)) {
      if (named["description"]) report(dropped, "response_format.json_schema.description");
      return compact({ type: "json_object", json_schema: named["schema"] });
    }
  }
  throw new UnsupportedField("response_format", "`response_format`: Cohere gives text, or JSON by a schema");
}
