import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { describeValue, type ConfigFault } from "./fault.ts";
import { jsonFaultOffset } from "./json-offset.ts";

interface Place {
  file?: string;
  line?: number;
  column?: number;
}

export interface ReadScope {
  readonly file: string;
  /** Files of the project: a frame of the stack in one of them is the place. */
  readonly files: ReadonlySet<string>;
  /** Of a JSON file. */
  readonly text?: string | undefined;
}

/**
 * What went wrong while a file was read or evaluated, with its place and without a stack. Parsers like to quote the
 * text around the fault, and that may be a key: only their reason is kept.
 */
export function toReadFault(thrown: unknown, { file, files, text }: ReadScope): ConfigFault {
  const error = thrown instanceof Error ? thrown : new Error(describeThrown(thrown));
  const { reason, place, expected } = readError(error, files, text);
  return { file, path: "", ...place, expected, received: reason, message: reason };
}

/** Of what is no error: a text is its author's word, anything else says nothing by itself. */
export function describeThrown(thrown: unknown): string {
  return typeof thrown === "string" ? thrown : `${describeValue(thrown)} was thrown`;
}

interface ReadError {
  reason: string;
  place: Place;
  expected: string;
}

const SYNTAX = "valid syntax";

/** Each knows the errors of one parser, or of imports. */
const READERS: readonly ((error: Error, text: string | undefined) => ReadError | undefined)[] = [
  readYamlError,
  readTomlError,
  readJsonError,
  readCompilerError,
  readImportError,
];

function readError(error: Error, files: ReadonlySet<string>, text?: string): ReadError {
  for (const read of READERS) {
    const found = read(error, text);
    if (found) return found;
  }
  return {
    reason: firstLine(withoutSecrets(error.message)) || error.name,
    place: firstOwnFrame(error, files),
    expected: "code that does not throw",
  };
}

function readYamlError(error: Error): ReadError | undefined {
  const { mark, reason } = error as { mark?: { line: number; column: number }; reason?: string };
  return (
    mark && {
      reason: reason ?? "invalid YAML",
      place: { line: mark.line + 1, column: mark.column + 1 },
      expected: SYNTAX,
    }
  );
}

function readTomlError(error: Error): ReadError | undefined {
  if (!("codeblock" in error)) return undefined;
  const { line, column } = error as Place;
  return { reason: firstLine(error.message), place: { line, column }, expected: SYNTAX };
}

function readJsonError(error: Error, text: string | undefined): ReadError | undefined {
  if (text === undefined || !(error instanceof SyntaxError)) return undefined;
  return { reason: "invalid JSON", place: placeAt(text, jsonFaultOffset(text)), expected: SYNTAX };
}

function readCompilerError(error: Error): ReadError | undefined {
  const found = /^(?:\w*Error: )?([^\n]*?)\s*\n\s*(\/[^\n]*|[A-Za-z]:[^\n]*):(\d+):(\d+)\s*$/.exec(
    error.message,
  );
  if (!found) return undefined;
  const [, reason, file, line, column] = found;
  // The compiler counts columns from 0.
  const place = { file: file!, line: Number(line), column: Number(column) + 1 };
  return { reason: reason!, place, expected: SYNTAX };
}

function readImportError(error: Error): ReadError | undefined {
  const name = /^Cannot find (?:module|package) '([^']+)'/.exec(error.message)?.[1];
  if (name === undefined) return undefined;
  const importer = /Require stack:\n- (.+)/.exec(error.message)?.[1];
  const reason = `cannot find ${name.startsWith(".") || isAbsolute(name) ? "file" : "package"} ${name}`;
  return { reason, place: importer ? { file: importer } : {}, expected: "imports that exist" };
}

/** The first frame of the stack in a file of the project. */
function firstOwnFrame(error: Error, files: ReadonlySet<string>): Place {
  for (const frame of (error.stack ?? "").split("\n")) {
    const match = /^\s+at (?:.*\()?((?:file:\/\/)?[^()\s][^()]*):(\d+):(\d+)\)?$/.exec(frame);
    if (!match) continue;
    const file = match[1]!.startsWith("file:") ? fileURLToPath(match[1]!) : match[1]!;
    // Code runs as it was compiled, which keeps lines, not columns.
    if (files.has(file)) return { file, line: Number(match[2]) };
  }
  return {};
}

function firstLine(text: string): string {
  return text.split("\n")[0]!.trim();
}

/** Code that throws may quote a key that it has from the environment. */
function withoutSecrets(message: string): string {
  let masked = message;
  for (const [name, value] of Object.entries(process.env)) {
    const secret =
      /key|secret|token|passw|credential/i.test(name) && value !== undefined && value.length >= 6;
    if (secret) masked = masked.replaceAll(value, "[secret]");
  }
  return masked;
}

function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: before.at(-1)!.length + 1 };
}
