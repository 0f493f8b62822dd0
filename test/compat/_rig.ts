import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";

/** The gateway's own credential at its backends: a client's key in its place would get 401 there. */
const UPSTREAM_KEY = "sk-upstream-0123456789abcdefghij";

/** A gateway in front of one backend of each dialect, as an SDK finds it. */
export interface Rig extends AsyncDisposable {
  readonly gateway: TestGateway;
  /** What an SDK is given as its base URL. */
  readonly baseURL: string;
  readonly openai: SimulatedBackend;
  readonly ollama: SimulatedBackend;
}

/** The chat model of each backend. */
export const CHAT_MODELS = { openai: "gpt-4o-mini", ollama: "qwen2.5:7b" } as const;

export type BackendName = keyof typeof CHAT_MODELS;

export const BACKENDS: readonly BackendName[] = ["openai", "ollama"];

const MODELS = {
  openai: [
    CHAT_MODELS.openai,
    "text-embedding-3-small",
    "tts-1",
    "whisper-1",
    "gpt-4o-transcribe",
    "gpt-image-1",
    "dall-e-2",
    "omni-moderation-latest",
    "publisher/vision-model:free",
  ],
  ollama: [CHAT_MODELS.ollama, "all-minilm"],
};

export async function startRig(plugins: readonly unknown[] = []): Promise<Rig> {
  const requireKey = UPSTREAM_KEY;
  const openai = await startSimulatedBackend({ dialect: "openai", models: MODELS.openai, requireKey });
  const ollama = await startSimulatedBackend({ dialect: "ollama", models: MODELS.ollama, requireKey });
  const backend = (adapter: BackendName, baseURL: string) => ({
    adapter,
    baseURL,
    apiKey: UPSTREAM_KEY,
    models: MODELS[adapter],
  });
  const gateway = await startTestGateway({
    backends: {
      openai: backend("openai", `${openai.url}/v1`),
      ollama: backend("ollama", ollama.url),
    },
    // Another name than the backend's, which is therefore rewritten in requests, forms included, and in replies.
    models: { ears: { targets: [{ backend: "openai", model: "whisper-1" }] } },
    plugins,
  });
  return {
    gateway,
    baseURL: `${gateway.url}/v1`,
    openai,
    ollama,
    async [Symbol.asyncDispose]() {
      await gateway.close();
      await openai.close();
      await ollama.close();
    },
  };
}

/** Makes both backends healthy and forgets what they saw: for before each test. */
export function resetBackends({ openai, ollama }: Rig): void {
  for (const backend of [openai, ollama]) {
    backend.faults = [];
    backend.settings.tokenMs = 0;
    backend.clear();
  }
}
