import { UnsupportedField, type OperationMapping } from "../adapter.ts";

/** Throws `UnsupportedField` for more inputs than the backend takes in one call. A list of tokens is one input. */
export function checkInputs({ maxInputs }: OperationMapping, model: string, input: unknown): void {
  if (maxInputs === undefined || !Array.isArray(input) || typeof input[0] === "number") return;
  const most = typeof maxInputs === "number" ? maxInputs : maxInputs(model);
  if (input.length > most)
    throw new UnsupportedField(
      "input",
      `\`input\`: ${input.length} inputs, of which the backend takes ${most} a request`,
    );
}
