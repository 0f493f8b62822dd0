import { isJsonObject, isSealed, seal, unseal } from "gatewright";
import type { JsonObject } from "gatewright";
import { isClaude } from "./claude.ts";

/**
 * Converse has what the models of all vendors signed in one place, and wants it back as it was
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ReasoningTextBlock.html). In the hub a signature is
 * Anthropic's: what another model signed is sealed, with its name, and goes back to that model alone.
 */
export function toHubThinking(block: JsonObject, model: string): JsonObject {
  if (isClaude(model)) return block;
  const sealed = seal([{ ...block, model: modelOf(model) }]);
  return block["type"] === "thinking" ? { ...block, signature: sealed } : { ...block, data: sealed };
}

/** What the model signed itself, as it was; undefined for what another did. */
export function toOwnThinking(block: unknown, model: string): JsonObject | undefined {
  if (!isJsonObject(block)) return undefined;
  const { signature, data } = block;
  const sealed = [signature, data].find(isSealed);
  if (isClaude(model)) return sealed === undefined ? block : undefined;
  const signed = unseal(sealed)?.[0];
  return signed?.["model"] === modelOf(model) ? signed : undefined;
}

/** Of a model, or of a profile of Amazon's own: one that a user made has an id that does not tell its model. */
const ARN = /^arn:[^/]*:(?:foundation-model|inference-profile)\//;

/** `us`, `eu`, `jp`, `us-gov`…, before the vendor and the model, which may have dots of its own. */
const GEOGRAPHY = /^(?:global|apac|[a-z]{2}(?:-gov)?)\.(?=[^.]+\.)/;

/**
 * The model behind a profile, which is called like it with a prefix for where its regions are:
 * https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
 */
function modelOf(id: string): string {
  return id.replace(ARN, "").replace(GEOGRAPHY, "");
}
