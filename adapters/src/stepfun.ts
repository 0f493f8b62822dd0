import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** StepFun (https://platform.stepfun.com). */
const stepfun: FamilyAdapter = openaiFamily({
  name: "stepfun",
  baseURL: "https://api.stepfun.com/v1",
  has: ["speech", "transcription", "imageGeneration", "realtime"],
  chat: { ...MAX_TOKENS_CHAT, translatesReplies: true },
  modelPatterns: ["step-*"],
});

export default stepfun;
