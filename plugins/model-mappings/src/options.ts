import * as v from "valibot";

const Name = v.pipe(v.string(), v.nonEmpty());

export const Mapping = v.strictObject({
  /** The model that is asked for. */
  model: Name,
  /** Where the mapping applies: the name of a backend or an adapter, or the provider that an adapter states. */
  provider: Name,
  /** What takes the model's place there, by its name at the backend. */
  targetModel: Name,
  /** Added to `temperature`; the sum is held in 0 to 2. @default 0 */
  temperatureAdjustment: v.optional(v.pipe(v.number(), v.finite()), 0),
  /** Multiplies the limits of the answer's tokens; rounded down, at least 1. @default 1 */
  maxTokensMultiplier: v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0)), 1),
});

export const ModelMappingsOptions = v.strictObject({
  /** One for each model and provider. */
  mappings: v.pipe(
    v.array(Mapping, "a list of mappings"),
    v.check(
      (mappings) =>
        new Set(mappings.map(({ model, provider }) => `${provider} ${model}`)).size === mappings.length,
      "a list with one mapping for each model and provider",
    ),
  ),
});

export type Mapping = v.InferOutput<typeof Mapping>;
export type ModelMappingsOptions = v.InferOutput<typeof ModelMappingsOptions>;
