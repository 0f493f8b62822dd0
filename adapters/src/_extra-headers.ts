import { isSecret, revealSecret } from "gatewright";
import type { Secret } from "gatewright";
import * as v from "valibot";

/** Names are tokens of RFC 9110, section 5.6.2. */
const HeaderName = v.pipe(
  v.string(),
  v.regex(/^[!#$%&'*+.^`|~\w-]+$/, "the name of a header"),
  v.toLowerCase(),
);

/** Without control characters, which could end the header and begin another. */
const HeaderValue = v.union([
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  v.pipe(v.string(), v.regex(/^[^\u0000-\u001f\u007f]*$/, "text without control characters")),
  v.custom<Secret>(isSecret, "a string or a secret"),
]);

/** Headers that a config adds to every request to a backend. */
export const ExtraHeaders = v.record(HeaderName, HeaderValue);

/** As they are sent. */
export function toSentHeaders(headers: v.InferOutput<typeof ExtraHeaders>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, isSecret(value) ? revealSecret(value) : value]),
  );
}
