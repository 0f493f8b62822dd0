import { drop, is, isEmpty, isJsonObject, refuse } from "gatewright";
import type { JsonObject } from "gatewright";
import { openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { NO_ACCOUNT } from "./_openai/field-changes.ts";
import { createReplyReading, toHubMessage } from "./_openai/hub-reply.ts";
import { statelessResponses } from "./_openai/responses.ts";

/** A stream tells its usage, and what broke it, in `x_groq` of its last chunk. */
function readChunk(chunk: JsonObject): JsonObject {
  const { x_groq } = chunk;
  if (!isJsonObject(x_groq)) return chunk;
  const { usage, error } = x_groq;
  if (error) return { error: { message: typeof error === "string" ? error : "The stream broke off" } };
  return isJsonObject(usage) && !chunk["usage"] ? { ...chunk, usage } : chunk;
}

/**
 * Groq. Reasoning is `reasoning` there, in answers and in the history; a message with any member that it does not know
 * is refused (https://console.groq.com/docs/openai, and the types of groq-sdk 1.6), and so is reasoning by a model that does
 * none (`reasoning is not supported with this model`, vercel/ai, pull request 8057). It keeps no responses
 * (https://console.groq.com/docs/responses-api), but files and their batches (https://console.groq.com/docs/batch).
 */
const groq: FamilyAdapter = openaiFamily({
  name: "groq",
  baseURL: "https://api.groq.com/openai/v1",
  has: ["speech", "transcription", "translation", "files", "batches"],
  operations: { responses: statelessResponses() },
  chat: {
    reasoning: "reasoning",
    // https://console.groq.com/docs/reasoning
    reasoningModels: /gpt-oss|qwen-?3|deepseek-r1/,
    only: new Set(["role", "content", "name", "tool_calls", "tool_call_id", "function_call"]),
    changes: {
      ...NO_ACCOUNT,
      n: refuse("Groq gives one choice a request", is(1)),
      logit_bias: refuse("no model of Groq takes biases", isEmpty),
      logprobs: refuse("no model of Groq tells them", is(false)),
      top_logprobs: refuse("no model of Groq tells them", is(0)),
      presence_penalty: drop("no model of Groq takes it", is(0)),
      frequency_penalty: drop("no model of Groq takes it", is(0)),
      verbosity: drop("Groq has no such hint"),
      prediction: drop("Groq takes no predicted output"),
      top_k: drop("Groq has no such parameter"),
      service_tier: drop("Groq's tiers have other names", is("auto", "default")),
    },
    translatesReplies: true,
  },
  reading: createReplyReading(toHubMessage, readChunk),
});

export default groq;
