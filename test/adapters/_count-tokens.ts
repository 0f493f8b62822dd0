import type { FieldTest } from "@gatewright/adapter-tests";

/** Fields of a chat that say nothing of how many tokens it has: a count does without them. */
export const COUNT_TOKENS_FIELDS: Omit<FieldTest, "table"> = {
  request: { messages: [{ role: "user", content: "Hi" }] },
  samples: {
    stream: true,
    stream_options: { include_usage: true },
    max_completion_tokens: 16,
    max_tokens: 16,
    temperature: 0,
    top_p: 0.5,
    top_k: 40,
    stop: ["END"],
    stop_sequences: ["END"],
    n: 2,
    user: "u-1",
    safety_identifier: "u-1",
    metadata: { team: "a" },
    service_tier: "flex",
  },
};
