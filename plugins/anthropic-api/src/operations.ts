import {
  defineOperation,
  isJsonObject,
  checkWhole,
  requireContent,
  requireType,
  wholeNumber,
} from "gatewright";
import type {
  DownstreamRequest,
  FieldFault,
  JsonView,
  Operation,
  OperationBridge,
  ReasoningEffortsOf,
} from "gatewright";
import { toChatRequest } from "./chat-request.ts";
import { anthropicDialect } from "./dialect.ts";
import { toMessage } from "./message-reply.ts";
import { messageStream, type MessageStreamState } from "./message-stream.ts";
import { readUsage } from "./usage.ts";

declare module "gatewright" {
  interface OperationNames {
    messages: true;
    messagesCountTokens: true;
    claudeMessages: true;
    anthropicModels: true;
  }
}

/** `POST /v1/messages`, its token counter, and the native door to backends that speak the dialect themselves. */
export function createOperations(effortsFor: ReasoningEffortsOf): Operation[] {
  const bridge: OperationBridge<MessageStreamState> = {
    operation: "chat",
    toRequest: (request, info) => toChatRequest(request, info, effortsFor),
    fromResponse: toMessage,
    stream: messageStream,
  };
  const messages: Operation = {
    name: "messages",
    method: "POST",
    paths: ["/v1/messages"],
    dialect: anthropicDialect,
    body: "json",
    reply: "json",
    replaySafe: true,
    parameters: { temperature: [{ name: "temperature" }], outputLimit: [{ name: "max_tokens" }] },
    wantsStream: (body) => body.get("stream") === true,
    validate: (body, request) => requireVersion(request) ?? checkMessages(body) ?? checkMaxTokens(body),
    usage: (reply) => readUsage(reply.get("usage")),
    stream: {
      isContent: (json) => {
        if (json["type"] === "content_block_delta") return true;
        if (json["type"] !== "content_block_start") return false;
        const { content_block: block } = json;
        // What else there is comes whole with its start, or is a call.
        return isJsonObject(block) && block["type"] !== "text" && block["type"] !== "thinking";
      },
      finishes: (json) => (json["type"] === "message_stop" ? 1 : 0),
      error(json) {
        if (json["type"] !== "error") return undefined;
        const { type, message }: Record<string, unknown> = isJsonObject(json["error"]) ? json["error"] : {};
        return {
          ...(typeof message === "string" && { message }),
          ...(typeof type === "string" && { code: type }),
        };
      },
      usage(json, _type, before) {
        const { message } = json;
        return readUsage(isJsonObject(message) ? message["usage"] : json["usage"], before);
      },
      eventName: ({ type }) => String(type),
      modelAt: ["message", "model"],
      terminator: null,
    },
    bridge,
  };
  return [
    defineOperation(messages),
    defineOperation({
      ...messages,
      name: "claudeMessages",
      paths: ["/v1/providers/claude/messages"],
      mappedAs: "messages",
      bridge: undefined,
      validate: (body) => checkMessages(body) ?? checkMaxTokens(body),
    }),
    defineOperation({
      name: "messagesCountTokens",
      method: "POST",
      paths: ["/v1/messages/count_tokens"],
      dialect: anthropicDialect,
      body: "json",
      reply: "json",
      replaySafe: true,
      validate: (body, request) => requireVersion(request) ?? checkMessages(body),
      bridge: {
        operation: "countTokens",
        toRequest: bridge.toRequest,
        fromResponse: ({ input_tokens }) => ({ input_tokens }),
      },
    }),
  ];
}

function requireVersion({ headers }: DownstreamRequest): FieldFault | undefined {
  const param = "anthropic-version";
  return headers[param]
    ? undefined
    : {
        param,
        missing: true,
        message: `The header \`${param}\` is required: a version, such as \`2023-06-01\``,
      };
}

function checkMessages(body: JsonView): FieldFault | undefined {
  return requireContent(body, "messages", ["array"], "a list of messages");
}

function checkMaxTokens(body: JsonView): FieldFault | undefined {
  return requireType(body, "max_tokens", ["number"], wholeNumber(0)) ?? checkWhole(body, "max_tokens", 0);
}
