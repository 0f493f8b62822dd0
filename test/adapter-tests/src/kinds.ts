import { isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";
import type { Check } from "./check.ts";
import type { Exchange } from "./exchange.ts";

/** What the recorded chat exchanges of an adapter must show. */
export type ExchangeKind =
  | "plain"
  | "stream"
  | "tools"
  | "streamed tools"
  | "vision"
  | "structured output"
  | "usage details"
  | "stop reasons"
  | "errors"
  | "refusal";

interface Kind {
  /** What has to be recorded. */
  readonly wanted: string;
  isShown(chats: readonly Exchange[]): boolean;
}

export const EXCHANGE_KINDS: Readonly<Record<ExchangeKind, Kind>> = {
  plain: {
    wanted: "a chat without tools, answered whole",
    isShown: (chats) =>
      chats.some(({ request, hub }) => !isStreamed(request) && !request["tools"] && hub.reply),
  },
  stream: {
    wanted: "a streamed answer with its finish",
    isShown: (chats) => chats.some((chat) => isWholeStream(chat) && choicesOf(chat).length > 0),
  },
  tools: {
    wanted: "an answer that calls a tool",
    isShown: (chats) => chats.some((chat) => chat.hub.reply && callsTools(chat)),
  },
  "streamed tools": {
    wanted: "a streamed answer that calls a tool",
    isShown: (chats) => chats.some((chat) => isWholeStream(chat) && callsTools(chat)),
  },
  vision: {
    wanted: "a request with an `image_url`, carried or refused",
    isShown: (chats) => chats.some(({ request }) => hasImage(request["messages"])),
  },
  "structured output": {
    wanted: "a request with `response_format`, carried or refused",
    isShown: (chats) => chats.some(({ request }) => hasSchema(request["response_format"])),
  },
  "usage details": {
    wanted: "usage with `prompt_tokens_details` or `completion_tokens_details`",
    isShown: (chats) => chats.some((chat) => answersOf(chat).some(hasUsageDetails)),
  },
  "stop reasons": {
    wanted: "answers that end by `stop` and by `length`",
    isShown(chats) {
      const reasons = new Set(chats.flatMap(choicesOf).map((choice) => choice["finish_reason"]));
      return reasons.has("stop") && reasons.has("length");
    },
  },
  errors: {
    wanted: "three errors of the backend, each of another status or code",
    isShown: (chats) =>
      new Set(chats.flatMap(({ hub }) => (hub.error ? [`${hub.error.status} ${hub.error.code}`] : [])))
        .size >= 3,
  },
  refusal: {
    wanted: "an answer that the model or a filter declined: `refusal`, or finish reason `content_filter`",
    isShown: (chats) => chats.some((chat) => choicesOf(chat).some(isDeclined)),
  },
};

/** Tells which kinds of exchanges are missing, and which are waived for nothing. */
export function kindChecks(
  exchanges: readonly Exchange[],
  waived: Readonly<Partial<Record<ExchangeKind, string>>>,
): Check[] {
  const chats = exchanges.filter(({ operation }) => operation === "chat");
  const kinds = Object.entries(EXCHANGE_KINDS) as [ExchangeKind, Kind][];
  return [
    {
      group: "recorded exchanges",
      title: "are of every kind that is not waived",
      find: () =>
        kinds
          .filter(([name, { isShown }]) => waived[name] === undefined && !isShown(chats))
          .map(([name, { wanted }]) => `missing: ${name} (${wanted})`),
    },
    {
      group: "recorded exchanges",
      title: "are waived with a reason, and only where there are none",
      find: () =>
        Object.entries(waived).flatMap(([name, reason]) => {
          const kind = Object.hasOwn(EXCHANGE_KINDS, name) && EXCHANGE_KINDS[name as ExchangeKind];
          if (!kind)
            return [`there is no kind \`${name}\`: known are ${Object.keys(EXCHANGE_KINDS).join(", ")}`];
          if (reason.trim() === "") return [`\`${name}\` is waived without a reason`];
          return kind.isShown(chats) ? [`\`${name}\` is waived, and shown`] : [];
        }),
    },
  ];
}

function isStreamed(request: JsonObject): boolean {
  return request["stream"] === true;
}

function isWholeStream({ hub }: Exchange): boolean {
  return hub.stream !== undefined && !hub.truncated && !hub.stream.some((event) => event["error"]);
}

/** The reply, or the events of the stream. */
function answersOf({ hub }: Exchange): JsonObject[] {
  return hub.reply ? [hub.reply] : (hub.stream ?? []);
}

function choicesOf(exchange: Exchange): JsonObject[] {
  return answersOf(exchange).flatMap((answer) => (answer["choices"] ?? []) as JsonObject[]);
}

/** The message of a choice, or its delta. */
function saidIn(choice: JsonObject): JsonObject {
  return (choice["message"] ?? choice["delta"] ?? {}) as JsonObject;
}

function callsTools(exchange: Exchange): boolean {
  return choicesOf(exchange).some((choice) => Array.isArray(saidIn(choice)["tool_calls"]));
}

function isDeclined(choice: JsonObject): boolean {
  const { refusal } = saidIn(choice);
  return choice["finish_reason"] === "content_filter" || (typeof refusal === "string" && refusal !== "");
}

function hasUsageDetails({ usage }: JsonObject): boolean {
  if (!isJsonObject(usage)) return false;
  return Boolean(usage["prompt_tokens_details"] ?? usage["completion_tokens_details"]);
}

function hasSchema(format: unknown): boolean {
  return isJsonObject(format) && (format["type"] === "json_schema" || format["type"] === "json_object");
}

function hasImage(messages: unknown): boolean {
  if (!Array.isArray(messages)) return false;
  return (messages as JsonObject[]).some(
    ({ content }) =>
      Array.isArray(content) && (content as JsonObject[]).some(({ type }) => type === "image_url"),
  );
}
