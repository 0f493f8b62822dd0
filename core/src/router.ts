import type { Backend } from "./backend.ts";
import type { ResolvedConfig } from "./config/resolved.ts";
import { ModelTable } from "./models/model-table.ts";
import type { OfferSource } from "./models/offers.ts";
import type { Load } from "./models/routed-target.ts";
import type { Operation, OperationName } from "./operation.ts";
import { coreOperations } from "./operations/index.ts";
import type { Target } from "./target.ts";

/**
 * How a name was understood: in this order the first that holds. `configured` and `listed` are whole names, in
 * `models` of the config or in a backend's list.
 */
export type Via = "configured" | "listed" | "alias" | "vendor" | "pattern";

/** A name that clients may ask for. */
export interface RoutedModel {
  readonly name: string;
  readonly via: Via;
  /** What it stands for: the model behind an alias or vendor prefix, the pattern that fits, else the name itself. */
  readonly of: string;
  /** Those at backends that are online. */
  readonly targets: readonly Target[];
  /** Targets able to do an operation, made on first use. */
  readonly byOperation: Map<OperationName, readonly Target[]>;
  readonly canonicalName: string | undefined;
  /** Further names of the same model. */
  readonly aliases: readonly string[];
}

/** From the name a client asks for to the targets that serve it. Matching is exact and case-sensitive. */
export interface Router {
  /** Grows with each change of what follows. */
  readonly version: number;
  /** Every name that has a backend online, as far as they can be told: not those that patterns let in. */
  readonly models: ReadonlyMap<string, RoutedModel>;
  /** By id. Changes in place when backends tell of other models. */
  readonly targets: ReadonlyMap<string, Target>;
  readonly operations: ReadonlyMap<OperationName, Operation>;
  /** How a name is understood; without targets when none of its backends is online. */
  find(model: string): RoutedModel | undefined;
  /**
   * Throws 400 `invalid_request` and `unknown_provider`, 401 `provider_key_missing`, 404 `model_not_found`, 501
   * `unsupported_operation`, 503 `no_nodes`.
   */
  resolve(model: string, operation: Operation): readonly Target[];
  /**
   * The backends that have an operation which is about no model, each as a target of its own, in config order. Throws
   * 501 `unsupported_operation`, 503 `no_nodes`.
   */
  backendsFor(operation: Operation): readonly Target[];
  /** The backend is online and answered when it was last asked. */
  isReady(backend: string): boolean;
}

/** What a router is made of; the rest has defaults, for configs built in code. */
export type RouterConfig = Pick<ResolvedConfig, "models"> &
  Partial<Pick<ResolvedConfig, "sameModels" | "knownVendors">> & {
    readonly backends: readonly OfferSource[];
  };

export function createRouter(
  config: RouterConfig,
  backends: ReadonlyMap<string, Backend>,
  operations: ReadonlyMap<OperationName, Operation> = new Map(
    coreOperations.map((operation) => [operation.name, operation]),
  ),
  loads = new Map<string, Load>(),
): ModelTable {
  return new ModelTable(config, backends, operations, loads);
}
