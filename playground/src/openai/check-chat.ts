import { asObject, asObjects, asText, isObject, type JsonObject } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";

const FIELDS = new Set([
  "model",
  "messages",
  "max_completion_tokens",
  "max_tokens",
  "temperature",
  "top_p",
  "n",
  "seed",
  "presence_penalty",
  "frequency_penalty",
  "logit_bias",
  "stop",
  "logprobs",
  "top_logprobs",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "functions",
  "function_call",
  "response_format",
  "stream",
  "stream_options",
  "modalities",
  "audio",
  "reasoning_effort",
  "verbosity",
  "prediction",
  "web_search_options",
  "moderation",
  "store",
  "metadata",
  "service_tier",
  "user",
  "safety_identifier",
  "prompt_cache_key",
  "prompt_cache_options",
  "prompt_cache_retention",
]);

/** Members of messages by role, beside `role`, `content` and `name`. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  system: [],
  developer: [],
  user: [],
  // The last two are what its SDK finds in a reply and gives back.
  assistant: ["tool_calls", "refusal", "audio", "function_call", "annotations", "parsed"],
  tool: ["tool_call_id"],
};
const PARTS: Readonly<Record<string, readonly string[]>> = {
  system: ["text"],
  developer: ["text"],
  user: ["text", "image_url", "input_audio", "file"],
  assistant: ["text", "refusal"],
  tool: ["text"],
};
const MAX_STOPS = 4;
const MAX_ID_LENGTH = 40;
const MAX_USER_LENGTH = 64;
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** https://platform.openai.com/docs/api-reference/chat/create. @throws Refusal for what OpenAI would not take. */
export function checkChat(body: JsonObject): void {
  const unknown = Object.keys(body).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw wrong(unknown, `Unrecognized request argument supplied: ${unknown}`);
  checkMessages(body.messages as unknown[]);
  checkTools(body);
  checkNumbers(body);
  if (body.stream_options !== undefined && body.stream !== true)
    throw wrong("stream_options", "'stream_options' is only allowed when 'stream' is enabled.");
  if (body.max_tokens !== undefined && body.max_completion_tokens !== undefined)
    throw wrong(
      "max_tokens",
      "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
    );
  if (Array.isArray(body.stop) && (body.stop.length === 0 || body.stop.length > MAX_STOPS))
    throw wrong("stop", `'stop' must hold 1 to ${MAX_STOPS} strings.`);
  if ((asText(body.user) ?? "").length > MAX_USER_LENGTH) throw wrong("user", "'user' is too long.");
  checkFormat(asObject(body.response_format));
}

function checkNumbers(body: JsonObject): void {
  const ranges = {
    temperature: [0, 2],
    top_p: [0, 1],
    presence_penalty: [-2, 2],
    frequency_penalty: [-2, 2],
  };
  for (const [name, [least, most]] of Object.entries(ranges)) {
    const value = body[name];
    if (value === undefined || value === null) continue;
    if (typeof value !== "number" || value < least! || value > most!)
      throw wrong(name, `Invalid '${name}': must be from ${least} to ${most}.`);
  }
}

function checkFormat({ type, json_schema: named }: JsonObject): void {
  if (type !== "json_schema") return;
  const { name, schema } = asObject(named);
  if (!NAME.test(asText(name) ?? "")) throw wrong("response_format.json_schema.name", "Invalid name.");
  if (!isObject(schema)) throw wrong("response_format.json_schema.schema", "Missing required parameter.");
}

function checkTools({ tools, tool_choice: choice, parallel_tool_calls: parallel }: JsonObject): void {
  if (tools === undefined) {
    if (choice !== undefined && choice !== "none")
      throw wrong("tool_choice", "'tool_choice' is only allowed when 'tools' are specified.");
    if (parallel !== undefined)
      throw wrong("parallel_tool_calls", "'parallel_tool_calls' is only allowed when 'tools' are specified.");
    return;
  }
  if (!Array.isArray(tools) || tools.length === 0) throw wrong("tools", "[] is too short - 'tools'");
  const names = asObjects(tools).map((tool, index) => {
    const name = asText(asObject(tool.function).name) ?? "";
    if (tool.type !== "function") throw wrong(`tools[${index}].type`, "Unsupported type.");
    if (!NAME.test(name)) throw wrong(`tools[${index}].function.name`, "Invalid name.");
    return name;
  });
  const named = asText(asObject(asObject(choice).function).name);
  if (named !== undefined && !names.includes(named))
    throw wrong("tool_choice", `Tool choice '${named}' not found in 'tools'.`);
}

/** Each call is answered before anybody else speaks, and nothing else is answered. */
function checkMessages(messages: readonly unknown[]): void {
  if (messages.length === 0) throw wrong("messages", "[] is too short - 'messages'");
  let open = new Set<unknown>();
  for (const [index, message] of asObjects(messages).entries()) {
    const at = `messages[${index}]`;
    const { role, tool_call_id: id, tool_calls: calls } = message;
    checkMessage(message, at);
    if (role === "tool") {
      if (!open.delete(id))
        throw wrong(
          at,
          "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
        );
      continue;
    }
    if (open.size > 0) throw unanswered(open, at);
    open = new Set(asObjects(calls).map((call) => call.id));
  }
  if (open.size > 0) throw unanswered(open, "messages");
}

function checkMessage({ role, content, ...rest }: JsonObject, at: string): void {
  const known = typeof role === "string" && Object.hasOwn(MEMBERS, role) ? MEMBERS[role]! : undefined;
  if (!known) throw wrong(`${at}.role`, `Invalid value: '${String(role)}'.`);
  const other = Object.keys(rest).find((member) => member !== "name" && !known.includes(member));
  if (other !== undefined)
    throw wrong(`${at}.${other}`, `Additional properties are not allowed ('${other}')`);
  checkContent(content, role as string, rest, at);
  if (rest.tool_calls === undefined) return;
  const calls = asObjects(rest.tool_calls);
  if (calls.length === 0) throw wrong(`${at}.tool_calls`, `[] is too short - '${at}.tool_calls'`);
  for (const { id, type, function: called } of calls) {
    const { name, arguments: text } = asObject(called);
    const idText = asText(id) ?? "";
    if (idText === "" || idText.length > MAX_ID_LENGTH) throw wrong(`${at}.tool_calls`, "Invalid 'id'.");
    if (type !== "function" || !NAME.test(asText(name) ?? "") || typeof text !== "string")
      throw wrong(`${at}.tool_calls`, "Invalid call.");
  }
}

function checkContent(content: unknown, role: string, rest: JsonObject, at: string): void {
  if (typeof content === "string") return;
  if (content === null || content === undefined) {
    if (role === "assistant" && (rest.tool_calls ?? rest.refusal) !== undefined) return;
    throw wrong(`${at}.content`, "Invalid value for 'content': expected a string, got null.");
  }
  if (!Array.isArray(content) || content.length === 0) throw wrong(`${at}.content`, "Invalid 'content'.");
  for (const part of asObjects(content)) {
    const type = asText(part.type) ?? "";
    if (!PARTS[role]!.includes(type)) throw wrong(`${at}.content`, `Invalid content type '${type}'.`);
    const other = Object.keys(part).find((name) => name !== "type" && name !== type);
    if (other !== undefined) throw wrong(`${at}.content`, `Unknown parameter: '${other}'.`);
  }
}

function unanswered(ids: ReadonlySet<unknown>, at: string): Refusal {
  return wrong(
    at,
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. " +
      `The following tool_call_ids did not have response messages: ${[...ids].join(", ")}`,
  );
}

function wrong(param: string, message: string): Refusal {
  return new Refusal(400, message, { param, code: "invalid_value" });
}
