import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/**
 * Fireworks (https://docs.fireworks.ai). A message with any member but these is refused, as its API's own description has
 * it: `additionalProperties: false` (https://docs.fireworks.ai/api-reference/post-chatcompletions).
 */
const fireworks: FamilyAdapter = openaiFamily({
  name: "fireworks",
  baseURL: "https://api.fireworks.ai/inference/v1",
  has: ["completions", "responses", "embeddings"],
  chat: { ...MAX_TOKENS_CHAT, only: new Set(["role", "content", "tool_calls", "tool_call_id"]) },
});

export default fireworks;
