import type { ResolvedModel } from "../config/resolved.ts";
import type { RouterConfig } from "../router.ts";
import type { ModelFacts } from "./model-facts.ts";
import { byCloseness, createPattern, isPattern, type NamePattern } from "./name-pattern.ts";

/** Names of one and the same model. */
export interface NameGroup {
  readonly canonical: string | undefined;
  readonly names: readonly string[];
}

interface ConfiguredPattern {
  readonly model: ResolvedModel;
  readonly pattern: NamePattern;
}

/** The models of a config by every name that it gives them; where they are served is the backends' to tell. */
export class ConfiguredNames {
  /** By exact name. */
  readonly #models = new Map<string, ResolvedModel>();
  /** With `*`; the closest description first. */
  readonly #patterns: readonly ConfiguredPattern[];
  /** Alias to the name of the model. */
  readonly #aliases = new Map<string, string>();
  readonly #groups = new Map<string, NameGroup>();

  constructor({ models, sameModels = [] }: Pick<RouterConfig, "models" | "sameModels">) {
    const patterns: ConfiguredPattern[] = [];
    for (const model of models) {
      if (isPattern(model.name)) patterns.push({ model, pattern: createPattern(model.name) });
      else this.#add(model);
    }
    this.#patterns = byCloseness(patterns);
    for (const names of sameModels) {
      const group = { canonical: names[0], names };
      // What the config says of a name holds.
      for (const name of names) if (!this.#groups.has(name)) this.#groups.set(name, group);
    }
  }

  /** The model of exactly this name. */
  find(name: string): ResolvedModel | undefined {
    return this.#models.get(name);
  }

  /** The closest pattern with targets of its own that a name fits. */
  findPattern(name: string): ConfiguredPattern | undefined {
    return this.#patterns.find(({ model, pattern }) => model.targets && pattern.matches(name));
  }

  /** The name that an alias stands for. */
  behind(alias: string): string | undefined {
    return this.#aliases.get(alias);
  }

  groupOf(name: string): NameGroup | undefined {
    return this.#groups.get(name);
  }

  /** What the config says of a model that it leaves to the backends. */
  factsOf(name: string): ModelFacts | undefined {
    const exact = this.#models.get(name);
    if (exact) return exact.targets ? undefined : exact.facts;
    return this.#patterns.find(({ model, pattern }) => !model.targets && pattern.matches(name))?.model.facts;
  }

  /** Names that may lead somewhere, without those that only patterns let in; some of them twice. */
  *names(): Generator<string> {
    for (const { name, targets } of this.#models.values()) if (targets) yield name;
    yield* this.#groups.keys();
  }

  #add(model: ResolvedModel): void {
    const { name, aliases, canonicalName } = model;
    this.#models.set(name, model);
    const others = [...aliases, ...(canonicalName === undefined ? [] : [canonicalName])];
    for (const other of others) this.#aliases.set(other, name);
    const group = { canonical: canonicalName, names: [name, ...others] };
    for (const own of group.names) this.#groups.set(own, group);
  }
}
