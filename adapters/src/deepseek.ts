import { drop, is, isEmpty, refuse } from "gatewright";
import type { JsonObject } from "gatewright";
import { FOREIGN_THINKING } from "./_anthropic/foreign-thinking.ts";
import { openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { become, NO_ACCOUNT, ONLY_MAX_TOKENS } from "./_openai/field-changes.ts";
import type { FieldChanges } from "./_openai/field-changes.ts";
import { statelessResponses } from "./_openai/responses.ts";

const changes: FieldChanges = {
  ...ONLY_MAX_TOKENS,
  ...NO_ACCOUNT,
  reasoning_effort: become("`none` is `thinking` switched off", toEffort),
  n: refuse("DeepSeek gives one choice a request", is(1)),
  logit_bias: refuse("DeepSeek takes no biases", isEmpty),
  seed: drop("DeepSeek has no seed"),
  parallel_tool_calls: drop("DeepSeek cannot be told to call one tool at a time", is(true)),
  user: drop("DeepSeek's `user_id` is of another kind", isEmpty),
  verbosity: drop("DeepSeek has no such hint"),
  prediction: drop("DeepSeek takes no predicted output"),
  service_tier: drop("DeepSeek has no tiers", is("auto", "default")),
};

/** `thinking` of the request's own wins. */
function toEffort(effort: unknown, { thinking }: JsonObject): JsonObject {
  if (effort !== "none") return { reasoning_effort: effort };
  return { thinking: thinking ?? { type: "disabled" } };
}

/**
 * DeepSeek. In a turn with tool calls the `reasoning_content` of the answer has to be sent back, so the history keeps
 * it (https://api-docs.deepseek.com/guides/thinking_mode). It keeps no responses
 * (https://api-docs.deepseek.com/guides/responses_api).
 */
const deepseek: FamilyAdapter = openaiFamily({
  name: "deepseek",
  baseURL: "https://api.deepseek.com",
  operations: {
    responses: statelessResponses(),
    completions: { path: "/beta/completions", streamUsage: true },
    messages: { path: "/anthropic/v1/messages", foreign: FOREIGN_THINKING },
  },
  chat: { changes, reasoning: "reasoning_content" },
  modelPatterns: ["deepseek-*"],
});

export default deepseek;
