import { isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";
import type { AnswerDialect, EventContent } from "./answer-dialect.ts";
import type { BrokenPart } from "./usage-sum.ts";

const NOTHING: EventContent = { text: "", plain: true, finishes: false };
const SPECIAL: EventContent = { text: "", plain: false, finishes: false };

/**
 * Anthropic's events of a message (https://platform.claude.com/docs/en/build-with-claude/streaming). Gone on with is the
 * first block while it is open and a text: the begun message and block are not told again.
 */
export const messageDialect: AnswerDialect = {
  hasOpening: true,
  // The parameters of the other modes are none of this API's.
  prefillModes: ["plain"],
  read,
  identityOf: () => ({}),
  withText: (json, text) => ({ ...json, delta: { ...(json["delta"] as JsonObject), text } }),
  adopt: (json) => (isTold(json) ? undefined : json),
  addUsage,
};

function read(json: JsonObject): EventContent {
  const { type, index, content_block: block, delta } = json;
  switch (type) {
    case "message_start":
    case "message_stop":
    case "ping":
      return NOTHING;
    case "message_delta":
      return { text: "", plain: true, finishes: true };
    case "content_block_start":
      return index === 0 && isJsonObject(block) && block["type"] === "text" && block["text"] === ""
        ? NOTHING
        : SPECIAL;
    case "content_block_delta": {
      const text = isJsonObject(delta) && delta["type"] === "text_delta" ? delta["text"] : undefined;
      return index === 0 && typeof text === "string" ? { text, plain: true, finishes: false } : SPECIAL;
    }
    default:
      // A block that is closed cannot be gone on with.
      return SPECIAL;
  }
}

/** What the beginning of the first answer said. Pings come from whoever is asked. */
function isTold({ type, index, delta }: JsonObject): boolean {
  if (type === "message_start" || (type === "content_block_start" && index === 0)) return true;
  return type === "content_block_delta" && isJsonObject(delta) && delta["text"] === "";
}

/** `message_delta` tells the tokens of the whole answer; those of the prompt stood in the first event. */
function addUsage(json: JsonObject, parts: readonly BrokenPart[]): JsonObject {
  const { type, usage } = json;
  if (type !== "message_delta" || !isJsonObject(usage) || typeof usage["output_tokens"] !== "number")
    return json;
  let output = usage["output_tokens"];
  for (const { usage: told, pieces } of parts) output += Math.max(told?.outputTokens ?? 0, pieces);
  return { ...json, usage: { ...usage, output_tokens: output } };
}
