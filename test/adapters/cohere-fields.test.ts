import cohere from "../../adapters/src/cohere.ts";
import { testEveryLeaf } from "./_every-leaf.ts";

testEveryLeaf(cohere, {
  withoutEffect: [
    "tools[].type",
    "messages[].tool_calls[].type",
    "messages[].thinking_blocks[].type",
    "response_format.json_schema.name",
    "response_format.json_schema.strict",
  ],
  leftOut: ["chat-tool-choice-allowed", "chat-tool-choice-named"],
});
