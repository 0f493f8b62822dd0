import { requireType } from "../field-fault.ts";
import { defineOperation, type Operation, type StreamRules } from "../operation.ts";
import {
  checkAmounts,
  openaiDialect,
  readStreamError,
  readUsage,
  usageOf,
  wantsStream,
  wantsStreamField,
} from "./openai-dialect.ts";

const stream: StreamRules = {
  isContent: (json) => typeof json["type"] === "string" && json["type"].endsWith(".partial_image"),
  finishes: (json) =>
    json["type"] === "image_generation.completed" || json["type"] === "image_edit.completed" ? 1 : 0,
  error: readStreamError,
  usage: readUsage,
  terminator: null,
};

const IMAGE_FILES = ["image", "image[]", "mask"];

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
  validate: (body) => requireType(body, "prompt", ["string"], "a text") ?? checkAmounts(body),
  usage: usageOf,
  stream,
});

/** `POST /v1/images/edits`, multipart. */
export const imageEdit: Operation = defineOperation({
  name: "imageEdit",
  method: "POST",
  paths: ["/v1/images/edits"],
  imageFiles: IMAGE_FILES,
  dialect: openaiDialect,
  body: "multipart",
  reply: "json",
  replaySafe: true,
  wantsStream: wantsStreamField,
  usage: usageOf,
  stream,
});

/** `POST /v1/images/variations`, multipart. */
export const imageVariation: Operation = defineOperation({
  name: "imageVariation",
  method: "POST",
  paths: ["/v1/images/variations"],
  imageFiles: IMAGE_FILES,
  dialect: openaiDialect,
  body: "multipart",
  reply: "json",
  replaySafe: true,
  usage: usageOf,
});
