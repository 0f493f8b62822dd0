import { drop, is, isEmpty, isJsonObject, refuse, UnsupportedField } from "gatewright";
import type { JsonObject } from "gatewright";
import { numberEmbeddings } from "./_openai/embeddings.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { become, changedMapping, NO_ACCOUNT, ONLY_MAX_TOKENS } from "./_openai/field-changes.ts";
import type { FieldChanges } from "./_openai/field-changes.ts";
import { isTextOnly } from "./_text-only.ts";

const NATIVE = "only the native API has it: use the adapter `ollama`";

/** What Ollama would pay no heed to in chats and completions alike, and never say so. */
const generation: FieldChanges = {
  n: refuse("Ollama gives one choice a request", is(1)),
  logit_bias: refuse("Ollama has no bias by token", isEmpty),
  user: drop("Ollama knows no end users", isEmpty),
  options: drop(NATIVE, isEmpty),
  keep_alive: drop(NATIVE),
  num_ctx: drop(NATIVE),
  top_k: drop(NATIVE),
  min_p: drop(NATIVE),
};

const chat: FieldChanges = {
  ...ONLY_MAX_TOKENS,
  ...NO_ACCOUNT,
  ...generation,
  tool_choice: become(
    "`auto` and `none` by giving or leaving out the tools; what forces a call is refused",
    toTools,
  ),
  parallel_tool_calls: drop("Ollama cannot be told to call one tool at a time", is(true)),
  functions: refuse("use `tools`", isEmpty),
  function_call: refuse("use `tools`"),
  modalities: refuse("Ollama answers in text", isTextOnly),
  audio: refuse("Ollama answers in text"),
  web_search_options: refuse("Ollama does not search the web"),
  moderation: refuse("Ollama does not moderate"),
  verbosity: drop("Ollama has no such hint"),
  prediction: drop("Ollama takes no predicted output"),
  service_tier: drop("Ollama has no tiers", is("auto", "default")),
};

const completions: FieldChanges = {
  ...generation,
  echo: refuse("Ollama does not repeat the prompt", is(false)),
  best_of: refuse("Ollama gives one choice a request", is(1)),
};

/** Ollama has no tool choice: tools are given or left out. */
function toTools(choice: unknown, { tools }: JsonObject): JsonObject {
  if (choice === "auto") return { tool_choice: choice };
  if (choice === "none") return { tools: undefined };
  const list = isJsonObject(choice) ? choice["allowed_tools"] : undefined;
  if (!isJsonObject(list) || list["mode"] !== "auto" || !Array.isArray(list["tools"]))
    throw new UnsupportedField("tool_choice", "`tool_choice`: Ollama cannot be made to call a tool");
  const allowed = new Set(list["tools"].map(nameOf));
  return Array.isArray(tools) ? { tools: tools.filter((tool) => allowed.has(nameOf(tool))) } : {};
}

function nameOf(tool: unknown): unknown {
  return isJsonObject(tool) && isJsonObject(tool["function"]) ? tool["function"]["name"] : undefined;
}

/**
 * Ollama by its OpenAI surface (https://docs.ollama.com/api/openai-compatibility), for what the native API of the adapter
 * `ollama` lacks, such as speech. It pays no heed to some fields and cannot be told a context length; `temperature` and
 * `top_p` that a request lacks are 1 there, whatever the model's own are.
 */
const ollamaOpenai: FamilyAdapter = openaiFamily({
  name: "ollama-openai",
  baseURL: "http://127.0.0.1:11434/v1",
  has: ["speech", "transcription", "imageGeneration"],
  operations: {
    completions: changedMapping(PATHS.completions, { changes: completions, streamUsage: true }),
    embeddings: numberEmbeddings(PATHS.embeddings, { user: drop("Ollama knows no end users", isEmpty) }),
  },
  chat: { changes: chat, reasoning: "reasoning", translatesReplies: true },
});

export default ollamaOpenai;
