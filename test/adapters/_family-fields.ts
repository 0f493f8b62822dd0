import type { FieldTest } from "@gatewright/adapter-tests";
import type { OperationName } from "gatewright";

/** What the kit does not know of the fields in which servers of the family deviate. */
export const FAMILY_FIELD_TESTS: Partial<Record<OperationName, Omit<FieldTest, "table">>> = {
  chat: { samples: { reasoning_effort: "none", top_k: 40 }, byExchange: ["stream_options"] },
  embeddings: { byExchange: ["encoding_format"] },
  rerank: { byExchange: ["documents"] },
};
