import { canServe } from "./can-serve.ts";
import { GatewayError } from "./errors.ts";
import type { Backend } from "./backend.ts";
import type { ResolvedConfig } from "./config/resolved.ts";
import type { Operation, OperationName } from "./operation.ts";
import type { Target } from "./target.ts";

/** A name that clients may ask for. */
export interface RoutedModel {
  readonly name: string;
  readonly targets: readonly Target[];
  /** Targets able to do an operation, made on first use. */
  readonly byOperation: Map<OperationName, readonly Target[]>;
}

/** From the name a client asks for to the targets that serve it. Matching is exact and case-sensitive. */
export interface Router {
  readonly models: ReadonlyMap<string, RoutedModel>;
  readonly targets: ReadonlyMap<string, Target>;
  /** Throws 404 `model_not_found`, 501 `unsupported_operation`, or 503 `no_nodes` when there is no backend at all. */
  resolve(model: string, operation: Operation): readonly Target[];
}

/** The same place under another weight, as a virtual model may state: what runs there is counted once. */
function reweigh(target: Target, weight: number): Target {
  return {
    id: target.id,
    backend: target.backend,
    model: target.model,
    weight,
    get inFlight() {
      return target.inFlight;
    },
    set inFlight(count) {
      target.inFlight = count;
    },
  };
}

export function createRouter(
  config: Pick<ResolvedConfig, "backends" | "models">,
  backends: ReadonlyMap<string, Backend>,
): Router {
  const targets = new Map<string, Target>();
  const models = new Map<string, RoutedModel>();

  const addTarget = (backend: Backend, model: string, weight: number): Target => {
    const id = `${backend.name}/${model}`;
    const existing = targets.get(id);
    if (!existing) {
      const target: Target = { id, backend, model, weight, inFlight: 0 };
      targets.set(id, target);
      return target;
    }
    return existing.weight === weight ? existing : reweigh(existing, weight);
  };
  const addModel = (name: string, list: readonly Target[]): void => {
    models.set(name, { name, targets: list, byOperation: new Map() });
  };

  const listed = new Map<string, Target[]>();
  for (const { name, models: names, weight } of config.backends) {
    for (const model of names) {
      const list = listed.get(model) ?? [];
      list.push(addTarget(backends.get(name)!, model, weight));
      listed.set(model, list);
    }
  }
  for (const [name, list] of listed) addModel(name, list);
  // A virtual model shadows a listed one of the same name.
  for (const model of config.models) {
    const list = model.targets.map((target) =>
      addTarget(backends.get(target.backend)!, target.model, target.weight),
    );
    for (const name of [model.name, ...model.aliases]) addModel(name, list);
  }

  return {
    models,
    targets,
    resolve(name, operation) {
      const model = models.get(name);
      if (!model) {
        if (backends.size === 0) throw new GatewayError("no_nodes");
        throw new GatewayError("model_not_found", {
          param: "model",
          message: `The model \`${name}\` does not exist`,
        });
      }
      let able = model.byOperation.get(operation.name);
      if (!able) {
        able = model.targets.filter((target) => canServe(target.backend.adapter, operation));
        model.byOperation.set(operation.name, able);
      }
      if (able.length === 0)
        throw new GatewayError("unsupported_operation", {
          message: `No backend of the model \`${name}\` has the operation \`${operation.name}\``,
          headers: { "x-should-retry": "false" },
        });
      return able;
    },
  };
}
