/** Values of the hub's `reasoning_effort`, from least to most. */
export const REASONING_EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;

export type ReasoningEffort = (typeof REASONING_EFFORTS)[number];

/** The efforts that models take, by the name at the backend, with `*`: the first pattern that fits counts. */
export type ReasoningEfforts = Readonly<Record<string, readonly ReasoningEffort[]>>;

/**
 * Families that are known to take an effort. Those before GPT-5.1 know no `none`, those since GPT-5.1-Codex-Max know
 * `xhigh` (https://developers.openai.com/api/docs/guides/reasoning and the reference of `reasoning_effort`); a model that
 * is sent another value answers 400 with those that it takes.
 */
const KNOWN_EFFORTS: ReasoningEfforts = {
  "gpt-5-chat*": [],
  "gpt-5-search*": [],
  "gpt-5.*-chat*": ["medium"],
  "gpt-5-pro*": ["high"],
  "gpt-5.*-pro*": ["medium", "high", "xhigh"],
  "gpt-5-codex*": ["low", "medium", "high"],
  "gpt-5.1-codex-max*": ["low", "medium", "high", "xhigh"],
  "gpt-5.1-codex*": ["low", "medium", "high"],
  "gpt-5.*-codex*": ["low", "medium", "high", "xhigh"],
  "gpt-5.1*": ["none", "low", "medium", "high"],
  "gpt-5.*": ["none", "low", "medium", "high", "xhigh"],
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

/** Answers the efforts that a model takes, by its name at the backend. */
export type ReasoningEffortsOf = (model: string) => readonly ReasoningEffort[];

/**
 * For bridges: the efforts by `own` patterns, then by the built-in ones. A model that no pattern fits takes none, since
 * one that does not reason refuses the field: gpt-4o at OpenAI as well as most models of Ollama.
 */
export function createReasoningEfforts(own: ReasoningEfforts = {}): ReasoningEffortsOf {
  const rules = [...Object.entries(own), ...Object.entries(KNOWN_EFFORTS)].map(([pattern, efforts]) => ({
    fits: toRegExp(pattern),
    efforts,
  }));
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
