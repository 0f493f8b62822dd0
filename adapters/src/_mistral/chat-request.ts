import { drop, is, isEmpty, isJsonObject, refuse, UnsupportedField } from "gatewright";
import type { JsonObject } from "gatewright";
import { become, ONLY_MAX_TOKENS, rename } from "../_openai/field-changes.ts";
import type { FieldChanges } from "../_openai/field-changes.ts";
import { isTextOnly } from "../_text-only.ts";
import { toMistralCallId } from "./call-id.ts";

/** Members of a message; any other is refused (types of @mistralai/mistralai 2.7). */
export const MESSAGE_MEMBERS: ReadonlySet<string> = new Set([
  "role",
  "content",
  "tool_calls",
  "tool_call_id",
  "name",
  "prefix",
]);

/** Mistral refuses a request with a field that it does not know, so all of OpenAI's stand here or are its own too. */
export const chatChanges: FieldChanges = {
  ...ONLY_MAX_TOKENS,
  seed: rename("random_seed"),
  messages: become("ids of calls as nine characters, audio as bare base64", (messages) => ({
    messages: toOwnMessages(messages),
  })),
  tool_choice: become("`required` is `any`; allowed tools are those that are sent", toToolChoice),
  stream_options: become("Mistral tells the usage unasked", () => ({})),
  logit_bias: refuse("Mistral takes no biases", isEmpty),
  logprobs: refuse("Mistral does not tell them", is(false)),
  top_logprobs: refuse("Mistral does not tell them", is(0)),
  modalities: refuse("Mistral answers in text", isTextOnly),
  audio: refuse("Mistral answers in text"),
  web_search_options: refuse("Mistral searches by a tool of its own"),
  moderation: refuse("Mistral moderates by `guardrails`"),
  functions: refuse("use `tools`", isEmpty),
  function_call: refuse("use `tool_choice`"),
  user: drop("Mistral knows no end users", isEmpty),
  safety_identifier: drop("Mistral knows no end users", isEmpty),
  store: drop("Mistral stores nothing", is(false)),
  verbosity: drop("Mistral has no such hint"),
  service_tier: drop("Mistral's tiers have other names", is("auto", "default")),
  prompt_cache_options: drop("Mistral has `prompt_cache_key` alone", isEmpty),
  prompt_cache_retention: drop("Mistral has `prompt_cache_key` alone"),
  top_k: drop("Mistral has no such parameter"),
};

function toToolChoice(choice: unknown, { tools }: JsonObject): JsonObject {
  if (choice === "required") return { tool_choice: "any" };
  if (!isJsonObject(choice) || choice["type"] !== "allowed_tools") return { tool_choice: choice };
  const allowed = choice["allowed_tools"];
  if (!isJsonObject(allowed) || !Array.isArray(allowed["tools"]) || !Array.isArray(tools))
    throw new UnsupportedField("tool_choice", "`tool_choice` must name tools of the request");
  const names = new Set(allowed["tools"].map(nameOf));
  const offered = tools.filter((tool) => names.has(nameOf(tool)));
  if (offered.length === 0)
    throw new UnsupportedField("tool_choice", "`tool_choice` must name tools of the request");
  return {
    tools: offered,
    tool_choice: allowed["mode"] === "required" ? "any" : "auto",
  };
}

function nameOf(tool: unknown): unknown {
  return isJsonObject(tool) && isJsonObject(tool["function"]) ? tool["function"]["name"] : undefined;
}

function toOwnMessages(messages: unknown): unknown {
  if (!Array.isArray(messages)) return messages;
  return messages.map((message: unknown, index) => {
    if (!isJsonObject(message)) return message;
    const { content: said, refusal, ...rest } = message;
    const { tool_calls, tool_call_id } = rest;
    const content = said ?? refusal ?? said;
    return {
      ...rest,
      ...(content !== refusal && { refusal }),
      content: toContent(content, `messages[${index}].content`),
      ...(Array.isArray(tool_calls) && { tool_calls: tool_calls.map(toCall) }),
      ...(typeof tool_call_id === "string" && { tool_call_id: toMistralCallId(tool_call_id) }),
    };
  });
}

function toContent(content: unknown, at: string): unknown {
  if (!Array.isArray(content)) return content;
  return content.map((part: unknown, index) => {
    if (!isJsonObject(part)) return part;
    const { type, input_audio, refusal } = part;
    if (type === "file") {
      const field = `${at}[${index}].file`;
      throw new UnsupportedField(field, `\`${field}\`: Mistral takes documents by URL alone`);
    }
    if (type === "refusal") return { type: "text", text: refusal };
    return type === "input_audio" && isJsonObject(input_audio)
      ? { type, input_audio: input_audio["data"] }
      : part;
  });
}

function toCall(call: unknown): unknown {
  if (!isJsonObject(call) || typeof call["id"] !== "string") return call;
  return { ...call, id: toMistralCallId(call["id"]) };
}
