import { openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** xAI (https://docs.x.ai). Its voice agent is OpenAI's realtime API (https://docs.x.ai/docs/guides/voice). */
const xai: FamilyAdapter = openaiFamily({
  name: "xai",
  baseURL: "https://api.x.ai/v1",
  has: ["completions", "responses", "imageGeneration", "realtime"],
  extensions: ["reasoning_content"],
  modelPatterns: ["grok-*"],
});

export default xai;
