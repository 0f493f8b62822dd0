import type { Docs } from "./docstrings.ts";

/** The part of a valibot schema that is read here. */
export interface SchemaNode {
  readonly type: string;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly item?: SchemaNode;
  readonly value?: SchemaNode;
  readonly wrapped?: SchemaNode;
  readonly default?: unknown;
  readonly literal?: unknown;
  readonly options?: readonly (SchemaNode | string)[];
  readonly pipe?: readonly {
    readonly type: string;
    readonly requirement?: unknown;
    readonly metadata?: Readonly<Record<string, unknown>>;
  }[];
}

/** One setting, as a row of a reference. */
export interface Field {
  /** Dotted, with `[]` for items of a list and `<name>` for values of a record. */
  readonly path: string;
  readonly type: string;
  /** As it would be written; empty where there is none. */
  readonly fallback: string;
  readonly required: boolean;
  readonly text: string;
}

/** Settings of an object schema, nested ones included. */
export function fieldsOf(schema: SchemaNode, docs: Docs, prefix: string): Field[] {
  return Object.entries(unwrap(schema).entries ?? {}).flatMap(([name, node]) => {
    const own = docs.entries?.[name] ?? {};
    const path = prefix + name;
    const inner = unwrap(node);
    if (inner.entries) return fieldsOf(inner, own, `${path}.`);
    const item = inner.item && unwrap(inner.item);
    const value = inner.value && unwrap(inner.value);
    const field = toField(path, node, own);
    if (item?.entries) return [field, ...fieldsOf(item, own.inner ?? {}, `${path}[].`)];
    if (value?.entries) return [field, ...fieldsOf(value, own.inner ?? {}, `${path}.<name>.`)];
    return [field];
  });
}

/** Branches of a variant: the value that selects each, its schema and its docstrings. */
export function branchesOf(schema: SchemaNode, docs: Docs): { schema: SchemaNode; docs: Docs }[] {
  const { type, options = [] } = unwrap(schema);
  if (type !== "variant") return [{ schema, docs }];
  return (options as readonly SchemaNode[]).map((option, index) => ({
    schema: option,
    docs: docs.options?.[index] ?? {},
  }));
}

export function unwrap(node: SchemaNode): SchemaNode {
  return node.wrapped ? unwrap(node.wrapped) : node;
}

function toField(path: string, node: SchemaNode, { text = "" }: Docs): Field {
  const [description, tagged] = text.split(/\s*@default\s+/);
  const printed = node.default === undefined ? undefined : printDefault(path, node.default);
  return {
    path,
    type: typeText(node),
    fallback: printed ?? tagged ?? "",
    required: node.wrapped === undefined,
    text: description!,
  };
}

const KIB = 1024;
const MIB = KIB * KIB;

/** As TypeScript would write it; sizes in the largest unit that fits. */
function printDefault(path: string, value: unknown): string {
  if (typeof value !== "number") return JSON.stringify(value);
  if (path.endsWith("Bytes") && value % MIB === 0) return `${value / MIB} MiB`;
  if (path.endsWith("Bytes") && value % KIB === 0) return `${value / KIB} KiB`;
  return value.toLocaleString("en-US").replaceAll(",", "_");
}

/** What may stand there, in words. */
function typeText(schema: SchemaNode): string {
  if (isSecret(schema)) return '`env("NAME")` or text';
  const node = unwrap(schema);
  const names = (node.options ?? []).filter((option) => typeof option === "string");
  switch (node.type) {
    case "string":
      return "text";
    case "number":
      return numberText(node);
    case "boolean":
      return "`true` or `false`";
    case "literal":
      return `\`${JSON.stringify(node.literal)}\``;
    case "picklist":
      return orList(names.map((name) => `\`${JSON.stringify(name)}\``));
    case "array":
      return unwrap(node.item!).entries ? "list" : `list of ${typeText(node.item!)}`;
    case "record":
      return unwrap(node.value!).entries ? "objects by name" : `${typeText(node.value!)} by name`;
    case "union":
      return orList((node.options as readonly SchemaNode[]).map(typeText));
    case "strict_object":
      return `\`{ ${Object.keys(node.entries!).join(", ")} }\``;
    case "unknown":
      return "value";
    default:
      throw new Error(`The reference has no words for a schema of type ${node.type}`);
  }
}

function numberText(node: SchemaNode): string {
  const requirement = (type: string): number | undefined =>
    node.pipe?.find((action) => action.type === type)?.requirement as number | undefined;
  const whole = node.pipe?.some(({ type }) => type === "integer" || type === "safe_integer");
  const [least, most] = [requirement("min_value"), requirement("max_value")].map((bound) =>
    bound?.toLocaleString("en-US").replaceAll(",", "_"),
  );
  const noun = whole ? "whole number" : "number";
  if (least === undefined) return noun;
  return most === undefined ? `${noun} from ${least}` : `${noun} from ${least} to ${most}`;
}

function isSecret(node: SchemaNode): boolean {
  const marked = node.pipe?.some(({ type, metadata }) => type === "metadata" && metadata?.["secret"] === true);
  return marked === true || (node.wrapped !== undefined && isSecret(node.wrapped));
}

function orList(texts: readonly string[]): string {
  const last = texts.at(-1)!;
  return texts.length === 1 ? last : `${texts.slice(0, -1).join(", ")} or ${last}`;
}
