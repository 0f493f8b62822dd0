import type { StandardSchemaV1 } from "../standard-schema.ts";
import { describeValue, pathText, type ConfigFault, type Path } from "./fault.ts";
import { nearest } from "./nearest.ts";
import type { FindOrigin } from "./origin.ts";
import { childNodes, knownKeys, toSchemaNode, unwrap, type SchemaNode } from "./schema-walk.ts";

/** Collects the faults of one config, so that all are told at once. */
export interface FaultList {
  readonly faults: ConfigFault[];
  add(path: Path, fault: FaultText): void;
  /** A place for a message, as it is written in its file. */
  place(path: Path): string;
}

export interface FaultText {
  expected: string;
  received: string;
  /** Default: `<path> must be <expected>, got <received>`. */
  message?: string;
  hint?: string | undefined;
}

/**
 * `file` is where all of it is written, or tells for each place where. `variables` names the environment variable that
 * set a path, for the hint.
 */
export function createFaultList(
  file: string | FindOrigin,
  variables: ReadonlyMap<string, string> = new Map(),
): FaultList {
  const faults: ConfigFault[] = [];
  const find: FindOrigin = typeof file === "string" ? (path) => ({ file, path }) : file;
  return {
    faults,
    place: (path) => pathText(find(path).path),
    add(path, { expected, received, message, hint }) {
      const origin = find(path);
      const text = pathText(origin.path);
      const variable = variables.get(pathText(path));
      const hints = [hint, variable && `It is set by the environment variable ${variable}.`].filter(Boolean);
      faults.push({
        file: origin.file,
        path: text,
        expected,
        received,
        message: message ?? `${text || "the config"} must be ${expected}, got ${received}`,
        ...(hints.length > 0 && { hint: hints.join(" ") }),
      });
    },
  };
}

interface Issue extends StandardSchemaV1.Issue {
  readonly kind?: string;
  readonly type?: string;
  readonly input?: unknown;
  readonly expected?: string | null;
  readonly requirement?: unknown;
  /** Of a union: those of its choices. */
  readonly issues?: readonly Issue[];
}

/** A value that did not fit, and where its faults go. */
interface Misfit {
  readonly schema: SchemaNode;
  readonly value: unknown;
  /** The value's place in the config. */
  readonly base: Path;
  readonly list: FaultList;
}

/** Checks a value; its faults go to the list, and then the answer is undefined. */
export async function checkValue<Schema extends StandardSchemaV1>(
  schema: Schema,
  value: unknown,
  base: Path,
  list: FaultList,
): Promise<StandardSchemaV1.InferOutput<Schema> | undefined> {
  const result = await schema["~standard"].validate(value);
  if (!result.issues) return result.value;
  const misfit: Misfit = { schema: toSchemaNode(schema), value, base, list };
  const byPath = new Map<string, { at: Path; issues: Issue[] }>();
  for (const issue of result.issues.flatMap(toItemIssues)) {
    const at = (issue.path ?? []).map(toKey);
    const known = byPath.get(JSON.stringify(at));
    if (known) known.issues.push(issue);
    else byPath.set(JSON.stringify(at), { at, issues: [issue] });
  }
  for (const { at, issues } of byPath.values()) {
    if (isUnknownKey(issues[0]!)) addUnknownKeys(misfit, at.slice(0, -1));
    else addIssues(misfit, at, issues);
  }
  return undefined;
}

/** Where a list is one of several choices and a list was given, its items are at fault, not the choice. */
function toItemIssues(issue: Issue): readonly Issue[] {
  if (issue.type !== "union" || !Array.isArray(issue.input)) return [issue];
  const ofItems = (issue.issues ?? []).filter(({ path = [] }) => path.length > 0);
  if (ofItems.length === 0) return [issue];
  return ofItems.map((inner) => ({ ...inner, path: [...(issue.path ?? []), ...inner.path!] }));
}

function toKey(item: PropertyKey | { readonly key: PropertyKey }): string | number {
  const key = typeof item === "object" ? item.key : item;
  return typeof key === "number" ? key : String(key);
}

function isUnknownKey(issue: Issue): boolean {
  return issue.type === "strict_object" && issue.expected === "never";
}

/** Valibot stops at the first unknown key of an object; here all of them are told. */
function addUnknownKeys({ schema, value, base, list }: Misfit, at: Path): void {
  const object = valueAt(value, at) as Record<string, unknown>;
  const known = nodesAt(schema, value, at).flatMap((node) => knownKeys(node, object));
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) addUnknownKey([...base, ...at, key], object[key], known, list);
  }
}

export function addUnknownKey(path: Path, value: unknown, known: readonly string[], list: FaultList): void {
  list.add(path, {
    expected: known.length === 0 ? "no options" : `one of ${[...new Set(known)].join(", ")}`,
    received: describeValue(value),
    message: `${list.place(path)} is not an option`,
    hint: didYouMean(String(path.at(-1)), known),
  });
}

/** Tells of a name that nothing has. `kind` is what it was to name: `backend`. */
export function addUnknownName(
  path: Path,
  name: string,
  { kind, known, hint = didYouMean(name, known) }: { kind: string; known: Iterable<string>; hint?: string },
  list: FaultList,
): void {
  const received = describeValue(name, true);
  list.add(path, {
    expected: `the name of ${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}`,
    received,
    message: `${list.place(path)}: there is no ${kind} ${received}`,
    hint,
  });
}

/** A hint with the nearest spelling, or else the known names when they are few. */
export function didYouMean(word: string, known: Iterable<string>): string | undefined {
  const names = [...new Set(known)];
  const near = nearest(word, names);
  if (near !== undefined) return `Did you mean \`${near}\`?`;
  if (names.length === 0 || names.length > 24) return undefined;
  return `Known here: ${names.map((name) => `\`${name}\``).join(", ")}.`;
}

function addIssues({ schema, value, base, list }: Misfit, at: Path, issues: readonly Issue[]): void {
  const path = [...base, ...at];
  const input = valueAt(value, at);
  const node = unwrap(nodesAt(schema, value, at)[0] ?? {});
  const first = issues[0]!;
  const names = namesOf(first);
  const expected = [...new Set(issues.map((issue) => expectedText(issue, node, input)))].join(" and ");
  const received = describeValue(input, names.length > 0);
  const hint = typeof input === "string" && names.length > 0 ? didYouMean(input, names) : undefined;
  const message =
    input === undefined
      ? `${list.place(path)} is required: ${expected}`
      : issues.some(isSentence)
        ? `${list.place(path)}: ${expected}; got ${received}`
        : undefined;
  list.add(path, { expected, received, hint, ...(message !== undefined && { message }) });
}

/** The names that a picklist, literal or variant takes. */
function namesOf(issue: Issue): readonly string[] {
  if (!issue.expected || isOwnText(issue)) return [];
  return [...issue.expected.matchAll(/"([^"]*)"/g)].map((match) => match[1]!);
}

const KINDS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  strict_object: "an object",
  loose_object: "an object",
  record: "an object",
  variant: "an object",
  function: "a function",
};

const RULES: Readonly<Record<string, (requirement: string) => string>> = {
  integer: () => "a whole number",
  safe_integer: () => "a whole number",
  finite: () => "a finite number",
  min_value: (bound) => `at least ${bound}`,
  max_value: (bound) => `at most ${bound}`,
  gt_value: (bound) => `above ${bound}`,
  lt_value: (bound) => `below ${bound}`,
  non_empty: () => "not empty",
  min_length: (bound) => `at least ${bound} long`,
  max_length: (bound) => `at most ${bound} long`,
  url: () => "a URL",
  regex: (pattern) => `text that matches ${pattern}`,
};

function expectedText(issue: Issue, node: SchemaNode, input: unknown): string {
  if (input === undefined && issue.type?.endsWith("object")) return missingText(node);
  if (isOwnText(issue)) return withoutValue(issue.message, input);
  const rule = RULES[issue.type ?? ""];
  if (rule) return rule(String(issue.requirement));
  const names = namesOf(issue);
  if (names.length > 0) return oneOf(names);
  return KINDS[issue.type ?? ""] ?? issue.expected ?? withoutValue(issue.message, input);
}

/** The issue is then of the object around, and says nothing of what belongs there. */
function missingText({ type = "", message, options = [] }: SchemaNode): string {
  if (typeof message === "string") return message;
  return type === "picklist" ? oneOf(options) : (KINDS[type] ?? "a value");
}

function oneOf(names: readonly unknown[]): string {
  return names.map((name) => JSON.stringify(name)).join(" or ");
}

/** True for a message that the schema's author wrote; valibot's own repeat the value, which may be a secret. */
function isOwnText(issue: Issue): boolean {
  return issue.kind === undefined || !/^Invalid [\w ]+: (?:Expected|Received) /.test(issue.message);
}

/** What the schema's author wrote stands for itself, unless it goes on where "must be" ends. */
function isSentence(issue: Issue): boolean {
  return isOwnText(issue) && /^\p{Lu}/u.test(issue.message);
}

function withoutValue(message: string, input: unknown): string {
  if (typeof input !== "string" || input.length < 4) return message;
  return message.replaceAll(input, describeValue(input));
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const key of path) at = (at as Record<string | number, unknown> | undefined | null)?.[key];
  return at;
}

function nodesAt(root: SchemaNode, value: unknown, path: Path): readonly SchemaNode[] {
  let nodes: readonly SchemaNode[] = [root];
  let at = value;
  for (const key of path) {
    const here = at;
    nodes = nodes.flatMap((node) => childNodes(node, here, key));
    at = valueAt(at, [key]);
  }
  return nodes;
}
