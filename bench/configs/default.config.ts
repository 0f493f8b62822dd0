import { defineGatewayConfig, env } from "gatewright";
import { apiKeys } from "@gatewright/api-keys";
import { retry } from "@gatewright/retry";
import { balancer } from "@gatewright/balancer";

/** The default chain: keys are checked, failures retried, targets chosen. */
export default defineGatewayConfig({
  backends: {
    bench: {
      adapter: "openai",
      baseURL: process.env["BENCH_UPSTREAM"]!,
      models: ["bench-model"],
      connections: 4_096,
    },
  },
  plugins: [apiKeys({ keys: [{ id: "bench", key: env("BENCH_KEY") }] }), retry(), balancer()],
});
