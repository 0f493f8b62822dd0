import { defineOperation, type Operation, type StreamRules } from "../operation.ts";
import { openaiDialect, readStreamError, readUsage, usageOf, wantsStreamField } from "./openai-dialect.ts";

const stream: StreamRules = {
  isContent: (json) => json["type"] === "transcript.text.delta" || json["type"] === "transcript.text.segment",
  finishes: (json) => (json["type"] === "transcript.text.done" ? 1 : 0),
  error: readStreamError,
  usage: readUsage,
  terminator: null,
};

const ALIASES = { responseFormat: "response_format" };

/** `POST /v1/audio/transcriptions`, multipart. Some models ignore the stream flag and answer whole. */
export const transcription: Operation = defineOperation({
  name: "transcription",
  method: "POST",
  paths: ["/v1/audio/transcriptions"],
  dialect: openaiDialect,
  body: "multipart",
  fieldAliases: ALIASES,
  reply: "jsonOrText",
  replaySafe: true,
  wantsStream: wantsStreamField,
  streamOptional: true,
  usage: usageOf,
  stream,
});

/** `POST /v1/audio/translations`, multipart. */
export const translation: Operation = defineOperation({
  name: "translation",
  method: "POST",
  paths: ["/v1/audio/translations"],
  dialect: openaiDialect,
  body: "multipart",
  fieldAliases: ALIASES,
  reply: "jsonOrText",
  replaySafe: true,
  usage: usageOf,
});
