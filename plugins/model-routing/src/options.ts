import * as v from "valibot";

/** Names that the documents of other gateways have for providers. */
export const DEFAULT_SYNONYMS: Readonly<Record<string, string>> = {
  claude: "anthropic",
  google: "gemini",
  "azure-openai": "azure",
};

export const ModelRoutingOptions = v.strictObject({
  /**
   * Further names of providers, and what they stand for: the name of a backend or an adapter, or the provider that an
   * adapter states. @default { claude: "anthropic", google: "gemini", "azure-openai": "azure" }
   */
  synonyms: v.optional(v.record(v.string(), v.pipe(v.string(), v.nonEmpty())), DEFAULT_SYNONYMS),
  /** JSON chat replies to requests that used one of the fields say who answered (`provider`) and at which `cost`. @default true */
  annotate: v.optional(v.boolean(), true),
});

export type ModelRoutingOptions = v.InferOutput<typeof ModelRoutingOptions>;
