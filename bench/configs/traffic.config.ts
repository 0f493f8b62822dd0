import { defineGatewayConfig, env } from "gatewright";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { healthCheck } from "@gatewright/health-check";
import { rateLimit } from "@gatewright/rate-limit";
import { retry } from "@gatewright/retry";

const redis = process.env["BENCH_REDIS"];

/** Six plugins at work on every request; the limit counts all of them and refuses none. */
export default defineGatewayConfig({
  state: redis === undefined ? { driver: "memory" } : { driver: "redis", url: redis },
  backends: {
    bench: {
      adapter: "openai",
      baseURL: process.env["BENCH_UPSTREAM"]!,
      models: ["bench-model"],
      connections: 4_096,
    },
  },
  plugins: [
    apiKeys({ keys: [{ id: "bench", key: env("BENCH_KEY") }] }),
    rateLimit({ scope: "key", capacity: 1_000_000, rate: 1_000_000 }),
    retry(),
    circuitBreaker(),
    healthCheck(),
    balancer(),
  ],
});
