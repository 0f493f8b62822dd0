import type { FieldTest } from "@gatewright/adapter-tests";
import type { OperationName } from "gatewright";
import { COUNT_TOKENS_FIELDS } from "./_count-tokens.ts";

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
    ...COUNT_TOKENS_FIELDS,
    samples: {
      ...COUNT_TOKENS_FIELDS.samples,
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
