import { drop, is, isEmpty, refuse } from "gatewright";
import { openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { NO_ACCOUNT } from "./_openai/field-changes.ts";

/**
 * Cerebras (https://inference-docs.cerebras.ai). Reasoning is `reasoning` there, in answers and in the history; a message
 * with a member that it does not know is refused. Batches: https://inference-docs.cerebras.ai/capabilities/batch.
 */
const cerebras: FamilyAdapter = openaiFamily({
  name: "cerebras",
  baseURL: "https://api.cerebras.ai/v1",
  has: ["completions", "files", "batches"],
  chat: {
    reasoning: "reasoning",
    only: new Set(["role", "content", "name", "tool_calls", "tool_call_id"]),
    changes: {
      ...NO_ACCOUNT,
      n: refuse("Cerebras gives one choice a request", is(1)),
      logit_bias: refuse("Cerebras takes no biases", isEmpty),
      presence_penalty: drop("Cerebras has no penalties", is(0)),
      frequency_penalty: drop("Cerebras has no penalties", is(0)),
      top_k: drop("Cerebras has no such parameter"),
    },
    translatesReplies: true,
  },
});

export default cerebras;
