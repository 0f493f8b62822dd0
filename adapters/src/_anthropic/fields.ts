import { drop, forward, is, isEmpty, refuse, translate } from "gatewright";
import type { FieldTable } from "gatewright";
import { isTextOnly } from "../_text-only.ts";

/** Fates of the fields of a chat request. */
export const chatFields: FieldTable = {
  model: translate("the model's name at the backend"),
  messages: translate("system texts to `system`, results of tools before the texts of a user turn"),
  stream: translate("itself", is(false)),
  stream_options: translate(
    "usage always comes with a stream; obfuscation is left out and reported",
    isEmpty,
  ),
  max_completion_tokens: translate("`max_tokens`"),
  max_tokens: translate("itself; Anthropic requires it, so that one is chosen and reported where it lacks"),
  // 1 is the default on both sides, and more than one of the two is refused by current models.
  temperature: translate("itself, 1 at most; models without it: left out and reported", is(1)),
  top_p: translate("itself, unless there is a temperature; models without it: left out and reported", is(1)),
  top_k: translate("itself, a field of Anthropic's own; models without it: left out and reported"),
  min_p: drop("Anthropic has no such limit"),
  stop: translate("`stop_sequences`", isEmpty),
  stop_sequences: forward("a field of Anthropic's own; wins over `stop`, which is then reported"),
  n: refuse("Anthropic gives one choice a request", is(1)),
  seed: drop("Anthropic has no seed"),
  presence_penalty: drop("Anthropic has no penalties", is(0)),
  frequency_penalty: drop("Anthropic has no penalties", is(0)),
  logit_bias: refuse("Anthropic has no bias by token", isEmpty),
  logprobs: refuse("Anthropic gives no log probabilities", is(false)),
  top_logprobs: refuse("Anthropic gives no log probabilities", is(0)),
  tools: translate("`parameters` to `input_schema`; Anthropic's own tools as they are", isEmpty),
  tool_choice: translate("`auto`, `none`, `any` or `tool`; `allowed_tools` by leaving out the others"),
  parallel_tool_calls: translate("`tool_choice.disable_parallel_tool_use`", is(true)),
  functions: refuse("use `tools`", isEmpty),
  function_call: refuse("use `tools`"),
  response_format: translate(
    "`output_config.format`, a tool, or an instruction, as the model and the config say",
  ),
  reasoning_effort: translate("`output_config.effort` and `thinking`, as the model takes them"),
  thinking: forward("a field of Anthropic's own; wins over `reasoning_effort`, which is then reported"),
  output_config: forward("a field of Anthropic's own; its members win over those made of other fields"),
  system: refuse("use a message of the role `system`"),
  modalities: refuse("Claude answers in text", isTextOnly),
  audio: refuse("Claude answers in text"),
  web_search_options: refuse("use Anthropic's own tool `web_search`"),
  moderation: refuse("Anthropic does not moderate on request"),
  verbosity: drop("Anthropic has no such hint"),
  prediction: drop("Anthropic takes no predicted output"),
  store: drop("Anthropic stores nothing on request", is(false)),
  metadata: drop("Anthropic's metadata names the user alone", isEmpty),
  user: translate("`metadata.user_id`", isEmpty),
  safety_identifier: translate("`metadata.user_id`; wins over `user`", isEmpty),
  service_tier: translate("`auto`, and `default` as `standard_only`; others are left out and reported"),
  prompt_cache_key: drop("Anthropic caches by `cache_control`", isEmpty),
  prompt_cache_options: drop("Anthropic caches by `cache_control`", isEmpty),
  prompt_cache_retention: drop("Anthropic caches by `cache_control`"),
};

/**
 * Fates of the members of one message. Unlike at the top, one that is not listed is left out and reported: Anthropic
 * refuses what it does not know.
 */
export const messageFields: FieldTable = {
  role: translate("`system` and `developer` to `system`, `tool` to a user turn"),
  content: translate("blocks"),
  refusal: translate("a text block"),
  thinking_blocks: translate("`thinking` and `redacted_thinking` blocks, as Anthropic gave them", isEmpty),
  tool_calls: translate("`tool_use` blocks, arguments as objects", isEmpty),
  tool_call_id: translate("`tool_use_id` of a `tool_result` block"),
  cache_control: translate("that of the message's last block"),
  reasoning_content: drop("Anthropic takes back only thinking that it signed", isEmpty),
  reasoning: drop("Anthropic takes back only thinking that it signed", isEmpty),
  name: drop("Anthropic does not tell participants apart", isEmpty),
  annotations: drop("Anthropic takes back only citations of its own", isEmpty),
  audio: refuse("it refers to audio that another backend keeps"),
  function_call: refuse("use `tool_calls`"),
};

/** Members that any content part may have. */
const partFields: FieldTable = {
  type: translate("the block's type"),
  cache_control: forward("the same"),
};

const TEXT_OR_MEDIA = "Anthropic takes text, images and documents";

/** Fates of the members of content parts, by type of part. Members that are not listed are reported. */
export const contentPartFields: Readonly<Record<string, FieldTable>> = {
  text: { ...partFields, text: translate("a `text` block; an empty one is left out") },
  refusal: { ...partFields, refusal: translate("a `text` block") },
  image_url: { ...partFields, image_url: translate("an `image` block: base64 or URL") },
  file: {
    ...partFields,
    file: translate("a `document` block: PDF or plain text as data URL"),
    citations: forward("the same: asks for citations of the document"),
    context: forward("the same"),
    title: forward("the same; wins over the name of the file"),
  },
  input_audio: { ...partFields, input_audio: refuse(TEXT_OR_MEDIA) },
};
