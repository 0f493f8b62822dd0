import { drop, isEmpty, isJsonObject } from "gatewright";
import { errorInBody } from "./_openai/errors.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { changedMapping, rename } from "./_openai/field-changes.ts";
import { createReplyReading } from "./_openai/hub-reply.ts";
import { readMessage, readReasons } from "./_mistral/chat-reply.ts";
import { chatChanges, MESSAGE_MEMBERS } from "./_mistral/chat-request.ts";

/**
 * Mistral (https://docs.mistral.ai/api, types of @mistralai/mistralai 2.7); other regions by `baseURL`. OpenAI's shape with
 * names of its own, thinking inside of `content`, and no patience with fields that it does not know. It has files as OpenAI
 * has them; its batches are jobs of another shape.
 */
const mistral: FamilyAdapter = openaiFamily({
  name: "mistral",
  baseURL: "https://api.mistral.ai/v1",
  has: ["moderation", "transcription", "files"],
  operations: {
    embeddings: changedMapping(PATHS.embeddings, {
      changes: {
        dimensions: rename("output_dimension"),
        user: drop("Mistral knows no end users", isEmpty),
      },
    }),
  },
  chat: {
    changes: chatChanges,
    only: MESSAGE_MEMBERS,
    translatesReplies: true,
    tellsUsage: true,
  },
  reading: createReplyReading(readMessage, readReasons),
  modelPatterns: [
    "mistral-*",
    "ministral-*",
    "magistral-*",
    "codestral-*",
    "devstral-*",
    "pixtral-*",
    "voxtral-*",
    "open-mistral-*",
    "open-mixtral-*",
  ],
  errorInReply: errorInBody,
  fromError,
});

export default mistral;

/** `{ message, type, code }`, where `message` may hold a list of faults as `detail` does: `[{ loc, msg }]`. */
function fromError(_status: number, body: unknown): { message?: string; type?: string; param?: string } {
  if (!isJsonObject(body)) return {};
  const { message, type } = body;
  const detail = body["detail"] ?? (isJsonObject(message) ? message["detail"] : undefined);
  const fault: unknown = Array.isArray(detail) ? detail[0] : undefined;
  if (isJsonObject(fault)) {
    const { msg, loc } = fault;
    const place = Array.isArray(loc) ? loc.filter((part) => part !== "body").join(".") : "";
    return { ...(typeof msg === "string" && { message: msg }), ...(place !== "" && { param: place }) };
  }
  const text = [message, detail].find((value) => typeof value === "string");
  return {
    ...(typeof text === "string" && { message: text }),
    ...(typeof type === "string" && { type }),
  };
}
