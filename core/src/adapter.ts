import type { StandardSchemaV1 } from "./standard-schema.ts";
import { brand } from "./brand.ts";
import type { JsonObject, OperationName } from "./operation.ts";

/** What a mapping may know about the request it maps. Plain values: mappings are pure. */
export interface MappingInfo<Options = Record<string, unknown>> {
  operation: OperationName;
  /** The model's name at the backend. */
  model: string;
  /** The name that the client asked for, and that the reply carries. */
  requestedModel: string;
  stream: boolean;
  /** The adapter's own options of this backend. */
  options: Options;
  /** Id for replies whose backend gives none; unique per request. */
  requestId: string;
  /** Seconds since the epoch, for replies whose backend gives no time. */
  nowSeconds: number;
  /** The client's request in the operation's shape, for replies that depend on it. */
  request: JsonObject;
}

/** A request in the backend's dialect. */
export interface MappedRequest {
  /** Joined to the backend's base URL; absent: the operation's `path`. */
  path?: string;
  body: JsonObject;
  headers?: Record<string, string>;
  /** Fields that could not be carried and do not change the answer; reported in `x-gatewright-dropped`. */
  dropped?: readonly string[];
}

/** Thrown by `toRequest` for a field that cannot be carried and would change the answer: a 400 naming it. */
export class UnsupportedField extends Error {
  readonly field: string;
  constructor(field: string, message?: string) {
    super(message ?? `\`${field}\` cannot be carried to this backend`);
    this.name = "UnsupportedField";
    this.field = field;
  }
}

/** As a method, so that an adapter with its own options is still an adapter. */
interface PathMapping<Options> {
  of(info: Pick<MappingInfo<Options>, "model" | "options" | "stream">): string;
}

/**
 * How the adapter serves one operation. With `path` alone the backend speaks the operation's own dialect, and bytes
 * pass with only the model's name changed. With `toRequest` and the rest, the request is translated.
 */
export interface OperationMapping<Options = Record<string, unknown>> {
  /** Joined to the backend's base URL. `{model}` stands for the encoded model name. */
  path: string | PathMapping<Options>["of"];
  toRequest?(request: JsonObject, info: MappingInfo<Options>): MappedRequest;
  fromResponse?(response: JsonObject, info: MappingInfo<Options>): JsonObject;
  stream?: StreamMapping<Options>;
  /** Same dialect only: ask for usage in streams by this field patch when the client did not. */
  streamUsage?: boolean;
}

/** Reads a backend's stream into events of the operation's own dialect. */
export interface StreamMapping<Options = Record<string, unknown>, State = unknown> {
  /** Framing of the upstream body. */
  format: "sse" | "ndjson";
  /** State carried from event to event of one stream. */
  start(info: MappingInfo<Options>): State;
  /** One upstream event (its JSON, and its `event:` name) to any number of events of the operation. */
  event(state: State, json: JsonObject, info: MappingInfo<Options>, type?: string): readonly JsonObject[];
}

/** A model as a backend lists it. */
export interface ListedModel {
  id: string;
  /** Seconds since the epoch. */
  created?: number;
  ownedBy?: string;
  operations?: readonly OperationName[];
}

export interface Adapter<OptionsSchema extends StandardSchemaV1 = StandardSchemaV1> {
  readonly name: string;
  /** Shown in `provider` fields and metrics, e.g. `openai`. */
  readonly provider: string;
  /** The adapter's own backend options, beside those every backend has. */
  readonly options?: OptionsSchema;
  /** Used when a backend sets no `baseURL`. */
  readonly baseURL?: string;
  /** Headers that carry the credential; pure. */
  auth(
    apiKey: string | undefined,
    options: StandardSchemaV1.InferOutput<OptionsSchema>,
  ): Record<string, string>;
  /** Headers of every request, beside auth. */
  headers?(options: StandardSchemaV1.InferOutput<OptionsSchema>): Record<string, string>;
  /** Names of client headers that this dialect takes, lower-case, e.g. `openai-beta`. */
  readonly forwardHeaders?: readonly string[];
  readonly operations: {
    readonly [Name in OperationName]?: OperationMapping<StandardSchemaV1.InferOutput<OptionsSchema>>;
  };
  /** The model list; absent where the backend has none. */
  readonly models?: { readonly path: string; read(body: unknown): readonly ListedModel[] };
  /** A free probe: 200 is up. */
  readonly health?: { readonly path: string };
  /** A 2xx body that is an error all the same (some servers do this). */
  errorInReply?(body: JsonObject): { status: number; message?: string; code?: string } | undefined;
  /** Reads an error body; absent: the shapes that core knows. */
  fromError?(
    status: number,
    body: unknown,
  ): { message?: string; code?: string; type?: string; param?: string };
  /** Waiting time asked for in headers or body, where it is not `retry-after`. */
  retryAfterMs?(headers: Record<string, string>, body: unknown): number | undefined;
}

/**
 * Types an adapter. One file, default export; core finds it by the file being in an `adapters/` folder.
 * A family shares by object spread: `defineAdapter({ ...openai, name: "vllm" })`.
 */
export function defineAdapter<
  const Schema extends StandardSchemaV1 = StandardSchemaV1<unknown, Record<string, never>>,
>(adapter: Adapter<Schema>): Adapter<Schema> {
  return brand("adapter", { ...adapter });
}

/**
 * The adapters that types know, by name. Generated for the built-in ones; a file of the user's own `adapters/`
 * folder adds itself: `declare module "gatewright" { interface AdapterRegistry { mine: typeof mine } }`.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- filled by augmentation
export interface AdapterRegistry {}
