import { isJsonObject, parseJson } from "gatewright";
import type { JsonObject } from "gatewright";
import { errorObjectIn } from "./_openai/errors.ts";
import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { createReplyReading } from "./_openai/hub-reply.ts";

/**
 * DeepInfra (https://docs.deepinfra.com/chat/overview). Batches: https://docs.deepinfra.com/batch. Some errors are
 * `{ detail: { error } }`, and one that breaks into a stream has a shape of its own (vercel/ai,
 * `packages/deepinfra/src/deepinfra-chat-error.ts`).
 */
const deepinfra: FamilyAdapter = openaiFamily({
  name: "deepinfra",
  baseURL: "https://api.deepinfra.com/v1/openai",
  has: ["completions", "embeddings", "speech", "transcription", "imageGeneration", "files", "batches"],
  chat: { ...MAX_TOKENS_CHAT, translatesReplies: true },
  reading: createReplyReading((message) => message, readChunk),
  fromError(_status, body) {
    const detail = isJsonObject(body) ? body["detail"] : undefined;
    return isJsonObject(detail) && typeof detail["error"] === "string"
      ? { message: detail["error"] }
      : undefined;
  },
});

export default deepinfra;

/** `{ error_type, error_message }`, where the message may be an error object written as JSON. */
function readChunk(chunk: JsonObject): JsonObject {
  const { error_type: type, error_message: text } = chunk;
  if (typeof text !== "string") return chunk;
  const message = errorObjectIn(parsed(text))?.["message"] ?? text;
  return { error: { message, ...(type === "validation_error" && { status: 400 }) } };
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
