import { createHash } from "node:crypto";

/**
 * Nine letters and digits, or Mistral's models refuse the request, whoever runs them (mistralai/mistral-common,
 * `protocol/instruct/validator.py`). The same for the same id, so that result and call still meet; made of the whole of it,
 * as ids of one vendor begin alike.
 */
export function toMistralCallId(id: string): string {
  if (/^[a-zA-Z0-9]{9}$/.test(id)) return id;
  return createHash("sha256").update(id).digest("hex").slice(0, 9);
}
