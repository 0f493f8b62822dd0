import * as v from "valibot";
import { ExtraHeaders } from "../_extra-headers.ts";

const Tokens = v.pipe(v.number(), v.integer(), v.minValue(1));
/** The smallest budget that Anthropic takes. */
const Budget = v.pipe(v.number(), v.integer(), v.minValue(1024));

/** What a model can do. Absent members keep what is known of the model by its name. */
const ModelSettings = v.strictObject({
  /** `max_tokens` of requests that name none: the most that the model writes. */
  maxTokens: v.optional(Tokens),
  /**
   * How `reasoning_effort` reaches the model: as effort beside adaptive thinking, as effort alone of a model that
   * `always` thinks, as a `budget` of tokens, or not at all.
   */
  thinking: v.optional(v.picklist(["adaptive", "always", "budget", "none"])),
  /**
   * How a JSON schema reaches the model: in `output_config`, as a `tool` that it is made to call, or not at all: such
   * requests are then refused.
   */
  structuredOutput: v.optional(v.picklist(["native", "tool", "refuse"])),
  /** Whether it takes `temperature`, `top_p` and `top_k`. */
  sampling: v.optional(v.boolean()),
});

/** Options of every adapter that speaks Anthropic's Messages API, whoever hosts the models. */
export const claudeOptions = {
  /** `max_tokens` of requests that name none, which Anthropic requires. Absent: 4096, and that is reported. */
  maxTokens: v.optional(Tokens),
  /**
   * What becomes of `response_format: { type: "json_object" }`, which Anthropic does not have: a 400, or an
   * instruction behind the system prompt, which is reported. @default "refuse"
   */
  jsonObject: v.optional(v.picklist(["refuse", "instruct"]), "refuse"),
  /** Thinking tokens of each `reasoning_effort`, for models that think by a budget. */
  thinkingBudgets: v.optional(
    v.strictObject({
      /** @default 1024 */
      minimal: v.optional(Budget, 1024),
      /** @default 2048 */
      low: v.optional(Budget, 2048),
      /** @default 8192 */
      medium: v.optional(Budget, 8192),
      /** @default 16384 */
      high: v.optional(Budget, 16_384),
      /** @default 32768 */
      xhigh: v.optional(Budget, 32_768),
      /** @default 32768 */
      max: v.optional(Budget, 32_768),
    }),
    {},
  ),
  /** Whether thinking comes back as a summary or is left out. Absent: the model's own default. */
  thinkingDisplay: v.optional(v.picklist(["summarized", "omitted"])),
  /**
   * What models can do, by names at the backend with `*` for any characters; the first that matches counts. Needed
   * for models that are not known by their names, and to allow structured output by a tool.
   */
  modelSettings: v.optional(v.record(v.string(), ModelSettings), {}),
};

/** The settings that the mappings read. */
export interface ClaudeSettings extends v.InferOutput<v.StrictObjectSchema<typeof claudeOptions, undefined>> {
  readonly anthropicVersion?: string;
}

export const AnthropicOptions = v.strictObject({
  ...claudeOptions,
  /**
   * Version of the API, sent as `anthropic-version` unless a client of the same dialect names its own. From
   * `2026-10-21` on there are no sampling parameters. @default "2023-06-01"
   */
  anthropicVersion: v.optional(v.pipe(v.string(), v.isoDate()), "2023-06-01"),
  /** Sent as `anthropic-beta`, unless a client of the same dialect names its own. */
  betas: v.optional(v.array(v.pipe(v.string(), v.regex(/^[\w.-]+$/, "the name of a beta"))), []),
  /** Further headers of every request to this backend; a value may be `env("NAME")`. */
  headers: v.optional(ExtraHeaders, {}),
});
