import type { OperationBridge } from "../../adapter.ts";
import { fromChatReply } from "./reply.ts";
import { toChatRequest } from "./request.ts";
import { responseStream, type ResponseWriter } from "./stream.ts";

/** The Responses API before backends that have chat alone. */
export const responsesBridge: OperationBridge<ResponseWriter> = {
  operation: "chat",
  toRequest: toChatRequest,
  fromResponse: fromChatReply,
  stream: responseStream,
};
