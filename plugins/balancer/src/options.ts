import { isAddressRange } from "gatewright";
import * as v from "valibot";

const VirtualNodes = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000));

/** What `consistent-hash` hashes. */
export const HashKey = v.union([
  v.picklist(["client-address", "user", "principal"]),
  v.strictObject({
    /** Name of the request header whose value is the key, in any case. */
    header: v.pipe(v.string(), v.nonEmpty(), v.toLowerCase()),
  }),
  v.strictObject({
    /** Name of the cookie whose value is the key. */
    cookie: v.pipe(v.string(), v.nonEmpty()),
  }),
]);

const LoadBound = v.union([v.pipe(v.number(), v.finite(), v.minValue(1)), v.literal(false)]);
const Price = v.pipe(v.number(), v.finite(), v.minValue(0));
const Weight = v.pipe(v.number(), v.finite(), v.minValue(0));

const common = {
  /**
   * Group of each backend, by name; 0 where none is given. Only when the lower groups have no candidate left is the
   * next one chosen from. @default {}
   */
  priorities: v.optional(v.record(v.string(), v.pipe(v.number(), v.integer(), v.minValue(0))), {}),
};

const free = {
  ...common,
  /**
   * Requests with the same key go to the same target, as long as it is a candidate; those without it are balanced by
   * the strategy.
   */
  sticky: v.optional(
    v.strictObject({
      /** What tells who asks. */
      key: HashKey,
    }),
  ),
};

/** US dollars for a million tokens, by target (`backend/model`). */
const priced = {
  /** A target without a price comes last. @default {} */
  prices: v.optional(v.record(v.string(), v.strictObject({ prompt: Price, completion: Price })), {}),
  /** Reckoned for a request that does not limit its answer. @default 4_096 */
  maxOutputTokens: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 4_096),
};

const RoundRobin = v.strictObject({
  /** Weighted rotation, evenly interleaved. */
  strategy: v.optional(v.literal("round-robin"), "round-robin"),
  ...free,
});

const Random = v.strictObject({
  /** Proportional to weight, each pick for itself. */
  strategy: v.literal("random"),
  ...free,
});

const LeastConnections = v.strictObject({
  /** Fewest attempts in flight per unit of weight. */
  strategy: v.literal("least-connections"),
  ...free,
});

const Priority = v.strictObject({
  /** The first candidate in the order of the config; the others are backups. */
  strategy: v.literal("priority"),
  ...free,
});

const IpHash = v.strictObject({
  /** One client address, one target, as long as that target is a candidate. */
  strategy: v.literal("ip-hash"),
  /** Digest that places targets and addresses on the ring. @default "md5" */
  digest: v.optional(v.picklist(["md5", "sha1", "sha256"]), "md5"),
  ...common,
});

const ConsistentHash = v.strictObject({
  /** One key, one target; a change of targets moves as few keys as possible. */
  strategy: v.literal("consistent-hash"),
  /**
   * What is hashed: the client's address, the body field `user`, the principal that an authenticating plugin found,
   * `{ header: "x-session-id" }` or `{ cookie: "session" }`. A request without it is hashed by address, and without one picked at random.
   * @default "client-address"
   */
  key: v.optional(HashKey, "client-address"),
  /** Points on the ring for each target and unit of weight. @default 150 */
  virtualNodes: v.optional(VirtualNodes, 150),
  /**
   * A target with more than this many times its fair share of the attempts in flight is passed over for the next on
   * the ring. `false`: a key stays where it belongs, however hot. @default 1.25
   */
  loadBound: v.optional(LoadBound, 1.25),
  ...common,
});

const Maglev = v.strictObject({
  /** As `consistent-hash`, with more even shares; a change of targets moves a few more keys. */
  strategy: v.literal("maglev"),
  /** As in `consistent-hash`. @default "client-address" */
  key: v.optional(HashKey, "client-address"),
  /** As in `consistent-hash`. @default 1.25 */
  loadBound: v.optional(LoadBound, 1.25),
  ...common,
});

const PowerOfTwo = v.strictObject({
  /** The less loaded of two that are drawn by weight, then the faster one. */
  strategy: v.literal("power-of-two"),
  ...free,
});

const LeastLatency = v.strictObject({
  /** The lowest median time to the first byte of the last answers. */
  strategy: v.literal("least-latency"),
  ...free,
});

const Throughput = v.strictObject({
  /** The most output tokens a second left for one more attempt. */
  strategy: v.literal("throughput"),
  ...free,
});

const LeastCost = v.strictObject({
  /** The lowest price of the prompt's bound and the longest answer. */
  strategy: v.literal("least-cost"),
  ...priced,
  ...free,
});

const Smart = v.strictObject({
  /** The lowest weighted sum of cost, latency and error rate. */
  strategy: v.literal("smart"),
  ...priced,
  /** How much each counts. */
  weights: v.optional(
    v.strictObject({
      /** @default 0.3 */
      cost: v.optional(Weight, 0.3),
      /** @default 0.5 */
      latency: v.optional(Weight, 0.5),
      /** @default 0.2 */
      errorRate: v.optional(Weight, 0.2),
    }),
    {},
  ),
  ...free,
});

const Milliseconds = v.pipe(v.number(), v.integer(), v.minValue(1));
const Names = v.array(v.pipe(v.string(), v.nonEmpty()));

const LoadAware = v.strictObject({
  /** By what backends say of themselves: a free GPU, then the fewest requests, then the best hardware. */
  strategy: v.literal("load-aware"),
  /** Backends that are asked for their figures; absent: those of the adapter `xllm`. */
  backends: v.optional(Names),
  /** What they are asked for, from the root of the server. @default "/api/health" */
  path: v.optional(v.pipe(v.string(), v.startsWith("/")), "/api/health"),
  /** Between an answer and the next question, in milliseconds. @default 10_000 */
  intervalMs: v.optional(Milliseconds, 10_000),
  /** A question that takes longer is given up, in milliseconds. @default 2_000 */
  timeoutMs: v.optional(Milliseconds, 2_000),
  ...free,
});

const Region = v.strictObject({
  /** Backends that are there, by name, or single targets, by `backend/model`. */
  backends: v.pipe(Names, v.minLength(1)),
  /** Addresses and ranges of clients that are there. The narrowest range counts. @default [] */
  networks: v.optional(
    v.array(
      v.pipe(v.string(), v.check(isAddressRange, "Expected an address or a range such as `10.0.0.0/8`")),
    ),
    [],
  ),
  /** Countries whose clients are nearest to it: two letters each (ISO 3166-1). @default [] */
  countries: v.optional(
    v.array(v.pipe(v.string(), v.regex(/^[A-Za-z]{2}$/, "Expected two letters"), v.toUpperCase())),
    [],
  ),
  /** Other regions, nearest first; the rest follow in the order of the config. @default [] */
  near: v.optional(Names, []),
});

const Geo = v.strictObject({
  /** The nearest region that has a candidate; clients from nowhere by the hash of their address. */
  strategy: v.literal("geo"),
  /** Regions by name. */
  regions: v.pipe(
    v.record(v.string(), Region),
    v.check((regions) => Object.keys(regions).length > 0, "Name at least one region"),
    v.check(
      (regions) =>
        Object.values(regions).every(({ near }) => near.every((name) => Object.hasOwn(regions, name))),
      "Name in `near` regions of this list alone",
    ),
  ),
  /**
   * Header with the client's country, such as `cf-ipcountry`. It is believed: set it only where every request comes
   * through a proxy that writes it.
   */
  countryHeader: v.optional(v.pipe(v.string(), v.nonEmpty(), v.toLowerCase())),
  ...common,
});

export const BalancerOptions = v.variant("strategy", [
  RoundRobin,
  Random,
  LeastConnections,
  PowerOfTwo,
  LeastLatency,
  Throughput,
  LeastCost,
  Smart,
  LoadAware,
  Geo,
  Priority,
  IpHash,
  ConsistentHash,
  Maglev,
]);

export type BalancerOptions = v.InferOutput<typeof BalancerOptions>;
export type ConsistentHashOptions = v.InferOutput<typeof ConsistentHash>;
export type GeoOptions = v.InferOutput<typeof Geo>;
export type HashKey = v.InferOutput<typeof HashKey>;
export type IpHashOptions = v.InferOutput<typeof IpHash>;
export type LeastCostOptions = v.InferOutput<typeof LeastCost>;
export type LoadAwareOptions = v.InferOutput<typeof LoadAware>;
export type MaglevOptions = v.InferOutput<typeof Maglev>;
export type SmartOptions = v.InferOutput<typeof Smart>;
