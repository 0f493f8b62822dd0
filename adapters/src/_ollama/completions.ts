import { UnsupportedField } from "gatewright";
import type { JsonObject, MappedRequest, MappingInfo, StreamMapping } from "gatewright";
import { forward, is, isEmpty, refuse, sortFields, translate } from "gatewright";
import type { FieldTable } from "gatewright";
import { compact, isJsonObject } from "gatewright";
import { reportStreamOptions } from "../_stream-options.ts";
import { generationFields, toParameters } from "./options.ts";
import type { OllamaSettings } from "./options.ts";
import { NO_ANSWER, readLogprobs, toCreated, toErrorMessage, toFinishReason, toUsage } from "./reply.ts";

type Info = MappingInfo<OllamaSettings>;

/** Fates of the fields of a completions request. */
export const completionsFields: FieldTable = {
  ...generationFields,
  prompt: translate("one text; several prompts and tokens are refused"),
  suffix: forward("the same in Ollama; the model's template has to know it"),
  logprobs: translate("`logprobs: true` and `top_logprobs`"),
  think: forward("a field of Ollama's own"),
  format: forward("a field of Ollama's own"),
  echo: refuse("Ollama does not repeat the prompt", is(false)),
  best_of: refuse("Ollama gives one choice a request", is(1)),
};

export function toGenerateRequest(request: JsonObject, info: Info): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, completionsFields, dropped);
  reportStreamOptions(translated["stream_options"], dropped);
  const body = compact({
    ...forwarded,
    model: info.model,
    prompt: toPrompt(translated["prompt"]),
    stream: info.stream,
    ...toLogprobsFlags(translated["logprobs"]),
    think: forwarded["think"] ?? info.options.think,
    keep_alive: forwarded["keep_alive"] ?? info.options.keepAlive,
    options: toParameters(translated, info.options, dropped),
  });
  return { body, dropped: [...dropped] };
}

/** An empty prompt is refused too: to Ollama it means to load the model and generate nothing. */
function toPrompt(prompt: unknown): string {
  const text = Array.isArray(prompt) && prompt.length === 1 ? (prompt[0] as unknown) : prompt;
  if (typeof text === "string" && text !== "") return text;
  throw new UnsupportedField("prompt", "`prompt`: Ollama takes one text that is not empty");
}

/** 0 asks for the chosen token's own probability, without alternatives. */
function toLogprobsFlags(count: unknown): JsonObject {
  if (count === undefined || count === false) return {};
  return { logprobs: true, ...(typeof count === "number" && count > 0 && { top_logprobs: count }) };
}

export function fromGenerateReply(reply: JsonObject, info: Info): JsonObject {
  return {
    ...toHead(toCreated(reply, info), info),
    choices: [
      {
        index: 0,
        text: reply["response"],
        ...(reply["thinking"] ? { reasoning_content: reply["thinking"] } : {}),
        logprobs: toLogprobs(reply, 0),
        finish_reason: toFinishReason(reply, info),
      },
    ],
    usage: toUsage(reply),
  };
}

interface GenerateStreamState {
  created: number | undefined;
  /** Characters so far, for `text_offset`. */
  offset: number;
  over: boolean;
}

export const generateStream: StreamMapping<OllamaSettings, GenerateStreamState> = {
  format: "ndjson",
  start: () => ({ created: undefined, offset: 0, over: false }),
  event(state, line, info) {
    if (state.over) return [];
    if (line["error"]) {
      state.over = true;
      return [{ error: { message: toErrorMessage(line["error"]) } }];
    }
    const head = toHead((state.created ??= toCreated(line, info)), info);
    const chunks: JsonObject[] = [];
    const push = (choice: JsonObject) =>
      chunks.push({
        ...head,
        choices: [{ index: 0, text: "", logprobs: null, finish_reason: null, ...choice }],
      });

    const text = typeof line["response"] === "string" ? line["response"] : "";
    if (line["thinking"]) push({ reasoning_content: line["thinking"] });
    const logprobs = toLogprobs(line, state.offset);
    if (text !== "" || logprobs) push({ text, logprobs });
    state.offset += text.length;
    if (line["done"] !== true) return chunks;

    state.over = true;
    const reason = toFinishReason(line, info);
    if (reason === undefined) return [{ error: { message: NO_ANSWER } }];
    push({ finish_reason: reason });
    chunks.push({ ...head, choices: [], usage: toUsage(line) });
    return chunks;
  },
};

function toHead(created: number, info: Info): JsonObject {
  return { id: `cmpl-${info.requestId}`, object: "text_completion", created, model: info.requestedModel };
}

/** Items by token to the lists of the older API. `offset` is where the first token starts in the text. */
function toLogprobs(reply: JsonObject, offset: number): JsonObject | null {
  const items = readLogprobs(reply);
  if (!items) return null;
  let at = offset;
  return {
    tokens: items.map(({ token }) => token),
    token_logprobs: items.map(({ logprob }) => logprob),
    top_logprobs: items.map(({ top_logprobs: top }) =>
      isEmpty(top ?? [])
        ? null
        : Object.fromEntries(toList(top).map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: items.map(({ token }) => (at += String(token).length) - String(token).length),
  };
}

function toList(items: unknown): JsonObject[] {
  return Array.isArray(items) ? items.filter(isJsonObject) : [];
}
