import { compact, isEmpty, isJsonObject, report, sortFields, wrongShape } from "gatewright";
import type { JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { reportStreamOptions } from "../_stream-options.ts";
import { traitsOf } from "./claude-models.ts";
import type { ClaudeTraits } from "./claude-models.ts";
import { isThinking, toConversation, toPlain } from "./conversation.ts";
import type { Turn } from "./conversation.ts";
import { chatFields } from "./fields.ts";
import type { ClaudeSettings } from "./options.ts";
import { toReasoning, toSampling } from "./reasoning.ts";
import type { Reasoning } from "./reasoning.ts";
import { toStructuredOutput } from "./structured-output.ts";
import { isForced, toTools } from "./tools.ts";

/** A chat request as one of the Messages API. Throws `UnsupportedField`. */
export function toMessagesRequest(request: JsonObject, info: MappingInfo<ClaudeSettings>): MappedRequest {
  const settings = info.options;
  const traits = traitsOf(info.model, settings);
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, chatFields, dropped);
  reportStreamOptions(translated["stream_options"], dropped);

  const { system, turns } = toConversation(translated["messages"], dropped);
  const structured = toStructuredOutput(translated, info, dropped);
  if (structured.instruction) system.push({ type: "text", text: structured.instruction });
  const tools = structured.tools ?? toTools(translated);
  const maxTokens = toMaxTokens(translated, traits, settings, dropped);
  const scope = {
    traits,
    settings,
    maxTokens,
    forced: isForced(tools),
    thoughtless: isThoughtless(turns),
  };
  const reasoning = ownThinking(forwarded)
    ? reportOwned(translated, "reasoning_effort", dropped)
    : toReasoning(translated["reasoning_effort"], scope, dropped);
  const thinking = forwarded["thinking"] ?? reasoning.thinking;

  const body = compact({
    ...forwarded,
    model: info.model,
    max_tokens: maxTokens,
    system: toSystem(system),
    messages: turns.map(({ role, blocks }) => ({ role, content: toPlain(blocks) })),
    stream: info.stream || undefined,
    tools: tools.tools,
    tool_choice: tools.choice,
    thinking,
    output_config: toOutputConfig(forwarded["output_config"], structured.format, reasoning, dropped),
    ...toSampling(translated, scope, thinks(thinking, traits), dropped),
    stop_sequences: toStops(forwarded["stop_sequences"], translated["stop"], dropped),
    metadata: toMetadata(translated, dropped),
    service_tier: toServiceTier(translated["service_tier"], dropped),
  });
  return { body, dropped: [...dropped] };
}

/**
 * The same for clouds that name the model in the path and the version in the body: `bedrock-2023-05-31`,
 * `vertex-2023-10-16`.
 */
export function toCloudMessagesRequest(
  request: JsonObject,
  info: MappingInfo<ClaudeSettings>,
  anthropicVersion: string,
): MappedRequest {
  const { body, dropped } = toMessagesRequest(request, info);
  const { model: _, ...rest } = body;
  return { body: { anthropic_version: anthropicVersion, ...rest }, dropped };
}

/** What is asked for where neither request nor config say how much. */
const DEFAULT_MAX_TOKENS = 4096;

function toMaxTokens(
  { max_completion_tokens, max_tokens }: JsonObject,
  traits: ClaudeTraits,
  settings: ClaudeSettings,
  dropped: Set<string>,
): unknown {
  if (max_completion_tokens !== undefined && max_tokens !== undefined && max_completion_tokens !== max_tokens)
    report(dropped, "max_tokens");
  const chosen = max_completion_tokens ?? max_tokens ?? traits.maxTokens ?? settings.maxTokens;
  if (chosen === undefined) report(dropped, "max_tokens");
  return chosen ?? DEFAULT_MAX_TOKENS;
}

function isThoughtless(turns: readonly Turn[]): boolean {
  const results = turns.at(-1)?.blocks[0]?.["type"] === "tool_result";
  return results && !isThinking(turns.at(-2)?.blocks[0]);
}

/** One text where nothing is said of its parts. */
function toSystem(blocks: readonly JsonObject[]): string | readonly JsonObject[] | undefined {
  if (blocks.length === 0) return undefined;
  const plain = blocks.every((block) => Object.keys(block).length === 2);
  return plain ? blocks.map(({ text }) => text).join("\n\n") : blocks;
}

/** The client says in Anthropic's own words how the model thinks. */
function ownThinking({ thinking, output_config: config }: JsonObject): boolean {
  return thinking !== undefined || (isJsonObject(config) && config["effort"] !== undefined);
}

function reportOwned(fields: JsonObject, name: string, dropped: Set<string>): Reasoning {
  if (fields[name] !== undefined) report(dropped, name);
  return {};
}

function thinks(thinking: unknown, traits: ClaudeTraits): boolean {
  if (!isJsonObject(thinking)) return traits.thinking === "always";
  return thinking["type"] !== "disabled";
}

function toOutputConfig(
  own: unknown,
  format: JsonObject | undefined,
  { effort }: Reasoning,
  dropped: Set<string>,
): unknown {
  const made = compact({ effort, format });
  if (isEmpty(made)) return own;
  if (own === undefined) return made;
  if (!isJsonObject(own)) throw wrongShape("output_config", "an object", own);
  if (format && own["format"] !== undefined) report(dropped, "response_format");
  return { ...made, ...own };
}

function toStops(own: unknown, stop: unknown, dropped: Set<string>): unknown {
  if (own === undefined) return typeof stop === "string" ? [stop] : stop;
  if (stop !== undefined) report(dropped, "stop");
  return own;
}

function toMetadata({ user, safety_identifier }: JsonObject, dropped: Set<string>): JsonObject | undefined {
  const user_id = safety_identifier ?? user;
  if (user !== undefined && user !== user_id) report(dropped, "user");
  return user_id === undefined ? undefined : { user_id };
}

/** https://platform.claude.com/docs/en/api/service-tiers */
function toServiceTier(tier: unknown, dropped: Set<string>): string | undefined {
  if (tier === undefined || tier === "auto") return tier;
  if (tier === "default" || tier === "standard_only") return "standard_only";
  report(dropped, "service_tier");
  return undefined;
}
