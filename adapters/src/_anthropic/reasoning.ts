import { compact, isEmpty, report, UnsupportedField, wrongShape } from "gatewright";
import type { JsonObject } from "gatewright";
import type { ClaudeTraits } from "./claude-models.ts";
import type { ClaudeSettings } from "./options.ts";

/** What `reasoning_effort` comes to. */
export interface Reasoning {
  thinking?: JsonObject;
  effort?: string;
}

/** What decides whether and how a model may think. */
export interface ReasoningScope {
  traits: ClaudeTraits;
  settings: Pick<ClaudeSettings, "thinkingBudgets" | "thinkingDisplay" | "anthropicVersion">;
  maxTokens: unknown;
  /** A tool must be called. */
  forced: boolean;
  /** Results are handed to calls that were made without thinking. */
  thoughtless: boolean;
}

/**
 * Sources: https://platform.claude.com/docs/en/build-with-claude/effort and
 * https://platform.claude.com/docs/en/build-with-claude/thinking
 */
export function toReasoning(effort: unknown, scope: ReasoningScope, dropped: Set<string>): Reasoning {
  const { traits, settings, forced } = scope;
  const display = settings.thinkingDisplay;
  const adaptive = compact({ type: "adaptive", display });
  const always = traits.thinking === "always";
  if (effort === undefined) return always && display ? { thinking: adaptive } : {};
  if (typeof effort !== "string") throw wrongShape("reasoning_effort", "a string", effort);

  switch (traits.thinking) {
    case "none":
      if (effort !== "none") report(dropped, "reasoning_effort");
      return {};
    case "always":
      // Such a model cannot be kept from thinking: as little of it as there is.
      if (effort === "none") report(dropped, "reasoning_effort");
      return { effort: effort === "none" ? "low" : toEffort(effort), thinking: display && adaptive };
    case "adaptive":
      if (effort === "none") return { thinking: { type: "disabled" } };
      // Some models do not think unless told to, and none may when it must call a tool. Effort works without.
      return { effort: toEffort(effort), thinking: forced ? undefined : adaptive };
    case "budget":
      if (effort === "none") return { thinking: { type: "disabled" } };
      return { thinking: toBudget(effort, scope, dropped) };
  }
}

function toEffort(effort: string): string {
  return effort === "minimal" ? "low" : effort;
}

/** The smallest budget, and what is left for the answer at least. */
const MIN_TOKENS = 1024;

/**
 * The budget is below `max_tokens`, and goes neither with a forced tool nor into a run of tool calls that began without
 * thinking (https://platform.claude.com/docs/en/build-with-claude/extended-thinking).
 */
function toBudget(
  effort: string,
  { settings, maxTokens, forced, thoughtless }: ReasoningScope,
  dropped: Set<string>,
): JsonObject | undefined {
  const budgets: Readonly<Record<string, number>> = settings.thinkingBudgets;
  if (!Object.hasOwn(budgets, effort))
    throw new UnsupportedField("reasoning_effort", "`reasoning_effort`: this model has no such level");
  const room = typeof maxTokens === "number" ? maxTokens - MIN_TOKENS : 0;
  if (forced || room < MIN_TOKENS || thoughtless) {
    report(dropped, "reasoning_effort");
    return undefined;
  }
  const budget_tokens = Math.min(budgets[effort]!, room);
  return compact({ type: "enabled", budget_tokens, display: settings.thinkingDisplay });
}

/** Sampling parameters of Anthropic's. */
const SAMPLING = ["temperature", "top_p", "top_k"] as const;

/** The first API version without sampling parameters. */
const UNSAMPLED_VERSION = "2026-10-21";

/**
 * Sampling as model, version and thinking allow it: none, or with thinking a `top_p` of 0.95 at least, else one of
 * `temperature` and `top_p`. Source: https://platform.claude.com/docs/en/build-with-claude/thinking
 */
export function toSampling(
  fields: JsonObject,
  { traits, settings }: Pick<ReasoningScope, "traits" | "settings">,
  thinks: boolean,
  dropped: Set<string>,
): JsonObject {
  const sampling = compact({
    temperature: fields["temperature"],
    top_p: fields["top_p"],
    top_k: fields["top_k"],
  });
  if (isEmpty(sampling)) return sampling;
  // Clouds put their own name before the date.
  const version = settings.anthropicVersion?.slice(-UNSAMPLED_VERSION.length) ?? "";
  const { temperature, top_p } = sampling;
  const leaveOut = (name: string): void => {
    if (!Object.hasOwn(sampling, name)) return;
    delete sampling[name];
    report(dropped, name);
  };
  if (!traits.sampling || version >= UNSAMPLED_VERSION) {
    for (const name of SAMPLING) leaveOut(name);
    return sampling;
  }
  if (thinks) {
    leaveOut("temperature");
    leaveOut("top_k");
    if (typeof top_p === "number" && top_p < 0.95) leaveOut("top_p");
    return sampling;
  }
  if (temperature !== undefined) leaveOut("top_p");
  if (typeof temperature === "number" && temperature > 1) {
    sampling["temperature"] = 1;
    report(dropped, "temperature");
  }
  return sampling;
}
