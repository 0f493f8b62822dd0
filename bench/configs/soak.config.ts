import { defineGatewayConfig, env } from "gatewright";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { healthCheck } from "@gatewright/health-check";
import { rateLimit } from "@gatewright/rate-limit";
import { retry } from "@gatewright/retry";
import { probe } from "./probe.ts";

const redis = process.env["BENCH_REDIS"];
const backend = {
  adapter: "openai" as const,
  baseURL: process.env["BENCH_UPSTREAM"]!,
  models: ["bench-model"],
  connections: 4_096,
};

/**
 * The traffic chain before two backends, with limits short enough for a silent one to break them, and breakers that are
 * soon tried again: a stall of the machine looks like the failure of both.
 */
export default defineGatewayConfig({
  state: redis === undefined ? { driver: "memory" } : { driver: "redis", url: redis },
  timeouts: { firstByteMs: 3_000, firstTokenMs: 3_000, idleMs: 3_000 },
  backends: { one: backend, two: backend },
  plugins: [
    probe(),
    apiKeys({ keys: [{ id: "bench", key: env("BENCH_KEY") }] }),
    rateLimit({ scope: "key", capacity: 1_000_000, rate: 1_000_000 }),
    retry(),
    circuitBreaker({ openMs: 2_000 }),
    healthCheck(),
    balancer(),
  ],
});
