import type { OperationName } from "../operation.ts";

/** US dollars for one token. */
export interface ModelPrice {
  readonly prompt: number;
  readonly completion: number;
  /** A token of the request that the backend had in its cache. Absent: as `prompt`. */
  readonly cachedPrompt?: number;
}

/** What is known of a model at a place: told by the config, else by the backend's own list. */
export interface ModelFacts {
  /** Absent where nobody named one. */
  readonly price?: ModelPrice | undefined;
  readonly capabilities?: readonly string[] | undefined;
  readonly maxInputTokens?: number | undefined;
  readonly maxOutputTokens?: number | undefined;
  /** What the model is for, by the operations of the backend's dialect. Absent: all that the adapter maps. */
  readonly operations?: readonly OperationName[] | undefined;
  /** Seconds since the epoch. */
  readonly created?: number | undefined;
  readonly ownedBy?: string | undefined;
}

const NAMES = [
  "price",
  "capabilities",
  "maxInputTokens",
  "maxOutputTokens",
  "operations",
  "created",
  "ownedBy",
] as const satisfies readonly (keyof ModelFacts)[];

export const NO_FACTS: ModelFacts = {};

/** The facts that an object states, among whatever else it holds. */
export function pickFacts(from: {
  readonly [Name in keyof ModelFacts]?: ModelFacts[Name] | undefined;
}): ModelFacts {
  const entries = NAMES.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]]));
  return entries.length === 0 ? NO_FACTS : (Object.fromEntries(entries) as ModelFacts);
}

/** Fact by fact, what the first place says that says anything. */
export function layFacts(...places: readonly (ModelFacts | undefined)[]): ModelFacts {
  const stated = places.filter((facts) => facts !== undefined && facts !== NO_FACTS) as ModelFacts[];
  if (stated.length <= 1) return stated[0] ?? NO_FACTS;
  return pickFacts(Object.assign({}, ...stated.toReversed()) as ModelFacts);
}

export function isSameFacts(left: ModelFacts, right: ModelFacts): boolean {
  return left === right || NAMES.every((name) => isSame(left[name], right[name]));
}

/** Facts are plain data, always written in the same order. */
function isSame(left: unknown, right: unknown): boolean {
  return left === right || (typeof left === "object" && JSON.stringify(left) === JSON.stringify(right));
}
