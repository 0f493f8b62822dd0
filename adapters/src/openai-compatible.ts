import { openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** Any server with OpenAI's API: `baseURL` is the folder of the API, with its `/v1` where it has one. */
const openaiCompatible: FamilyAdapter = openaiFamily({
  name: "openai-compatible",
  has: [
    "completions",
    "responses",
    "embeddings",
    "rerank",
    "speech",
    "transcription",
    "translation",
    "imageGeneration",
    "imageEdit",
    "imageVariation",
    "moderation",
  ],
});

export default openaiCompatible;
