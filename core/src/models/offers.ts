import type { ListedModel } from "../adapter.ts";
import type { Backend } from "../backend.ts";
import type { ResolvedBackend } from "../config/resolved.ts";
import { NO_FACTS, pickFacts, type ModelFacts } from "./model-facts.ts";
import { createPattern, isPattern, type NamePattern } from "./name-pattern.ts";

/** What one backend offers, as far as it is known by now. */
export interface Offer {
  /** Place in the config. */
  readonly order: number;
  readonly backend: Backend;
  readonly weight: number;
  /** Of all its models, as the config tells. */
  readonly facts: ModelFacts;
  /** The backend is asked for its models, and they may change. */
  readonly discovers: boolean;
  /** Before a colon in a name they ask for this backend. */
  readonly vendorPrefixes: readonly string[];
  online: boolean;
  /** Its models are known: the config names them, or the backend did. */
  known: boolean;
  /** It answered when it was last asked, or was not asked. */
  answers: boolean;
  /** By name at the backend, with what its own list says of them. */
  models: ReadonlyMap<string, ModelFacts>;
  patterns: readonly NamePattern[];
}

/** What it takes to make an offer; the rest has defaults, for configs built in code. */
export type OfferSource = Pick<ResolvedBackend, "name" | "models" | "weight"> &
  Partial<Pick<ResolvedBackend, "discovers" | "enabled" | "facts" | "vendorPrefixes">>;

export function createOffer(source: OfferSource, backend: Backend, order: number): Offer {
  const { models, discovers = false, enabled = true, facts = NO_FACTS } = source;
  const patterns = discovers ? (backend.adapter.modelPatterns ?? []) : models.filter(isPattern);
  return {
    order,
    backend,
    weight: source.weight,
    facts,
    discovers,
    vendorPrefixes: source.vendorPrefixes ?? backend.adapter.vendorPrefixes ?? [],
    online: enabled,
    known: !discovers,
    answers: true,
    models: new Map(models.filter((name) => !isPattern(name)).map((name) => [name, NO_FACTS])),
    patterns: patterns.map(createPattern),
  };
}

/** Names that say what they are: such a model is good for embeddings alone. */
const EMBEDDING = /^embed|[-_]embed/;

/** The models of a backend's own list. Of two of one name the first counts; what has none is no model. */
export function readListing(listing: readonly ListedModel[]): Map<string, ModelFacts> {
  const models = new Map<string, ModelFacts>();
  for (const listed of listing) {
    if (listed.id.trim() === "" || models.has(listed.id)) continue;
    const operations =
      listed.operations ?? (EMBEDDING.test(listed.id) ? (["embeddings"] as const) : undefined);
    models.set(listed.id, pickFacts({ ...listed, operations }));
  }
  return models;
}
