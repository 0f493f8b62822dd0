import { drop, forward, is, isEmpty, refuse, translate } from "gatewright";
import type { FieldTable, RefusalWords } from "gatewright";

/**
 * By this the official SDKs know that they have to send the whole conversation instead; their tool runners ask for a
 * thread by themselves (https://platform.claude.com/docs/en/build-with-claude/message-threads).
 */
const NO_THREADS: RefusalWords = { code: "thread_unsupported_request", details: { unsupported: ["thread"] } };

/**
 * Fates of the fields of a messages request on its way to a backend without this API. Fields that are not listed are
 * forwarded. The list is that of the official SDK's stable and beta types (`@anthropic-ai/sdk` 1.11).
 */
export const messagesFields: FieldTable = {
  model: translate("the model's name at the backend"),
  stream: translate("itself, with usage asked for"),
  messages: translate("`messages`: blocks become parts, calls and results"),
  system: translate("the first message, of role `system`", isEmpty),
  max_tokens: translate("`max_completion_tokens`; 0, which warms a cache alone, is refused"),
  stop_sequences: translate("`stop`", isEmpty),
  temperature: forward("the same in chat"),
  top_p: forward("the same in chat"),
  top_k: translate("itself where the server takes it, else left out and reported"),
  tools: translate("functions; tools that the vendor runs or defines are refused", isEmpty),
  tool_choice: translate("`tool_choice` and `parallel_tool_calls`"),
  thinking: translate("`reasoning_effort` where the model takes it, else left out and reported"),
  output_config: translate("`reasoning_effort` and `response_format`", isEmpty),
  output_format: translate("`response_format`"),
  metadata: translate("`user_id` is `user`, up to 64 characters", isEmpty),
  service_tier: translate("`standard_only` is `default`", is("auto")),
  cache_control: drop("other backends cache prompts in their own way"),
  container: drop("only code that the vendor runs is in one"),
  context_management: drop("the vendor alone edits the history on its side", isEmpty),
  inference_geo: drop("a wish to the vendor"),
  speed: drop("a wish to the vendor", is("standard")),
  diagnostics: drop("the vendor's own"),
  billing_policy: drop("the vendor's own"),
  user_profile_id: drop("a profile at the vendor"),
  workspace_id: drop("a workspace at the vendor"),
  fallbacks: drop("the gateway has its own", isEmpty),
  fallback_credit_token: drop("the vendor's own"),
  mcp_servers: refuse("the vendor would call these servers", isEmpty),
  thread: refuse("the vendor keeps the messages of a thread", undefined, NO_THREADS),
  compaction: refuse("the vendor would sum the history up"),
};

/** Fates of the members of one tool that the client runs. */
export const toolFields: FieldTable = {
  type: translate("always `function`; another type than `custom` is refused"),
  name: translate("`function.name`"),
  description: translate("`function.description`"),
  input_schema: translate("`function.parameters`"),
  strict: translate("`function.strict`"),
  cache_control: translate("itself where the server takes it, else left out and reported"),
  defer_loading: drop("the tool is given at once", is(false)),
  eager_input_streaming: drop("arguments flow as the backend sends them"),
  input_examples: drop("chat has no examples", isEmpty),
  allowed_callers: drop("the model is the only caller"),
};
