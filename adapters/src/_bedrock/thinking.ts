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
  const sealed = seal([{ ...block, model }]);
  return block["type"] === "thinking" ? { ...block, signature: sealed } : { ...block, data: sealed };
}

/** What the model signed itself, as it was; undefined for what another did. */
export function toOwnThinking(block: unknown, model: string): JsonObject | undefined {
  if (!isJsonObject(block)) return undefined;
  const { signature, data } = block;
  const sealed = [signature, data].find(isSealed);
  if (isClaude(model)) return sealed === undefined ? block : undefined;
  const signed = unseal(sealed)?.[0];
  return signed?.["model"] === model ? signed : undefined;
}
