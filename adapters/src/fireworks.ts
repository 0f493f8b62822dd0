import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** Fireworks (https://docs.fireworks.ai). */
const fireworks: FamilyAdapter = openaiFamily({
  name: "fireworks",
  baseURL: "https://api.fireworks.ai/inference/v1",
  has: ["completions", "responses", "embeddings"],
  chat: MAX_TOKENS_CHAT,
});

export default fireworks;
