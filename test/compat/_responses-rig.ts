import { fileURLToPath } from "node:url";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { responsesStore } from "@gatewright/responses-store";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway } from "../_support/gateway.ts";

/** Its `adapters/` has the dialect of a server that has no more of OpenAI's API than chat. */
const DIR = fileURLToPath(new URL("../e2e/_responses", import.meta.url));

/** Models by the dialect of the one backend that has each: both have chat alone. */
export const MODELS = { openai: "chat-only-model", ollama: "qwen2.5:7b" } as const;
export type Dialect = keyof typeof MODELS;
export const DIALECTS: readonly Dialect[] = ["openai", "ollama"];

export const KEYS = ["one", "two"].map((id) => ({ id, key: `sk-${id}-0123456789abcdef` }));

export interface ResponsesRig extends AsyncDisposable {
  readonly baseURL: string;
  readonly backends: Readonly<Record<Dialect, SimulatedBackend>>;
}

/** A gateway with stored responses before backends that have none. */
export async function startResponsesRig(): Promise<ResponsesRig> {
  const openai = await startSimulatedBackend({ dialect: "openai", models: [MODELS.openai] });
  const ollama = await startSimulatedBackend({ dialect: "ollama", models: [MODELS.ollama] });
  const gateway = await startTestGateway(
    {
      backends: {
        openai: { adapter: "chat-only", baseURL: `${openai.url}/v1`, models: [MODELS.openai] },
        ollama: { adapter: "ollama", baseURL: ollama.url, models: [MODELS.ollama] },
      },
      plugins: [apiKeys({ keys: KEYS }), responsesStore(), balancer()],
    },
    DIR,
  );
  return {
    baseURL: `${gateway.url}/v1`,
    backends: { openai, ollama },
    async [Symbol.asyncDispose]() {
      await gateway.close();
      await openai.close();
      await ollama.close();
    },
  };
}
