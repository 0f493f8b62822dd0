import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { createReasonReading } from "./_openai/finish-reasons.ts";
import { createReplyReading, toHubMessage } from "./_openai/hub-reply.ts";

/** Together (https://docs.together.ai), where `eos` is the end of an answer as `stop` is. Its files are uploaded elsewhere than they are listed, and under purposes of its own. */
const together: FamilyAdapter = openaiFamily({
  name: "together",
  baseURL: "https://api.together.ai/v1",
  has: ["completions", "embeddings", "rerank", "speech", "transcription", "imageGeneration"],
  chat: { ...MAX_TOKENS_CHAT, translatesReplies: true },
  reading: createReplyReading(toHubMessage, createReasonReading({ eos: "stop" })),
});

export default together;
