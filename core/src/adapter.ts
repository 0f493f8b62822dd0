import type { ReasoningEfforts } from "./bridges/reasoning-effort.ts";
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
  /** For bridges: members beyond the standing-in API that the backend takes. Absent: the adapter sorts them out. */
  extensions?: readonly string[];
  /** For bridges: the efforts that models of the backend take, as its adapter knows them. */
  reasoningEfforts?: ReasoningEfforts;
  /**
   * Names what of the backend's answer could not be carried: `x-gatewright-dropped` then has `reply.` and this, without
   * indices. In a stream, for as long as nothing has gone out; after that the request's line of the log has it.
   */
  report(field: string): void;
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

/** The words in which clients of a dialect know a refusal, so that they can go on without the field. */
export interface RefusalWords {
  /** In place of `unsupported_parameter`. */
  readonly code: string;
  readonly details?: Record<string, unknown>;
}

/** Thrown by `toRequest` for a field that cannot be carried and would change the answer: a 400 naming it. */
export class UnsupportedField extends Error {
  readonly field: string;
  readonly words: RefusalWords | undefined;
  constructor(field: string, message?: string, words?: RefusalWords) {
    super(message ?? `\`${field}\` cannot be carried to this backend`);
    this.name = "UnsupportedField";
    this.field = field;
    this.words = words;
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
  /**
   * In place of the two above behind a front door in another dialect, for what only the hub has in a place of its own:
   * clients of the operation itself see it where the backend puts it.
   */
  bridgedReading?: Pick<OperationMapping<Options>, "fromResponse" | "stream">;
  /** False for a model that the backend does not serve by this mapping. Absent: all of them are. */
  serves?(model: string, options: Options): boolean;
  /** Same dialect only: ask for usage in streams by this field patch when the client did not. */
  streamUsage?: boolean;
  /** The most inputs (`input`) that the backend takes in one call, which may depend on the model. More are a 400. */
  maxInputs?: number | ((model: string) => number);
  /** The dialect has ids to go on from or to ask for later, and this backend keeps nothing under them. */
  stateless?: boolean;
  /**
   * Same dialect only: members beyond the operation's API that the server takes, so that bridges need not leave them
   * out, e.g. `top_k`, `reasoning_content`, `cache_control`.
   */
  extensions?: readonly string[];
  /** Same dialect only: members that the server would refuse, such as another vendor's answers leave in a history. */
  foreign?: ForeignMembers;
}

/** A body in which neither a name nor a mark stands passes as bytes, without being parsed. */
export interface ForeignMembers {
  /** Of members. */
  readonly names?: readonly string[];
  /** Beginnings of texts. */
  readonly marks?: readonly string[];
  /**
   * The fields of the request that have to be written anew, without what is reported into `dropped`. `model` is the name
   * at the backend. Pure.
   */
  leaveOut(request: JsonObject, dropped: Set<string>, model: string): JsonObject;
}

/** Reads a backend's stream into events of the operation's own dialect. */
export interface StreamMapping<Options = Record<string, unknown>, State = unknown> {
  /** Framing of the upstream body. */
  format: "sse" | "ndjson" | StreamFraming;
  /** State carried from event to event of one stream. */
  start(info: MappingInfo<Options>): State;
  /** One upstream event (its JSON, and its `event:` name) to any number of events of the operation. */
  event(state: State, json: JsonObject, info: MappingInfo<Options>, type?: string): readonly JsonObject[];
  /** What is still to be said once the upstream said its last. Says nothing when the answer was not whole. */
  end?(state: State, info: MappingInfo<Options>): readonly JsonObject[];
}

/** A framing of events that core does not know. */
export interface StreamFraming {
  /** The media type that tells a stream from a whole reply, lower-case. */
  readonly contentType: string;
  create(): StreamDecoder;
}

/** Takes a body apart into events; throws on bytes that are none. Chunks are cut anywhere. */
export interface StreamDecoder {
  push(chunk: Uint8Array, onEvent: (json: JsonObject, type?: string) => void): void;
  end(onEvent: (json: JsonObject, type?: string) => void): void;
}

/**
 * How one operation is served by backends that have only another one: a front door in another dialect. Its request
 * becomes one of that operation, whose replies and events become its own. All functions are pure.
 */
export interface OperationBridge<State = unknown> {
  /** The operation that stands in, e.g. `chat`. */
  readonly operation: OperationName;
  /** Core sets the model, and asks for usage. Throws `UnsupportedField` like an adapter. */
  toRequest(
    request: JsonObject,
    info: MappingInfo,
  ): { body: JsonObject; dropped?: readonly string[]; headers?: Record<string, string> };
  fromResponse(response: JsonObject, info: MappingInfo): JsonObject;
  readonly stream?: {
    start(info: MappingInfo): State;
    /** One event of the other operation to any number of events of this one. */
    event(state: State, json: JsonObject, info: MappingInfo): readonly JsonObject[];
    /** What is still to be said once the upstream said its last. Says nothing when the answer was not whole. */
    end?(state: State, info: MappingInfo): readonly JsonObject[];
  };
}

/** A request as it is about to leave. */
export interface OutgoingCall {
  readonly method: string;
  /** A query parameter that `authorize` sets goes out with the call. */
  readonly url: URL;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absent where the body flows through. */
  readonly body?: string | Uint8Array;
}

/** A model as a backend lists it. */
export interface ListedModel {
  id: string;
  /** Seconds since the epoch. */
  created?: number;
  ownedBy?: string;
  operations?: readonly OperationName[];
  maxInputTokens?: number;
  maxOutputTokens?: number;
}

/** Where a backend lists its models, and how the list is read. All functions are pure. */
export interface ModelList {
  readonly path: string;
  /** The models of one page. Throws on what is no list. */
  read(body: unknown): readonly ListedModel[];
  /** Query parameters that ask for the page after this one; undefined after the last. Absent: there is one page. */
  nextPage?(body: unknown): Readonly<Record<string, string>> | undefined;
}

/** What a server is asked to find out whether it is up. */
export interface HealthProbe {
  /** Joined to the backend's base URL. */
  readonly path: string;
  /** What the base URL ends with and this path is not beneath, e.g. `/v1`. */
  readonly outside?: string;
}

/** A sign by which a server is known. All functions are pure. */
export interface Recognition {
  /** Where several adapters recognise a server the lowest counts: the surer the sign, the lower. */
  readonly rank: number;
  /** Asked for with GET, below the server's root. */
  readonly path: string;
  /** What a reply of 200 must hold: its JSON, or its text where it is none. */
  fits(body: unknown): boolean;
  /** What the adapter's `baseURL` has after the server's root, e.g. `/v1`. */
  readonly basePath?: string;
}

/** As methods, so that an adapter with its own options is still an adapter. */
interface OptionMappings<Options> {
  baseURL(options: Options): string;
}

export interface Adapter<OptionsSchema extends StandardSchemaV1 = StandardSchemaV1> {
  readonly name: string;
  /** Shown in `provider` fields and metrics, e.g. `openai`. */
  readonly provider: string;
  /** The adapter's own backend options, beside those every backend has. */
  readonly options?: OptionsSchema;
  /** Used when a backend sets no `baseURL`. */
  readonly baseURL?: string | OptionMappings<StandardSchemaV1.InferOutput<OptionsSchema>>["baseURL"];
  /** Headers that carry the credential; pure. */
  auth(
    apiKey: string | undefined,
    options: StandardSchemaV1.InferOutput<OptionsSchema>,
  ): Record<string, string>;
  /**
   * Headers that take more than the credential: a signature over the request, a token that is fetched first. They win
   * over those of `auth`. Called for each request; `refused` once more after a 401 (or a 2xx body that `errorInReply`
   * takes for one), to try with a fresh token. Undefined then says that there is nothing else to try: the 401 stands.
   */
  authorize?(
    call: OutgoingCall,
    account: {
      apiKey: string | undefined;
      options: StandardSchemaV1.InferOutput<OptionsSchema>;
      refused: boolean;
      signal: AbortSignal;
    },
  ): Promise<Record<string, string> | undefined>;
  /** Headers of every request, beside auth. */
  headers?(options: StandardSchemaV1.InferOutput<OptionsSchema>): Record<string, string>;
  /** Names of client headers that this dialect takes, lower-case, e.g. `openai-beta`. */
  readonly forwardHeaders?: readonly string[];
  readonly operations: {
    readonly [Name in OperationName]?: OperationMapping<StandardSchemaV1.InferOutput<OptionsSchema>>;
  };
  /** Before a colon it asks for this vendor: `openai:gpt-4.1`. */
  readonly vendorPrefixes?: readonly string[];
  /** Names of the vendor's models, with `*`, for as long as a backend that lists none was not asked yet. */
  readonly modelPatterns?: readonly string[];
  /**
   * Values of the hub's `reasoning_effort` by names of models at the backend, with `*`; the first that fits counts. A
   * model that none fits is sent no effort by front doors in other dialects.
   */
  readonly reasoningEfforts?: ReasoningEfforts;
  /** The model list; absent where the backend has none. */
  readonly models?: ModelList;
  /** Signs by which `adapter: "auto"` finds that a server speaks this dialect; any of them does. */
  readonly recognition?: readonly Recognition[];
  /** A free probe: 200 is up. */
  readonly health?: HealthProbe;
  /** A 2xx body that is an error all the same (some servers do this). `operation` is the adapter's own that it answers. */
  errorInReply?(
    body: JsonObject,
    operation: OperationName,
  ): { status: number; message?: string; code?: string } | undefined;
  /** Top-level members of which such a body has one; others are not parsed to find out. Absent: each is looked at. */
  readonly errorMembers?: readonly string[];
  /** Reads an error body; absent or undefined: the shapes that core knows. A `status` here corrects a misleading one. */
  fromError?(
    status: number,
    body: unknown,
  ): { status?: number; message?: string; code?: string; type?: string; param?: string } | undefined;
  /** Waiting time asked for in headers or body, where it is not `retry-after`. */
  retryAfterMs?(headers: Record<string, string>, body: unknown): number | undefined;
}

/**
 * An adapter whose backends have to have these fields, though neither schema can require them alone: an address, where
 * the adapter has none of its own. Types alone; the config is told when it is loaded all the same.
 */
export type Requiring<A extends object, Fields> = A & { readonly [REQUIRED]?: Fields };

declare const REQUIRED: unique symbol;

/** What an adapter requires of its backends. */
export type RequiredBy<A> = A extends { readonly [REQUIRED]?: infer Fields } ? Fields : unknown;

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
