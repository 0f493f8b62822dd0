import type { Adapter, AdapterRegistry, RequiredBy } from "../adapter.ts";
import type { OperationName } from "../operation.ts";
import type { Plugin } from "../plugin.ts";
import type { InputOf, StandardSchemaV1 } from "../standard-schema.ts";
import type {
  BackendSchema,
  DiscoverySchema,
  LogSchema,
  ModelSchema,
  ServerSchema,
  StateSchema,
  TargetSchema,
  TimeoutsSchema,
} from "./schema.ts";
import type { PluginCondition } from "./when.ts";

export type ServerInput = InputOf<typeof ServerSchema>;
export type StateInput = InputOf<typeof StateSchema>;
export type LogInput = InputOf<typeof LogSchema>;
export type TimeoutsInput = InputOf<typeof TimeoutsSchema>;

export type DiscoveryInput = InputOf<typeof DiscoverySchema>;

/** What every backend has, whatever its adapter. */
type CommonBackend = Omit<Declared<InputOf<typeof BackendSchema>>, "adapter">;

/** Without the index signature that lets an adapter's options through. */
type Declared<T> = { [Key in keyof T as string extends Key ? never : Key]: T[Key] };

type AdapterOptions<A> =
  A extends Adapter<infer Schema>
    ? unknown extends StandardSchemaV1.InferInput<Schema>
      ? unknown
      : InputOf<Schema>
    : unknown;

type BackendFields<Name extends keyof AdapterRegistry> = {
  /** The dialect that the backend speaks. */
  adapter: Name;
} & CommonBackend &
  AdapterOptions<AdapterRegistry[Name]> &
  RequiredBy<AdapterRegistry[Name]>;

/** A backend of one adapter, in one piece: editors and errors then show fields, not their sources. Of a union each. */
export type BackendOf<Name extends keyof AdapterRegistry, Fields = BackendFields<Name>> = {
  [Key in keyof Fields]: Fields[Key];
};

/** A server that is asked at the start what it is. */
export interface AutoBackend extends CommonBackend {
  /** The dialect that the backend speaks. */
  adapter: "auto";
  /** `http://` or `https://`; without a path where the server is to say the rest. */
  baseURL: string;
}

/** What may stand for an adapter: its name, or the wish to find out. */
type AdapterNames = AdapterRegistry & { auto: AutoBackend };

/** One shape for each adapter that types know; while they know none, any name and any option. */
export type BackendInput = [keyof AdapterRegistry] extends [never]
  ? CommonBackend & { adapter: string; [option: string]: unknown }
  : {
      [Name in keyof AdapterNames]: Name extends keyof AdapterRegistry ? BackendOf<Name> : AutoBackend;
    }[keyof AdapterNames];

type TargetOf<BackendName extends string> = Omit<InputOf<typeof TargetSchema>, "backend"> & {
  /** Name of an entry of `backends`. */
  backend: BackendName;
};

export type ModelInput<BackendName extends string = string> = Omit<InputOf<typeof ModelSchema>, "targets"> & {
  /** Where requests for the model may go. @default the backends that serve a model of this name */
  targets?: readonly TargetOf<BackendName>[];
};

interface Sections {
  /** Listening, limits of clients, shutdown. */
  server?: ServerInput;
  /** Where plugins keep state. @default { driver: "memory" } */
  state?: StateInput;
  /** What is logged, and how. */
  log?: LogInput;
  /** Time limits of upstream calls, in milliseconds, at most 600_000; 0 switches one off. */
  timeouts?: TimeoutsInput;
  /** How backends that list no models are asked for theirs. */
  discovery?: DiscoveryInput;
  /** Model of requests that name none, by operation. */
  defaultModels?: { [Name in OperationName]?: string };
  /** The chain, in this order. */
  plugins?: readonly (Plugin | PluginCondition)[];
}

/** Part of a config that is laid over the rest: objects merge, lists replace, plugins merge by name. */
export interface ConfigLayer extends Sections {
  backends?: Record<string, Partial<CommonBackend> & { adapter?: string; [option: string]: unknown }>;
  models?: Record<string, Partial<ModelInput>>;
}

/** `Base` is what `extends` names: with a base, backends may be defined there. */
export interface GatewayConfig<
  BackendName extends string = string,
  Base extends string | readonly string[] | undefined = string | readonly string[] | undefined,
> extends Sections {
  /** Config files that this one is laid over, by relative path; the first is the strongest. */
  extends?: Base;
  /** Upstream servers and provider accounts, by name. */
  backends: { [Name in BackendName]: BackendInput };
  /** Names that clients may ask for, beside the models that the backends list; one with `*` is all names that fit. */
  models?: Record<string, ModelInput<Base extends undefined ? NoInfer<BackendName> : string>>;
  /** Laid over in production: `gatewright start`. */
  $production?: ConfigLayer;
  /** Laid over in development: `gatewright dev`. */
  $development?: ConfigLayer;
  /** Laid over in tests. */
  $test?: ConfigLayer;
  /** Layers by the name in the variable `GATEWRIGHT_ENV`, else by the mode. Stronger than the mode's own. */
  $env?: Record<string, ConfigLayer>;
}

/**
 * Types a config; nothing is changed. Names of adapters, their options, the backends that models refer to and the
 * options of plugins are checked as you type, the rest when the config is loaded (`gatewright check`).
 */
export function defineGatewayConfig<
  const BackendName extends string,
  const Base extends string | readonly string[] | undefined = undefined,
>(config: GatewayConfig<BackendName, Base>): GatewayConfig<BackendName, Base> {
  return config;
}
