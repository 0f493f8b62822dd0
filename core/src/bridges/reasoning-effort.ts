import type { MappingInfo } from "../adapter.ts";
import { createPattern, type NamePattern } from "../models/name-pattern.ts";

/** Values of the hub's `reasoning_effort`, from least to most. */
export const REASONING_EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;

export type ReasoningEffort = (typeof REASONING_EFFORTS)[number];

/**
 * The efforts that models take, by the name at the backend, with `*`, whatever its case: the first pattern that fits
 * counts.
 */
export type ReasoningEfforts = Readonly<Record<string, readonly ReasoningEffort[]>>;

/** Answers the efforts that the model of a call takes. */
export type ReasoningEffortsOf = (
  info: Pick<MappingInfo, "model" | "reasoningEfforts">,
) => readonly ReasoningEffort[];

/**
 * For bridges: the efforts by `own` patterns, then by those of the backend's adapter. A model that no pattern fits takes
 * none, since one that does not reason refuses the field.
 */
export function createReasoningEfforts(own: ReasoningEfforts = {}): ReasoningEffortsOf {
  return ({ model, reasoningEfforts = {} }) => {
    // Names of publishers stand before a slash: `openai/gpt-oss-120b`.
    const whole = model.toLowerCase();
    const name = whole.slice(whole.lastIndexOf("/") + 1);
    const fits = ({ pattern }: Rule): boolean => pattern.matches(name) || pattern.matches(whole);
    return (rulesOf(own).find(fits) ?? rulesOf(reasoningEfforts).find(fits))?.efforts ?? [];
  };
}

interface Rule {
  pattern: NamePattern;
  efforts: readonly ReasoningEffort[];
}

const compiled = new WeakMap<ReasoningEfforts, readonly Rule[]>();

function rulesOf(table: ReasoningEfforts): readonly Rule[] {
  let rules = compiled.get(table);
  if (!rules) {
    rules = Object.entries(table).map(([text, efforts]) => ({
      pattern: createPattern(text.toLowerCase()),
      efforts,
    }));
    compiled.set(table, rules);
  }
  return rules;
}

/**
 * The one of `efforts` that is nearest to the one that is wanted; of two that are as near, the lower. Not `exact` is what
 * has to be reported.
 */
export function nearestEffort(
  wanted: ReasoningEffort,
  efforts: readonly ReasoningEffort[],
): { effort: ReasoningEffort | undefined; exact: boolean } {
  const rank = (effort: ReasoningEffort): number => REASONING_EFFORTS.indexOf(effort);
  const distance = (effort: ReasoningEffort): number => Math.abs(rank(effort) - rank(wanted));
  const [effort] = efforts.toSorted((a, b) => distance(a) - distance(b) || rank(a) - rank(b));
  // A model that takes no effort does not think either.
  return { effort, exact: (effort ?? "none") === wanted };
}

/** Budgets of tokens below these are a lower effort. */
const LOW_BUDGET = 4_096;
const MEDIUM_BUDGET = 16_384;

/** What a budget of thinking tokens comes to. */
export function effortOfBudget(tokens: number): ReasoningEffort {
  if (tokens === 0) return "none";
  if (tokens < LOW_BUDGET) return "low";
  return tokens < MEDIUM_BUDGET ? "medium" : "high";
}
