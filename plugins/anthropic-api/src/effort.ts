import { isJsonObject, report } from "gatewright";
import type { JsonObject } from "gatewright";

/** Efforts of OpenAI's `reasoning_effort`, from least to most. */
export const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;

export type Effort = (typeof EFFORTS)[number];

/** The efforts that models take, by the name at the backend: the first pattern that fits counts. */
export type EffortTable = Readonly<Record<string, readonly Effort[]>>;

/**
 * Families that are known to take an effort. Whoever is not listed is sent none, since a model that does not reason
 * refuses the field: gpt-4o at OpenAI as well as most models of Ollama. OpenAI's by
 * https://platform.openai.com/docs/api-reference/chat/create and the guides of its models.
 */
export const KNOWN_EFFORTS: EffortTable = {
  "gpt-5*-chat*": [],
  "gpt-5-search*": [],
  "gpt-5*-pro*": ["high"],
  "gpt-5*-codex*": ["low", "medium", "high"],
  "gpt-5.*": ["none", "low", "medium", "high"],
  "gpt-5*": ["minimal", "low", "medium", "high"],
  "gpt-oss*": ["low", "medium", "high"],
  "o1-mini*": [],
  "o1-preview*": [],
  "o1*": ["low", "medium", "high"],
  "o3*": ["low", "medium", "high"],
  "o4*": ["low", "medium", "high"],
  // The adapters of these say it in the vendor's own words.
  "claude*": ["none", "low", "medium", "high", "xhigh", "max"],
  "gemini*": ["none", "minimal", "low", "medium", "high"],
};

/** Answers the efforts that a model takes. */
export type EffortsOf = (model: string) => readonly Effort[];

export function effortsOf(table: EffortTable): EffortsOf {
  const rules = Object.entries(table).map(([pattern, efforts]) => ({ fits: toRegExp(pattern), efforts }));
  return (model) => {
    // Names of publishers stand before a slash: `openai/gpt-oss-120b`.
    const name = model.slice(model.lastIndexOf("/") + 1);
    return rules.find(({ fits }) => fits.test(name) || fits.test(model))?.efforts ?? [];
  };
}

function toRegExp(pattern: string): RegExp {
  const text = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".*");
  return new RegExp(`^${text}$`, "i");
}

/** Token budgets below these are a lower effort. */
const LOW_BUDGET = 4_096;
const MEDIUM_BUDGET = 16_384;

/**
 * What `thinking` and `output_config.effort` ask for, as the nearest effort that the model takes. Reports what is
 * left out or comes out otherwise.
 */
export function toReasoningEffort(
  thinking: unknown,
  effort: unknown,
  efforts: readonly Effort[],
  dropped: Set<string>,
): Effort | undefined {
  const config: JsonObject = isJsonObject(thinking) ? thinking : {};
  if (config["display"] === "omitted") report(dropped, "thinking.display");
  const wanted = wantedEffort(config, effort);
  if (wanted === undefined) return undefined;
  const given = nearest(wanted, efforts);
  if (given === wanted) return given;
  // A model that takes no effort does not think either: as asked for.
  if (given === undefined && wanted === "none") return undefined;
  if (config["type"] !== undefined) report(dropped, "thinking");
  if (effort !== undefined && effort !== null) report(dropped, "output_config.effort");
  return given;
}

function wantedEffort({ type, budget_tokens: budget }: JsonObject, effort: unknown): Effort | undefined {
  if (type === "disabled") return "none";
  const named = EFFORTS.find((name) => name === effort);
  if (named !== undefined || type !== "enabled") return named;
  if (typeof budget !== "number") return "medium";
  if (budget < LOW_BUDGET) return "low";
  return budget < MEDIUM_BUDGET ? "medium" : "high";
}

/** Of two that are as near, the lower. */
function nearest(wanted: Effort, efforts: readonly Effort[]): Effort | undefined {
  const distance = (effort: Effort): number => Math.abs(EFFORTS.indexOf(effort) - EFFORTS.indexOf(wanted));
  return efforts.toSorted((a, b) => distance(a) - distance(b) || EFFORTS.indexOf(a) - EFFORTS.indexOf(b))[0];
}
