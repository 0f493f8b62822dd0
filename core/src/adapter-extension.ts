import * as v from "valibot";
import type { Adapter, AdapterRegistry, OperationMapping } from "./adapter.ts";
import { defineAdapter } from "./adapter.ts";
import { isSecret, revealSecret, type Secret } from "./config/secret.ts";
import type { OperationName } from "./operation.ts";

const name = v.pipe(v.string(), v.nonEmpty());
const url = v.pipe(v.string(), v.regex(/^https?:\/\/[^/]/, "an http:// or https:// URL"));
const path = v.pipe(v.string(), v.regex(/^\/[^\s#]*$/, "a path that begins with /"));
/** Names are tokens of RFC 9110, section 5.6.2. */
const headerName = v.pipe(
  v.string(),
  v.regex(/^[!#$%&'*+.^`|~\w-]+$/, "the name of a header"),
  v.toLowerCase(),
);
const HEADER_VALUE = "a text without control characters, or env()";
/** Without control characters, which could end the header and begin another. */
const headerValue = v.union(
  [
    v.custom<Secret>(isSecret),
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    v.pipe(v.string(), v.regex(/^[^\u0000-\u001f\u007f]*$/, HEADER_VALUE)),
  ],
  HEADER_VALUE,
);

/** An adapter said by what it does otherwise than another: no code, so it may be JSON. */
export const ExtensionSchema = v.strictObject({
  /** The adapter that it is like: a built-in one, or one of the same folder. */
  extends: name,
  /** What backends call it. @default the name of the file */
  name: v.optional(v.pipe(v.string(), v.regex(/^[\w.-]+$/, "a name of letters, digits, `.`, `_` and `-`"))),
  /** Shown in `provider` fields and metrics. @default its name */
  provider: v.optional(name),
  /** Where backends are that say no `baseURL`. That of the other adapter is not taken over: it is another vendor's. */
  baseURL: v.optional(url),
  /** The header that carries the key, in place of the other adapter's. */
  auth: v.optional(
    v.strictObject({
      header: headerName,
      /** Stands before the key. @default "" */
      prefix: v.optional(v.string(), ""),
    }),
  ),
  /** Headers of every request; a value may be `env("NAME")`. */
  headers: v.optional(v.record(headerName, headerValue), {}),
  /** Client headers that the server takes, beside those of the other adapter. */
  forwardHeaders: v.optional(v.array(headerName), []),
  /**
   * Where operations are, beneath the base URL, for all its models; `false` for one that the server lacks. `{model}` is the
   * model's name. One that the other adapter lacks is added, and passes as bytes.
   */
  paths: v.optional(
    v.record(v.string(), v.union([v.literal(false), path], "a path that begins with /, or false")),
    {},
  ),
  /** Where the models are listed, in the form that the other adapter reads; `false`: nowhere. */
  models: v.optional(v.union([v.literal(false), path], "a path that begins with /, or false")),
  /** A free probe; `false`: there is none. */
  health: v.optional(v.union([v.literal(false), path], "a path that begins with /, or false")),
  /** Before a colon it asks for this server: `acme:large`. @default its name */
  vendorPrefixes: v.optional(v.array(name)),
  /** Names of its models, with `*`. */
  modelPatterns: v.optional(v.array(name)),
});

export type CheckedExtension = v.InferOutput<typeof ExtensionSchema>;

/** Any name, of which editors offer those that types know. */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- filled by augmentation
type KnownAdapter = keyof AdapterRegistry | (string & {});

export interface AdapterExtension extends Omit<v.InferInput<typeof ExtensionSchema>, "extends" | "paths"> {
  /** The adapter that it is like: a built-in one, or one of the same folder. */
  extends: KnownAdapter;
  /**
   * Where operations are, beneath the base URL, for all its models; `false` for one that the server lacks. `{model}` is the
   * model's name. One that the other adapter lacks is added, and passes as bytes.
   */
  paths?: { readonly [Name in OperationName]?: string | false };
}

/**
 * Types an adapter that is another one with differences: the default export of a file in the user's `adapters/` folder.
 * Nothing is changed; the file is checked when the config is loaded.
 */
export function extendAdapter(extension: AdapterExtension): AdapterExtension {
  return extension;
}

/** The adapter that an extension of `base` describes. */
export function toExtendedAdapter(base: Adapter, extension: CheckedExtension, ownName: string): Adapter {
  const { auth, headers, paths, models, health } = extension;
  const adapter = { ...base };
  // These say who the other server is, which this one is not.
  delete adapter.baseURL;
  delete adapter.modelPatterns;
  delete adapter.recognition;
  if (auth) delete adapter.authorize;
  if (models === false) delete adapter.models;
  if (health === false) delete adapter.health;
  const sent = Object.entries(headers).map(([header, value]): [string, string] => [
    header,
    isSecret(value) ? revealSecret(value) : value,
  ]);
  return defineAdapter({
    ...adapter,
    name: ownName,
    provider: extension.provider ?? ownName,
    ...(extension.baseURL !== undefined && { baseURL: extension.baseURL }),
    ...(auth && { auth: (apiKey) => (apiKey === undefined ? {} : { [auth.header]: auth.prefix + apiKey }) }),
    // What a backend says of its own wins.
    headers: (options) => ({ ...Object.fromEntries(sent), ...base.headers?.(options) }),
    forwardHeaders: [...(base.forwardHeaders ?? []), ...extension.forwardHeaders],
    operations: toOperations(base, paths),
    ...(base.models && typeof models === "string" && { models: { ...base.models, path: models } }),
    ...(typeof health === "string" && { health: { path: health } }),
    vendorPrefixes: extension.vendorPrefixes ?? [ownName],
    ...(extension.modelPatterns && { modelPatterns: extension.modelPatterns }),
  });
}

function toOperations(base: Adapter, paths: CheckedExtension["paths"]): Adapter["operations"] {
  const operations: Record<string, OperationMapping> = { ...base.operations };
  for (const [operation, path] of Object.entries(paths)) {
    if (path === false) delete operations[operation];
    else operations[operation] = movedTo(path, operations[operation]);
  }
  return operations;
}

/** What the other adapter serves to some models, or by an option alone, is at this path for all of them. */
function movedTo(
  path: string,
  { serves: _serves, ...mapping }: Partial<OperationMapping> = {},
): OperationMapping {
  return { ...mapping, path };
}
