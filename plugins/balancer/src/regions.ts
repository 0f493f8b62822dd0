import { BlockList, isIP } from "node:net";
import type { DownstreamRequest, Target } from "gatewright";
import type { GeoOptions } from "./options.ts";

/** Addresses whose region is remembered: looking one up walks the table. */
const MAX_ADDRESSES = 10_000;

interface Network {
  readonly addresses: BlockList;
  readonly family: "ipv4" | "ipv6";
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
  readonly #known = new Map<string, string | undefined>();

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
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    const found =
      isIP(address) === 0
        ? undefined
        : this.#networks.find((each) => each.family === family && each.addresses.check(address, family));
    if (this.#known.size >= MAX_ADDRESSES) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(address, found?.region);
    return found?.region;
  }
}

/** An address, or a range such as `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  const [address = "", prefix, ...rest] = text.split("/");
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)]!;
  return (
    bits > 0 &&
    rest.length === 0 &&
    (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits))
  );
}

function toNetwork(text: string, region: string): Network {
  const [address = "", given] = text.split("/");
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  const prefix = given === undefined ? (family === "ipv6" ? 128 : 32) : Number(given);
  const addresses = new BlockList();
  addresses.addSubnet(address, prefix, family);
  return { addresses, family, prefix, region };
}
