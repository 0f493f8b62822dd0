import { effortOfBudget, isJsonObject, nearestEffort, REASONING_EFFORTS, report } from "gatewright";
import type { JsonObject, ReasoningEffort } from "gatewright";

/**
 * What `thinking` and `output_config.effort` ask for, as the nearest effort that the model takes. Reports what is
 * left out or comes out otherwise.
 */
export function toReasoningEffort(
  thinking: unknown,
  effort: unknown,
  efforts: readonly ReasoningEffort[],
  dropped: Set<string>,
): ReasoningEffort | undefined {
  const config: JsonObject = isJsonObject(thinking) ? thinking : {};
  if (config["display"] === "omitted") report(dropped, "thinking.display");
  const wanted = wantedEffort(config, effort);
  if (wanted === undefined) return undefined;
  const given = nearestEffort(wanted, efforts);
  if (!given.exact) {
    if (config["type"] !== undefined) report(dropped, "thinking");
    if (effort !== undefined && effort !== null) report(dropped, "output_config.effort");
  }
  return given.effort;
}

function wantedEffort(
  { type, budget_tokens: budget }: JsonObject,
  effort: unknown,
): ReasoningEffort | undefined {
  if (type === "disabled") return "none";
  const named = REASONING_EFFORTS.find((name) => name === effort);
  if (named !== undefined || type !== "enabled") return named;
  return typeof budget === "number" ? effortOfBudget(budget) : "medium";
}
