import { readParameter, writeParameter } from "gatewright";
import type { Operation, ParameterPlace, RequestBody } from "gatewright";
import type { Mapping } from "./options.ts";

/** The body with the mapping's adjustments. What is absent stays absent. */
export function adjustBody(body: RequestBody, operation: Operation, mapping: Mapping): RequestBody {
  const { parameters } = operation;
  if (body.kind !== "json" || !parameters) return body;
  const { temperature, outputLimit } = parameters;
  const { temperatureAdjustment, maxTokensMultiplier } = mapping;
  let adjusted = body;
  if (temperatureAdjustment !== 0)
    adjusted = adjustAll(adjusted, temperature, (value) =>
      Math.min(2, Math.max(0, round(value + temperatureAdjustment))),
    );
  if (maxTokensMultiplier !== 1)
    adjusted = adjustAll(adjusted, outputLimit, (value) =>
      Math.max(1, Math.floor(round(value * maxTokensMultiplier))),
    );
  return adjusted;
}

function adjustAll(
  body: RequestBody,
  places: readonly ParameterPlace[],
  adjust: (value: number) => number,
): RequestBody {
  let adjusted = body;
  for (const place of places)
    for (const value of readParameter(body, [place]))
      adjusted = writeParameter(adjusted, place, adjust(value));
  return adjusted;
}

/** 0.7 + 0.1 is 0.8, and 100 × 1.1 is 110: without the errors of binary fractions. */
function round(value: number): number {
  return Number(value.toPrecision(12));
}
