import type { Backend } from "../backend.ts";
import type { Target } from "../target.ts";
import { isSameFacts } from "./model-facts.ts";
import { RoutedTarget, type Load, type TargetView } from "./routed-target.ts";

/** Every target there is. What is asked for twice is one object, for as long as nothing about it changes. */
export class TargetPool {
  /** By id; of several views of one place the plain one. */
  readonly targets = new Map<string, Target>();
  readonly #views = new Map<string, RoutedTarget[]>();
  readonly #loads: Map<string, Load>;
  readonly #kept = new Set<string>();

  /** The loads are those of the pool before a reload: what runs there still counts. */
  constructor(loads: Map<string, Load>) {
    this.#loads = loads;
  }

  /** The view of a place that a name of the config or of a backend's list leads to. */
  view(backend: Backend, id: string, view: TargetView): RoutedTarget {
    const views = this.#views.get(id);
    const known = views?.find((target) => isSameView(target, view));
    if (known) return known;
    const target = this.transient(backend, id, view);
    if (views) views.push(target);
    else this.#views.set(id, [target]);
    return target;
  }

  /** A view for a name that a client may have invented: not remembered here, since there is no end to them. */
  transient(backend: Backend, id: string, view: TargetView): RoutedTarget {
    const place = placeOf(backend, id);
    let load = this.#loads.get(place);
    if (load === undefined) this.#loads.set(place, (load = { inFlight: 0 }));
    return new RoutedTarget(id, backend, view, load);
  }

  /** Makes a view the plain one of its place, for all to see. Older views go when it says something new. */
  publish(backend: Backend, id: string, view: TargetView): Target {
    const known = this.#views.get(id);
    if (known && !known.some((target) => isSameView(target, view))) this.#views.delete(id);
    const target = this.view(backend, id, view);
    this.targets.set(id, target);
    return target;
  }

  /** It stays, whether or not the backend lists it. */
  keep(id: string): void {
    this.#kept.add(id);
  }

  forget(id: string): void {
    if (this.#kept.has(id)) return;
    const target = this.targets.get(id);
    if (target?.inFlight === 0) this.#loads.delete(placeOf(target.backend, id));
    this.targets.delete(id);
    this.#views.delete(id);
  }
}

/** A backend that moved is another place, though its targets keep their ids. */
function placeOf({ baseURL }: Backend, id: string): string {
  return `${baseURL.href} ${id}`;
}

export function isSameView(target: RoutedTarget, { model, weight, facts }: TargetView): boolean {
  return target.model === model && target.weight === weight && isSameFacts(target.facts, facts);
}
