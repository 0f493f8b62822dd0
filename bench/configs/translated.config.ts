import { defineGatewayConfig } from "gatewright";

const upstream = process.env["BENCH_UPSTREAM"]!;
const connections = 4_096;

/** The gateway alone before backends of three dialects, for clients of OpenAI's. */
export default defineGatewayConfig({
  backends: {
    openai: { adapter: "openai", baseURL: upstream, models: ["bench-model"], connections },
    ollama: { adapter: "ollama", baseURL: new URL(upstream).origin, models: ["bench-ollama"], connections },
    anthropic: {
      adapter: "anthropic",
      baseURL: new URL(upstream).origin,
      models: ["bench-anthropic"],
      connections,
    },
  },
  plugins: [],
});
