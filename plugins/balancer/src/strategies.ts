import type { Context, GatewayHost, Target } from "gatewright";
import { CandidateSets } from "./candidate-sets.ts";
import { LoadLimits } from "./hash-ring.ts";
import { pickLeastConnections } from "./least-connections.ts";
import { ModelRings } from "./model-rings.ts";
import { murmur3 } from "./murmur3.ts";
import type { BalancerOptions, ConsistentHashOptions, IpHashOptions } from "./options.ts";
import { digestOf, digestPoints, murmurPoints } from "./ring-points.ts";
import { SmoothRotation } from "./smooth-rotation.ts";
import { pickWeighted } from "./weighted-random.ts";

/** Chooses one of `candidates` for a request. Undefined when none of them has weight. */
export type Pick = (ctx: Context, candidates: readonly Target[]) => Target | undefined;

/** Points on the ring of `ip-hash` for each unit of weight. */
const IP_HASH_POINTS = 100;

export function createPick(options: BalancerOptions, gateway: GatewayHost): Pick {
  switch (options.strategy) {
    case "round-robin":
      return roundRobin();
    case "random":
      return (_ctx, candidates) => pickWeighted(candidates, gateway.random());
    case "least-connections":
      return (_ctx, candidates) => pickLeastConnections(candidates);
    case "priority":
      return (_ctx, candidates) => candidates.find((target) => target.weight > 0);
    case "ip-hash":
      return ipHash(options, gateway);
    default:
      return consistentHash(options, gateway);
  }
}

function roundRobin(): Pick {
  const rotations = new CandidateSets((candidates) => new SmoothRotation(candidates));
  return (ctx, candidates) => rotations.of(ctx.model, candidates).next();
}

function ipHash({ digest }: IpHashOptions, gateway: GatewayHost): Pick {
  const rings = new ModelRings(digestPoints(digest, IP_HASH_POINTS));
  return (ctx, candidates) => {
    const address = ctx.request.clientAddress;
    if (address === "") return pickWeighted(candidates, gateway.random());
    return rings.of(ctx.model, candidates).find(digestOf(digest, address), candidates);
  };
}

function consistentHash({ key, virtualNodes, loadBound }: ConsistentHashOptions, gateway: GatewayHost): Pick {
  const rings = new ModelRings(murmurPoints(virtualNodes));
  const readKey = keyReader(key);
  return (ctx, candidates) => {
    const hashed = readKey(ctx) || ctx.request.clientAddress;
    if (hashed === "") return pickWeighted(candidates, gateway.random());
    const limits = loadBound === false ? undefined : new LoadLimits(candidates, loadBound);
    return rings.of(ctx.model, candidates).find(murmur3(hashed), candidates, limits);
  };
}

function keyReader(key: ConsistentHashOptions["key"]): (ctx: Context) => string | undefined {
  if (typeof key === "object") return (ctx) => ctx.request.headers[key.header];
  switch (key) {
    case "user":
      return (ctx) => {
        const { user } = ctx.body.json;
        return typeof user === "string" ? user : undefined;
      };
    case "principal":
      return (ctx) => ctx.principal?.id;
    default:
      return (ctx) => ctx.request.clientAddress;
  }
}
