import { env } from "gatewright";
import { isSecretNode, type SchemaNode as ConfigNode } from "../../core/src/config/schema-walk.ts";
import type { Docs } from "./docstrings.ts";

/** What a reference reads of a valibot schema beside what the check of configs does. */
export interface SchemaNode extends ConfigNode {
  readonly type: string;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly item?: SchemaNode;
  readonly value?: SchemaNode;
  readonly wrapped?: SchemaNode;
  readonly default?: unknown;
  readonly options?: readonly (SchemaNode | string | number)[];
  /** Of a custom schema. */
  check?(input: unknown): boolean;
  /** The schema itself, then what is done with its value. */
  readonly pipe?: readonly Action[];
}

interface Action {
  readonly type: string;
  readonly requirement?: unknown;
  readonly metadata?: Record<string, unknown>;
}

/** One setting, as a row of a reference; texts are Markdown. */
export interface Field {
  /** Dotted, with `[]` for items of a list and `<name>` for values of a record. */
  readonly path: string;
  readonly type: string;
  /** As it would be written; `required`; or empty where there is none. */
  readonly fallback: string;
  readonly meaning: string;
}

/** Settings of an object, nested ones included; of a variant those of each choice, headed by the choice. */
export function fieldsOf(schema: SchemaNode, docs: Docs, prefix: string): Field[] {
  const node = unwrap(schema);
  if (node.type !== "variant") return entriesOf(node, docs, prefix);
  return (node.options as readonly SchemaNode[]).flatMap((option, index) =>
    entriesOf(option, docs.options?.[index] ?? {}, prefix, schema.default),
  );
}

/** `chosen` is the default of a variant. */
function entriesOf(schema: SchemaNode, docs: Docs, prefix: string, chosen?: unknown): Field[] {
  return Object.entries(schema.entries ?? {}).flatMap(([name, node]) => {
    const own = docs.entries?.[name] ?? {};
    const path = prefix + name;
    const inner = unwrap(node);
    if (inner.type === "literal")
      return [toChoice(path, node, own, (chosen as Record<string, unknown>)?.[name])];
    const field = toField(path, node, own);
    if (inner.entries) return [...(own.text ? [field] : []), ...entriesOf(inner, own, `${path}.`)];
    const [child, step] = inner.item ? [inner.item, "[]"] : [inner.value, ".<name>"];
    if (!child || !unwrap(child).entries) return [field];
    return [field, ...fieldsOf(child, own.inner ?? {}, `${path}${step}.`)];
  });
}

function unwrap(node: SchemaNode): SchemaNode {
  return node.wrapped ? unwrap(node.wrapped) : node;
}

/** One value of a setting that decides which others there are. */
function toChoice(path: string, node: SchemaNode, { text = "" }: Docs, chosen: unknown): Field {
  const { literal } = unwrap(node);
  const isDefault = node.default === literal || chosen === literal;
  return {
    path: `${path}: ${JSON.stringify(literal)}`,
    type: "choice",
    fallback: isDefault ? "the default" : "",
    meaning: text,
  };
}

function toField(path: string, node: SchemaNode, { text = "" }: Docs): Field {
  const [meaning, tagged] = text.split(/\s*@default\s+/);
  const printed = printDefault(path, node);
  return {
    path,
    type: unwrap(node).entries ? "object" : orList(alternatives(node)),
    fallback: node.wrapped === undefined ? "required" : (printed ?? tagged ?? ""),
    meaning: meaning!,
  };
}

const KIB = 1024;
const MIB = KIB * KIB;

/** As TypeScript would write it; sizes in the largest unit that fits. Absent for objects, whose fields tell theirs. */
function printDefault(path: string, { default: value, wrapped }: SchemaNode): string | undefined {
  if (value === undefined || (wrapped && unwrap(wrapped).entries)) return undefined;
  if (typeof value !== "number") return `\`${JSON.stringify(value)}\``;
  if (path.endsWith("Bytes") && value % MIB === 0) return `${value / MIB} MiB`;
  if (path.endsWith("Bytes") && value % KIB === 0) return `${value / KIB} KiB`;
  return `\`${printNumber(value)}\``;
}

/** What may stand there, in words. */
function alternatives(schema: SchemaNode): string[] {
  if (isSecretNode(schema)) return ['`env("NAME")`', "text"];
  const node = unwrap(schema);
  const options = node.options ?? [];
  switch (node.type) {
    case "string":
      return ["text"];
    case "number":
      return [numberText(node)];
    case "boolean":
      return ["`true`", "`false`"];
    case "literal":
      return [`\`${JSON.stringify(node.literal)}\``];
    case "picklist":
      return options.map((option) => `\`${JSON.stringify(option)}\``);
    case "array":
      return [unwrap(node.item!).entries ? "list" : `list of ${orList(alternatives(node.item!))}`];
    case "record":
      return [
        unwrap(node.value!).entries ? "objects by name" : `${orList(alternatives(node.value!))}, by name`,
      ];
    case "union":
      return (options as readonly SchemaNode[]).flatMap(alternatives);
    case "strict_object":
      return [`\`{ ${Object.keys(node.entries!).join(", ")} }\``];
    case "custom":
      if (node.check?.(env("NAME", "text"))) return ['`env("NAME")`'];
      if (node.check?.(() => undefined)) return ["function"];
      break;
    case "unknown":
      return ["any value"];
  }
  throw new Error(`The reference has no words for a schema of type ${node.type}`);
}

function numberText(node: SchemaNode): string {
  const actions = actionsOf(node);
  const bound = (type: string): string | undefined => {
    const found = actions.findLast((action) => action.type === type)?.requirement;
    return found === undefined ? undefined : printNumber(found as number);
  };
  const noun = actions.some(({ type }) => type === "integer" || type === "safe_integer")
    ? "whole number"
    : "number";
  const [least, most] = [bound("min_value"), bound("max_value")];
  if (least === undefined) return noun;
  return most === undefined ? `${noun} from ${least}` : `${noun} from ${least} to ${most}`;
}

/** Those of the pipes inside a pipe first. */
function actionsOf({ pipe = [] }: SchemaNode): Action[] {
  const [inner, ...actions] = pipe as readonly (Action & SchemaNode)[];
  return inner ? [...actionsOf(inner), ...actions] : [];
}

function printNumber(value: number): string {
  return value.toLocaleString("en-US").replaceAll(",", "_");
}

function orList(texts: readonly string[]): string {
  const last = texts.at(-1)!;
  return texts.length === 1 ? last : `${texts.slice(0, -1).join(", ")} or ${last}`;
}
