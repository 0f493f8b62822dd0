import { compact, isJsonObject, parseJson, SseDecoder } from "gatewright";
import type { JsonObject } from "gatewright";
import * as v from "valibot";
import { ChatAnswer } from "./chat-answer.ts";
import { readJson, toError } from "./reply-json.ts";
import { defineTool } from "./tool.ts";
import { Usage } from "./usage.ts";

const Message = v.strictObject({
  role: v.picklist(["system", "developer", "user", "assistant"]),
  content: v.pipe(
    v.union([v.string(), v.pipe(v.array(v.record(v.string(), v.unknown())), v.minLength(1))]),
    v.description('Text, or parts as in OpenAI\'s chat: {"type":"text","text":…}, {"type":"image_url",…}'),
  ),
});

export const chat = defineTool({
  name: "chat",
  title: "Ask a model",
  description: "Asks an AI model and gives its answer. The models are those that list_models shows.",
  watchable: true,
  input: v.pipe(
    v.strictObject({
      model: v.pipe(v.string(), v.description("Name of a model that can chat")),
      prompt: v.optional(v.pipe(v.string(), v.description("What to ask. Give this or messages"))),
      messages: v.optional(
        v.pipe(
          v.array(Message),
          v.minLength(1),
          v.description("A conversation so far, the question last. Give this or prompt"),
        ),
      ),
      system: v.optional(v.pipe(v.string(), v.description("How the model is to behave"))),
      temperature: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(2))),
      top_p: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
      max_tokens: v.optional(
        v.pipe(v.number(), v.integer(), v.minValue(1), v.description("The most tokens of the answer")),
      ),
      stop: v.optional(v.pipe(v.array(v.string()), v.description("Texts that end the answer"))),
    }),
    v.check(
      ({ prompt, messages }) => (prompt === undefined) !== (messages === undefined),
      "Give either `prompt` or `messages`",
    ),
  ),
  output: v.object({
    model: v.string(),
    text: v.string(),
    reasoning: v.optional(v.pipe(v.string(), v.description("The model's thoughts, where it shows them"))),
    refusal: v.optional(v.pipe(v.string(), v.description("Why the model did not answer"))),
    finish_reason: v.nullable(v.string()),
    usage: v.optional(Usage),
  }),
  async run({ model, prompt, messages, system, ...parameters }, host) {
    const { watch } = host;
    const said = messages ?? [{ role: "user", content: prompt }];
    const body = compact({
      model,
      messages: system === undefined ? said : [{ role: "system", content: system }, ...said],
      ...parameters,
      ...(watch && { stream: true, stream_options: { include_usage: true } }),
    });
    const response = await host.ask("/v1/chat/completions", body);
    const answer = new ChatAnswer(model);
    if (watch && isEventStream(response))
      for await (const chunk of chunksOf(response)) watch(answer.add(chunk));
    else answer.add(await readJson(response));
    const { text, reasoning, refusal, finishReason, usage, content, dropped } = answer;
    const structured = {
      model: answer.model,
      text,
      ...(reasoning !== "" && { reasoning }),
      ...(refusal !== "" && { refusal }),
      finish_reason: finishReason,
      ...(usage && { usage }),
    };
    return { content, structured, dropped };
  },
});

function isEventStream({ headers }: Response): boolean {
  return headers.get("content-type")?.startsWith("text/event-stream") === true;
}

/** The chunks of a stream of the gateway. Throws the error that one ends with in their place. */
async function* chunksOf({ body }: Response): AsyncGenerator<JsonObject> {
  const decoder = new SseDecoder();
  for await (const bytes of body!) {
    const chunks: JsonObject[] = [];
    decoder.push(bytes, ({ data }) => {
      if (data === null || data === "[DONE]") return;
      const json = parseJson(data);
      if (isJsonObject(json)) chunks.push(json);
    });
    for (const chunk of chunks) {
      if (chunk["error"]) throw toError(chunk["error"]);
      yield chunk;
    }
  }
}
