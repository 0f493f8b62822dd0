import { defineGatewayConfig, when } from "gatewright";
import { cache } from "@gatewright/cache";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { concurrency } from "@gatewright/concurrency";
import { rateLimit } from "@gatewright/rate-limit";
import { responsesStore } from "@gatewright/responses-store";
import {
  ALGORITHMS,
  FAILURE_THRESHOLD,
  LIMIT,
  MAX_PROBES,
  MODELS,
  ON_STORE_FAILURE,
  OPEN_MS,
  PROCESSES,
  SLOTS,
  TOKENS,
} from "./drill-numbers.ts";
import { probe } from "./probe.ts";

const baseURL = process.env["BENCH_UPSTREAM"]!;
const shared = { scope: "global", expectedProcesses: PROCESSES } as const;

/** Every plugin that keeps state, in every mode, each before a model of its own: the drill sends to all of them at once. */
export default defineGatewayConfig({
  state: { driver: "redis", url: process.env["BENCH_REDIS"]! },
  log: { format: "json" },
  backends: {
    bench: { adapter: "openai", baseURL, models: [...MODELS] },
    chatOnly: { adapter: "localai", baseURL, models: ["responses"] },
  },
  models: { responses: { targets: [{ backend: "chatOnly", model: "responses" }] } },
  plugins: [
    probe(),
    ...ALGORITHMS.map((algorithm) =>
      when(
        { models: [`limit-${algorithm}`] },
        rateLimit({
          ...shared,
          algorithm,
          rate: LIMIT,
          name: algorithm,
          ...(algorithm === "warm-up" && { warmUpMs: 1_000 }),
        }),
      ),
    ),
    when(
      { models: ["limit-tokens"] },
      rateLimit({ ...shared, unit: "tokens", rate: TOKENS, name: "tokens" }),
    ),
    ...ON_STORE_FAILURE.flatMap((onStoreFailure) => [
      when(
        { models: [`limit-${onStoreFailure}`] },
        rateLimit({ ...shared, rate: LIMIT, onStoreFailure, name: onStoreFailure }),
      ),
      when(
        { models: [`slots-${onStoreFailure}`] },
        concurrency({
          maxConcurrent: SLOTS,
          shared: true,
          expectedProcesses: PROCESSES,
          onStoreFailure,
          name: onStoreFailure,
        }),
      ),
    ]),
    when({ models: ["cache"] }, cache({ store: "state", ttlMs: 60_000 })),
    responsesStore({ ttlMs: 60_000 }),
    circuitBreaker({
      shared: true,
      openMs: OPEN_MS,
      failureThreshold: FAILURE_THRESHOLD,
      maxProbes: MAX_PROBES,
    }),
  ],
});
