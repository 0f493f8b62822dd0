import { isIPv6 } from "node:net";
import { BoundedMap, createAddressMatcher } from "gatewright";
import type { DownstreamRequest, Target } from "gatewright";
import type { GeoOptions } from "./options.ts";

/** Addresses whose region is remembered: looking one up walks the table. */
const MAX_ADDRESSES = 10_000;

interface Network {
  readonly holds: (address: string) => boolean;
  readonly prefix: number;
  readonly region: string;
}

/** Where clients and targets are. */
export class Regions {
  readonly #countryHeader: string | undefined;
  readonly #networks: readonly Network[];
  readonly #countries: ReadonlyMap<string, string>;
  /** Regions by the place they are seen from, nearest first. */
  readonly #orders: ReadonlyMap<string, readonly string[]>;
  /** By the name of a backend, or the id of a target. */
  readonly #places: ReadonlyMap<string, string>;
  readonly #known = new BoundedMap<string, string | undefined>(MAX_ADDRESSES);

  constructor({ regions, countryHeader }: GeoOptions) {
    const names = Object.keys(regions);
    const entries = Object.entries(regions);
    this.#countryHeader = countryHeader;
    this.#networks = entries
      .flatMap(([region, { networks }]) => networks.map((network) => toNetwork(network, region)))
      .sort((left, right) => right.prefix - left.prefix);
    this.#countries = new Map(
      entries.flatMap(([region, { countries }]) => countries.map((country) => [country, region] as const)),
    );
    this.#orders = new Map(
      entries.map(([region, { near }]) => [region, [...new Set([region, ...near, ...names])]]),
    );
    this.#places = new Map(
      entries.flatMap(([region, { backends }]) => backends.map((backend) => [backend, region] as const)),
    );
  }

  /** By the narrowest network that holds the address, else by the country; undefined when nobody knows. */
  of({ clientAddress, headers }: DownstreamRequest): string | undefined {
    const byAddress = this.#ofAddress(clientAddress);
    if (byAddress !== undefined || this.#countryHeader === undefined) return byAddress;
    const country = headers[this.#countryHeader];
    return country === undefined ? undefined : this.#countries.get(country.trim().toUpperCase());
  }

  /** The candidates with weight in the nearest region that has any; those in no region come last. */
  nearest(region: string, candidates: readonly Target[]): readonly Target[] {
    const usable = candidates.filter(({ weight }) => weight > 0);
    for (const place of this.#orders.get(region)!) {
      const there = usable.filter((target) => this.#placeOf(target) === place);
      if (there.length > 0) return there;
    }
    return usable;
  }

  #placeOf({ id, backend }: Target): string | undefined {
    return this.#places.get(id) ?? this.#places.get(backend.name);
  }

  #ofAddress(address: string): string | undefined {
    if (this.#networks.length === 0) return undefined;
    if (this.#known.has(address)) return this.#known.get(address);
    const found = this.#networks.find((network) => network.holds(address));
    this.#known.set(address, found?.region);
    return found?.region;
  }
}

function toNetwork(text: string, region: string): Network {
  const [address = "", given] = text.split("/");
  const prefix = given === undefined ? (isIPv6(address) ? 128 : 32) : Number(given);
  return { holds: createAddressMatcher([text]), prefix, region };
}
