import type { Backend } from "../backend.ts";
import type { OperationName } from "../operation.ts";
import type { Target } from "../target.ts";
import type { ModelFacts, ModelPrice } from "./model-facts.ts";

/** What runs at one place, counted once whatever names and weights lead there. */
export interface Load {
  inFlight: number;
}

/** What sets targets of one place apart. */
export interface TargetView {
  readonly model: string;
  readonly weight: number;
  readonly facts: ModelFacts;
}

/** A class, so that all targets have one shape and reading them is fast. */
export class RoutedTarget implements Target {
  readonly id: string;
  readonly backend: Backend;
  readonly model: string;
  readonly weight: number;
  readonly facts: ModelFacts;
  readonly #load: Load;

  constructor(id: string, backend: Backend, { model, weight, facts }: TargetView, load: Load) {
    this.id = id;
    this.backend = backend;
    this.model = model;
    this.weight = weight;
    this.facts = Object.freeze(facts);
    this.#load = load;
    // Requests share it; what changes is the load.
    Object.freeze(this);
  }

  get inFlight(): number {
    return this.#load.inFlight;
  }
  set inFlight(count: number) {
    this.#load.inFlight = count;
  }
  get price(): ModelPrice | undefined {
    return this.facts.price;
  }
  get capabilities(): readonly string[] | undefined {
    return this.facts.capabilities;
  }
  get maxInputTokens(): number | undefined {
    return this.facts.maxInputTokens;
  }
  get maxOutputTokens(): number | undefined {
    return this.facts.maxOutputTokens;
  }
  get operations(): readonly OperationName[] | undefined {
    return this.facts.operations;
  }
  get created(): number | undefined {
    return this.facts.created;
  }
  get ownedBy(): string | undefined {
    return this.facts.ownedBy;
  }
}
