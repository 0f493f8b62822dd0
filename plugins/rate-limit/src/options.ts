import type { Context } from "gatewright";
import * as v from "valibot";

const Count = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1e12));
const Milliseconds = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(31 * 86_400_000));

/** What a function of the options may look at. */
export type ContextFunction<T> = (ctx: Context) => T;

function contextFunction<T>() {
  return v.custom<ContextFunction<T>>((value) => typeof value === "function", "Expected a function");
}

export const SCOPES = ["global", "operation", "model", "client-ip", "key", "backend", "provider"] as const;

const LimitFields = {
  /** How it counts: `token-bucket`, `leaky-bucket`, `sliding-window`, `warm-up` or `fixed-window`. @default `"token-bucket"` */
  algorithm: v.optional(
    v.picklist(["token-bucket", "leaky-bucket", "sliding-window", "warm-up", "fixed-window"]),
  ),
  /** Units for each `per`; of the windows, the limit itself. @default `10` */
  rate: v.optional(Count),
  /** The time that `rate` is meant for. Fixed windows begin with the calendar's, in UTC. @default `"second"` */
  per: v.optional(v.picklist(["second", "minute", "hour", "day"])),
  /** Buckets and warm-up: the most that may come at once. @default `rate`, and 100 where no rate is given either */
  capacity: v.optional(Count),
  /** Sliding window: its length, in milliseconds, where `per` has no word for it. @default the length of `per` */
  windowMs: v.optional(Milliseconds),
  /** Sliding window: counts by two counters instead of exactly. @default `false` */
  approximate: v.optional(v.boolean()),
  /** Warm-up: how long the refill rises from 1 a second to `rate`, in milliseconds. @default `600_000` */
  warmUpMs: v.optional(Milliseconds),
  /** What is counted: requests, or the tokens of prompt and answer. @default `"requests"` */
  unit: v.optional(v.picklist(["requests", "tokens"])),
  /**
   * Who shares one limit: requests of the same value. A function gives the value; `undefined` is not limited. `backend`
   * and `provider` are limits of the chosen target, listed after the balancer. @default `"client-ip"`
   */
  scope: v.optional(v.union([v.picklist(SCOPES), contextFunction<string | undefined>()])),
  /** Requests: how many units one of them takes; parts of a unit are rounded up. @default `1` */
  cost: v.optional(v.union([v.pipe(v.number(), v.finite(), v.minValue(0)), contextFunction<number>()])),
  /** Names the limit in logs and headers, and keeps its counts apart from those of others over changes of the config. */
  name: v.optional(v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/))),
};

/** Fields that only some algorithms have. */
const OWN_FIELDS = {
  "token-bucket": ["capacity"],
  "leaky-bucket": ["capacity"],
  "sliding-window": ["windowMs", "approximate"],
  "warm-up": ["capacity", "warmUpMs"],
  "fixed-window": [],
} as const;
const ALL_OWN_FIELDS = ["capacity", "windowMs", "approximate", "warmUpMs"] as const;

/** Longest exact log, in units: 32 bytes each. */
const MAX_LOG = 10_000;

const LimitObject = v.strictObject(LimitFields);

/** One limit as it is written. */
export type LimitInput = v.InferOutput<typeof LimitObject>;

function faultsOf(limit: LimitInput): [field: keyof LimitInput, message: string][] {
  const { algorithm = "token-bucket", unit, cost, rate = 10, windowMs, per, approximate } = limit;
  const own: readonly string[] = OWN_FIELDS[algorithm];
  const faults: [keyof LimitInput, string][] = ALL_OWN_FIELDS.filter(
    (field) => limit[field] !== undefined && !own.includes(field),
  ).map((field) => [field, `\`${algorithm}\` has no \`${field}\``]);
  if (unit === "tokens" && cost !== undefined)
    faults.push(["cost", "The cost of a request in tokens is what it uses; `cost` is for requests"]);
  if (windowMs !== undefined && per !== undefined)
    faults.push(["windowMs", "Give either `per` or `windowMs`"]);
  if (algorithm === "sliding-window" && !approximate && rate > MAX_LOG)
    faults.push([
      "rate",
      `An exact sliding window holds at most ${MAX_LOG} units; set \`approximate: true\``,
    ]);
  return faults;
}

const Limit = v.pipe(
  LimitObject,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const [field, message] of faultsOf(dataset.value))
      addIssue({ message, path: [pathItem(dataset.value, field)] });
  }),
);

/** How tokens are reserved before they are known. */
const TokenOptions = v.strictObject({
  /**
   * Bytes of a prompt that are one token. 1 is a strict bound, since a token of today's models is at least one byte;
   * 4 is near the truth for English, and may be exceeded. @default 1
   */
  bytesPerToken: v.optional(v.pipe(v.number(), v.finite(), v.minValue(1)), 1),
  /** Estimates the tokens of a prompt in place of `bytesPerToken`. */
  promptTokens: v.optional(contextFunction<number>()),
  /** Tokens reserved for each answer where the request sets no maximum. @default 4_096 */
  defaultMaxOutput: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 4_096),
  /** Sends `defaultMaxOutput` to the backend where the request sets no maximum, so that it holds. @default true */
  capOutput: v.optional(v.boolean(), true),
});

export const RateLimitOptions = v.pipe(
  v.strictObject({
    ...LimitFields,
    /** Several limits in place of one, decided together: a request takes from all of them, or from none. */
    limits: v.optional(v.pipe(v.array(Limit), v.minLength(1), v.maxLength(32))),
    /** `per-key`: for each key 60 requests and 90,000 tokens a minute, 1,000 requests and 1,000,000 tokens an hour. */
    preset: v.optional(v.picklist(["per-key"])),
    /**
     * While the store is down: `open-local` limits in this process by its share of each limit, `open` lets all pass,
     * `closed` refuses with 503. @default "open-local"
     */
    onStoreFailure: v.optional(v.picklist(["open-local", "open", "closed"]), "open-local"),
    /** Gateway processes that share the limits, for their share in `open-local`. @default the workers of this config */
    expectedProcesses: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
    /** Decides, logs and publishes, but refuses nothing and sets no headers. @default false */
    shadow: v.optional(v.boolean(), false),
    /** Also sends `RateLimit-Policy` and `RateLimit` (IETF draft 10). @default false */
    standardHeaders: v.optional(v.boolean(), false),
    /** Requests that end with a status of 400 or above count too; `false` gives their units back. @default true */
    countErrors: v.optional(v.boolean(), true),
    /** Limits in tokens only. */
    tokens: v.optional(TokenOptions, {}),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { value } = dataset;
    const single = (Object.keys(LimitFields) as (keyof LimitInput)[]).filter(
      (field) => value[field] !== undefined,
    );
    const group = value.limits ? "limits" : value.preset ? "preset" : undefined;
    if (value.limits && value.preset)
      addIssue({ message: "Give either `limits` or `preset`", path: [pathItem(value, "preset")] });
    for (const field of group ? single : [])
      addIssue({ message: `Not beside \`${group}\``, path: [pathItem(value, field)] });
    if (!group)
      for (const [field, message] of faultsOf(value)) addIssue({ message, path: [pathItem(value, field)] });
    for (const message of faultsAmong(value.limits ?? []))
      addIssue({ message, path: [pathItem(value, "limits")] });
  }),
);

export type RateLimitOptions = v.InferOutput<typeof RateLimitOptions>;
export type TokenOptions = v.InferOutput<typeof TokenOptions>;

function pathItem<T extends object>(input: T, key: keyof T & string): v.ObjectPathItem {
  return { type: "object", origin: "value", input: input as Record<string, unknown>, key, value: input[key] };
}

function faultsAmong(limits: readonly LimitInput[]): string[] {
  const faults: string[] = [];
  const names = limits.flatMap(({ name }) => name ?? []);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) faults.push(`Two of the limits are named \`${twice}\``);
  const ofTarget = limits.filter(isOfTarget).length;
  if (ofTarget > 0 && ofTarget < limits.length)
    faults.push(
      "Limits by `backend` or `provider` are decided after the balancer: give them a rateLimit of their own",
    );
  return faults;
}

const PER_KEY: readonly LimitInput[] = [
  { scope: "key", unit: "requests", rate: 60, per: "minute" },
  { scope: "key", unit: "requests", rate: 1_000, per: "hour" },
  { scope: "key", unit: "tokens", rate: 90_000, per: "minute" },
  { scope: "key", unit: "tokens", rate: 1_000_000, per: "hour" },
];

/** The limits that the options mean, in whichever form they are given. */
export function limitsOf(options: RateLimitOptions): readonly LimitInput[] {
  if (options.preset) return PER_KEY;
  return options.limits ?? [options];
}

/** When a limit can be decided: on headers alone, once the body is read, or once a target is chosen. */
export type Place = "headers" | "body" | "target";

/** Of options that are not yet checked. */
export function placeOf(options: unknown): Place {
  const given = (options ?? {}) as { limits?: unknown; preset?: unknown };
  if (given.preset !== undefined) return "body";
  const limits = (Array.isArray(given.limits) ? given.limits : [given]) as (Partial<LimitInput> | null)[];
  if (limits.some(isOfTarget)) return "target";
  return limits.every(isOnHeaders) ? "headers" : "body";
}

function isOfTarget(limit: Partial<LimitInput> | null): boolean {
  return limit?.scope === "backend" || limit?.scope === "provider";
}

/** A function may look at the body. */
function isOnHeaders(limit: Partial<LimitInput> | null): boolean {
  const { scope, cost, unit } = limit ?? {};
  return unit !== "tokens" && scope !== "model" && typeof scope !== "function" && typeof cost !== "function";
}
