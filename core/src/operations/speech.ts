import { requireType } from "../field-fault.ts";
import { defineOperation, type Operation } from "../operation.ts";
import { openaiDialect, readStreamError, readUsage } from "./openai-dialect.ts";

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
  validate(body, _request, { speechCharacters }) {
    const fault = requireType(body, "input", ["string"], "a text");
    if (fault || !isLonger(body.get("input") as string, speechCharacters)) return fault;
    return { param: "input", message: `\`input\` must have at most ${speechCharacters} characters` };
  },
  stream: {
    isContent: (json) => json["type"] === "speech.audio.delta",
    finishes: (json) => (json["type"] === "speech.audio.done" ? 1 : 0),
    error: readStreamError,
    usage: readUsage,
    terminator: null,
  },
});

/** Characters are counted only where the length, which counts the halves of pairs, does not tell. */
function isLonger(text: string, characters: number): boolean {
  if (text.length <= characters) return false;
  return text.length > 2 * characters || [...text].length > characters;
}
