import type { Operation } from "../operation.ts";

/** What a method and path mean: an operation, a path that has others (405 with `allow`), or nothing. */
export type RouteMatch =
  | { readonly operation: Operation; readonly allow?: undefined }
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
  const prefixes: [prefix: string, entry: PathEntry][] = [];
  for (const operation of operations) {
    for (const path of operation.paths) {
      if (path.endsWith("/**")) prefixes.push([path.slice(0, -2), addMethod(undefined, operation)]);
      else exact.set(path, addMethod(exact.get(path), operation));
    }
  }
  return {
    match(method, path) {
      const entry =
        exact.get(path) ??
        prefixes.find(([prefix]) => path.length > prefix.length && path.startsWith(prefix))?.[1];
      if (!entry) return undefined;
      return entry.byMethod.get(method === "HEAD" ? "GET" : method) ?? entry.refused;
    },
  };
}

function addMethod(entry: PathEntry | undefined, operation: Operation): PathEntry {
  const byMethod = entry?.byMethod ?? new Map<string, { operation: Operation }>();
  byMethod.set(operation.method, { operation });
  const allow = [...byMethod.keys()].map((method) => (method === "GET" ? "GET, HEAD" : method));
  return { byMethod, refused: { allow: allow.join(", ") } };
}
