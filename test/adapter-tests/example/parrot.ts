/** An adapter of nobody's API, as one outside of this repository would be. */
import {
  defineAdapter,
  drop,
  forward,
  is,
  isEmpty,
  isJsonObject,
  refuse,
  sortFields,
  stringifyJson,
  translate,
} from "gatewright";
import type { FieldTable, JsonObject, MappingInfo, OperationName } from "gatewright";

const chat: FieldTable = {
  model: translate("`bird`"),
  messages: translate("`lines`"),
  max_completion_tokens: translate("`length`"),
  max_tokens: translate("`length`, unless `max_completion_tokens` is there"),
  stream: translate("`stream`"),
  stream_options: translate("Usage is always told", isEmpty),
  temperature: forward("the same"),
  top_p: forward("the same"),
  seed: forward("the same"),
  stop: forward("the same"),
  presence_penalty: forward("the same"),
  frequency_penalty: forward("the same"),
  tools: forward("the same"),
  tool_choice: forward("the same"),
  parallel_tool_calls: forward("the same"),
  response_format: forward("the same"),
  n: refuse("A parrot gives one answer", is(1)),
  logit_bias: refuse("Parrots have no tokens", isEmpty),
  logprobs: refuse("Parrots have no tokens", is(false)),
  top_logprobs: refuse("Parrots have no tokens", is(0)),
  functions: refuse("Use `tools`", isEmpty),
  function_call: refuse("Use `tool_choice`"),
  modalities: refuse("A parrot writes"),
  audio: refuse("A parrot writes"),
  web_search_options: refuse("A parrot stays at home"),
  moderation: refuse("A parrot says what it says"),
  reasoning_effort: drop("A parrot does not think"),
  verbosity: drop("A parrot is brief"),
  prediction: drop("It would not be faster"),
  store: drop("Nothing is kept"),
  metadata: drop("Nothing is kept"),
  service_tier: drop("There is one"),
  user: drop("It knows nobody"),
  safety_identifier: drop("It knows nobody"),
  prompt_cache_key: drop("There is no cache to choose"),
  prompt_cache_options: drop("There is no cache to choose"),
  prompt_cache_retention: drop("There is no cache to choose"),
};

/** What becomes of each request field, by operation. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = { chat };

/** A map: in an object `constructor` would be a reason too. */
const FINISH_REASONS: ReadonlyMap<unknown, string> = new Map([
  ["done", "stop"],
  ["tired", "length"],
  ["called", "tool_calls"],
  ["declined", "content_filter"],
]);

function toFinishReason(ended: unknown): string {
  return FINISH_REASONS.get(ended) ?? "stop";
}

function toUsage(words: unknown): JsonObject {
  const told = (typeof words === "object" && words !== null ? words : {}) as JsonObject;
  const count = (name: string) => (typeof told[name] === "number" ? told[name] : 0);
  return {
    prompt_tokens: count("heard"),
    completion_tokens: count("said"),
    total_tokens: count("heard") + count("said"),
    prompt_tokens_details: { cached_tokens: count("remembered") },
  };
}

function toCalls(calls: unknown): JsonObject[] {
  if (!Array.isArray(calls)) return [];
  return calls
    .filter((call): call is JsonObject => typeof call === "object" && call !== null)
    .map(({ id, name, input }) => ({
      id: String(id),
      type: "function",
      function: { name: String(name), arguments: stringifyJson(input ?? {}) },
    }));
}

function toText(said: unknown): string | null {
  return typeof said === "string" ? said : null;
}

/** Its delta of the role went out. */
interface ChatState {
  opened: boolean;
  finished: boolean;
}

function chunksOf(
  state: ChatState,
  line: JsonObject,
  { requestId, requestedModel, nowSeconds }: MappingInfo,
): JsonObject[] {
  if (typeof line["squawk"] === "string") return [{ error: { message: line["squawk"], code: "squawk" } }];
  const head = {
    id: `chatcmpl-${requestId}`,
    object: "chat.completion.chunk",
    created: nowSeconds,
    model: requestedModel,
  };
  const chunk = (delta: JsonObject, finish_reason: string | null = null): JsonObject => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason }],
  });
  const chunks: JsonObject[] = [];
  if (!state.opened) chunks.push(chunk({ role: "assistant" }));
  state.opened = true;
  const said = toText(line["said"]);
  if (said) chunks.push(chunk({ content: said }));
  const calls = toCalls(line["calls"]);
  if (calls.length > 0) chunks.push(chunk({ tool_calls: calls.map((call, index) => ({ index, ...call })) }));
  if (line["ended"] === undefined || state.finished) return chunks;
  state.finished = true;
  chunks.push(chunk({}, toFinishReason(line["ended"])));
  return [...chunks, { ...head, choices: [], usage: toUsage(line["words"]) }];
}

export default defineAdapter({
  name: "parrot",
  provider: "parrot",
  auth: (apiKey): Record<string, string> => (apiKey === undefined ? {} : { "x-parrot-key": apiKey }),
  operations: {
    chat: {
      path: "/talk",
      toRequest(request, { model, stream }) {
        const dropped = new Set<string>();
        const { forwarded, translated } = sortFields(request, chat, dropped);
        const { messages, max_completion_tokens, max_tokens, stream_options } = translated;
        if (isJsonObject(stream_options) && "include_obfuscation" in stream_options)
          dropped.add("stream_options.include_obfuscation");
        const length = max_completion_tokens ?? max_tokens;
        const body = { ...forwarded, bird: model, lines: messages, length, stream };
        return { body, dropped: [...dropped] };
      },
      fromResponse: ({ said, calls, declined, ended, words }, { requestId, requestedModel, nowSeconds }) => {
        const tool_calls = toCalls(calls);
        const message = {
          role: "assistant",
          content: toText(said),
          refusal: toText(declined),
          ...(tool_calls.length > 0 && { tool_calls }),
        };
        return {
          id: `chatcmpl-${requestId}`,
          object: "chat.completion",
          created: nowSeconds,
          model: requestedModel,
          choices: [{ index: 0, message, finish_reason: toFinishReason(ended) }],
          usage: toUsage(words),
        };
      },
      stream: {
        format: "ndjson",
        start: (): ChatState => ({ opened: false, finished: false }),
        event: (state, line, info) => chunksOf(state as ChatState, line, info),
      },
    },
  },
  models: {
    path: "/birds",
    read: (body) => (body as { birds: { name: string }[] }).birds.map(({ name }) => ({ id: name })),
  },
  health: { path: "/perch" },
  errorInReply: ({ squawk }) => (typeof squawk === "string" ? { status: 502, message: squawk } : undefined),
  fromError(_, body) {
    const { squawk, code } = (typeof body === "object" && body !== null ? body : {}) as JsonObject;
    return {
      ...(typeof squawk === "string" && { message: squawk }),
      ...(typeof code === "string" && { code }),
    };
  },
});
