import { isJsonObject, report, wrongShape } from "gatewright";

/**
 * Reports what a request's `stream_options` ask for besides usage, for vendors that tell the usage unasked and know no other
 * member. Throws `UnsupportedField` for what is no object.
 */
export function reportStreamOptions(asked: unknown, dropped: Set<string>): void {
  if (asked === undefined) return;
  if (!isJsonObject(asked)) throw wrongShape("stream_options", "an object", asked);
  for (const [name, value] of Object.entries(asked)) {
    if (name !== "include_usage" && value !== false && value !== null)
      report(dropped, `stream_options.${name}`);
  }
}
