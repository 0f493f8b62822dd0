import { openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** MiniMax (https://platform.minimax.io); in China `baseURL` is `https://api.minimaxi.com/v1`. */
const minimax: FamilyAdapter = openaiFamily({
  name: "minimax",
  baseURL: "https://api.minimax.io/v1",
  extensions: ["reasoning_content"],
  modelPatterns: ["MiniMax-*", "abab*"],
});

export default minimax;
