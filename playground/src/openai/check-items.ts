import { asObjects, asText, type JsonObject } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";
import { isSigned } from "../signature.ts";

/** Members of the items of a history, beside those of all. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  message: ["role", "content", "phase"],
  function_call: ["call_id", "name", "arguments", "namespace", "caller"],
  function_call_output: ["call_id", "output", "caller"],
  reasoning: ["summary", "content", "encrypted_content"],
};
/** The last is what its SDK finds in a reply and gives back. */
const COMMON = ["type", "id", "status", "parsed_arguments"];

/**
 * The items of a request, as strictly as the vendor takes them: reasoning is looked up by its id, or has to be what the
 * vendor encrypted (https://developers.openai.com/api/docs/guides/reasoning#encrypted-reasoning-items).
 */
export function checkItems(input: unknown, isStored: (id: unknown) => boolean): void {
  if (!Array.isArray(input)) return;
  for (const [index, item] of asObjects(input).entries()) {
    const type = asText(item.type) ?? "message";
    const allowed = MEMBERS[type];
    for (const name of Object.keys(item))
      if (allowed && ![...allowed, ...COMMON].includes(name))
        throw new Refusal(400, `Unknown parameter: 'input[${index}].${name}'.`, {
          code: "unknown_parameter",
        });
    if (type === "reasoning") checkReasoning(item, isStored);
  }
}

function checkReasoning(item: JsonObject, isStored: (id: unknown) => boolean): void {
  const { id, encrypted_content: encrypted, summary } = item;
  if (encrypted === undefined || encrypted === null) {
    if (isStored(id)) return;
    throw new Refusal(
      404,
      `Item with id '${String(id)}' not found. Items are not persisted when \`store\` is set to false.`,
    );
  }
  const text = asObjects(summary)
    .map((part) => asText(part.text) ?? "")
    .join("");
  if (!isSigned(text, encrypted))
    throw new Refusal(400, `The encrypted content for item ${String(id)} could not be verified.`, {
      code: "invalid_encrypted_content",
    });
}
