import { asObject, asText, isObject, type JsonObject } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";
import { isSigned } from "../signature.ts";
import { refuseOthers, wrong } from "./fields.ts";

/** One content of a conversation. */
export interface Content {
  readonly role: "user" | "model";
  readonly parts: JsonObject[];
}

/** What a part can hold, of which it holds one. */
const DATA = [
  "text",
  "inlineData",
  "fileData",
  "functionCall",
  "functionResponse",
  "executableCode",
  "codeExecutionResult",
];
const BESIDE = ["thought", "thoughtSignature", "videoMetadata", "mediaResolution"];

/** Stands for the signature of a call that another model made: https://ai.google.dev/gemini-api/docs/thought-signatures. */
const FOREIGN_SIGNATURE = "skip_thought_signature_validator";

/**
 * The contents of a request, checked. Sources: https://ai.google.dev/api/caching#Content,
 * https://ai.google.dev/gemini-api/docs/function-calling and https://ai.google.dev/gemini-api/docs/thought-signatures.
 */
export function readContents(contents: unknown, model: string): Content[] {
  if (!Array.isArray(contents) || contents.length === 0) throw wrong("contents", "contents is not specified");
  const read = joined(contents.map((content, index) => readContent(content, `contents[${index}]`)));
  checkCalls(read);
  if (/^gemini-[3-9]/.test(model)) checkSignatures(read);
  return read;
}

/** Contents of one role in a row are one: Google's SDKs keep a streamed answer as one for each of its chunks. */
function joined(contents: readonly Content[]): Content[] {
  const list: Content[] = [];
  for (const { role, parts } of contents) {
    const last = list.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else list.push({ role, parts: [...parts] });
  }
  return list;
}

/** The text of `systemInstruction`, which holds nothing else. */
export function readInstruction(instruction: unknown): string {
  if (instruction === undefined) return "";
  return readParts(asObject(instruction).parts, "systemInstruction")
    .map(({ text }) => {
      if (typeof text === "string") return text;
      throw wrong("systemInstruction", "only text is supported");
    })
    .join("\n");
}

function readContent(content: unknown, at: string): Content {
  const { role, parts, ...rest } = asObject(content);
  refuseOthers(rest, [], at);
  if (role !== undefined && role !== "user" && role !== "model")
    throw new Refusal(400, "Please use a valid role: user, model.");
  const read = readParts(parts, at);
  const calls = read.some(({ functionCall }) => functionCall !== undefined);
  const answers = read.some(({ functionResponse }) => functionResponse !== undefined);
  if (role === "model" ? answers : calls)
    throw wrong(`${at}.parts`, `role '${role ?? "user"}' does not support this kind of part`);
  return { role: role ?? "user", parts: read };
}

function readParts(parts: unknown, at: string): JsonObject[] {
  if (!Array.isArray(parts) || parts.length === 0)
    throw wrong(`${at}.parts`, "contents.parts must not be empty.");
  return parts.map((part: unknown, index) => checkPart(asObject(part), `${at}.parts[${index}]`));
}

function checkPart(part: JsonObject, at: string): JsonObject {
  refuseOthers(part, [...DATA, ...BESIDE], at);
  const kinds = DATA.filter((kind) => part[kind] !== undefined);
  if (kinds.length === 0)
    throw wrong(`${at}.data`, "required oneof field 'data' must have one initialized field");
  if (kinds.length > 1)
    throw new Refusal(400, `Invalid value at '${at}' (oneof), oneof field 'data' is already set.`);
  const { inlineData, fileData, functionCall, functionResponse, text, thoughtSignature } = part;
  if (text !== undefined && typeof text !== "string")
    throw new Refusal(400, `Invalid value at '${at}.text' (TYPE_STRING)`);
  if (inlineData !== undefined) checkBlob(asObject(inlineData), `${at}.inlineData`);
  if (fileData !== undefined) refuseOthers(asObject(fileData), ["mimeType", "fileUri"], `${at}.fileData`);
  if (functionCall !== undefined) checkCall(asObject(functionCall), `${at}.functionCall`);
  if (functionResponse !== undefined) checkResponse(asObject(functionResponse), `${at}.functionResponse`);
  if (thoughtSignature !== undefined && typeof thoughtSignature !== "string")
    throw new Refusal(400, `Invalid value at '${at}.thoughtSignature' (TYPE_BYTES)`);
  return part;
}

function checkBlob({ mimeType, data, ...rest }: JsonObject, at: string): void {
  refuseOthers(rest, ["displayName"], at);
  if (!/^[\w.+-]+\/[\w.+-]+$/.test(asText(mimeType) ?? ""))
    throw new Refusal(400, `Unsupported MIME type: ${String(mimeType)}`);
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(asText(data) ?? ""))
    throw new Refusal(400, `Invalid value at '${at}.data' (TYPE_BYTES), Base64 decoding failed`);
}

function checkCall({ name, args, ...rest }: JsonObject, at: string): void {
  refuseOthers(rest, ["id"], at);
  if (!asText(name)) throw wrong(`${at}.name`, "Name cannot be empty.");
  if (args !== undefined && !isObject(args)) throw new Refusal(400, `Invalid value at '${at}.args' (Struct)`);
}

function checkResponse({ name, response, ...rest }: JsonObject, at: string): void {
  refuseOthers(rest, ["id", "parts", "willContinue", "scheduling"], at);
  if (!asText(name)) throw wrong(`${at}.name`, "Name cannot be empty.");
  if (!isObject(response)) throw wrong(`${at}.response`, "response is not specified");
}

/** A turn of calls follows the user's, and the very next content answers each of them. */
function checkCalls(contents: readonly Content[]): void {
  for (const [index, { parts, role }] of contents.entries()) {
    const responses = membersOf(parts, "functionResponse");
    const before = contents[index - 1];
    const calls = before?.role === "model" ? membersOf(before.parts, "functionCall") : [];
    if (responses.length > 0 && calls.length === 0)
      throw new Refusal(
        400,
        "Please ensure that function response turn comes immediately after a function call turn.",
      );
    if (responses.length !== calls.length)
      throw new Refusal(
        400,
        "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
      );
    for (const { name, id } of responses) {
      const call = calls.find((one) =>
        id === undefined || one.id === undefined ? one.name === name : one.id === id,
      );
      if (!call || call.name !== name)
        throw new Refusal(400, `Function response '${String(name)}' does not match a function call.`);
    }
    const isCall = role === "model" && parts.some(({ functionCall }) => functionCall !== undefined);
    if (isCall && before?.role !== "user")
      throw new Refusal(
        400,
        "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
      );
  }
  const last = contents.at(-1)!;
  if (last.parts.some(({ functionCall }) => functionCall !== undefined))
    throw new Refusal(
      400,
      "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
    );
}

function membersOf(parts: readonly JsonObject[], kind: string): JsonObject[] {
  return parts.map((part) => part[kind]).filter(isObject);
}

/** In the turn that still runs, which began with the user's last own words, each step's first call is signed. */
function checkSignatures(contents: readonly Content[]): void {
  const start = contents.findLastIndex(
    ({ role, parts }) =>
      role === "user" && parts.some(({ functionResponse }) => functionResponse === undefined),
  );
  for (const [index, { role, parts }] of contents.entries()) {
    if (role !== "model") continue;
    const first = parts.findIndex(({ functionCall }) => functionCall !== undefined);
    for (const [place, part] of parts.entries()) {
      const { functionCall, thoughtSignature: signature } = part;
      if (signature === undefined) {
        if (index > start && place === first)
          throw new Refusal(
            400,
            `Function call is missing a thought_signature in functionCall parts. (contents[${index}].parts[${place}])`,
          );
        continue;
      }
      const signed = functionCall === undefined ? "text" : asText(asObject(functionCall).name)!;
      if (signature !== FOREIGN_SIGNATURE && !isSigned(signed, signature))
        throw new Refusal(400, "Corrupted thought signature.");
    }
  }
}
