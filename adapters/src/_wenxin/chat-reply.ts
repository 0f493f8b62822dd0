import { callIdOf, isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo, StreamMapping } from "gatewright";

type Info = MappingInfo<unknown>;

export function fromChatReply(reply: JsonObject, info: Info): JsonObject {
  const calls = toToolCalls(reply, info);
  const result = toText(reply["result"]);
  return {
    id: toId(reply, info),
    object: "chat.completion",
    created: toCreated(reply, info),
    model: info.requestedModel,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: result === "" && calls.length > 0 ? null : result,
          refusal: null,
          ...(calls.length > 0 && { tool_calls: calls }),
        },
        logprobs: null,
        finish_reason: toFinish(reply),
      },
    ],
    ...(isJsonObject(reply["usage"]) && { usage: reply["usage"] }),
  };
}

interface ChatStreamState {
  head: JsonObject | undefined;
  called: boolean;
}

/** Pieces of `result` to chunks; the one with `is_end` ends the answer. */
export const chatStream: StreamMapping<unknown, ChatStreamState> = {
  format: "sse",
  start: () => ({ head: undefined, called: false }),
  event(state, json, info) {
    const failure = errorInReply(json);
    if (failure) return [{ error: failure }];
    const opening = state.head === undefined;
    const head = (state.head ??= {
      id: toId(json, info),
      object: "chat.completion.chunk",
      created: toCreated(json, info),
      model: info.requestedModel,
    });
    const chunk = (delta: JsonObject, finish_reason: string | null = null): JsonObject => ({
      ...head,
      choices: [{ index: 0, delta, finish_reason }],
    });
    const chunks = opening ? [chunk({ role: "assistant" })] : [];
    const text = toText(json["result"]);
    if (text !== "") chunks.push(chunk({ content: text }));
    const calls = toToolCalls(json, info);
    if (calls.length > 0) {
      state.called = true;
      chunks.push(chunk({ tool_calls: calls.map((call, index) => ({ index, ...call })) }));
    }
    if (json["is_end"] !== true) return chunks;
    chunks.push(chunk({}, state.called ? "tool_calls" : toFinish(json)));
    if (isJsonObject(json["usage"])) chunks.push({ ...head, choices: [], usage: json["usage"] });
    return chunks;
  },
};

/**
 * `{ error_code, error_msg }`, with status 200 (https://cloud.baidu.com/doc/WENXINWORKSHOP/s/tlmyncueh). 100, 110 and 111
 * are a token that is bad or has expired.
 */
export function errorInReply({
  error_code,
  error_msg,
}: JsonObject): { status: number; message?: string; code: string } | undefined {
  if (typeof error_code !== "number" || error_code === 0) return undefined;
  const status = STATUSES.get(error_code) ?? 500;
  return { status, ...(typeof error_msg === "string" && { message: error_msg }), code: String(error_code) };
}

const STATUSES: ReadonlyMap<number, number> = new Map([
  // No service there, or no right to use it.
  [3, 404],
  [6, 403],
  // Calls of a cluster, of a day, of a second, and all that was paid for.
  [4, 429],
  [17, 429],
  [18, 429],
  [19, 429],
  [13, 401],
  [14, 401],
  [15, 401],
  [100, 401],
  [110, 401],
  [111, 401],
  // What the request says is wrong.
  [336001, 400],
  [336002, 400],
  [336003, 400],
  [336004, 400],
  [336005, 400],
  [336006, 400],
  [336007, 400],
  [336100, 503],
  [336103, 400],
  [336501, 429],
  [336502, 429],
]);

function toFinish({ finish_reason, is_truncated, function_call, need_clear_history }: JsonObject): string {
  if (isJsonObject(function_call) || finish_reason === "function_call") return "tool_calls";
  if (finish_reason === "content_filter" || need_clear_history === true) return "content_filter";
  return finish_reason === "length" || is_truncated === true ? "length" : "stop";
}

/** Wenxin's calls have no ids. */
function toToolCalls({ function_call }: JsonObject, info: Info): JsonObject[] {
  if (!isJsonObject(function_call)) return [];
  const { name, arguments: input } = function_call;
  const id = callIdOf(info.requestId, 0);
  return [{ id, type: "function", function: { name, arguments: toText(input) || "{}" } }];
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function toId({ id }: JsonObject, info: Info): string {
  return typeof id === "string" ? id : `chatcmpl-${info.requestId}`;
}

function toCreated({ created }: JsonObject, info: Info): number {
  return typeof created === "number" ? created : info.nowSeconds;
}
