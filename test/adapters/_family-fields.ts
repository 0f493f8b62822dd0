import type { FieldTest } from "@gatewright/adapter-tests";
import type { OperationName } from "gatewright";

/** Parameters of local engines. */
const ENGINE = { top_k: 40, min_p: 0.1, num_ctx: 4096, keep_alive: "5m", options: { num_ctx: 4096 } };

/** What the kit does not know of the fields in which servers of the family deviate. */
export const FAMILY_FIELD_TESTS: Partial<Record<OperationName, Omit<FieldTest, "table">>> = {
  chat: {
    samples: { ...ENGINE, reasoning_effort: "none" },
    defaults: { options: {}, response_format: { type: "text" } },
    byExchange: ["stream_options", "tool_choice"],
  },
  countTokens: {
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
      reasoning_effort: "low",
      response_format: { type: "json_object" },
    },
  },
  completions: { samples: ENGINE, defaults: { options: {} } },
  embeddings: { byExchange: ["encoding_format"] },
  rerank: { byExchange: ["documents"] },
  responses: {
    request: { input: "Hi" },
    samples: {
      store: true,
      previous_response_id: "resp_1",
      conversation: "conv_1",
      background: true,
    },
    defaults: { store: false, background: false },
  },
};
