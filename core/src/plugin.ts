import type { H3 } from "h3";
import { brand } from "./brand.ts";
import type { Middleware } from "./chain.ts";
import type { ResolvedBackend } from "./config/resolved.ts";
import type { InnerCall } from "./inner-call.ts";
import type { Logger } from "./log.ts";
import type { ListingChange } from "./models/model-table.ts";
import type { JsonObject, Operation, OperationName } from "./operation.ts";
import type { InputOf, StandardSchemaV1 } from "./standard-schema.ts";
import type { State } from "./state/state.ts";
import type { Backend } from "./backend.ts";
import type { Target } from "./target.ts";

/** What a middleware may need before it and give to those after it. Core itself gives `body`, `model`, `candidates`. */
export interface ChainFacts {
  body: true;
  model: true;
  candidates: true;
  principal: true;
  target: true;
}
export type ChainFact = keyof ChainFacts;

/** What a plugin sees of the gateway it is set up in. */
export interface GatewayHost {
  /** State prefixed by the plugin's name. */
  readonly state: State;
  /**
   * What the plugin keeps in this process over reloads: made on first use under its key. A reload may bring other code
   * of the plugin, so keep plain data.
   */
  carry<T>(key: string, create: () => T): T;
  readonly log: Logger;
  readonly backends: ReadonlyMap<string, Backend>;
  /** Every target, by id. Changes in place when a backend tells of other models. */
  readonly targets: ReadonlyMap<string, Target>;
  readonly operations: ReadonlyMap<OperationName, Operation>;
  readonly catalog: ModelCatalog;
  /** Processes that share the load, this one included. */
  readonly workers: number;
  /**
   * Sends a request through this very gateway, its whole chain, as if it had come over the network: with the client's
   * credentials in its headers, as `createInnerRequest` carries them. Of operations alone: what is none is 404. Given up
   * by the request's signal it resolves with 499, and a body that was begun fails. Not before the gateway serves: never
   * in `setup`.
   */
  fetch(request: Request, options?: InnerFetchOptions): Promise<Response>;
  /**
   * Asks a model of this gateway and gives its JSON reply, past the chain: no plugin limits, retries or counts the
   * call, whose targets are tried in the order of the config. The request log has a line for it. Rejects with a
   * `GatewayError` as a request would. Not before the gateway serves: never in `setup`.
   */
  call(call: InnerCall): Promise<JsonObject>;
  /** Random numbers in [0, 1); tests seed it. */
  random(): number;
  /** Monotonic milliseconds; tests drive it. */
  now(): number;
}

/** For whom a request is sent through the gateway, and through which. */
export interface InnerFetchOptions {
  /** The client's, by which plugins may count. Default: empty. */
  readonly address?: string;
  /** Through the gateway that a reload has put in this one's place, if any: for what outlives reloads. */
  readonly current?: boolean;
}

/** What a gateway knows of models, and may be told while it runs. */
export interface ModelCatalog {
  /**
   * Takes a backend in or out: one that is not online gets no request, and its models are not listed. Holds for this
   * snapshot; what is to outlive a reload is told again in `setup`.
   */
  setOnline(backend: string, online: boolean): void;
  isOnline(backend: string): boolean;
  /** Asks a backend for its models now. Rejects when it does not tell, or when the config names its models. */
  refresh(backend: string): Promise<ListingChange>;
  /** The target of a model at a backend, whether or not the backend lists it. For names of a config, not of clients. */
  target(backend: string, model: string): Target;
}

/** What a plugin adds to the config that lists it. */
export interface Contribution {
  /** Backends by name, as a config would have them. One that the config has itself stays as it is. */
  readonly backends?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Names of one and the same model, the public one first. What the config says of a name holds. */
  readonly sameModels?: readonly (readonly string[])[];
  /** Vendor prefixes that are known although perhaps no backend has them: 401 `provider_key_missing`. */
  readonly knownVendors?: readonly string[];
}

/** What `check` sees of the rest of the config. What has faults of its own, which are told, is not in it. */
export interface ConfigView {
  /** By name. Those that tell their models themselves (`discovers`) may come to have any. */
  readonly backends: ReadonlyMap<string, ResolvedBackend>;
  /** Ids, `backend/model`, of the targets that the config names. */
  readonly targets: ReadonlySet<string>;
  readonly checkBackend: NameCheck;
  /** A name that `isOfProvider` knows: of a backend, its adapter or its vendor. */
  readonly checkProvider: NameCheck;
  /** An id, `backend/model`. */
  readonly checkTarget: NameCheck;
  /** A name that clients may ask for. */
  readonly checkModel: NameCheck;
  readonly checkOperation: NameCheck;
}

/** Nothing for a name that there is, or that there may come to be; else the fault. `path`: as in `UnknownName`. */
export type NameCheck = (name: string, path: UnknownName["path"]) => readonly UnknownName[];

/** A name among the options that means nothing in this config. */
export interface UnknownName {
  /** Where it stands, below the options: `["regions", "eu", "backends", 0]`. */
  readonly path: readonly (string | number)[];
  /** E.g. `the name of a backend`. */
  readonly expected: string;
  readonly received: string;
  /** What it may have been meant to be, for the nearest spelling. */
  readonly known: Iterable<string>;
}

/** What `setup` returns. */
export interface PluginInstance {
  middleware?: Middleware;
  /** Front doors that the plugin adds. */
  operations?: readonly Operation[];
  /** Adds HTTP routes beside the operations. */
  routes?(app: H3): void;
  /**
   * Closes what `setup` opened. Runs after the last request of the snapshot, and after a failed start. It is left behind
   * after `server.closeTimeoutMs`.
   */
  close?(): void | Promise<void>;
}

export interface PluginDefinition<Schema extends StandardSchemaV1> {
  readonly name: string;
  /** Checks, types and documents the options. Unknown keys are to be refused (`v.strictObject`). */
  readonly options: Schema;
  /** Facts that must be given before this plugin in the list. */
  readonly needs?: readonly ChainFact[];
  /** Facts that this plugin gives to those after it. */
  readonly gives?: readonly ChainFact[];
  /** Decides on headers alone: listed first, it refuses before a byte of the body is read. */
  readonly headersOnly?: boolean;
  /** Names of the operations that `setup` adds: what a config may say in `when()` and `defaultModels`. */
  readonly operations?: readonly OperationName[];
  /** Promises exact counts, so that with several workers memory and file state are refused. */
  readonly exact?: boolean | ((options: StandardSchemaV1.InferOutput<Schema>) => boolean);
  /** Adds to the config, once the options are checked and before the backends are. `environment`: its variables. */
  contribute?(
    options: StandardSchemaV1.InferOutput<Schema>,
    environment: Readonly<Record<string, string | undefined>>,
  ): Contribution;
  /** Names that the rest of the config does not have: faults of the config, told by `gatewright check` too. */
  check?(options: StandardSchemaV1.InferOutput<Schema>, config: ConfigView): readonly UnknownName[];
  /**
   * Makes the plugin's part of a gateway. An `Error` that it throws is told with the plugin's place in the config; one
   * of the language's own (`TypeError` and the like) is a bug, and told with its stack.
   */
  setup(
    options: StandardSchemaV1.InferOutput<Schema>,
    gateway: GatewayHost,
  ): PluginInstance | Promise<PluginInstance>;
}

/** An entry of `plugins`: a definition with its options, not yet checked. */
export interface Plugin {
  readonly name: string;
  readonly definition: PluginDefinition<StandardSchemaV1>;
  readonly options: unknown;
}

/** The options argument may be left out exactly when the schema accepts `undefined` or `{}` alone. */
export type GatewayPluginFactory<Schema extends StandardSchemaV1> = (
  ...options: object extends StandardSchemaV1.InferInput<Schema>
    ? [options?: InputOf<Schema>]
    : [options: InputOf<Schema>]
) => Plugin;

/** Makes a plugin: a factory that is called in the `plugins` list of a config. */
export function defineGatewayPlugin<Schema extends StandardSchemaV1>(
  definition: PluginDefinition<Schema>,
): GatewayPluginFactory<Schema> {
  const factory = (options: unknown = {}): Plugin =>
    brand("plugin", {
      name: definition.name,
      definition: definition as unknown as PluginDefinition<StandardSchemaV1>,
      options,
    });
  return Object.assign(factory, { definition });
}
