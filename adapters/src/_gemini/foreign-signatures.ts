import { isJsonObject, isSealed, report, SEAL, unseal } from "gatewright";
import type { ForeignMembers, JsonObject } from "gatewright";
import { isBeforeGemini3 } from "./model-path.ts";

/** Stands for the signature of a call that another model made: https://ai.google.dev/gemini-api/docs/thought-signatures. */
export const FOREIGN_SIGNATURE = "skip_thought_signature_validator";

/**
 * For Google's own API: signatures in which a gateway keeps what another vendor wants back, refused there as corrupted.
 * Calls get the stand-in where the model asks for a signature.
 */
export const FOREIGN_SIGNATURES: ForeignMembers = {
  marks: [SEAL],
  leaveOut({ contents }, dropped, model) {
    const standIn = isBeforeGemini3(model) ? undefined : FOREIGN_SIGNATURE;
    return {
      contents: mapped(contents, (content) => ({
        ...content,
        parts: mapped(content["parts"], (part) => toOwn(part, standIn, dropped)),
      })),
    };
  },
};

/** Either spelling is Google's, as in all of its JSON (https://protobuf.dev/programming-guides/json/). */
const NAMES = ["thoughtSignature", "thought_signature"];

function toOwn(part: JsonObject, standIn: string | undefined, dropped: Set<string>): JsonObject {
  const name = NAMES.find((spelling) => isSealed(part[spelling]));
  if (name === undefined) return part;
  const { [name]: sealed, ...rest } = part;
  if (unseal(sealed)?.length !== 0) report(dropped, "contents[].parts[].thoughtSignature");
  const isCall = isJsonObject(part["functionCall"] ?? part["function_call"]);
  return isCall && standIn !== undefined ? { ...rest, [name]: standIn } : rest;
}

function mapped(list: unknown, map: (item: JsonObject) => JsonObject): unknown {
  if (!Array.isArray(list)) return list;
  return list.map((item: unknown) => (isJsonObject(item) ? map(item) : item));
}
