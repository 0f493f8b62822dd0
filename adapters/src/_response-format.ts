import { describeGiven, isJsonObject, UnsupportedField } from "gatewright";

/** The kinds that OpenAI's API has, with what one without a schema lacks: words that tell nothing of a prompt. */
const KINDS: ReadonlyMap<unknown, string> = new Map([
  ["json_object", "`json_object`"],
  ["json_schema", "`json_schema` without a schema"],
]);

/** Refuses a `response_format` that a backend does not have. `expected` ends the sentence "it must be …". */
export function otherFormat(expected: string, format: unknown): UnsupportedField {
  const type = isJsonObject(format) ? format["type"] : undefined;
  const given = KINDS.get(type) ?? (type === undefined ? describeGiven(format) : "another type");
  return new UnsupportedField("response_format", `\`response_format\` must be ${expected}, got ${given}`);
}
