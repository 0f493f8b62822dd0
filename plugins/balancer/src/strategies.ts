import type { Attempt, Context, GatewayHost, Target, TargetPreference } from "gatewright";
import { CandidateSets } from "./candidate-sets.ts";
import { addToAverage, averageAt, createFadingAverage } from "./fading-average.ts";
import { Figures } from "./figures.ts";
import { HashRing, LoadLimits } from "./hash-ring.ts";
import { pickLeastConnections } from "./least-connections.ts";
import { pickLeastLatency } from "./least-latency.ts";
import { leastBusy } from "./load-aware.ts";
import { LoadReports } from "./load-figures.ts";
import { MaglevTable } from "./maglev-table.ts";
import { ModelMaps } from "./model-maps.ts";
import { murmur3 } from "./murmur3.ts";
import { observe } from "./observation.ts";
import type { Observation } from "./observation.ts";
import type {
  BalancerOptions,
  ConsistentHashOptions,
  GeoOptions,
  IpHashOptions,
  LeastCostOptions,
  LoadAwareOptions,
  MaglevOptions,
  SmartOptions,
} from "./options.ts";
import { pickPowerOfTwo } from "./power-of-two.ts";
import { boundTokens, costOf, findCheapest } from "./prices.ts";
import { addSample, createSamples, failureRateOf, medianOf } from "./recent-samples.ts";
import type { RecentSamples } from "./recent-samples.ts";
import { Regions } from "./regions.ts";
import { keyReader } from "./request-key.ts";
import { digestOf, digestPoints, murmurPoints } from "./ring-points.ts";
import { pickSmart } from "./smart.ts";
import type { Traits } from "./smart.ts";
import { SmoothRotation } from "./smooth-rotation.ts";
import { addToRate, createTokenRate, pickThroughput } from "./throughput.ts";
import { pickWeighted } from "./weighted-random.ts";

/** Chooses one of `candidates` for a request. Undefined when none of them has weight. */
export type Pick = (ctx: Context, candidates: readonly Target[]) => Target | undefined;

export interface Strategy {
  readonly pick: Pick;
  /** Learns from an attempt: when its reply is there, or its failure. Absent where there is nothing to learn. */
  observe?(ctx: Context, attempt: Attempt): void;
  /** Ends what it does besides. */
  close?(): void;
}

/** Points on the ring of `ip-hash` for each unit of weight. */
const IP_HASH_POINTS = 100;
/** Rings kept: one a model. */
const MAX_RINGS = 1_000;
/** A table takes 128 KiB. */
const MAX_TABLES = 64;
/** Share of the picks that goes by weight alone, so that figures of targets that are not picked stay true. */
const EXPLORED = 0.05;

export function createStrategy(options: BalancerOptions, gateway: GatewayHost): Strategy {
  switch (options.strategy) {
    case "round-robin":
      return { pick: roundRobin() };
    case "random":
      return { pick: (_ctx, candidates) => pickWeighted(candidates, gateway.random()) };
    case "least-connections":
      return { pick: (_ctx, candidates) => pickLeastConnections(candidates) };
    case "power-of-two":
      return powerOfTwo(gateway);
    case "least-latency":
      return leastLatency(gateway);
    case "throughput":
      return throughput(gateway);
    case "least-cost":
      return { pick: leastCost(options) };
    case "smart":
      return smart(options, gateway);
    case "load-aware":
      return loadAware(options, gateway);
    case "geo":
      return { pick: geo(options, gateway) };
    case "priority":
      return { pick: (_ctx, candidates) => candidates.find((target) => target.weight > 0) };
    case "ip-hash":
      return { pick: ipHash(options, gateway) };
    case "consistent-hash":
      return { pick: consistentHash(options, gateway) };
    default:
      return { pick: maglev(options, gateway) };
  }
}

/** What the prices and weights of a balancer with another strategy would be, for requests that have a wish of their own. */
const FOR_WISHES = { priorities: {}, prices: {}, maxOutputTokens: 4_096 };

/** Strategies that requests ask for by `ctx.vars.preference`, each made when the first one does. */
export function createWishedStrategies(
  options: BalancerOptions,
  gateway: GatewayHost,
): (preference: TargetPreference) => Strategy {
  const made = new Map<TargetPreference["strategy"], Strategy>();
  const given = "prices" in options ? options : FOR_WISHES;
  const weights = { cost: 0.3, latency: 0.5, errorRate: 0.2 };
  return ({ strategy }) => {
    let wished = made.get(strategy);
    if (wished === undefined)
      made.set(strategy, (wished = createStrategy({ weights, ...given, strategy }, gateway)));
    return wished;
  };
}

function roundRobin(): Pick {
  const rotations = new CandidateSets((candidates) => new SmoothRotation(candidates));
  return (ctx, candidates) => rotations.of(ctx.model, candidates).next();
}

function powerOfTwo(gateway: GatewayHost): Strategy {
  const averages = new Figures(gateway, "first-byte averages", createFadingAverage);
  return {
    pick(ctx, candidates) {
      const nowMs = gateway.now();
      const averageOf = (target: Target): number => averageAt(averages.of(target, ctx.operation.name), nowMs);
      return pickPowerOfTwo(candidates, () => gateway.random(), averageOf);
    },
    observe: (ctx, attempt) =>
      learn(ctx, attempt, ({ ms }) =>
        addToAverage(averages.of(attempt.target, ctx.operation.name), ms, gateway.now()),
      ),
  };
}

function leastLatency(gateway: GatewayHost): Strategy {
  const recent = recentSamples(gateway);
  return {
    pick: (ctx, candidates) =>
      explore(gateway, candidates) ??
      pickLeastLatency(candidates, (target) =>
        medianOf(recent.of(target, ctx.operation.name), gateway.now()),
      ),
    observe: (ctx, attempt) => sample(ctx, attempt, recent, gateway),
  };
}

function throughput(gateway: GatewayHost): Strategy {
  const rates = new Figures(gateway, "token rates", createTokenRate);
  return {
    pick: (ctx, candidates) =>
      explore(gateway, candidates) ??
      pickThroughput(candidates, (target) => rates.of(target, ctx.operation.name)),
    observe(ctx, attempt) {
      const operation = ctx.operation.name;
      attempt.onSettled((settled) => {
        const failed = observe(settled, ctx.stream)?.kind === "failure";
        addToRate(rates.of(settled.target, operation), settled, failed);
      });
    },
  };
}

function leastCost({ prices, maxOutputTokens }: LeastCostOptions): Pick {
  const rotations = new CandidateSets((candidates) => new SmoothRotation(candidates));
  return (ctx, candidates) => {
    const bounds = boundTokens(ctx, maxOutputTokens);
    const cheapest = findCheapest(candidates, (target) => costOf(target, bounds, prices));
    return rotations.of(ctx.model, cheapest).next();
  };
}

function smart({ prices, maxOutputTokens, weights }: SmartOptions, gateway: GatewayHost): Strategy {
  const recent = recentSamples(gateway);
  return {
    pick(ctx, candidates) {
      const bounds = boundTokens(ctx, maxOutputTokens);
      const nowMs = gateway.now();
      const traitsOf = (target: Target): Traits => {
        const samples = recent.of(target, ctx.operation.name);
        return {
          cost: costOf(target, bounds, prices),
          // What is not known is worth a try.
          latency: medianOf(samples, nowMs) ?? 0,
          errorRate: failureRateOf(samples, nowMs),
        };
      };
      const counting = ctx.vars.preference?.weights ?? weights;
      return explore(gateway, candidates) ?? pickSmart(candidates, traitsOf, counting);
    },
    observe: (ctx, attempt) => sample(ctx, attempt, recent, gateway),
  };
}

function loadAware(options: LoadAwareOptions, gateway: GatewayHost): Strategy {
  const rotations = new CandidateSets((candidates) => new SmoothRotation(candidates));
  const reports = new LoadReports(options, gateway);
  return {
    pick(ctx, candidates) {
      const equals = leastBusy(candidates, ({ backend }) => reports.of(backend));
      return rotations.of(ctx.model, equals).next();
    },
    close: () => reports.close(),
  };
}

function geo(options: GeoOptions, gateway: GatewayHost): Pick {
  const rotations = new CandidateSets((candidates) => new SmoothRotation(candidates));
  const regions = new Regions(options);
  const byAddress = ipHash({ strategy: "ip-hash", digest: "md5", priorities: {} }, gateway);
  return (ctx, candidates) => {
    const region = regions.of(ctx.request);
    if (region === undefined) return byAddress(ctx, candidates);
    return rotations.of(ctx.model, regions.nearest(region, candidates)).next();
  };
}

function ipHash({ digest }: IpHashOptions, gateway: GatewayHost): Pick {
  const points = digestPoints(digest, IP_HASH_POINTS);
  const rings = new ModelMaps((targets) => new HashRing(targets, points), MAX_RINGS);
  return (ctx, candidates) => {
    const address = ctx.request.clientAddress;
    if (address === "") return pickWeighted(candidates, gateway.random());
    return rings.of(ctx.model, candidates).find(digestOf(digest, address), candidates);
  };
}

function consistentHash(options: ConsistentHashOptions, gateway: GatewayHost): Pick {
  const points = murmurPoints(options.virtualNodes);
  return byHash(new ModelMaps((targets) => new HashRing(targets, points), MAX_RINGS), options, gateway);
}

function maglev(options: MaglevOptions, gateway: GatewayHost): Pick {
  return byHash(new ModelMaps((targets) => new MaglevTable(targets), MAX_TABLES), options, gateway);
}

/** By the request's key, else by its address; at random where it has neither. */
function byHash(
  maps: ModelMaps<HashRing | MaglevTable>,
  { key, loadBound }: MaglevOptions | ConsistentHashOptions,
  gateway: GatewayHost,
): Pick {
  const readKey = keyReader(key);
  return (ctx, candidates) => {
    const hashed = readKey(ctx) || ctx.request.clientAddress;
    if (hashed === "") return pickWeighted(candidates, gateway.random());
    const limits = loadBound === false ? undefined : new LoadLimits(candidates, loadBound);
    return maps.of(ctx.model, candidates).find(murmur3(hashed), candidates, limits);
  };
}

/** Now and then a pick by weight alone. */
function explore(gateway: GatewayHost, candidates: readonly Target[]): Target | undefined {
  return gateway.random() < EXPLORED ? pickWeighted(candidates, gateway.random()) : undefined;
}

function recentSamples(gateway: GatewayHost): Figures<RecentSamples> {
  return new Figures(gateway, "recent samples", createSamples);
}

function sample(ctx: Context, attempt: Attempt, recent: Figures<RecentSamples>, gateway: GatewayHost): void {
  const operation = ctx.operation.name;
  learn(ctx, attempt, ({ kind, ms }) =>
    addSample(recent.of(attempt.target, operation), { atMs: gateway.now(), ms, failed: kind === "failure" }),
  );
}

/** Tells how fast the answer came as soon as it is there, and of a stream that fails later once more. */
function learn(ctx: Context, attempt: Attempt, tell: (observation: Observation) => void): void {
  const { stream } = ctx;
  const first = observe(attempt, stream);
  if (first !== undefined) tell(first);
  if (attempt.outcome !== undefined) return;
  attempt.onSettled((settled) => {
    const last = observe(settled, stream);
    if (last?.kind === "failure") tell(last);
  });
}
