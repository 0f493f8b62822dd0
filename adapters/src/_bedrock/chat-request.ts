import {
  compact,
  drop,
  forward,
  is,
  isEmpty,
  isJsonObject,
  refuse,
  report,
  sortFields,
  stringifyJson,
  translate,
} from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { otherFormat } from "../_response-format.ts";
import { reportStreamOptions } from "../_stream-options.ts";
import { isTextOnly } from "../_text-only.ts";
import { toConversation } from "./messages.ts";
import type { BedrockSettings } from "./options.ts";
import { toReasoning } from "./reasoning.ts";
import { toToolConfig } from "./tools.ts";

/**
 * Fates of the fields of a chat request. Members of Converse, which clients may also give, win over what is made of
 * other fields: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
 */
export const chatFields: FieldTable = {
  model: translate("part of the path"),
  stream: translate("part of the path"),
  stream_options: translate("usage always comes with the last event", isEmpty),
  messages: translate("`messages` and `system`: text, images, audio, documents, tool use, signed reasoning"),
  max_completion_tokens: translate("`inferenceConfig.maxTokens`"),
  max_tokens: translate("`inferenceConfig.maxTokens`"),
  temperature: translate("`inferenceConfig.temperature`, at most 1, and reported when it was more"),
  top_p: translate("`inferenceConfig.topP`"),
  top_k: translate("a field of the model's own, in `additionalModelRequestFields`"),
  stop: translate("`inferenceConfig.stopSequences`; the one that matched is asked for", isEmpty),
  tools: translate("`toolConfig`; custom tools are refused", isEmpty),
  tool_choice: translate("`toolConfig.toolChoice`; `none` by leaving out the tools"),
  response_format: translate("`outputConfig.textFormat`, by a schema only"),
  reasoning_effort: translate(
    "of Claude `outputConfig.effort` and `thinking`, of Nova 2 `reasoningConfig`, of gpt-oss `reasoning_effort`; else reported",
  ),
  service_tier: translate("`serviceTier`", is("auto")),
  metadata: translate("`requestMetadata`", isEmpty),
  inferenceConfig: forward("a field of Bedrock's own"),
  toolConfig: forward("a field of Bedrock's own"),
  outputConfig: forward("a field of Bedrock's own"),
  guardrailConfig: forward("a field of Bedrock's own"),
  additionalModelRequestFields: forward("a field of Bedrock's own"),
  additionalModelResponseFieldPaths: forward("a field of Bedrock's own"),
  performanceConfig: forward("a field of Bedrock's own"),
  requestMetadata: forward("a field of Bedrock's own"),
  serviceTier: forward("a field of Bedrock's own"),
  n: refuse("Bedrock gives one choice a request", is(1)),
  logit_bias: refuse("Bedrock has no bias by token", isEmpty),
  logprobs: refuse("Bedrock tells no probabilities", is(false)),
  top_logprobs: refuse("Bedrock tells no probabilities", is(0)),
  functions: refuse("use `tools`", isEmpty),
  function_call: refuse("use `tools`"),
  modalities: refuse("Bedrock answers in text", isTextOnly),
  audio: refuse("Bedrock answers in text"),
  web_search_options: refuse("Bedrock does not search the web"),
  moderation: refuse("use a guardrail"),
  parallel_tool_calls: drop("Converse cannot be told to call one tool at a time", is(true)),
  seed: drop("Converse takes no seed"),
  presence_penalty: drop("Converse has no penalties", is(0)),
  frequency_penalty: drop("Converse has no penalties", is(0)),
  verbosity: drop("Bedrock has no such hint"),
  prediction: drop("Bedrock takes no predicted output"),
  store: drop("Bedrock stores nothing", is(false)),
  user: drop("Bedrock knows no end users", isEmpty),
  safety_identifier: drop("Bedrock knows no end users", isEmpty),
  prompt_cache_key: drop("Bedrock caches at `cache_control`", isEmpty),
  prompt_cache_options: drop("Bedrock caches at `cache_control`", isEmpty),
  prompt_cache_retention: drop("Bedrock caches at `cache_control`"),
};

type Info = MappingInfo<BedrockSettings>;

export function toConverseRequest(request: JsonObject, info: Info): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, chatFields, dropped);
  reportStreamOptions(translated["stream_options"], dropped);
  const { system, messages, usesTools } = toConversation(translated["messages"], info.model, dropped);
  const { tools, tool_choice: choice } = translated;
  const toolConfig = forwarded["toolConfig"] ?? toToolConfig(tools, choice, { dropped, usesTools });
  /** The fields of which Converse's own `member` takes the place. */
  const reportLost = (member: string, ...names: string[]): void => {
    if (Object.hasOwn(forwarded, member))
      for (const name of names) if (translated[name] !== undefined) report(dropped, name);
  };
  const limit = translated["max_completion_tokens"] === undefined ? "max_tokens" : "max_completion_tokens";
  reportLost("toolConfig", "tools", "tool_choice");
  reportLost("requestMetadata", "metadata");
  reportLost("serviceTier", "service_tier");
  const { inferenceConfig: ownConfig } = forwarded;
  const maxTokens = translated[limit] ?? (isJsonObject(ownConfig) ? ownConfig["maxTokens"] : undefined);
  const { model, options } = info;
  const reasoning = toReasoning(
    translated,
    { model, options, maxTokens, toolConfig, turns: messages },
    dropped,
  );
  const body = compact({
    ...forwarded,
    messages,
    system: system.length > 0 ? system : undefined,
    inferenceConfig: merge(
      toInferenceConfig({ ...translated, ...UNSAMPLED, ...reasoning.sampling }, dropped),
      ownConfig,
      { maxTokens: limit, temperature: "temperature", topP: "top_p", stopSequences: "stop" },
      dropped,
    ),
    toolConfig,
    outputConfig: merge(
      { textFormat: toTextFormat(translated["response_format"]), effort: reasoning.effort },
      forwarded["outputConfig"],
      { textFormat: "response_format", effort: "reasoning_effort" },
      dropped,
    ),
    additionalModelRequestFields: merge(
      { ...toTopK(reasoning.sampling["top_k"], model), ...reasoning.fields },
      forwarded["additionalModelRequestFields"],
      {
        top_k: "top_k",
        inferenceConfig: "top_k",
        thinking: "reasoning_effort",
        reasoningConfig: "reasoning_effort",
        reasoning_effort: "reasoning_effort",
      },
      dropped,
    ),
    additionalModelResponseFieldPaths: toFieldPaths(
      translated["stop"],
      forwarded["additionalModelResponseFieldPaths"],
    ),
    guardrailConfig: forwarded["guardrailConfig"] ?? toGuardrailConfig(info.options.guardrail),
    requestMetadata: forwarded["requestMetadata"] ?? translated["metadata"],
    serviceTier: forwarded["serviceTier"] ?? toServiceTier(translated["service_tier"], dropped),
  });
  return { body, dropped: [...dropped] };
}

/**
 * Ours beneath the client's own; undefined when there is neither. `names` tells the fields that ours were made of: one
 * that loses is reported.
 */
function merge(
  ours: JsonObject,
  own: unknown,
  names: Readonly<Record<string, string>>,
  dropped: Set<string>,
): unknown {
  const set = compact(ours);
  if (own === undefined) return isEmpty(set) ? undefined : set;
  for (const [member, value] of Object.entries(set))
    if (!isJsonObject(own) || (Object.hasOwn(own, member) && own[member] !== value))
      report(dropped, names[member]!);
  return isJsonObject(own) ? { ...set, ...own } : own;
}

/** What is told of these is told by what the model takes of them. */
const UNSAMPLED: JsonObject = { temperature: undefined, top_p: undefined };

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html */
function toInferenceConfig(fields: JsonObject, dropped: Set<string>): JsonObject {
  const { temperature, stop, max_completion_tokens, max_tokens } = fields;
  const maxTokens = max_completion_tokens ?? max_tokens;
  if (max_tokens !== undefined && max_tokens !== maxTokens) report(dropped, "max_tokens");
  const tooHot = typeof temperature === "number" && temperature > 1;
  if (tooHot) report(dropped, "temperature");
  return {
    maxTokens,
    temperature: tooHot ? 1 : temperature,
    topP: fields["top_p"],
    stopSequences: typeof stop === "string" ? [stop] : stop,
  };
}

/** Amazon's Nova has it inside of an `inferenceConfig` of its own: https://docs.aws.amazon.com/nova/latest/userguide/using-converse-api.html */
function toTopK(topK: unknown, model: string): JsonObject {
  return model.includes("amazon.nova") ? { inferenceConfig: toNovaTopK(topK) } : { top_k: topK };
}

function toNovaTopK(topK: unknown): JsonObject | undefined {
  return topK === undefined ? undefined : { topK };
}

/** Claude tells its stop string when it is asked to; other models ignore the path. */
function toFieldPaths(stop: unknown, own: unknown): unknown {
  if (stop === undefined) return own;
  if (own !== undefined && !Array.isArray(own)) return own;
  return [...new Set([...(own ?? []), "/stop_sequence"])];
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_OutputConfig.html: the schema goes as text. */
function toTextFormat(format: unknown): JsonObject | undefined {
  if (format === undefined) return undefined;
  if (isJsonObject(format)) {
    const { type, json_schema: named } = format;
    if (type === "text") return undefined;
    if (type === "json_schema" && isJsonObject(named) && isJsonObject(named["schema"])) {
      const { name, description, schema } = named;
      const jsonSchema = compact({ schema: stringifyJson(schema), name, description });
      return { type: "json_schema", structure: { jsonSchema } };
    }
  }
  throw otherFormat("text, or JSON by a schema, for Bedrock", format);
}

function toGuardrailConfig(guardrail: BedrockSettings["guardrail"]): JsonObject | undefined {
  if (!guardrail) return undefined;
  const { id, version, trace } = guardrail;
  return compact({ guardrailIdentifier: id, guardrailVersion: version, trace });
}

const TIERS: ReadonlySet<unknown> = new Set(["default", "flex", "priority"]);

function toServiceTier(tier: unknown, dropped: Set<string>): JsonObject | undefined {
  if (tier === undefined) return undefined;
  if (TIERS.has(tier)) return { type: tier };
  report(dropped, "service_tier");
  return undefined;
}
