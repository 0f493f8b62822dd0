import { compact, createRequestMapping, drop, is, isEmpty, refuse, translate } from "gatewright";
import type { FieldTable, JsonObject, MappingInfo, ReasoningEffortsOf } from "gatewright";
import { toTexts } from "./contents.ts";
import { toChatSettings } from "./generation-config.ts";
import { readMessage, toObject } from "./google-json.ts";
import { toMessages } from "./messages.ts";
import { toTools, toToolChoice } from "./tools.ts";

/** Fates of the fields of a `generateContent` request on its way to a backend of another dialect. */
export const generateContentFields: FieldTable = {
  model: translate("the path has it"),
  stream: translate("the path tells"),
  contents: translate("`messages`"),
  systemInstruction: translate("the first message"),
  generationConfig: translate("the fields of the same meaning", isEmpty),
  tools: translate("functions; tools that Google runs are refused", isEmpty),
  toolConfig: translate("`tool_choice`", isEmpty),
  cachedContent: refuse("Google keeps it"),
  continuationToken: refuse("Google keeps what it continues"),
  safetySettings: drop("others have no filters to set", isEmpty),
  labels: drop("they are for Google's bills", isEmpty),
  serviceTier: drop("the tiers are Google's", is("unspecified", "standard", "SERVICE_TIER_UNSPECIFIED")),
  store: drop("it is about Google's logs", is(false)),
};

/** Fates of the fields of a count: a whole request in one of them, or its members (as Vertex AI has it). */
export const countTokensFields: FieldTable = {
  ...generateContentFields,
  generateContentRequest: translate("its members; those beside it do not count"),
};

/** A `generateContent` request as one of OpenAI's chat. Throws `UnsupportedField`. */
export function toChatRequest(
  request: JsonObject,
  info: Pick<MappingInfo, "model" | "extensions" | "reasoningEfforts">,
  effortsOf: ReasoningEffortsOf,
): { body: JsonObject; dropped: readonly string[] } {
  const mapping = createRequestMapping(info);
  const { dropped } = mapping;
  const { forwarded, translated } = readMessage(request, generateContentFields, dropped, "");
  const { systemInstruction, contents, generationConfig = {}, toolConfig } = translated;
  const system =
    systemInstruction === undefined ? [] : toTexts(systemInstruction, dropped, "systemInstruction");
  const tools = toTools(translated["tools"], dropped);
  const choice = toToolChoice(toolConfig, tools ?? [], dropped);
  const body = compact({
    ...forwarded,
    ...toChatSettings(generationConfig, { ...mapping, efforts: effortsOf(info) }),
    messages: [
      ...(system.length > 0 ? [{ role: "system", content: system.join("\n\n") }] : []),
      ...toMessages(contents, mapping),
    ],
    tools,
    // A choice between no tools is an error elsewhere.
    tool_choice: tools && choice,
  });
  return { body, dropped: [...dropped] };
}

/** What is to be counted, as a chat request. `contents` beside a whole request is not looked at (ai.google.dev/api/tokens). */
export function toCountedRequest(
  request: JsonObject,
  info: Parameters<typeof toChatRequest>[1],
  effortsOf: ReasoningEffortsOf,
): ReturnType<typeof toChatRequest> {
  const whole = request["generateContentRequest"] ?? request["generate_content_request"];
  if (whole === undefined || whole === null) return toChatRequest(request, info, effortsOf);
  return toChatRequest(toObject(whole, "generateContentRequest"), info, effortsOf);
}
