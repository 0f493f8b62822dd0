import { defineOperation, isJsonObject, writeSse } from "gatewright";
import type {
  Dialect,
  DownstreamRequest,
  FieldFault,
  JsonObject,
  JsonView,
  Operation,
  StreamRules,
  Usage,
} from "gatewright";
import { geminiDialect } from "./dialect.ts";

const ROOT = "/v1beta/interactions";

/** The streams have a word of their own for errors. */
const dialect: Dialect = {
  ...geminiDialect,
  errorEvent: (error, requestId) => {
    const body = JSON.parse(geminiDialect.errorBody(error, requestId)) as JsonObject;
    return writeSse(JSON.stringify({ event_type: "error", ...body }), "error");
  },
};

/** Statuses of an interaction that goes on by itself. */
const UNFINISHED: ReadonlySet<unknown> = new Set(["in_progress", "queued", "requires_continuation"]);

/** https://ai.google.dev/gemini-api/docs/interactions; the events are those of `@google/genai` 2.32. */
const stream: StreamRules = {
  // A step begins empty, and says something or ends.
  isContent: ({ event_type: type }) => type === "step.delta" || type === "step.stop",
  finishes({ event_type: type, status }) {
    const isOver =
      type === "interaction.completed" || (type === "interaction.status_update" && !UNFINISHED.has(status));
    return isOver ? 1 : 0;
  },
  error({ event_type: type, error }) {
    if (type !== "error") return undefined;
    const { message, code } = isJsonObject(error) ? error : {};
    return {
      ...(typeof message === "string" && { message }),
      ...(typeof code === "string" && { code }),
    };
  },
  usage: ({ interaction, usage }) => readUsage(isJsonObject(interaction) ? interaction["usage"] : usage),
  eventName: ({ event_type: type }) => String(type),
  modelAt: ["interaction", "model"],
  terminator: "[DONE]",
};

/** `/v1beta/interactions`: backends that speak it themselves get and give its bytes. There is no translation. */
export function createInteractions(): Operation[] {
  const shared = { dialect, reply: "json", stream } as const;
  const below = {
    ...shared,
    paths: [`${ROOT}/**`],
    body: "none",
    mappedAs: "interactions",
    // RFC 9110, section 9.2.2: to read, to delete or to cancel twice is to do it once.
    replaySafe: true,
    pathBelow: ({ path, query }: DownstreamRequest) => path.slice(ROOT.length) + queryBelow(query),
  } as const;
  return [
    defineOperation({
      ...shared,
      name: "interactions",
      method: "POST",
      paths: [ROOT],
      body: "json",
      // It is kept, and may run on in the background.
      replaySafe: false,
      parameters: {
        temperature: [{ within: "generation_config", name: "temperature" }],
        outputLimit: [{ within: "generation_config", name: "max_output_tokens" }],
      },
      wantsStream: (body) => body.get("stream") === true,
      validate: checkModel,
      usage: (reply) => readUsage(reply.get("usage")),
    }),
    defineOperation({
      ...below,
      name: "interactionRetrieval",
      method: "GET",
      wantsStream: (_body, { query }) => new URLSearchParams(query).get("stream") === "true",
    }),
    defineOperation({ ...below, name: "interactionDeletion", method: "DELETE" }),
    defineOperation({ ...below, name: "interactionCancellation", method: "POST" }),
  ];
}

function checkModel(body: JsonView): FieldFault | undefined {
  if (body.typeOf("agent") !== "string") return undefined;
  return { param: "agent", message: "`agent`: interactions go to models here, and to no agents" };
}

function readUsage(counts: unknown): Usage | undefined {
  if (!isJsonObject(counts)) return undefined;
  const { total_input_tokens, total_tool_use_tokens, total_output_tokens, total_thought_tokens } = counts;
  const thoughts = toCount(total_thought_tokens);
  const cached = toCount(counts["total_cached_tokens"]);
  const inputTokens = toCount(total_input_tokens) + toCount(total_tool_use_tokens);
  const outputTokens = toCount(total_output_tokens) + thoughts;
  const usage: Usage = {
    inputTokens,
    outputTokens,
    totalTokens: toCount(counts["total_tokens"]) || inputTokens + outputTokens,
  };
  if (cached > 0) usage.cachedTokens = cached;
  if (thoughts > 0) usage.reasoningTokens = thoughts;
  return usage;
}

function toCount(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** What the API knows in a query. Whatever else clients put there, a key among it, is not the backend's to see. */
const QUERY_NAMES = /^(?:stream|last_event_id|include_input)$/;

function queryBelow(query: string): string {
  const known = [...new URLSearchParams(query)].filter(([name]) => QUERY_NAMES.test(name));
  return known.length === 0 ? "" : `?${new URLSearchParams(known).toString()}`;
}
