import type { FailureKind } from "./failure-kind.ts";
import type { FallbackOptions, Place, Places } from "./options.ts";

/** The list that each kind of failure is sent through. */
export type PlacesByKind = Readonly<Record<FailureKind, Places>>;

export function placesByKind({ models, on }: Pick<FallbackOptions, "models" | "on">): PlacesByKind {
  return {
    availability: on.availability ? models : {},
    quota: on.quota ? models : {},
    contextWindow: on.contextWindow,
    contentPolicy: on.contentPolicy,
  };
}

/** Where one request goes next. A place is visited once, whichever lists it stands in. */
export class Itinerary {
  readonly #lists: PlacesByKind;
  readonly #model: string;
  readonly #visited: Set<string>;

  constructor(lists: PlacesByKind, model: string) {
    this.#lists = lists;
    this.#model = model;
    this.#visited = new Set([keyOf(model)]);
  }

  /** The first place not visited of the list for a failure of this kind. */
  next(kind: FailureKind): Place | undefined {
    const lists = this.#lists[kind];
    const list = Object.hasOwn(lists, this.#model) ? lists[this.#model] : lists["*"];
    const place = list?.find((each) => !this.#visited.has(keyOf(each)));
    if (place !== undefined) this.#visited.add(keyOf(place));
    return place;
  }
}

function keyOf(place: Place): string {
  return typeof place === "string" ? `model ${place}` : `backend ${place.backend} ${place.model ?? ""}`;
}
