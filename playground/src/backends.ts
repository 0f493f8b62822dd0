import type { SimulatedBackendOptions } from "./simulated-backend.ts";

/** At the pace of a small model on a desk, so that streams can be watched. */
const PACE = { firstTokenMs: 150, tokenMs: 30, jitter: 0.3 };

/** The backends of the root `gateway.config.ts`, on the ports that it names. */
export const PLAYGROUND_BACKENDS: readonly SimulatedBackendOptions[] = [
  { dialect: "ollama", name: "server1", port: 11501, models: ["qwen2.5:7b"], ...PACE },
  { dialect: "ollama", name: "server2", port: 11502, models: ["qwen2.5:7b"], ...PACE },
  {
    dialect: "openai",
    name: "cloud",
    port: 11503,
    models: [
      "gpt-4o-mini",
      "text-embedding-3-small",
      "tts-1",
      "whisper-1",
      "gpt-image-1",
      "omni-moderation-latest",
      "bge-reranker-v2-m3",
    ],
    ...PACE,
  },
];
