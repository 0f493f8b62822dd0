import type { Operation, ParameterPlace, ParameterPlaces, RequestBody } from "gatewright";
import type { Mapping } from "./options.ts";

/** Where OpenAI's dialects have them, and those that go by their names. */
const TOP_LEVEL: ParameterPlaces = {
  temperature: [{ name: "temperature" }],
  outputLimit: [{ name: "max_tokens" }, { name: "max_completion_tokens" }, { name: "max_output_tokens" }],
};

/** The body with the mapping's adjustments. What is absent stays absent. */
export function adjustBody(body: RequestBody, operation: Operation, mapping: Mapping): RequestBody {
  if (body.kind !== "json") return body;
  const { temperature, outputLimit } = operation.parameters ?? TOP_LEVEL;
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
  for (const { within, name } of places) {
    const holder = within === undefined ? adjusted : adjusted.view(within);
    const value = holder?.get(name);
    if (typeof value !== "number") continue;
    const change = { [name]: adjust(value) };
    adjusted = adjusted.with(within === undefined ? change : { [within]: { ...holder!.json, ...change } });
  }
  return adjusted;
}

/** 0.7 + 0.1 is 0.8, and 100 × 1.1 is 110: without the errors of binary fractions. */
function round(value: number): number {
  return Number(value.toPrecision(12));
}
