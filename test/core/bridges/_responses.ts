import type { JsonObject, MappingInfo } from "gatewright";
import { responses } from "../../../core/src/operations/responses.ts";

export const bridge = responses.bridge!;

export function infoOf(request: JsonObject, fields: Partial<MappingInfo> = {}): MappingInfo {
  return {
    operation: "responses",
    model: "upstream-model",
    requestedModel: "asked-model",
    stream: false,
    options: {},
    requestId: "req_0123456789abcdef",
    nowSeconds: 1_700_000_000,
    report: () => {},
    request,
    ...fields,
  };
}

export const chatOf = (request: JsonObject): ReturnType<typeof bridge.toRequest> =>
  bridge.toRequest(request, infoOf(request));

export const messagesOf = (input: unknown, rest: JsonObject = {}): unknown =>
  chatOf({ input, ...rest }).body["messages"];

/** The bridge's events for these chunks, and what it says at the end. */
export function eventsOf(chunks: readonly JsonObject[], request: JsonObject = { input: "a" }): JsonObject[] {
  const stream = bridge.stream!;
  const info = infoOf(request, { stream: true });
  const state = stream.start(info);
  return [
    ...chunks.flatMap((chunk) => [...stream.event(state, chunk, info)]),
    ...(stream.end?.(state, info) ?? []),
  ];
}

export function chunk(delta: JsonObject, finish: string | null = null, rest: JsonObject = {}): JsonObject {
  return {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, delta, finish_reason: finish, ...rest }],
  };
}

export const usageChunk = (usage: JsonObject): JsonObject => ({ ...chunk({}), choices: [], usage });

export function reply(message: JsonObject, finish = "stop", rest: JsonObject = {}): JsonObject {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: finish }],
    ...rest,
  };
}

export const responseOf = (chatReply: JsonObject, request: JsonObject = { input: "a" }): JsonObject =>
  bridge.fromResponse(chatReply, infoOf(request));

/** What a reasoning item keeps for the vendor: base64 behind the mark of gateways. */
export function unsealed({ encrypted_content: text }: JsonObject): unknown {
  const [mark, rest] = [String(text).slice(0, 12), String(text).slice(12)];
  if (mark !== "gatewrightv1") throw new Error(`no sealed text: ${String(text)}`);
  return JSON.parse(Buffer.from(rest, "base64").toString());
}
