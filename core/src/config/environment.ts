import { isMissingSecret, isSecret, createSecret } from "./secret.ts";
import { pathText, type Path } from "./fault.ts";
import { isPlainObject } from "./plain-object.ts";
import { nearest } from "./nearest.ts";
import { branches, isSecretNode, unwrap, type SchemaNode } from "./schema-walk.ts";

const PREFIX = "GATEWRIGHT_";

/** Names without a path, as other gateways have them. `factor` turns the variable's unit into the config's. */
const SHORT_NAMES: Readonly<Record<string, { path: Path; factor?: number }>> = {
  HOST: { path: ["server", "host"] },
  PORT: { path: ["server", "port"] },
  REQUEST_TIMEOUT: { path: ["timeouts", "totalMs"], factor: 1000 },
  CONNECT_TIMEOUT: { path: ["timeouts", "connectMs"], factor: 1000 },
  LOG_LEVEL: { path: ["log", "level"] },
};

/** Picks the layer of `$env`; read by the loader. */
export const ENV_NAME = "GATEWRIGHT_ENV";

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
  /**
   * A copy of `raw` in which every variable that names a scalar below `path` has its say. `place` is how faults call
   * that path, where it differs.
   */
  apply<Raw>(raw: Raw, schema: SchemaNode, path: Path, place?: Path): Raw;
  /** Warnings about variables that set nothing; `raw` tells which ones the config itself reads by `env()`. */
  warnings(raw: unknown): string[];
}

export function createEnvironmentOverrides(variables: EnvironmentVariables): EnvironmentOverrides {
  const { left, clashes } = collect(variables);
  const origins = new Map<string, string>();
  const known = new Set(Object.keys(SHORT_NAMES).map((name) => PREFIX + name));

  return {
    origins,
    apply(raw, schema, path, place = path) {
      if (left.size === 0) return raw;
      let result: unknown = raw;
      const byName = new Map<string, Scalar[]>();
      for (const scalar of scalarsBelow(schema, raw, [])) {
        const name = variableName([...path, ...scalar.path]);
        known.add(name);
        byName.set(name, [...(byName.get(name) ?? []), scalar]);
      }
      for (const [name, { text, variable }] of left) {
        const [scalar, ...others] = byName.get(name) ?? [];
        if (scalar === undefined) continue;
        left.delete(name);
        if (others.length > 0) {
          const places = [scalar, ...others].map((one) => pathText([...place, ...one.path]));
          clashes.push(`${variable} could mean ${places.join(" or ")}, so it sets nothing`);
          continue;
        }
        result = setAt(result, scalar.path, parse(text, scalar.kind, variable));
        origins.set(pathText([...place, ...scalar.path]), variable);
      }
      return result as typeof raw;
    },
    warnings(raw) {
      const read = new Set([...secretsIn(raw)].map(({ name }) => name));
      const unused = [...left.values()].filter(({ variable }) => !read.has(variable));
      const lost = unused.map(({ variable }) => {
        const near = nearest(variable, known);
        return `${variable} sets nothing${near ? `; did you mean ${near}?` : ""}`;
      });
      return [...clashes, ...lost];
    },
  };
}

/** The variables by their name as a path, short names turned into it; a name as a path wins. */
function collect(variables: EnvironmentVariables): {
  left: Map<string, { text: string; variable: string }>;
  clashes: string[];
} {
  const left = new Map<string, { text: string; variable: string }>();
  const clashes: string[] = [];
  for (const [variable, text] of Object.entries(variables)) {
    if (variable.startsWith(PREFIX) && variable !== ENV_NAME && text) left.set(variable, { text, variable });
  }
  for (const [short, { path, factor }] of Object.entries(SHORT_NAMES)) {
    const given = left.get(PREFIX + short);
    if (given === undefined) continue;
    left.delete(PREFIX + short);
    const name = variableName(path);
    const text =
      factor !== undefined && NUMBER.test(given.text) ? String(Number(given.text) * factor) : given.text;
    const long = left.get(name);
    if (long === undefined) left.set(name, { text, variable: given.variable });
    else if (long.text !== text) clashes.push(`${name} and ${given.variable} differ; ${name} holds`);
  }
  return { left, clashes };
}

/** `["backends", "server1", "baseURL"]` as `GATEWRIGHT_BACKENDS_SERVER1_BASE_URL`. */
function variableName(path: Path): string {
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
  // All branches, since another variable may choose one that the config did not.
  const nodes = branches(schema);
  const keys = new Set<string | number>([
    ...nodes.flatMap((node) => Object.keys(node.entries ?? {})),
    ...(Array.isArray(value) ? value.keys() : Object.keys(object)),
  ]);
  return [...keys].flatMap((key) => {
    const child = nodes.map((node) => node.entries?.[key] ?? node.value ?? node.item).find(Boolean);
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

const NUMBER = /^[-+]?\d[\d_]*(?:\.\d+)?$/;

/** Text that does not fit its kind stays text, so that the check tells what is wrong with it. */
function parse(text: string, kind: Scalar["kind"], variable: string): unknown {
  if (kind === "secret") return createSecret(text, variable);
  if (kind === "list")
    return text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  if (kind === "number" && NUMBER.test(text)) return Number(text.replaceAll("_", ""));
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
