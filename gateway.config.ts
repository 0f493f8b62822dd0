import { defineGatewayConfig } from "gatewright";
import { balancer } from "@gatewright/balancer";
import { retry } from "@gatewright/retry";

/** The backends are those that `npm run playground` simulates; point the URLs at real servers to use those. */
export default defineGatewayConfig({
  server: { port: 8080 },
  state: { driver: "memory" },
  timeouts: { connectMs: 5_000, firstTokenMs: 30_000, idleMs: 30_000, totalMs: 60_000 },
  backends: {
    server1: { adapter: "ollama", baseURL: "http://127.0.0.1:11501", weight: 2, models: ["qwen2.5:7b"] },
    server2: { adapter: "ollama", baseURL: "http://127.0.0.1:11502", weight: 1, models: ["qwen2.5:7b"] },
    cloud: {
      adapter: "openai",
      baseURL: "http://127.0.0.1:11503/v1",
      models: [
        "gpt-4o-mini",
        "text-embedding-3-small",
        "tts-1",
        "whisper-1",
        "gpt-image-1",
        "omni-moderation-latest",
        "bge-reranker-v2-m3",
      ],
    },
  },
  models: {
    best: {
      targets: [
        { backend: "cloud", model: "gpt-4o-mini" },
        { backend: "server1", model: "qwen2.5:7b" },
      ],
    },
  },
  plugins: [retry({ maxAttempts: 3 }), balancer({ strategy: "round-robin" })],
});
