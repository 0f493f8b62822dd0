import { defineOperation, type Operation, type StreamRules } from "../operation.ts";
import {
  checkAmounts,
  missing,
  openaiDialect,
  readStreamError,
  readUsage,
  wantsStream,
  wantsStreamField,
  wrongType,
} from "./openai-dialect.ts";

const stream: StreamRules = {
  isContent: (json) => typeof json["type"] === "string" && json["type"].endsWith(".partial_image"),
  finishes: (json) =>
    json["type"] === "image_generation.completed" || json["type"] === "image_edit.completed" ? 1 : 0,
  error: readStreamError,
  usage: readUsage,
  terminator: null,
};

/** `POST /v1/images/generations`. */
export const imageGeneration: Operation = defineOperation({
  name: "imageGeneration",
  method: "POST",
  paths: ["/v1/images/generations"],
  dialect: openaiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  wantsStream,
  validate(body) {
    const { prompt } = body;
    if (prompt === undefined) return missing("prompt");
    if (typeof prompt !== "string") return wrongType("prompt", "a text");
    return checkAmounts(body);
  },
  usage: readUsage,
  stream,
});

/** `POST /v1/images/edits`, multipart. */
export const imageEdit: Operation = defineOperation({
  name: "imageEdit",
  method: "POST",
  paths: ["/v1/images/edits"],
  dialect: openaiDialect,
  body: "multipart",
  reply: "json",
  replaySafe: true,
  wantsStream: wantsStreamField,
  usage: readUsage,
  stream,
});

/** `POST /v1/images/variations`, multipart. */
export const imageVariation: Operation = defineOperation({
  name: "imageVariation",
  method: "POST",
  paths: ["/v1/images/variations"],
  dialect: openaiDialect,
  body: "multipart",
  reply: "json",
  replaySafe: true,
  usage: readUsage,
});
