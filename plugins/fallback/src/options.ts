import * as v from "valibot";

const Name = v.pipe(v.string(), v.nonEmpty());

/** Where a failed request goes: another model by its name, or a backend, there with the same or another model. */
export const Place = v.union([
  Name,
  v.strictObject({
    /** Name of a backend in the config. */
    backend: Name,
    /** A model that the backend serves. @default the model that was asked for */
    model: v.optional(Name),
  }),
]);

/** By the name that clients ask for; `"*"` is for all others. In order: the first place that answers wins. */
const Places = v.pipe(
  v.record(Name, v.array(Place)),
  v.check(
    (lists) => Object.entries(lists).every(([model, places]) => !places.includes(model)),
    "A model cannot be its own fallback",
  ),
);

/** Which failures send a request elsewhere. */
export const FallbackCauses = v.strictObject({
  /**
   * The model cannot be had: 5xx, 429, time-outs, no connection, refused credentials, no instance left, breakers open.
   * @default true
   */
  availability: v.optional(v.boolean(), true),
  /** The account at the backend is used up, as its error code or status 402 says. @default true */
  quota: v.optional(v.boolean(), true),
  /** The prompt is too long: places with a larger context window, in lists like those of `models`. */
  contextWindow: v.optional(Places, {}),
  /** The backend refuses the content. Elsewhere only where lists like those of `models` say so. */
  contentPolicy: v.optional(Places, {}),
});

/** What clients get when nothing else answers. */
export const FallbackAnswer = v.strictObject({
  /** Message of the error, whose code and type stay those of the failure. */
  message: Name,
  /** Status of the answer. @default 503 */
  status: v.optional(v.pipe(v.number(), v.integer(), v.minValue(200), v.maxValue(599)), 503),
  /** Sent as JSON in place of an error. With a status below 400 not to clients that wait for a stream. */
  body: v.optional(v.record(v.string(), v.unknown())),
});

/** Last good answers of whole (not streamed) JSON and text replies. */
export const FallbackCache = v.strictObject({
  /** Longest age of an answer, in milliseconds. @default 300_000 */
  ttlMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 300_000),
  /** Answers kept; the one unused for longest goes. @default 100 */
  maxEntries: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 100),
  /** A longer answer is not kept, in bytes. @default 1_048_576 */
  maxEntryBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1_048_576),
});

export const FallbackOptions = v.strictObject({
  /** Where each model's requests go when it cannot be had: `{ "gpt-4o": ["gpt-4o-mini", { backend: "local" }] }`. */
  models: v.optional(Places, {}),
  /** Which failures send a request elsewhere, and where those of the request itself go. */
  on: v.optional(FallbackCauses, {}),
  /** The prepared answer. Without it the last failure goes out. */
  answer: v.optional(FallbackAnswer),
  /** Keeps the last good answers and gives them again in an outage; `{}` for the defaults. */
  cache: v.optional(FallbackCache),
});

export type Place = v.InferOutput<typeof Place>;
export type Places = v.InferOutput<typeof Places>;
export type FallbackCauses = v.InferOutput<typeof FallbackCauses>;
export type FallbackAnswer = v.InferOutput<typeof FallbackAnswer>;
export type FallbackCache = v.InferOutput<typeof FallbackCache>;
export type FallbackOptions = v.InferOutput<typeof FallbackOptions>;
