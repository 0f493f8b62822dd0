import { backendPlace } from "gatewright";
import type { GatewayHost, OperationName, Target } from "gatewright";

/**
 * What is measured of each target and operation. Plain data, kept over reloads for targets that stay where they are;
 * what is kept of others goes.
 */
export class Figures<T> {
  readonly #carried: Map<string, T>;
  readonly #create: () => T;
  readonly #known = new WeakMap<Target, Map<OperationName, T>>();

  constructor(gateway: GatewayHost, name: string, create: () => T) {
    this.#carried = gateway.carry(name, () => new Map<string, T>());
    this.#create = create;
    const places = new Set([...gateway.targets.values()].map(placeOf));
    for (const key of this.#carried.keys()) {
      if (!places.has(key.slice(key.indexOf(" ") + 1))) this.#carried.delete(key);
    }
  }

  of(target: Target, operation: OperationName): T {
    const known = this.#known.get(target)?.get(operation);
    return known ?? this.#find(target, operation);
  }

  #find(target: Target, operation: OperationName): T {
    const key = `${operation} ${placeOf(target)}`;
    let figures = this.#carried.get(key);
    if (figures === undefined) {
      figures = this.#create();
      this.#carried.set(key, figures);
    }
    let byOperation = this.#known.get(target);
    if (byOperation === undefined) this.#known.set(target, (byOperation = new Map()));
    byOperation.set(operation, figures);
    return figures;
  }
}

function placeOf({ id, backend }: Target): string {
  return `${backendPlace(backend)} ${id}`;
}
