import { openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** xAI (https://docs.x.ai). */
const xai: FamilyAdapter = openaiFamily({
  name: "xai",
  baseURL: "https://api.x.ai/v1",
  has: ["completions", "responses", "imageGeneration"],
  extensions: ["reasoning_content"],
  modelPatterns: ["grok-*"],
});

export default xai;
