/** What the drills configure, and judge by. */

/** Of rates: the whole limit, and what one of `PROCESSES` may admit by itself. */
export const LIMIT = 30;
/** Of requests in flight, the same. */
export const SLOTS = 4;
/** The share of one process is half of each. */
export const PROCESSES = 2;
/** What the backend reports for each reply, and the limit in tokens that admits as many requests. */
export const TOKENS_USED = 70;
export const TOKENS = LIMIT * TOKENS_USED;
export const OPEN_MS = 1_000;
export const MAX_PROBES = 3;
export const FAILURE_THRESHOLD = 5;

/** How the limits count; each has a lane of its own. */
export const ALGORITHMS = [
  "token-bucket",
  "leaky-bucket",
  "sliding-window",
  "warm-up",
  "fixed-window",
] as const;
export const ON_STORE_FAILURE = ["open-local", "open", "closed"] as const;

/** A model for each plugin and mode, and one that no plugin is for. */
export const MODELS: readonly string[] = [
  "plain",
  ...[...ALGORITHMS, "tokens", ...ON_STORE_FAILURE].map((name) => `limit-${name}`),
  ...ON_STORE_FAILURE.map((name) => `slots-${name}`),
  "cache",
  "broken",
];
