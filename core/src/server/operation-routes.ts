import type { Operation } from "../operation.ts";

/** What a method and path mean: an operation, a path that has others (405 with `allow`), or nothing. */
export type RouteMatch =
  | { readonly operation: Operation; readonly model?: string; readonly allow?: undefined }
  | { readonly operation?: undefined; readonly allow: string };

export interface OperationRoutes {
  /** `path` is taken literally: it was not decoded, and is compared by bytes. */
  match(method: string, path: string): RouteMatch | undefined;
}

interface PathEntry {
  byMethod: Map<string, { operation: Operation }>;
  /** Made once for replies of 405. */
  refused: { allow: string };
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
  return {
    match(method, path) {
      const wanted = method === "HEAD" ? "GET" : method;
      const entry = exact.get(path);
      if (entry) return entry.byMethod.get(wanted) ?? entry.refused;
      let refused: RouteMatch | undefined;
      for (const pattern of ordered) {
        if (!fits(pattern, path)) continue;
        const found = pattern.entry.byMethod.get(wanted);
        if (found) return pattern.holdsModel ? { ...found, model: modelIn(path, pattern) } : found;
        refused ??= pattern.entry.refused;
      }
      return refused;
    },
  };
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
  const byMethod = entry?.byMethod ?? new Map<string, { operation: Operation }>();
  byMethod.set(operation.method, { operation });
  const allow = [...byMethod.keys()].map((method) => (method === "GET" ? "GET, HEAD" : method));
  return { byMethod, refused: { allow: allow.join(", ") } };
}
