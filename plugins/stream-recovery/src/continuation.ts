import type { JsonObject, RequestBody } from "gatewright";
import type { Transcript } from "./transcript.ts";

/** The first half of a surrogate pair whose second half never came: no JSON parser has to take it. */
const HALF_CHARACTER = /[\uD800-\uDBFF]$/;

/** One way to go on: what is asked, and which text the answer has to begin with. */
export interface Continuation {
  readonly kind: "prefill" | "restart";
  readonly body: RequestBody;
  readonly expected: string;
}

/** The same request again: an answer that begins with all that was sent goes on from there. */
export function restart(body: RequestBody, { text }: Transcript): Continuation {
  return { kind: "restart", body, expected: text };
}

/**
 * The request with the answer so far as an assistant message that the backend completes. White space at its end is
 * left out and expected back: providers refuse it there, and chat templates trim it. So is half a character. `undefined` where there is no
 * text to go on from, or where the conversation ends in a way that takes none.
 */
export function prefill(
  body: RequestBody,
  { text, pieces }: Transcript,
  mode: "plain" | "vllm",
): Continuation | undefined {
  const content = text.replace(HALF_CHARACTER, "").trimEnd();
  if (content === "") return undefined;
  const messages = extend(body.json["messages"] as readonly JsonObject[], content);
  if (!messages) return undefined;
  const fields: JsonObject = { messages, ...lowerLimits(body.json, pieces) };
  if (mode === "vllm") Object.assign(fields, { add_generation_prompt: false, continue_final_message: true });
  return { kind: "prefill", body: body.with(fields), expected: text.slice(content.length) };
}

/** A conversation that the client ended with an assistant message of its own is being completed already. */
function extend(messages: readonly JsonObject[], content: string): readonly JsonObject[] | undefined {
  const last = messages.at(-1);
  if (last?.["role"] !== "assistant") return [...messages, { role: "assistant", content }];
  if (typeof last["content"] !== "string") return undefined;
  return [...messages.slice(0, -1), { ...last, content: last["content"] + content }];
}

/** What may still be produced, where the client set a limit; a piece of text is taken for a token. */
function lowerLimits(json: JsonObject, produced: number): JsonObject {
  const limits: JsonObject = {};
  for (const name of ["max_tokens", "max_completion_tokens"]) {
    const limit = json[name];
    if (typeof limit === "number") limits[name] = Math.max(1, limit - produced);
  }
  return limits;
}
