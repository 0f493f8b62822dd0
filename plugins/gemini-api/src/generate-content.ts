import { defineOperation, isJsonObject, viewOf, requireContent, wholeNumber, wrongField } from "gatewright";
import type {
  FieldFault,
  JsonObject,
  JsonView,
  Operation,
  ReasoningEffortsOf,
  StreamRules,
} from "gatewright";
import { fromChatReply } from "./chat-reply.ts";
import { toChatRequest, toCountedRequest } from "./chat-request.ts";
import { chatStream } from "./chat-stream.ts";
import { geminiDialect } from "./dialect.ts";
import { answersOf, parameters, settingOf, settingsOf } from "./request-settings.ts";
import { readUsageMetadata } from "./usage.ts";

/** Google's versions of the API; `v1` stands beside OpenAI's own paths, which have no colon. */
const VERSIONS = ["v1beta", "v1"];

/** The paths of a method of models in all versions. */
export function pathsOf(...methods: readonly string[]): string[] {
  return VERSIONS.flatMap((version) => methods.map((method) => `/${version}/models/{model}:${method}`));
}

/** Where the stream is asked for by the path. */
export const STREAM_METHOD = "streamGenerateContent";

const stream: StreamRules = {
  // A part with an empty text says that something is on its way: see `chatStream`.
  isContent: (json) => candidatesOf(json).some(hasParts),
  finishes(json) {
    const { promptFeedback } = json;
    // A blocked prompt has no answers at all (ai.google.dev/api/generate-content#PromptFeedback).
    if (isJsonObject(promptFeedback) && promptFeedback["blockReason"]) return Infinity;
    return candidatesOf(json).filter(({ finishReason }) => typeof finishReason === "string").length;
  },
  error({ error }) {
    if (!isJsonObject(error)) return undefined;
    const { message, status, code } = error;
    return {
      ...(typeof message === "string" && { message }),
      ...(typeof status === "string" && { code: status }),
      ...(typeof code === "number" && { status: code }),
    };
  },
  usage: (json) => readUsageMetadata(viewOf(json)),
  modelAt: ["modelVersion"],
  terminator: null,
};

const common = {
  method: "POST",
  dialect: geminiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  answers: answersOf,
  validate: checkContents,
  usage: readUsageMetadata,
  modelMember: "modelVersion",
  ownMembers: ["model", "stream"],
  parameters,
  stream,
} as const satisfies Partial<Operation>;

/** `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`. */
export function createGenerateContent(effortsOf: ReasoningEffortsOf): Operation {
  return defineOperation({
    ...common,
    name: "generateContent",
    paths: pathsOf("generateContent", STREAM_METHOD),
    wantsStream: (_body, { path }) => path.endsWith(`:${STREAM_METHOD}`),
    bridge: {
      operation: "chat",
      toRequest: (request, info) => toChatRequest(request, info, effortsOf),
      fromResponse: fromChatReply,
      stream: chatStream,
    },
  });
}

/** `POST /v1/providers/gemini/generateContent`: the model and the stream flag in the body, Gemini backends only. */
export const geminiGenerateContent: Operation = defineOperation({
  ...common,
  name: "geminiGenerateContent",
  paths: ["/v1/providers/gemini/generateContent"],
  wantsStream: (body) => body.get("stream") === true,
  mappedAs: "generateContent",
});

/** `POST /v1beta/models/{model}:countTokens`: only where the backend counts. */
export function createCountTokens(effortsOf: ReasoningEffortsOf): Operation {
  return defineOperation({
    name: "geminiCountTokens",
    method: "POST",
    paths: pathsOf("countTokens"),
    dialect: geminiDialect,
    body: "json",
    reply: "json",
    replaySafe: true,
    ownMembers: ["model"],
    bridge: {
      operation: "countTokens",
      toRequest: (request, info) => toCountedRequest(request, info, effortsOf),
      fromResponse: ({ input_tokens }) => ({ totalTokens: input_tokens }),
    },
  });
}

function checkContents(body: JsonView): FieldFault | undefined {
  return requireContent(body, "contents", ["array"], "a list of contents") ?? checkAmounts(settingsOf(body));
}

/** Numbers that decide how much is produced: a negative or absurd one would make a negative or absurd cost. */
function checkAmounts(settings: JsonView | undefined): FieldFault | undefined {
  const tokens = settingOf(settings, "maxOutputTokens", "max_output_tokens") ?? 0;
  const count = settingOf(settings, "candidateCount", "candidate_count") ?? 1;
  return checkAmount("maxOutputTokens", tokens, 0) ?? checkAmount("candidateCount", count, 1, MAX_CANDIDATES);
}

const MAX_CANDIDATES = 128;

function checkAmount(name: string, given: unknown, least: number, most = Infinity): FieldFault | undefined {
  if (Number.isInteger(given) && (given as number) >= least && (given as number) <= most) return undefined;
  return wrongField(`generationConfig.${name}`, wholeNumber(least, most), given);
}

function candidatesOf(json: JsonObject): JsonObject[] {
  const { candidates } = json;
  return Array.isArray(candidates) ? candidates.filter(isJsonObject) : [];
}

function hasParts({ content }: JsonObject): boolean {
  return isJsonObject(content) && Array.isArray(content["parts"]) && content["parts"].length > 0;
}
