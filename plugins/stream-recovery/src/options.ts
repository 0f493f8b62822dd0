import * as v from "valibot";

const Continue = v.strictObject({
  /** Goes on elsewhere, if that can be done without repeating or losing a character. */
  strategy: v.literal("continue"),
  /**
   * Backends that go on with an assistant message where it ends: names of backends, or of adapters or providers for all
   * backends of one kind. @default []
   */
  prefill: v.optional(v.array(v.pipe(v.string(), v.nonEmpty())), []),
  /**
   * How they are asked to. `plain`: the assistant message alone, as Anthropic's API reads it. `vllm`: with the
   * parameters that vLLM and its kin want. @default "plain"
   */
  prefillMode: v.optional(v.picklist(["plain", "vllm"]), "plain"),
  /** Breaks that are healed in one stream. @default 1 */
  maxRecoveries: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(5)), 1),
});

const Report = v.strictObject({
  /** A broken stream ends with an error event. */
  strategy: v.optional(v.literal("error"), "error"),
});

export const StreamRecoveryOptions = v.variant("strategy", [Report, Continue]);

export type StreamRecoveryOptions = v.InferOutput<typeof StreamRecoveryOptions>;
export type ContinueOptions = v.InferOutput<typeof Continue>;
