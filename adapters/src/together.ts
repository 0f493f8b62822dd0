import { errorObjectIn } from "./_openai/errors.ts";
import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { createReasonReading } from "./_openai/finish-reasons.ts";
import { createReplyReading, toHubMessage } from "./_openai/hub-reply.ts";

/**
 * Together (https://docs.together.ai), where `eos` is the end of an answer as `stop` is, and 403 says that a prompt is too
 * long, not that the key is wrong (https://docs.together.ai/docs/error-codes). Its files are uploaded elsewhere than they are
 * listed, and under purposes of its own.
 */
const together: FamilyAdapter = openaiFamily({
  name: "together",
  baseURL: "https://api.together.ai/v1",
  has: ["completions", "embeddings", "rerank", "speech", "transcription", "imageGeneration"],
  chat: { ...MAX_TOKENS_CHAT, translatesReplies: true },
  reading: createReplyReading(toHubMessage, createReasonReading({ eos: "stop" })),
  fromError(status, body) {
    const { message, type } = errorObjectIn(body) ?? {};
    if (status !== 403 || type !== "invalid_request_error") return undefined;
    return { status: 400, ...(typeof message === "string" && { message }) };
  },
});

export default together;
