import type * as v from "valibot";
import type { Adapter } from "../adapter.ts";
import type { Timeouts } from "../backend.ts";
import type { ModelFacts } from "../models/model-facts.ts";
import type { OperationName } from "../operation.ts";
import type { Plugin } from "../plugin.ts";
import type { Path } from "./fault.ts";
import type { DiscoverySchema, LimitsSchema, LogSchema } from "./schema.ts";
import type { Secret } from "./secret.ts";

/** A config after loading, merging, environment overrides, defaults and every check: what a gateway is built from. */
export interface ResolvedConfig {
  /** The config file; absent when built in code. */
  readonly file?: string;
  /** Folder that relative paths of the config mean. */
  readonly dir: string;
  readonly server: ServerConfig;
  readonly state: StateConfig;
  readonly log: LogConfig;
  readonly backends: readonly ResolvedBackend[];
  readonly models: readonly ResolvedModel[];
  /** Model of requests that name none, by operation. */
  readonly defaultModels: Readonly<Partial<Record<OperationName, string>>>;
  readonly discovery: DiscoveryConfig;
  /** Names of one and the same model, as plugins know them. The first of each list is the canonical one. */
  readonly sameModels: readonly (readonly string[])[];
  /** Vendor prefixes that are known although perhaps no backend has them. */
  readonly knownVendors: readonly string[];
  /** `totalMs` and `maxStreamMs` of the request as a whole. */
  readonly timeouts: Timeouts;
  readonly plugins: readonly ResolvedPlugin[];
  /** Backends that are out of play until their servers can be asked what they are. */
  readonly absent: readonly AbsentBackend[];
}

/** A backend with `adapter: "auto"` whose server did not answer. */
export interface AbsentBackend {
  readonly name: string;
  /** Asks again. Undefined while there is no answer; rejects with the reason once it can be of no use. */
  find(): Promise<ResolvedBackend | undefined>;
}

export interface ServerConfig {
  readonly host: string;
  readonly port: number;
  readonly workers: number;
  /** Addresses or CIDR ranges of proxies whose forwarding headers are believed. */
  readonly trustedProxies: readonly string[];
  readonly limits: ServerLimits;
  /** After SIGTERM: readiness fails while connections are still accepted. */
  readonly preStopDelayMs: number;
  /** After that: how long running requests may take. */
  readonly drainTimeoutMs: number;
  /** At last: how long each plugin may take to close. */
  readonly closeTimeoutMs: number;
}

/** Sizes and times that a client is held to. */
export type ServerLimits = Readonly<v.InferOutput<typeof LimitsSchema>>;

export type StateConfig =
  | { readonly driver: "memory"; readonly maxKeys?: number }
  | { readonly driver: "file"; readonly dir: string; readonly flushMs?: number }
  | {
      readonly driver: "redis";
      readonly url: string | Secret;
      readonly prefix?: string;
      readonly timeoutMs?: number;
      readonly cluster?: boolean;
    };

export type LogConfig = Readonly<v.InferOutput<typeof LogSchema>>;

export type DiscoveryConfig = Readonly<v.InferOutput<typeof DiscoverySchema>>;

export interface ResolvedBackend {
  readonly name: string;
  readonly adapter: Adapter;
  readonly options: Record<string, unknown>;
  readonly baseURL: URL;
  readonly apiKey?: Secret;
  readonly weight: number;
  /** Names at the backend, those with `*` included. */
  readonly models: readonly string[];
  /** The backend is asked for its models; `models` is empty. */
  readonly discovers: boolean;
  readonly vendorPrefixes: readonly string[];
  readonly enabled: boolean;
  /** Of all its models. */
  readonly facts: ModelFacts;
  readonly timeouts: Timeouts;
  /** Most connections open at once. */
  readonly connections: number;
}

export interface ResolvedTarget {
  readonly backend: string;
  /** With `*` for the name that is asked for. */
  readonly model: string;
  readonly weight: number;
  readonly facts?: ModelFacts;
}

export interface ResolvedModel {
  /** With `*`, all names that fit. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly canonicalName?: string;
  /** Absent: the backends that serve a model of this name. */
  readonly targets?: readonly ResolvedTarget[];
  readonly facts?: ModelFacts;
}

/** When a part of the chain runs. A list means "one of these"; both given means both. */
export interface Condition {
  readonly operations?: readonly OperationName[];
  readonly models?: readonly string[];
}

export interface ResolvedPlugin {
  readonly plugin: Plugin;
  /** Checked, defaults applied. */
  readonly options: unknown;
  /** Conditions of every `when()` around it, outermost first. */
  readonly conditions: readonly Condition[];
  /** Its place in the config. */
  readonly path: Path;
}
