import type { JsonObject } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";

/** @throws Refusal for a member that is none of these, in the words of Google's JSON reader. */
export function refuseOthers(members: JsonObject, known: readonly string[], at: string): void {
  const other = Object.keys(members).find((name) => !known.includes(name));
  if (other === undefined) return;
  const place = at === "" ? "" : ` at '${at}'`;
  throw new Refusal(
    400,
    `Invalid JSON payload received. Unknown name "${other}"${place}: Cannot find field.`,
  );
}

/** A refusal in the words of Google's checks. */
export function wrong(field: string, what: string): Refusal {
  return new Refusal(400, `* GenerateContentRequest.${field}: ${what}\n`);
}
