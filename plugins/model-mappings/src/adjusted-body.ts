import type { RequestBody } from "gatewright";
import type { Mapping } from "./options.ts";

/** Fields by which the dialects limit an answer. */
const OUTPUT_LIMITS = ["max_tokens", "max_completion_tokens", "max_output_tokens"];

/** The body with the mapping's adjustments. What is absent stays absent. */
export function adjustBody(body: RequestBody, mapping: Mapping): RequestBody {
  if (body.kind !== "json") return body;
  const changes: Record<string, number> = {};
  const { temperatureAdjustment, maxTokensMultiplier } = mapping;
  const temperature = body.get("temperature");
  if (temperatureAdjustment !== 0 && typeof temperature === "number")
    changes["temperature"] = Math.min(2, Math.max(0, round(temperature + temperatureAdjustment)));
  for (const name of maxTokensMultiplier === 1 ? [] : OUTPUT_LIMITS) {
    const limit = body.get(name);
    if (typeof limit === "number")
      changes[name] = Math.max(1, Math.floor(round(limit * maxTokensMultiplier)));
  }
  return Object.keys(changes).length > 0 ? body.with(changes) : body;
}

/** 0.7 + 0.1 is 0.8, and 100 × 1.1 is 110: without the errors of binary fractions. */
function round(value: number): number {
  return Number(value.toPrecision(12));
}
