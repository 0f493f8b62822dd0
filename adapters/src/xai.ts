import { isJsonObject } from "gatewright";
import { openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/**
 * xAI (https://docs.x.ai). Its voice agent is OpenAI's realtime API (https://docs.x.ai/docs/guides/voice). A wrong key is a
 * 400 there, told by its text alone; a model that is not there is told with the id of the key's team.
 */
const xai: FamilyAdapter = openaiFamily({
  name: "xai",
  baseURL: "https://api.x.ai/v1",
  has: ["completions", "responses", "imageGeneration", "realtime"],
  extensions: ["reasoning_content"],
  modelPatterns: ["grok-*"],
  fromError(status, body) {
    const error = isJsonObject(body) ? body["error"] : undefined;
    if (typeof error !== "string") return undefined;
    if (status === 400 && error.startsWith("Incorrect API key")) return { status: 401, message: error };
    return / does not exist or your team /.test(error)
      ? { code: "model_not_found", param: "model" }
      : undefined;
  },
});

export default xai;
