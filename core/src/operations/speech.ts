import { defineOperation, type Operation } from "../operation.ts";
import { openaiDialect, readStreamError, readUsage, requireType } from "./openai-dialect.ts";

/** Longest text that OpenAI's servers speak. */
const MAX_INPUT_CHARACTERS = 4_096;

/** `POST /v1/audio/speech`: audio bytes as they come, or events with `stream_format: "sse"`. */
export const speech: Operation = defineOperation({
  name: "speech",
  method: "POST",
  paths: ["/v1/audio/speech"],
  dialect: openaiDialect,
  body: "json",
  reply: "binary",
  replaySafe: true,
  wantsStream: (body) => body.get("stream_format") === "sse",
  validate(body) {
    const fault = requireType(body, "input", ["string"], "a text");
    if (fault || [...(body.get("input") as string)].length <= MAX_INPUT_CHARACTERS) return fault;
    return { param: "input", message: `\`input\` must have at most ${MAX_INPUT_CHARACTERS} characters` };
  },
  stream: {
    isContent: (json) => json["type"] === "speech.audio.delta",
    finishes: (json) => (json["type"] === "speech.audio.done" ? 1 : 0),
    error: readStreamError,
    usage: readUsage,
    terminator: null,
  },
});
