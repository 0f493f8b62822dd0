import type { ListedModel } from "../adapter.ts";
import type { Backend } from "../backend.ts";
import { BoundedMap } from "../bounded-map.ts";
import { directMapping } from "../can-serve.ts";
import type { ResolvedModel, ResolvedTarget } from "../config/resolved.ts";
import { GatewayError } from "../errors.ts";
import type { Operation, OperationName } from "../operation.ts";
import type { RoutedModel, Router, RouterConfig, Via } from "../router.ts";
import type { Target } from "../target.ts";
import { ConfiguredNames } from "./configured-names.ts";
import { mayServe } from "./may-serve.ts";
import { isSameFacts, layFacts, NO_FACTS } from "./model-facts.ts";
import { byCloseness, fillPattern, type NamePattern } from "./name-pattern.ts";
import { createOffer, readListing, type Offer } from "./offers.ts";
import { refusalOf, unsupportedOperation } from "./refusals.ts";
import type { Load, RoutedTarget, TargetView } from "./routed-target.ts";
import { isSameView, TargetPool } from "./target-pool.ts";

/** What came of asking a backend for its models. */
export interface ListingChange {
  readonly total: number;
  readonly added: number;
  readonly removed: number;
  readonly updated: number;
}

interface Found {
  readonly via: Via;
  /** The name that it stands for. */
  readonly of: string;
  readonly targets: readonly Target[];
}

interface Route extends RoutedModel {
  version: number;
}

/**
 * Names that clients invent are remembered too, where a pattern or a vendor prefix lets them in: so many, the oldest
 * go first.
 */
const MAX_INVENTED = 10_000;

/**
 * Every name that clients may ask for, and where it leads. Changes while the gateway runs, at one stroke each: between
 * two requests, never within one. What a change does not touch stays the same object.
 *
 * A name that was asked for before costs one look into a map.
 */
export class ModelTable implements Router {
  readonly operations: ReadonlyMap<OperationName, Operation>;
  readonly #offers = new Map<string, Offer>();
  /** Listed names, with the backends' targets in config order. */
  readonly #listed = new Map<string, Listed[]>();
  readonly #configured: ConfiguredNames;
  readonly #vendors = new Map<string, Offer[]>();
  readonly #knownVendors: ReadonlySet<string>;
  #backendPatterns: readonly BackendPattern[] = [];

  readonly #pool: TargetPool;
  readonly #routes = new Map<string, Route>();
  readonly #invented = new BoundedMap<string, Route>(MAX_INVENTED);
  /** Of operations that are about no model. */
  readonly #places = new Map<OperationName, { version: number; targets: readonly Target[] }>();
  #names: { version: number; models: ReadonlyMap<string, RoutedModel> } | undefined;
  #version = 0;

  constructor(
    config: RouterConfig,
    backends: ReadonlyMap<string, Backend>,
    operations: ReadonlyMap<OperationName, Operation>,
    loads: Map<string, Load>,
  ) {
    this.operations = operations;
    this.#pool = new TargetPool(loads);
    this.#knownVendors = new Set(config.knownVendors);
    this.#configured = new ConfiguredNames(config);
    for (const [order, source] of config.backends.entries()) {
      const offer = createOffer(source, backends.get(source.name)!, order);
      this.#offers.set(source.name, offer);
      for (const prefix of offer.vendorPrefixes)
        this.#vendors.set(prefix, [...(this.#vendors.get(prefix) ?? []), offer]);
      for (const name of offer.models.keys()) this.#list(offer, name);
    }
    this.#collectPatterns();
    for (const model of config.models)
      for (const target of model.targets ?? []) this.#keepTarget(model, target);
  }

  get targets(): ReadonlyMap<string, Target> {
    return this.#pool.targets;
  }

  get version(): number {
    return this.#version;
  }

  get models(): ReadonlyMap<string, RoutedModel> {
    if (this.#names?.version !== this.#version)
      this.#names = { version: this.#version, models: this.#collectModels() };
    return this.#names.models;
  }

  find(name: string): RoutedModel | undefined {
    const known = this.#routes.get(name) ?? this.#invented.get(name);
    return known?.version === this.#version ? known : this.#findAnew(name, known);
  }

  resolve(name: string, operation: Operation): readonly Target[] {
    const model = this.find(name);
    if (model === undefined || model.targets.length === 0) throw this.#refusal(name, model);
    let able = model.byOperation.get(operation.name);
    if (able === undefined) {
      able = Object.freeze(model.targets.filter((target) => mayServe(target, operation)));
      model.byOperation.set(operation.name, able);
    }
    if (able.length === 0) throw unsupportedOperation(name, operation);
    return able;
  }

  backendsFor(operation: Operation): readonly Target[] {
    const known = this.#places.get(operation.name);
    if (known?.version === this.#version) return known.targets;
    const able = [...this.#offers.values()].filter(({ backend }) =>
      directMapping({ backend, model: "" }, operation),
    );
    if (able.length === 0) throw unsupportedOperation(undefined, operation);
    const targets = Object.freeze(
      able.filter(({ online }) => online).map((offer) => this.#wholeBackend(offer)),
    );
    if (targets.length === 0) throw new GatewayError("no_nodes");
    this.#places.set(operation.name, { version: this.#version, targets });
    return targets;
  }

  isOnline(backend: string): boolean {
    return this.#offers.get(backend)?.online ?? false;
  }

  isReady(backend: string): boolean {
    const offer = this.#offers.get(backend);
    return offer !== undefined && offer.online && offer.answers;
  }

  setOnline(backend: string, online: boolean): void {
    const offer = this.#offers.get(backend);
    if (offer === undefined || offer.online === online) return;
    offer.online = online;
    this.#version++;
  }

  /** The backend did not answer when it was asked; what is known of it stays. */
  noteSilence(backend: string): void {
    const offer = this.#offers.get(backend);
    if (offer) offer.answers = false;
  }

  /** The models of a backend, as it lists them now. */
  setListing(backend: string, listing: readonly ListedModel[]): ListingChange {
    const offer = this.#offers.get(backend)!;
    const before = offer.models;
    const models = readListing(listing);
    const isFirst = !offer.known;
    offer.models = models;
    offer.known = offer.answers = true;
    let [added, removed, updated] = [0, 0, 0];
    for (const name of before.keys()) {
      if (models.has(name)) continue;
      removed++;
      this.#unlist(offer, name);
    }
    for (const [name, facts] of models) {
      const known = before.get(name);
      if (known !== undefined && isSameFacts(known, facts)) continue;
      if (known === undefined) added++;
      else updated++;
      this.#list(offer, name);
    }
    if (isFirst) this.#dropPatterns(offer);
    if (isFirst || added + removed + updated > 0) this.#version++;
    return { total: models.size, added, removed, updated };
  }

  /** The target of a model at a backend, whether or not the backend lists it. */
  targetAt(backend: string, model: string): Target {
    const offer = this.#offers.get(backend);
    if (offer === undefined) throw new Error(`there is no backend \`${backend}\``);
    const id = targetId(offer, model);
    this.#pool.keep(id);
    return this.targets.get(id) ?? this.#pool.publish(offer.backend, id, this.#plainView(offer, model));
  }

  // Targets

  #list(offer: Offer, name: string): void {
    const target = this.#pool.publish(offer.backend, targetId(offer, name), this.#plainView(offer, name));
    const listed = this.#listed.get(name);
    if (listed === undefined) this.#listed.set(name, [{ offer, target }]);
    else insert(listed, { offer, target });
  }

  #unlist(offer: Offer, name: string): void {
    const left = this.#listed.get(name)!.filter((listed) => listed.offer !== offer);
    if (left.length > 0) this.#listed.set(name, left);
    else this.#listed.delete(name);
    this.#pool.forget(targetId(offer, name));
  }

  /** What the config names is there from the start. */
  #keepTarget(model: ResolvedModel, spec: ResolvedTarget): void {
    const offer = this.#offers.get(spec.backend)!;
    const id = targetId(offer, fillPattern(spec.model, model.name));
    this.#pool.keep(id);
    if (this.targets.has(id)) return;
    const { backend, view } = this.#configuredView(model, spec, model.name);
    this.#pool.publish(backend, id, view);
  }

  /** Where a model of the config goes when it is asked for by `name`. */
  #configuredTarget(model: ResolvedModel, spec: ResolvedTarget, name: string): Target {
    const { offer, backend, view } = this.#configuredView(model, spec, name);
    // A name that was let in by a pattern counts with that, unless the backend lists it.
    const byPattern = name !== model.name && !offer.models.has(view.model);
    if (!byPattern) return this.#pool.view(backend, targetId(offer, view.model), view);
    return this.#pool.transient(backend, targetId(offer, fillPattern(spec.model, model.name)), view);
  }

  #configuredView(
    model: ResolvedModel,
    spec: ResolvedTarget,
    name: string,
  ): { offer: Offer; backend: Backend; view: TargetView } {
    const offer = this.#offers.get(spec.backend)!;
    const upstream = fillPattern(spec.model, name);
    const facts = layFacts(spec.facts, model.facts, this.#plainView(offer, upstream).facts);
    return { offer, backend: offer.backend, view: { model: upstream, weight: spec.weight, facts } };
  }

  #plainView(offer: Offer, model: string): TargetView {
    const facts = layFacts(this.#configured.factsOf(model), offer.facts, offer.models.get(model));
    return { model, weight: offer.weight, facts };
  }

  /** For requests that are about no model. */
  #wholeBackend(offer: Offer): Target {
    const view = { model: "", weight: offer.weight, facts: NO_FACTS };
    return this.#pool.view(offer.backend, targetId(offer, ""), view);
  }

  // Patterns

  #collectPatterns(): void {
    const byText = new Map<string, { pattern: NamePattern; offers: Offer[] }>();
    const publish = (offer: Offer, text: string): void => {
      this.#pool.publish(offer.backend, targetId(offer, text), this.#plainView(offer, text));
    };
    for (const offer of this.#offers.values()) {
      for (const pattern of offer.patterns) {
        const known = byText.get(pattern.text);
        if (known) known.offers.push(offer);
        else byText.set(pattern.text, { pattern, offers: [offer] });
        publish(offer, pattern.text);
      }
    }
    for (const claimants of this.#vendors.values())
      for (const offer of claimants) if (offer.discovers) publish(offer, ANY_NAME);
    this.#backendPatterns = byCloseness([...byText.values()]);
  }

  /** Its list is known now. */
  #dropPatterns(offer: Offer): void {
    for (const { text } of offer.patterns) this.#pool.forget(targetId(offer, text));
    offer.patterns = [];
    this.#collectPatterns();
  }

  // From a name to its targets

  #findAnew(name: string, known: Route | undefined): RoutedModel | undefined {
    const found = this.#lookUp(name);
    if (found === undefined) {
      this.#routes.delete(name);
      this.#invented.delete(name);
      return undefined;
    }
    if (
      known &&
      known.via === found.via &&
      known.of === found.of &&
      isSameList(known.targets, found.targets)
    ) {
      known.version = this.#version;
      return known;
    }
    const group = this.#configured.groupOf(name);
    const route: Route = {
      name,
      via: found.via,
      of: found.of,
      // Requests share it: a layer that narrows it in place would do so for all that follow.
      targets: Object.freeze(found.targets),
      byOperation: new Map(),
      canonicalName: group?.canonical,
      aliases: (group?.names ?? []).filter((other) => other !== name && other !== group!.canonical),
      version: this.#version,
    };
    this.#remember(route);
    return route;
  }

  #remember(route: Route): void {
    const isInvented = route.via === "vendor" || route.via === "pattern";
    const [routes, others] = isInvented ? [this.#invented, this.#routes] : [this.#routes, this.#invented];
    others.delete(route.name);
    routes.set(route.name, route);
  }

  #lookUp(name: string): Found | undefined {
    return this.#byWholeName(name) ?? this.#byAlias(name) ?? this.#byVendor(name) ?? this.#byPattern(name);
  }

  #byWholeName(name: string): Found | undefined {
    const model = this.#configured.find(name);
    if (model?.targets) return { via: "configured", of: name, targets: this.#configuredTargets(model, name) };
    const listed = this.#listed.get(name);
    if (listed === undefined) return undefined;
    const targets = listed.filter(({ offer }) => offer.online).map(({ target }) => target);
    return { via: "listed", of: name, targets };
  }

  #configuredTargets(model: ResolvedModel, name: string): Target[] {
    return model
      .targets!.filter(({ backend }) => this.#offers.get(backend)!.online)
      .map((spec) => this.#configuredTarget(model, spec, name));
  }

  #byAlias(name: string): Found | undefined {
    const of = this.#configured.behind(name);
    if (of !== undefined) {
      const found = this.#byWholeName(of) ?? this.#byVendor(of) ?? this.#byPattern(of);
      return found && { via: "alias", of, targets: found.targets };
    }
    const listed = (this.#configured.groupOf(name)?.names ?? [])
      .filter((other) => other !== name)
      .flatMap((other) => this.#byWholeName(other) ?? []);
    if (listed.length === 0) return undefined;
    return { via: "alias", of: listed[0]!.of, targets: listed.flatMap(({ targets }) => targets) };
  }

  #byVendor(name: string): Found | undefined {
    const [prefix, rest] = splitPrefix(name);
    const claimants = this.#vendors.get(prefix);
    if (claimants === undefined || rest === "") return undefined;
    const online = claimants.filter((offer) => offer.online);
    if (online.length === 0) return { via: "vendor", of: rest, targets: [] };
    const backends = new Set(online.map(({ backend }) => backend));
    const found = this.#byWholeName(rest) ?? this.#byAlias(rest) ?? this.#byPattern(rest);
    const targets = found?.targets.filter(({ backend }) => backends.has(backend)) ?? [];
    if (targets.length > 0) return { via: "vendor", of: rest, targets };
    // The vendor itself was asked for: it knows better than a list of it what it has.
    const open = online.filter(({ discovers }) => discovers);
    if (open.length === 0) return undefined;
    return { via: "vendor", of: rest, targets: open.map((offer) => this.#letIn(offer, ANY_NAME, rest)) };
  }

  #byPattern(name: string): Found | undefined {
    const own = this.#configured.findPattern(name);
    const matching = this.#backendPatterns.filter(({ pattern }) => pattern.matches(name));
    const closest = matching[0]?.pattern;
    if (own && own.pattern.fixedLength >= (closest?.fixedLength ?? 0))
      return { via: "pattern", of: own.model.name, targets: this.#configuredTargets(own.model, name) };
    if (closest === undefined) return undefined;
    const byOffer = new Map<Offer, Target>();
    for (const { pattern, offers } of matching)
      for (const offer of offers)
        if (offer.online && !byOffer.has(offer)) byOffer.set(offer, this.#letIn(offer, pattern.text, name));
    const ordered = [...byOffer].sort(([left], [right]) => left.order - right.order);
    return { via: "pattern", of: closest.text, targets: ordered.map(([, target]) => target) };
  }

  #letIn(offer: Offer, pattern: string, name: string): Target {
    return this.#pool.transient(offer.backend, targetId(offer, pattern), this.#plainView(offer, name));
  }

  #refusal(name: string, model: RoutedModel | undefined): Error {
    const [prefix, rest] = splitPrefix(name);
    const isVendor = this.#vendors.has(prefix);
    return refusalOf(name, {
      prefix,
      rest,
      isKnown: model !== undefined,
      isVendor,
      isVendorWithoutAccount: !isVendor && this.#knownVendors.has(prefix),
      isRestKnown: rest !== "" && this.#lookUp(rest) !== undefined,
      isAnyOnline: [...this.#offers.values()].some(
        (offer) => offer.online && (offer.known || offer.patterns.length > 0),
      ),
    });
  }

  // All names

  /** Names that clients can be told of: not those that patterns let in. */
  #collectModels(): Map<string, RoutedModel> {
    const models = new Map<string, RoutedModel>();
    for (const name of this.#allNames()) {
      const model = models.has(name) ? undefined : this.find(name);
      if (model && model.targets.length > 0) models.set(name, model);
    }
    return models;
  }

  *#allNames(): Generator<string> {
    yield* this.#listed.keys();
    yield* this.#configured.names();
    for (const [prefix, claimants] of this.#vendors) {
      // Further prefixes of a backend mean the same as its first.
      const first = claimants.filter(({ vendorPrefixes }) => vendorPrefixes[0] === prefix);
      for (const offer of first) for (const name of offer.models.keys()) yield `${prefix}:${name}`;
    }
  }
}

interface Listed {
  readonly offer: Offer;
  readonly target: Target;
}

interface BackendPattern {
  readonly pattern: NamePattern;
  readonly offers: readonly Offer[];
}

/** In config order, in place of what the same backend had. Mostly it is the last. */
function insert(list: Listed[], entry: Listed): void {
  let at = list.length;
  while (at > 0 && list[at - 1]!.offer.order > entry.offer.order) at--;
  const isKnown = list[at - 1]?.offer === entry.offer;
  list.splice(isKnown ? at - 1 : at, isKnown ? 1 : 0, entry);
}

/** Stands in ids for whatever a client asks a vendor for. */
const ANY_NAME = "*";

function targetId({ backend }: Offer, model: string): string {
  return `${backend.name}/${model}`;
}

/** Before and after the first colon. */
function splitPrefix(name: string): [prefix: string, rest: string] {
  const at = name.indexOf(":");
  return at < 0 ? ["", ""] : [name.slice(0, at), name.slice(at + 1)];
}

/** Targets that patterns let in are made anew each time: what counts is what they say. */
function isSameList(left: readonly Target[], right: readonly Target[]): boolean {
  return left.length === right.length && left.every((target, index) => isSameTarget(target, right[index]!));
}

function isSameTarget(left: Target, right: Target): boolean {
  if (left === right) return true;
  return left.id === right.id && isSameView(left as RoutedTarget, right as RoutedTarget);
}
