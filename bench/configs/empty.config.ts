import { defineGatewayConfig } from "gatewright";

/** The gateway alone: one backend, no plugin. `BENCH_UPSTREAM` is the simulated backend's base URL. */
export default defineGatewayConfig({
  backends: {
    bench: {
      adapter: "openai",
      baseURL: process.env["BENCH_UPSTREAM"]!,
      models: ["bench-model"],
      connections: 4_096,
    },
  },
  plugins: [],
});
