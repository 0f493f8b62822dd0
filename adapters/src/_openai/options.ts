import * as v from "valibot";
import { ExtraHeaders } from "../_extra-headers.ts";

export const FamilyOptions = v.strictObject({
  /** Further headers of every request to this backend; a value may be `env("NAME")`. */
  headers: v.optional(ExtraHeaders, {}),
});

export function bearer(apiKey: string | undefined): Record<string, string> {
  return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
}
