import type { JsonView } from "./body/json-view.ts";
import type { RequestBody } from "./body/request-body.ts";
import type { ParameterPlace } from "./operation.ts";

/** The numbers that a body has at the places of a parameter: `operation.parameters` says which those are. */
export function readParameter(body: JsonView, places: readonly ParameterPlace[]): number[] {
  const values: number[] = [];
  for (const { within, name } of places) {
    const value = (within === undefined ? body : body.view(within))?.get(name);
    if (typeof value === "number") values.push(value);
  }
  return values;
}

/** The body with a parameter at one of its places; what else stands there stays. */
export function writeParameter(
  body: RequestBody,
  { within, name }: ParameterPlace,
  value: number,
): RequestBody {
  if (within === undefined) return body.with({ [name]: value });
  return body.with({ [within]: { ...body.view(within)?.json, [name]: value } });
}
