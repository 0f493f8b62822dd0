import type { Dialect, Operation } from "../operation.ts";
import { openaiDialect } from "../operations/openai-dialect.ts";

/** What a method and path mean: an operation, a path that has others (405 with `allow`, in its dialect), or nothing. */
export type RouteMatch =
  | { readonly operation: Operation; readonly model?: string; readonly allow?: undefined }
  | { readonly operation?: undefined; readonly allow: string; readonly dialect: Dialect };

/** Headers of a request by lower-case names. */
type Headers = Readonly<Record<string, unknown>>;

export interface OperationRoutes {
  /** `path` is taken literally: it was not decoded, and is compared by bytes. */
  match(method: string, path: string, headers?: Headers): RouteMatch | undefined;
  /**
   * Whose words a path without a route is refused in: those of the operations that share the most of its first segments,
   * where these agree, else OpenAI's. Among them one that goes by a header speaks for the requests that have it.
   */
  dialectOf(path: string, headers: Headers): Dialect;
}

/** What serves one method of a path. */
interface Served {
  /** Operations that go by a header. */
  byHeader: { operation: Operation }[];
  other?: { operation: Operation };
}

interface PathEntry {
  byMethod: Map<string, Served>;
  /** Made once for replies of 405. */
  refused: { allow: string; dialect: Dialect };
}

/** One table from path to operation: routing and authorisation read the same entry. */
export function createOperationRoutes(operations: readonly Operation[]): OperationRoutes {
  const exact = new Map<string, PathEntry>();
  const patterns = new Map<string, PathPattern>();
  for (const operation of operations) {
    for (const path of operation.paths) {
      const pattern = toPattern(path);
      if (!pattern) exact.set(path, addMethod(exact.get(path), operation));
      else patterns.set(path, { ...pattern, entry: addMethod(patterns.get(path)?.entry, operation) });
    }
  }
  // The closer a pattern describes its paths, the earlier it is asked.
  const ordered = [...patterns.values()].sort((a, b) => fixedLength(b) - fixedLength(a));
  const places = operations.flatMap((operation) =>
    operation.paths.map((path) => ({ operation, segments: path.split("/") })),
  );
  return {
    match(method, path, headers = {}) {
      const wanted = method === "HEAD" ? "GET" : method;
      const entry = exact.get(path);
      if (entry) return pick(entry.byMethod.get(wanted), headers) ?? entry.refused;
      let refused: RouteMatch | undefined;
      for (const pattern of ordered) {
        if (!fits(pattern, path)) continue;
        const found = pick(pattern.entry.byMethod.get(wanted), headers);
        if (found) return pattern.holdsModel ? { ...found, model: modelIn(path, pattern) } : found;
        if (!isNamedElsewhere(ordered, pattern, wanted)) refused ??= pattern.entry.refused;
      }
      return refused;
    },
    dialectOf(path, headers) {
      const segments = path.split("/");
      let closest = 0;
      let dialects = new Map<string, Dialect>();
      for (const { operation, segments: own } of places) {
        const { header, dialect } = operation;
        if (header !== undefined && headers[header] === undefined) continue;
        const shared = sharedSegments(own, segments);
        // Before the first slash all are alike.
        if (shared < 2) continue;
        const closeness = header === undefined ? shared : shared + 0.5;
        if (closeness < closest) continue;
        if (closeness > closest) dialects = new Map();
        closest = closeness;
        if (!dialects.has(dialect.name)) dialects.set(dialect.name, dialect);
      }
      const [dialect = openaiDialect] = dialects.values();
      return dialects.size === 1 ? dialect : openaiDialect;
    },
  };
}

function pick(served: Served | undefined, headers: Headers): { operation: Operation } | undefined {
  if (!served || served.byHeader.length === 0) return served?.other;
  return served.byHeader.find(({ operation }) => headers[operation.header!] !== undefined) ?? served.other;
}

/**
 * What follows the model tells what is done with it, in the patterns of this method that begin alike: what none of them
 * fits does not exist, and is no wrong method of the model alone.
 */
function isNamedElsewhere(
  patterns: readonly PathPattern[],
  { prefix, suffix, holdsModel }: PathPattern,
  method: string,
): boolean {
  return (
    holdsModel &&
    suffix === "" &&
    patterns.some(
      (other) => other.prefix === prefix && other.suffix !== "" && other.entry.byMethod.has(method),
    )
  );
}

function sharedSegments(a: readonly string[], b: readonly string[]): number {
  let shared = 0;
  while (shared < a.length && a[shared] === b[shared]) shared++;
  return shared;
}

/** A path with one open part, which is not empty. */
interface PathPattern {
  readonly prefix: string;
  readonly suffix: string;
  /** The open part is the model's name. */
  readonly holdsModel: boolean;
  readonly entry: PathEntry;
}

const MODEL = "{model}";

function toPattern(path: string): Omit<PathPattern, "entry"> | undefined {
  if (path.endsWith("/**")) return { prefix: path.slice(0, -2), suffix: "", holdsModel: false };
  const at = path.indexOf(MODEL);
  if (at < 0) return undefined;
  return { prefix: path.slice(0, at), suffix: path.slice(at + MODEL.length), holdsModel: true };
}

function fixedLength({ prefix, suffix }: PathPattern): number {
  return prefix.length + suffix.length;
}

function fits(pattern: PathPattern, path: string): boolean {
  return (
    path.length > fixedLength(pattern) && path.startsWith(pattern.prefix) && path.endsWith(pattern.suffix)
  );
}

/** A name that is not encoded as RFC 3986 says is taken as it stands. */
function modelIn(path: string, { prefix, suffix }: PathPattern): string {
  const text = path.slice(prefix.length, path.length - suffix.length);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function addMethod(entry: PathEntry | undefined, operation: Operation): PathEntry {
  const byMethod = entry?.byMethod ?? new Map<string, Served>();
  const served: Served = byMethod.get(operation.method) ?? { byHeader: [] };
  byMethod.set(operation.method, served);
  if (operation.header === undefined) served.other = { operation };
  else served.byHeader.push({ operation });
  const allow = [...byMethod.keys()].map((method) => (method === "GET" ? "GET, HEAD" : method));
  const dialect = operation.header === undefined ? operation.dialect : entry?.refused.dialect;
  return { byMethod, refused: { allow: allow.join(", "), dialect: dialect ?? operation.dialect } };
}
