import { isJsonObject, report } from "gatewright";
import type { JsonObject, ReasoningEfforts } from "gatewright";
import { knownTraits } from "../_anthropic/claude-models.ts";
import { toReasoning as toClaudeReasoning, toSampling } from "../_anthropic/reasoning.ts";
import { isClaude } from "./claude.ts";
import type { Turn } from "./messages.ts";
import type { BedrockSettings } from "./options.ts";

/** Models of other vendors take none by Converse. */
export const BEDROCK_EFFORTS: ReasoningEfforts = {
  "*anthropic.claude*": ["none", "low", "medium", "high", "xhigh", "max"],
  "*amazon.nova-2*": ["none", "low", "medium", "high"],
  "*openai.gpt-oss*": ["low", "medium", "high"],
};

/** What `reasoning_effort` comes to. */
export interface Reasoning {
  /** `outputConfig.effort`. */
  effort?: string;
  /** Members of `additionalModelRequestFields`, where each vendor has its own. */
  fields?: JsonObject;
  /** `temperature`, `top_p` and `top_k`, as far as the model takes them beside. */
  sampling: JsonObject;
}

export interface ReasoningScope {
  readonly model: string;
  readonly options: BedrockSettings;
  readonly maxTokens: unknown;
  readonly toolConfig: unknown;
  readonly turns: readonly Turn[];
}

/** `fields` are those of the request. */
export function toReasoning(fields: JsonObject, scope: ReasoningScope, dropped: Set<string>): Reasoning {
  const { reasoning_effort: effort, temperature, top_p, top_k } = fields;
  const { model } = scope;
  const sampling = { temperature, top_p, top_k };
  if (isClaude(model)) return toClaude(fields, scope, dropped);
  if (effort === undefined) return { sampling };
  if (model.includes("amazon.nova-2")) return toNova(effort, sampling, scope, dropped);
  if (model.includes("openai.gpt-oss")) {
    const reasoning_effort = toGrade(effort);
    if (reasoning_effort !== effort) report(dropped, "reasoning_effort");
    return { sampling, fields: { reasoning_effort } };
  }
  // A profile of one's own does not tell whose model it is: Converse has a name of its own for it.
  if (model.startsWith("arn:") && typeof effort === "string" && effort !== "none")
    return { sampling, effort: effort === "minimal" ? "low" : effort };
  report(dropped, "reasoning_effort");
  return { sampling };
}

/**
 * By the words of Anthropic's API (https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html,
 * https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html), but for the effort, which
 * Converse knows (https://docs.aws.amazon.com/sdk-for-python/v1/reference/clients/bedrock-runtime/structures/OutputConfig/).
 */
function toClaude(fields: JsonObject, scope: ReasoningScope, dropped: Set<string>): Reasoning {
  const { reasoning_effort, temperature, top_p, top_k } = fields;
  const { model, options, turns, maxTokens = Infinity } = scope;
  const traits = knownTraits(model);
  const settings = { thinkingBudgets: options.thinkingBudgets };
  const forced = isForced(scope.toolConfig);
  const claude = { traits, settings, maxTokens, forced, thoughtless: isThoughtless(turns) };
  const { effort, thinking } = toClaudeReasoning(reasoning_effort, claude, dropped);
  const thinks = thinking ? thinking["type"] !== "disabled" : traits.thinking === "always";
  return {
    ...(effort !== undefined && { effort }),
    ...(thinking && { fields: { thinking } }),
    // Models that take sampling have some of it alone where they think.
    sampling:
      thinks || !traits.sampling
        ? toSampling(fields, { traits, settings }, thinks, dropped)
        : { temperature, top_p, top_k },
  };
}

/** https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html: the highest effort goes with no limit and no sampling. */
function toNova(
  effort: unknown,
  { temperature, top_p, top_k }: JsonObject,
  { maxTokens }: ReasoningScope,
  dropped: Set<string>,
): Reasoning {
  const sampling = { temperature, top_p, top_k };
  if (effort === "none") return { sampling, fields: { reasoningConfig: { type: "disabled" } } };
  const grade = toGrade(effort);
  // What may be spent binds more than how hard to try.
  const given = grade === "high" && maxTokens !== undefined ? "medium" : grade;
  if (given !== effort) report(dropped, "reasoning_effort");
  const fields = { reasoningConfig: { type: "enabled", maxReasoningEffort: given } };
  if (given !== "high") return { sampling, fields };
  for (const [name, value] of Object.entries(sampling)) if (value !== undefined) report(dropped, name);
  return { sampling: {}, fields };
}

/** The nearest of three. */
function toGrade(effort: unknown): string {
  if (effort === "none" || effort === "minimal" || effort === "low") return "low";
  return effort === "medium" ? effort : "high";
}

function isForced(toolConfig: unknown): boolean {
  const choice = isJsonObject(toolConfig) ? toolConfig["toolChoice"] : undefined;
  return isJsonObject(choice) && (choice["any"] !== undefined || choice["tool"] !== undefined);
}

/** Results are handed to calls that were made without thinking. */
function isThoughtless(turns: readonly Turn[]): boolean {
  const results = turns.at(-1)?.content[0]?.["toolResult"] !== undefined;
  return results && turns.at(-2)?.content[0]?.["reasoningContent"] === undefined;
}
