import { relative } from "node:path";
import { hasBrand } from "../brand.ts";
import { isSecret } from "./secret.ts";

/** What is wrong with a config. All texts are safe to print: no value that could be a secret is in them. */
export interface ConfigFault {
  /** Absolute path, or a name such as `config` when there is no file. */
  readonly file: string;
  /** E.g. `backends.claude.weight` or `plugins[2].rate-limit.capacity`; empty for the file as a whole. */
  readonly path: string;
  /** 1 for the first. */
  readonly line?: number;
  readonly column?: number;
  readonly expected: string;
  readonly received: string;
  /** One sentence with the path, what was expected and what came. */
  readonly message: string;
  /** What to do. */
  readonly hint?: string;
}

export type Path = readonly (string | number)[];

/** `["models", "qwen2.5:7b", "targets", 0]` as `models["qwen2.5:7b"].targets[0]`. */
export function pathText(path: Path): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (!/^[\w$-]+$/.test(key)) text += `[${JSON.stringify(key)}]`;
    else text += text === "" ? key : `.${key}`;
  }
  return text;
}

/**
 * A value for a message. Text is quoted only where it stands for a name (`named`), since a key may end up in any
 * field by mistake; numbers are always shown.
 */
export function describeValue(value: unknown, named = false): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (typeof value === "string") return describeText(value, named);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (isSecret(value)) return "a secret";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
  return typeof value === "object" ? describeObject(value) : `a ${typeof value}`;
}

/** What is no plain object is told from one, since nobody sees the difference in a config. */
function describeObject(value: object): string {
  if (hasBrand("plugin", value)) return "a plugin";
  if (hasBrand("condition", value)) return "a when()";
  if (value instanceof Promise) return "a promise";
  const prototype: { constructor?: { name?: unknown } } | null = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) return "an object";
  const name = prototype?.constructor?.name;
  return typeof name === "string" && name !== "Object"
    ? `an object of the class ${name}`
    : "an object with another prototype";
}

function describeText(text: string, named: boolean): string {
  if (text === "") return "an empty string";
  const shown = /^[-+]?[\d._]{1,16}$/.test(text) || (named && isPlainName(text));
  return shown
    ? JSON.stringify(text)
    : `a string of ${text.length} ${text.length === 1 ? "character" : "characters"}`;
}

/** Prefixes of well-known keys, and long runs of letters mixed with digits, are taken for secrets. */
const KEY_LIKE = /^(?:sk|pk|rk|gsk|hf|key|token|bearer|gh[a-z]|xox[a-z]|aiza)[-_ ]|(?=[a-z]*\d)[a-z\d]{24,}/i;

function isPlainName(text: string): boolean {
  return /^[\w.:/ -]{1,80}$/.test(text) && !KEY_LIKE.test(text);
}

/** Faults as text for a terminal, grouped by file. */
export function formatFaults(faults: readonly ConfigFault[], cwd: string = process.cwd()): string {
  const byFile = new Map<string, ConfigFault[]>();
  for (const fault of faults) byFile.set(fault.file, [...(byFile.get(fault.file) ?? []), fault]);
  const blocks: string[] = [];
  for (const [file, own] of byFile) {
    const lines = [`${shortPath(file, cwd)}: ${own.length === 1 ? "1 fault" : `${own.length} faults`}`];
    for (const fault of own) {
      const position = [fault.line, fault.column].filter((part) => part !== undefined).join(":");
      const place = position === "" ? "" : `${shortPath(file, cwd)}:${position} `;
      lines.push(`  ✗ ${place}${fault.message}`);
      if (fault.hint) lines.push(`    ${fault.hint}`);
    }
    blocks.push(lines.join("\n"));
  }
  return blocks.join("\n\n");
}

function shortPath(file: string, cwd: string): string {
  const short = relative(cwd, file);
  return short === "" || short.startsWith("..") ? file : short;
}
