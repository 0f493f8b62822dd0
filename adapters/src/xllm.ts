import { drop, is, isEmpty, isJsonObject, refuse } from "gatewright";
import { openaiFamily } from "./_openai/family.ts";
import type { PlacelessAdapter } from "./_openai/family.ts";
import { NO_ACCOUNT, ONLY_MAX_TOKENS } from "./_openai/field-changes.ts";
import type { FieldChanges } from "./_openai/field-changes.ts";

const isText = (format: unknown): boolean => isJsonObject(format) && format["type"] === "text";

/** What xLLM would pay no heed to, and never say so (jd-opensource/xllm, `xllm/proto/chat.proto`). */
const changes: FieldChanges = {
  ...ONLY_MAX_TOKENS,
  ...NO_ACCOUNT,
  response_format: refuse("xLLM cannot be held to a format", isText),
  logit_bias: refuse("xLLM takes no biases", isEmpty),
  functions: refuse("use `tools`", isEmpty),
  function_call: refuse("use `tools`"),
  seed: drop("xLLM has no seed"),
  parallel_tool_calls: drop("xLLM cannot be told to call one tool at a time", is(true)),
  reasoning_effort: drop("xLLM's templates have `chat_template_kwargs`"),
  verbosity: drop("xLLM has no such hint"),
  prediction: drop("xLLM takes no predicted output"),
  service_tier: drop("xLLM has no tiers", is("auto", "default")),
};

/**
 * xLLM: `baseURL` is its API, with `/v1`. Its answers call themselves `text/javascript`, its errors are plain text with
 * status 500 (jd-opensource/xllm, `xllm/api_service/non_stream_call.h`).
 */
const xllm: PlacelessAdapter = openaiFamily({
  name: "xllm",
  has: ["completions", "embeddings"],
  chat: { changes, reasoning: "reasoning_content" },
});

export default xllm;
