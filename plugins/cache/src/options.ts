import * as v from "valibot";

const Whole = v.pipe(v.number(), v.integer(), v.minValue(1));

/** Answers to requests that mean nearly the same. */
const SemanticOptions = v.strictObject({
  /** A model for embeddings that this gateway has, by the name that clients would use. */
  model: v.pipe(v.string(), v.nonEmpty()),
  /** Least cosine of the angle between two texts that count as the same; 1 is the same direction. @default 0.95 */
  threshold: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.95),
  /** Texts kept with their vectors, in memory; the one unused for longest goes. @default 1_000 */
  maxVectors: v.optional(Whole, 1_000),
  /** Longer texts are not compared, in characters. @default 8_000 */
  maxChars: v.optional(Whole, 8_000),
  /** An embedding that takes longer is done without, in milliseconds. @default 1_000 */
  timeoutMs: v.optional(Whole, 1_000),
  /** Compares requests with pictures, sound and files too; these have to be the same ones. @default false */
  media: v.optional(v.boolean(), false),
  /** Compares requests with tools and their results too; these have to be the same ones. @default false */
  tools: v.optional(v.boolean(), false),
});

export const CacheOptions = v.strictObject({
  /** Longest age of an answer, in milliseconds. Requests may set their own by `cache.ttl`. @default 3_600_000 */
  ttlMs: v.optional(Whole, 3_600_000),
  /** Answers kept in memory; the one unused for longest goes. @default 1_000 */
  maxEntries: v.optional(Whole, 1_000),
  /** A longer answer is not kept, in bytes. @default 262_144 */
  maxBytes: v.optional(Whole, 262_144),
  /** `memory` of each process, or `state`: the gateway's, which processes may share. @default "memory" */
  store: v.optional(v.picklist(["memory", "state"]), "memory"),
  /** Who shares answers: nobody but the principal itself, or all principals of one tenant. @default "principal" */
  scope: v.optional(v.picklist(["principal", "tenant"]), "principal"),
  /** Part of every key. Change it when the chain behind the cache changes what is answered. @default "1" */
  version: v.optional(v.string(), "1"),
  /** Keeps sampled answers (temperature absent or above 0) without being asked by the request. @default false */
  anyTemperature: v.optional(v.boolean(), false),
  /** How long a streamed request waits for an identical one before it goes upstream itself. @default 10_000 */
  waitMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 10_000),
  /** Takes answers to requests whose last text means nearly the same, all else being equal. Absent: it does not. */
  semantic: v.optional(SemanticOptions),
});

export type SemanticOptions = v.InferOutput<typeof SemanticOptions>;
export type CacheOptions = v.InferOutput<typeof CacheOptions>;
