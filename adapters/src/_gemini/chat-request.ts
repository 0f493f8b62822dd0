import { compact, drop, forward, is, isEmpty, isJsonObject, refuse, report, sortFields } from "gatewright";
import { translate, UnsupportedField } from "gatewright";
import type { FieldRule, FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { reportStreamOptions } from "../_stream-options.ts";
import { isTextOnly } from "../_text-only.ts";
import { toContents } from "./contents.ts";
import { PARAMETERS, toGenerationConfig } from "./generation-config.ts";
import type { GeminiSettings } from "./options.ts";
import { toTools } from "./tools.ts";

/** Values that a request may leave out as well. Models without penalties refuse even a zero. */
const DEFAULTS: Readonly<Record<string, FieldRule["isDefault"]>> = {
  n: is(1),
  stop: isEmpty,
  presence_penalty: is(0),
  frequency_penalty: is(0),
  logprobs: is(false),
  top_logprobs: is(0),
};

/** Fates of the fields of a chat request. Gemini's own, such as `cachedContent` and `labels`, pass. */
export const chatFields: FieldTable = {
  model: translate("in the path"),
  stream: translate("in the path"),
  stream_options: translate("usage always comes; obfuscation is left out and reported", isEmpty),
  messages: translate("`contents` and `systemInstruction`"),
  ...Object.fromEntries(
    PARAMETERS.map(([field, parameter]): [string, FieldRule] => [
      field,
      translate(`\`generationConfig.${parameter}\``, DEFAULTS[field]),
    ]),
  ),
  generationConfig: translate("merged; wins over the field of the same meaning, which is then reported"),
  safetySettings: forward("a field of Gemini's own; wins over the backend's option"),
  cachedContent: forward("a field of Gemini's own"),
  tools: translate(
    "`functionDeclarations`, parameters as JSON Schema; Gemini's own tools as they are",
    isEmpty,
  ),
  tool_choice: translate("`toolConfig.functionCallingConfig`"),
  parallel_tool_calls: drop("Gemini cannot be told to call one tool at a time", is(true)),
  response_format: translate("`generationConfig.responseMimeType` and `responseJsonSchema`"),
  reasoning_effort: translate("`thinkingLevel`, for models before Gemini 3 `thinkingBudget`"),
  extra_body: translate(
    "`google.thinking_config` and `google.cached_content`, as Google's OpenAI surface has it",
  ),
  contents: refuse("use `messages`"),
  systemInstruction: refuse("use `messages`"),
  toolConfig: refuse("use `tool_choice`"),
  functions: refuse("use `tools`", isEmpty),
  function_call: refuse("use `tools`"),
  logit_bias: refuse("Gemini has no bias by token", isEmpty),
  modalities: refuse("use `generationConfig.responseModalities`", isTextOnly),
  audio: refuse("use `generationConfig.speechConfig`"),
  web_search_options: refuse("use the tool `{ googleSearch: {} }`"),
  moderation: refuse("use `safetySettings`"),
  min_p: drop("Gemini does not sample so"),
  verbosity: drop("Gemini has no such hint"),
  prediction: drop("Gemini takes no predicted output"),
  store: drop("replies are not stored", is(false)),
  metadata: drop("replies are not stored", isEmpty),
  service_tier: drop("Gemini has other tiers: `serviceTier`", is("auto", "default")),
  user: drop("Gemini knows no end users", isEmpty),
  safety_identifier: drop("Gemini knows no end users", isEmpty),
  prompt_cache_key: drop("Gemini caches prompts by itself", isEmpty),
  prompt_cache_options: drop("Gemini caches prompts by itself", isEmpty),
  prompt_cache_retention: drop("Gemini caches prompts by itself"),
};

/** https://ai.google.dev/api/generate-content. */
export function toChatRequest(request: JsonObject, info: MappingInfo<GeminiSettings>): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, chatFields, dropped);
  reportStreamOptions(translated["stream_options"], dropped);
  const { thinkingConfig, cachedContent } = readExtraBody(translated["extra_body"], dropped);
  const scope = { model: info.model, settings: info.options, dropped };
  const body = compact({
    ...forwarded,
    ...toContents(translated["messages"], info.model, dropped),
    ...toTools(translated["tools"], translated["tool_choice"], dropped),
    generationConfig: toGenerationConfig({ ...translated, thinkingConfig }, scope),
    safetySettings: forwarded["safetySettings"] ?? info.options.safetySettings,
    cachedContent: forwarded["cachedContent"] ?? cachedContent,
  });
  return { body, dropped: [...dropped] };
}

function readExtraBody(
  extra: unknown,
  dropped: Set<string>,
): { thinkingConfig?: unknown; cachedContent?: unknown } {
  if (extra === undefined) return {};
  const google = isJsonObject(extra) ? extra["google"] : undefined;
  if (!isJsonObject(google)) throw new UnsupportedField("extra_body", "`extra_body` must hold `google`");
  const { thinking_config: thinkingConfig, cached_content: cachedContent, ...rest } = google;
  for (const name of Object.keys(rest)) report(dropped, `extra_body.google.${name}`);
  return { thinkingConfig, cachedContent };
}
