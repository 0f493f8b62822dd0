import type { StandardSchemaV1 } from "../standard-schema.ts";

/** The part of a valibot schema that is read here. Schemas of other libraries have none of these fields. */
export interface SchemaNode {
  readonly type?: string;
  /** What its author wrote for values that do not fit. */
  readonly message?: unknown;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  /** Of a list. */
  readonly item?: SchemaNode;
  /** Of a record. */
  readonly value?: SchemaNode;
  readonly wrapped?: SchemaNode;
  /** Names of a picklist, or schemas of a union or variant. */
  readonly options?: readonly (SchemaNode | string | number)[];
  readonly literal?: unknown;
  readonly pipe?: readonly { readonly type: string; readonly metadata?: Record<string, unknown> }[];
}

export function toSchemaNode(schema: StandardSchemaV1 | undefined): SchemaNode {
  return (schema ?? {}) as SchemaNode;
}

/** Without `optional` and its kin. */
export function unwrap(node: SchemaNode): SchemaNode {
  let inner = node;
  while (inner.wrapped) inner = inner.wrapped;
  return inner;
}

/** The schemas that a value may match: the branches of a union or variant, else the schema itself. */
export function branches(node: SchemaNode): readonly SchemaNode[] {
  const inner = unwrap(node);
  if (inner.type !== "union" && inner.type !== "variant") return [inner];
  const options = inner.options as readonly SchemaNode[];
  return options.flatMap((option) => branches(option));
}

/**
 * The branches that fit a value: of a variant those whose literals agree with it, or all when none does, so that a
 * misspelt key is told from the keys of the right branch.
 */
function fittingBranches(node: SchemaNode, value: unknown): readonly SchemaNode[] {
  const all = branches(node);
  const object = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const fitting = all.filter((branch) =>
    Object.entries(branch.entries ?? {}).every(
      ([key, entry]) => unwrap(entry).type !== "literal" || unwrap(entry).literal === object[key],
    ),
  );
  return fitting.length > 0 ? fitting : all;
}

/** The schemas of one key of a value. */
export function childNodes(node: SchemaNode, value: unknown, key: string | number): readonly SchemaNode[] {
  return fittingBranches(node, value).flatMap((branch) => {
    const child = branch.entries?.[key] ?? branch.value ?? branch.item;
    return child ? [child] : [];
  });
}

/** The keys that an object may have here; empty where the schema does not say. */
export function knownKeys(node: SchemaNode, value: unknown): readonly string[] {
  return fittingBranches(node, value).flatMap((branch) => Object.keys(branch.entries ?? {}));
}

/** Marked by `v.metadata({ secret: true })`. */
export function isSecretNode(node: SchemaNode): boolean {
  const marked = node.pipe?.some(
    (action) => action.type === "metadata" && action.metadata?.["secret"] === true,
  );
  return marked === true || (node.wrapped !== undefined && isSecretNode(node.wrapped));
}
