import type { MappingInfo } from "../adapter.ts";
import { isFieldName } from "../field-table.ts";
import { isJsonObject } from "../json-object.ts";
import type { JsonObject } from "../operation.ts";

/** What a message or a delta of the hub says, whichever of the spellings in use it came in. */
export interface HubMessage {
  reasoning: string;
  /** Thinking as its vendor signed it. */
  thinkingBlocks: readonly JsonObject[];
  text: string;
  refusal: string;
  /** URLs of generated images, most of them data URLs. */
  images: string[];
  /** As OpenAI's chat nests them, `{ type: "url_citation", url_citation }`. */
  annotations: readonly JsonObject[];
  /** Calls of a message, or pieces of them in a delta: see `readHubCalls` and `HubCallReader`. */
  calls: readonly JsonObject[];
  /** What a vendor wants back with the message, such as a thought's signature. */
  extra: JsonObject | undefined;
}

const NONE: readonly JsonObject[] = [];

type Info = Pick<MappingInfo, "report">;

/**
 * For bridges: reads a message or a delta. Beside the hub's own names it knows content in parts, `reasoning`, the
 * deprecated `function_call`, and the transcript of a spoken answer. It reports the names of what is none of these.
 */
export function readHubMessage(message: JsonObject, info: Info): HubMessage {
  const said: HubMessage = {
    reasoning: textOf(message["reasoning_content"]) || textOf(message["reasoning"]),
    thinkingBlocks: NONE,
    text: "",
    refusal: "",
    images: [],
    annotations: NONE,
    calls: NONE,
    extra: undefined,
  };
  for (const name in message) {
    const value = message[name];
    if (value === null || value === undefined || value === "" || value === false) continue;
    switch (name) {
      case "role":
      // Padding of streams.
      case "obfuscation":
        break;
      case "reasoning_content":
      case "reasoning":
        if (typeof value !== "string") info.report(name);
        break;
      case "content":
        if (typeof value === "string") said.text += value;
        else addParts(said, value, info);
        break;
      case "refusal":
        said.refusal += textOf(value);
        break;
      case "tool_calls":
        if (!isEmptyList(value)) said.calls = listOf(value);
        break;
      case "function_call":
        // Some servers say a call in both ways.
        if (said.calls === NONE && isCall(value)) said.calls = [{ type: "function", function: value }];
        break;
      case "thinking_blocks":
        said.thinkingBlocks = listOf(value);
        break;
      case "annotations":
        said.annotations = joined(said.annotations, value);
        break;
      case "images":
        for (const image of listOf(value)) addImage(said, image, info);
        break;
      case "extra_content":
        if (isJsonObject(value)) said.extra = value;
        break;
      case "audio":
        info.report("audio");
        // What is spoken is not written as well.
        if (isJsonObject(value) && !message["content"]) said.text += textOf(value["transcript"]);
        break;
      default:
        if (!isEmptyList(value)) reportName(name, "", info);
    }
  }
  return said;
}

/** Some servers answer in parts, as they are asked. */
function addParts(said: HubMessage, parts: unknown, info: Info): void {
  if (!Array.isArray(parts)) return info.report("content");
  for (const part of parts as unknown[]) {
    if (typeof part === "string") said.text += part;
    else if (isJsonObject(part)) addPart(said, part, info);
    else info.report("content[]");
  }
}

function addPart(said: HubMessage, part: JsonObject, info: Info): void {
  const { type, text, refusal, thinking, annotations } = part;
  if (type === "refusal") said.refusal += textOf(refusal);
  else if (type === "image_url") addImage(said, part, info);
  // Thoughts may be parts of their own, in a text or in parts once more.
  else if (type === "thinking")
    said.reasoning += Array.isArray(thinking) ? textsOf(thinking) : textOf(thinking);
  else if (type === "reasoning") said.reasoning += textOf(text);
  else if (typeof text === "string") said.text += text;
  else reportName(type, "content[].", info);
  said.annotations = joined(said.annotations, annotations);
}

function addImage(said: HubMessage, { image_url: image }: JsonObject, info: Info): void {
  const url = isJsonObject(image) ? image["url"] : image;
  if (typeof url === "string") said.images.push(url);
  else info.report("images");
}

/** A name that a backend made up goes into a header: only where it is one. */
function reportName(name: unknown, at: string, info: Info): void {
  if (isFieldName(name)) info.report(at + name);
  else if (at !== "") info.report(at.slice(0, -1));
}

function isCall(value: unknown): value is JsonObject {
  return isJsonObject(value) && (Boolean(value["name"]) || Boolean(value["arguments"]));
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function listOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : NONE;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function textsOf(parts: readonly unknown[]): string {
  return listOf(parts)
    .map(({ text }) => textOf(text))
    .join("");
}

function joined(before: readonly JsonObject[], value: unknown): readonly JsonObject[] {
  const list = listOf(value);
  return list.length === 0 ? before : [...before, ...list];
}

/**
 * The one answer of a reply or a chunk that a dialect of one answer shows: the first, or the one of `index`. Reports
 * others.
 */
export function oneHubChoice({ choices }: JsonObject, info: Info, index?: unknown): JsonObject | undefined {
  if (!Array.isArray(choices)) return undefined;
  let one: JsonObject | undefined;
  for (const choice of choices as unknown[]) {
    if (!isJsonObject(choice)) continue;
    if (!one && (index === undefined || (choice["index"] ?? 0) === index)) one = choice;
    else info.report("choices");
  }
  return one;
}

/** What a reply of the hub has beside its answers, and what only its own clients make use of. */
const READ_MEMBERS = new Set([
  "id",
  "object",
  "created",
  "model",
  "choices",
  "usage",
  "service_tier",
  "system_fingerprint",
  // Padding of streams.
  "obfuscation",
]);

/** For bridges: reports what a backend says beside the answers of a reply or a chunk, for which no dialect has a place. */
export function reportBeside(reply: JsonObject, info: Info): void {
  for (const name in reply) {
    if (READ_MEMBERS.has(name)) continue;
    const value = reply[name];
    if (value !== null && value !== undefined && !isEmptyList(value)) reportName(name, "", info);
  }
}

/** Why a choice ended; undefined for one that goes on. Some servers have an empty text there until then. */
export function finishOf({
  finish_reason: reason,
}: {
  readonly finish_reason?: unknown;
}): string | undefined {
  return typeof reason === "string" && reason !== "" ? reason : undefined;
}

/** The answer ended before the model was done, maybe within a call. */
export function isCutShort(finish: unknown): boolean {
  return finish === "length" || finish === "content_filter";
}
