import { drop, forward, is, isEmpty, refuse, translate, type FieldTable } from "../../field-table.ts";

/**
 * What becomes of the fields of a Responses request on its way to a backend that has chat alone.
 * https://developers.openai.com/api/reference/resources/responses/methods/create
 */
export const responsesFields: FieldTable = {
  model: forward("the backend's name of the model"),
  input: translate("`messages`"),
  instructions: translate("the first message, with the role `system`"),
  max_output_tokens: translate("`max_completion_tokens`"),
  temperature: forward("the same in chat"),
  top_p: forward("the same in chat"),
  top_logprobs: translate("`logprobs` and `top_logprobs`", is(0)),
  tools: translate("functions and custom tools, nested as chat has them; the vendor's own tools are refused"),
  tool_choice: translate("nested as chat has it"),
  parallel_tool_calls: translate("the same in chat; left out where there are no tools"),
  max_tool_calls: drop("it limits the vendor's own tools, and there are none"),
  text: translate("`response_format` and `verbosity`"),
  reasoning: translate(
    "`reasoning_effort`; with `summary` the reasoning is given as summary, else as content of its item",
  ),
  include: translate(
    "`message.output_text.logprobs` as `logprobs`; signed reasoning comes anyway; what chat does not give is reported",
  ),
  metadata: translate("echoed in the response"),
  stream: translate("the same in chat"),
  stream_options: translate("`include_obfuscation` is reported: streams are not padded"),
  user: forward("the same in chat"),
  safety_identifier: forward("the same in chat"),
  service_tier: forward("the same in chat"),
  moderation: forward("the same in chat"),
  prompt_cache_key: forward("the same in chat"),
  prompt_cache_options: forward("the same in chat"),
  prompt_cache_retention: forward("the same in chat"),
  store: drop("a backend that has chat alone stores no responses", is(false)),
  truncation: drop("an input that is too long is the backend's to judge", is("disabled")),
  context_management: drop("the context is sent as it is", isEmpty),
  previous_response_id: refuse("a backend that has chat alone keeps no responses"),
  conversation: refuse("a backend that has chat alone keeps no conversations"),
  prompt: refuse("a backend that has chat alone keeps no prompts"),
  background: refuse("a backend that has chat alone answers at once", is(false)),
};
