import { isMissingSecret, isSecret, createSecret } from "./secret.ts";
import { pathText, type Path } from "./fault.ts";
import { isPlainObject } from "./merge.ts";
import { nearest } from "./nearest.ts";
import { childNodes, fittingBranches, isSecretNode, unwrap, type SchemaNode } from "./schema-walk.ts";

const PREFIX = "GATEWRIGHT_";

/** Names without a path, as other gateways have them. `factor` turns the variable's unit into the config's. */
const SHORT_NAMES: Readonly<Record<string, { path: Path; factor?: number }>> = {
  HOST: { path: ["server", "host"] },
  PORT: { path: ["server", "port"] },
  REQUEST_TIMEOUT: { path: ["timeouts", "totalMs"], factor: 1000 },
  CONNECT_TIMEOUT: { path: ["timeouts", "connectMs"], factor: 1000 },
  LOG_LEVEL: { path: ["log", "level"] },
};

export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/** A scalar of the config that the environment may set. */
interface Scalar {
  path: Path;
  kind: "string" | "number" | "boolean" | "list" | "secret";
}

/** The variables of one load: which of them set something, and where. */
export interface EnvironmentOverrides {
  /** Path to the variable that set it. */
  readonly origins: Map<string, string>;
  /** A copy of `raw` in which every variable that names a scalar below `path` has its say. */
  apply<Raw>(raw: Raw, schema: SchemaNode, path: Path): Raw;
  /** Warnings about variables that set nothing; `raw` tells which ones the config itself reads by `env()`. */
  warnings(raw: unknown): string[];
}

export function createEnvironmentOverrides(variables: EnvironmentVariables): EnvironmentOverrides {
  const left = new Map<string, string>();
  for (const [name, value] of Object.entries(variables)) {
    if (name.startsWith(PREFIX) && value !== undefined && value !== "") left.set(name, value);
  }
  const origins = new Map<string, string>();
  const known = new Set<string>(Object.keys(SHORT_NAMES).map((name) => PREFIX + name));
  const clashes: string[] = [];

  return {
    origins,
    apply(raw, schema, base) {
      if (left.size === 0) return raw;
      let result: unknown = raw;
      const set = (variable: string, scalar: Scalar, text: string, factor?: number): void => {
        result = setAt(result, scalar.path, parse(text, scalar.kind, variable, factor));
        origins.set(pathText([...base, ...scalar.path]), variable);
      };
      const scalars = scalarsBelow(schema, raw, []);
      const byName = new Map<string, Scalar[]>();
      for (const scalar of scalars) {
        const name = variableName([...base, ...scalar.path]);
        known.add(name);
        byName.set(name, [...(byName.get(name) ?? []), scalar]);
      }
      for (const [short, { path, factor }] of base.length === 0 ? Object.entries(SHORT_NAMES) : []) {
        const name = PREFIX + short;
        const long = variableName(path);
        const text = left.get(name);
        const scalar = byName.get(long)?.[0];
        if (text === undefined || scalar === undefined) continue;
        left.delete(name);
        const longText = left.get(long);
        if (longText === undefined) set(name, scalar, text, factor);
        else if (parse(text, scalar.kind, name, factor) !== parse(longText, scalar.kind, long)) {
          clashes.push(`${long} and ${name} differ; ${long} holds`);
        }
      }
      for (const [name, text] of left) {
        const [scalar, ...others] = byName.get(name) ?? [];
        if (scalar === undefined) continue;
        left.delete(name);
        if (others.length === 0) set(name, scalar, text);
        else {
          const places = [scalar, ...others].map((one) => pathText([...base, ...one.path]));
          clashes.push(`${name} could mean ${places.join(" or ")}, so it sets nothing`);
        }
      }
      return result as typeof raw;
    },
    warnings(raw) {
      const read = new Set([...secretsIn(raw)].map(({ name }) => name));
      const unused = [...left.keys()].filter((name) => !read.has(name));
      const lost = unused.map((name) => {
        const near = nearest(name, known);
        return `${name} sets nothing${near ? `; did you mean ${near}?` : ""}`;
      });
      return [...clashes, ...lost];
    },
  };
}

/** `["backends", "server1", "baseURL"]` as `GATEWRIGHT_BACKENDS_SERVER1_BASE_URL`. */
export function variableName(path: Path): string {
  const words = path.map((key) =>
    String(key)
      .replace(/([a-z\d])([A-Z])/g, "$1_$2")
      .replace(/[^A-Za-z\d]+/g, "_")
      .toUpperCase(),
  );
  return PREFIX + words.join("_");
}

function scalarsBelow(schema: SchemaNode, value: unknown, path: Path): Scalar[] {
  const kind = scalarKind(schema);
  if (kind) return [{ path, kind }];
  const object = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const own = Array.isArray(value) ? [...value.keys()] : Object.keys(object);
  const keys = new Set<string | number>([
    ...fittingBranches(schema, value).flatMap((branch) => Object.keys(branch.entries ?? {})),
    ...own,
  ]);
  return [...keys].flatMap((key) => {
    const [child] = childNodes(schema, value, key);
    return child ? scalarsBelow(child, object[key], [...path, key]) : [];
  });
}

const SCALARS: Readonly<Record<string, Scalar["kind"]>> = {
  string: "string",
  number: "number",
  boolean: "boolean",
  picklist: "string",
  literal: "string",
};

function scalarKind(schema: SchemaNode): Scalar["kind"] | undefined {
  if (isSecretNode(schema)) return "secret";
  const node = unwrap(schema);
  if (node.type === "array")
    return SCALARS[unwrap(node.item ?? {}).type ?? ""] === "string" ? "list" : undefined;
  if (node.type !== "union") return SCALARS[node.type ?? ""];
  return (node.options as readonly SchemaNode[]).map(scalarKind).find(Boolean);
}

/** Text that does not fit its kind stays text, so that the check tells what is wrong with it. */
function parse(text: string, kind: Scalar["kind"], variable: string, factor = 1): unknown {
  if (kind === "secret") return createSecret(text, variable);
  if (kind === "list")
    return text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  if (kind === "number" && /^[-+]?\d[\d_]*(?:\.\d+)?$/.test(text))
    return Number(text.replaceAll("_", "")) * factor;
  if (kind === "boolean" && /^(?:true|1|yes|on)$/i.test(text)) return true;
  if (kind === "boolean" && /^(?:false|0|no|off)$/i.test(text)) return false;
  return text;
}

function setAt(value: unknown, [key, ...rest]: Path, leaf: unknown): unknown {
  if (key === undefined) return leaf;
  if (Array.isArray(value))
    return value.map((item, index) => (index === key ? setAt(item, rest, leaf) : item));
  const object = isPlainObject(value) ? value : {};
  return { ...object, [key]: setAt(object[key], rest, leaf) };
}

/** Every secret of a config that names its variable, plugin options included. */
export function* secretsIn(
  value: unknown,
  path: Path = [],
  seen = new Set<unknown>(),
): Generator<{ path: Path; name: string; missing: boolean }> {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  if (isSecret(value)) {
    if (value.source !== undefined) yield { path, name: value.source, missing: isMissingSecret(value) };
    return;
  }
  seen.add(value);
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* secretsIn(item, [...path, index], seen);
  } else if (isPlainObject(value)) {
    for (const [key, item] of Object.entries(value)) yield* secretsIn(item, [...path, key], seen);
  }
}
