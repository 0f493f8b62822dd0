import bedrock from "../../adapters/src/bedrock.ts";
import { testEveryLeaf } from "./_every-leaf.ts";

testEveryLeaf(bedrock, {
  withoutEffect: [
    "tools[].type",
    "messages[].tool_calls[].type",
    // There is one kind of cache, and a schema is always kept to.
    "tools[].cache_control.type",
    "messages[].content[].cache_control.type",
    "response_format.json_schema.strict",
  ],
  leftOut: ["chat-tool-choice-allowed", "chat-tool-choice-none"],
});
