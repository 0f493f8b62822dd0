import * as v from "valibot";

const VirtualNodes = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000));

/** What `consistent-hash` hashes. */
export const HashKey = v.union([
  v.picklist(["client-address", "user", "principal"]),
  v.strictObject({
    /** Name of the request header whose value is the key, in any case. */
    header: v.pipe(v.string(), v.nonEmpty(), v.toLowerCase()),
  }),
]);

const RoundRobin = v.strictObject({
  /** Weighted rotation, evenly interleaved. */
  strategy: v.optional(v.literal("round-robin"), "round-robin"),
});

const Random = v.strictObject({
  /** Proportional to weight, each pick for itself. */
  strategy: v.literal("random"),
});

const LeastConnections = v.strictObject({
  /** Fewest attempts in flight per unit of weight. */
  strategy: v.literal("least-connections"),
});

const Priority = v.strictObject({
  /** The first candidate in the order of the config; the others are backups. */
  strategy: v.literal("priority"),
});

const IpHash = v.strictObject({
  /** One client address, one target, as long as that target is a candidate. */
  strategy: v.literal("ip-hash"),
  /** Digest that places targets and addresses on the ring. @default "md5" */
  digest: v.optional(v.picklist(["md5", "sha1", "sha256"]), "md5"),
});

const ConsistentHash = v.strictObject({
  /** One key, one target; a change of targets moves as few keys as possible. */
  strategy: v.literal("consistent-hash"),
  /**
   * What is hashed: the client's address, the body field `user`, the principal that an authenticating plugin found, or
   * `{ header: "x-session-id" }`. A request without it is hashed by address, and without one picked at random.
   * @default "client-address"
   */
  key: v.optional(HashKey, "client-address"),
  /** Points on the ring for each target and unit of weight. @default 150 */
  virtualNodes: v.optional(VirtualNodes, 150),
  /**
   * A target with more than this many times its fair share of the attempts in flight is passed over for the next on
   * the ring. `false`: a key stays where it belongs, however hot. @default 1.25
   */
  loadBound: v.optional(v.union([v.pipe(v.number(), v.finite(), v.minValue(1)), v.literal(false)]), 1.25),
});

export const BalancerOptions = v.variant("strategy", [
  RoundRobin,
  Random,
  LeastConnections,
  Priority,
  IpHash,
  ConsistentHash,
]);

export type BalancerOptions = v.InferOutput<typeof BalancerOptions>;
export type ConsistentHashOptions = v.InferOutput<typeof ConsistentHash>;
export type IpHashOptions = v.InferOutput<typeof IpHash>;
