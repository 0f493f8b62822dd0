import { fileURLToPath } from "node:url";
import { anthropicApi } from "@gatewright/anthropic-api";
import { apiKeys } from "@gatewright/api-keys";
import { geminiApi } from "@gatewright/gemini-api";
import {
  startSimulatedBackend,
  type RecordedRequest,
  type SimulatedBackend,
} from "../../playground/src/simulated-backend.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";

/** The gateway's own credential at its backends: a client's key in its place would be refused there. */
const UPSTREAM_KEY = "sk-upstream-0123456789abcdefghij";

/** What clients bring. */
export const KEY = "sk-gateway-0123456789abcdefghij";

/** Backend dialects with the one model of each. `chat-only` is a server with nothing of OpenAI's API but chat. */
export const MODELS = {
  openai: "gpt-4o-mini",
  "chat-only": "chat-only-model",
  anthropic: "claude-sonnet-4-6",
  gemini: "gemini-3-flash-preview",
  ollama: "qwen2.5:7b",
} as const;

export type BackendName = keyof typeof MODELS;
export const BACKENDS = Object.keys(MODELS) as BackendName[];

/** Its `adapters/` has `chat-only`. */
const DIR = fileURLToPath(new URL("../e2e/_responses", import.meta.url));

/** A gateway before a backend of each dialect, each of which checks what reaches it as its vendor would. */
export interface MatrixRig extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly backends: Readonly<Record<BackendName, SimulatedBackend>>;
}

export async function startMatrixRig(): Promise<MatrixRig> {
  const start = (name: BackendName, dialect: Exclude<BackendName, "chat-only">): Promise<SimulatedBackend> =>
    startSimulatedBackend({
      dialect,
      models: [MODELS[name]],
      requireKey: name === "chat-only" ? undefined : UPSTREAM_KEY,
      strict: true,
    });
  const backends = {
    openai: await start("openai", "openai"),
    "chat-only": await start("chat-only", "openai"),
    anthropic: await start("anthropic", "anthropic"),
    gemini: await start("gemini", "gemini"),
    ollama: await start("ollama", "ollama"),
  };
  const place = (name: BackendName, path: string) => ({
    adapter: name,
    baseURL: backends[name].url + path,
    models: [MODELS[name]],
    ...(name !== "chat-only" && { apiKey: UPSTREAM_KEY }),
  });
  // Efforts of models that are not known by their names.
  const reasoningEfforts = Object.fromEntries(
    Object.values(MODELS).map((model): [string, ("none" | "low" | "medium" | "high")[]] => [
      model,
      ["none", "low", "medium", "high"],
    ]),
  );
  const gateway = await startTestGateway(
    {
      backends: {
        openai: place("openai", "/v1"),
        "chat-only": place("chat-only", "/v1"),
        anthropic: place("anthropic", ""),
        gemini: place("gemini", "/v1beta"),
        ollama: place("ollama", ""),
      },
      plugins: [
        apiKeys({ keys: [{ id: "tester", key: KEY }] }),
        anthropicApi({ reasoningEfforts }),
        geminiApi({ reasoningEfforts }),
      ],
    },
    DIR,
  );
  return {
    gateway,
    backends,
    async [Symbol.asyncDispose]() {
      await gateway.close();
      for (const backend of Object.values(backends)) await backend.close();
    },
  };
}

/** For before each test: healthy backends that answer as at first, and remember nothing. */
export function resetBackends({ backends }: MatrixRig): void {
  for (const backend of Object.values(backends)) {
    backend.faults = [];
    Object.assign(backend.settings, { text: undefined, tokens: 24, cachedTokens: 0, filtered: false });
    backend.clear();
  }
}

/** The last request that asked for an answer. */
export function lastRequest(backend: SimulatedBackend): RecordedRequest {
  return backend.requests.findLast(({ method }) => method === "POST")!;
}

/** Counts of tokens, whatever the dialect. `reasoning` and `cached` are parts of the other two. */
export interface Counts {
  input: number;
  output: number;
  cached?: number;
  reasoning?: number;
}

interface NativeReply {
  usage?: Record<string, number> & Record<string, Record<string, number>>;
  usageMetadata?: Record<string, number>;
  prompt_eval_count?: number;
  eval_count?: number;
}

/** What a backend says in its own words that the last request cost: asked again, whole, past the gateway. */
export async function toldCounts(name: BackendName, backend: SimulatedBackend): Promise<Counts> {
  const { path, json } = lastRequest(backend);
  const body = { ...(json as Record<string, unknown>) };
  if (name === "ollama") body["stream"] = false;
  else delete body["stream"];
  delete body["stream_options"];
  const reply = await fetch(backend.url + path.replace("streamGenerateContent", "generateContent"), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "anthropic-version": "2023-06-01",
      "x-api-key": UPSTREAM_KEY,
      "x-goog-api-key": UPSTREAM_KEY,
      authorization: `Bearer ${UPSTREAM_KEY}`,
    },
    body: JSON.stringify(body),
  });
  return readCounts(name, (await reply.json()) as NativeReply);
}

function readCounts(name: BackendName, reply: NativeReply): Counts {
  switch (name) {
    case "anthropic": {
      const usage = reply.usage!;
      const cached = usage["cache_read_input_tokens"]!;
      return {
        input: usage["input_tokens"]! + cached + usage["cache_creation_input_tokens"]!,
        output: usage["output_tokens"]!,
        cached,
        reasoning: usage["output_tokens_details"]!["thinking_tokens"]!,
      };
    }
    case "gemini": {
      const usage = reply.usageMetadata!;
      const reasoning = usage["thoughtsTokenCount"] ?? 0;
      return {
        input: usage["promptTokenCount"]!,
        output: usage["candidatesTokenCount"]! + reasoning,
        cached: usage["cachedContentTokenCount"] ?? 0,
        reasoning,
      };
    }
    case "ollama":
      return { input: reply.prompt_eval_count!, output: reply.eval_count!, cached: 0, reasoning: 0 };
    default: {
      const usage = reply.usage!;
      const isChat = usage["prompt_tokens"] !== undefined;
      return {
        input: usage[isChat ? "prompt_tokens" : "input_tokens"]!,
        output: usage[isChat ? "completion_tokens" : "output_tokens"]!,
        cached: usage[isChat ? "prompt_tokens_details" : "input_tokens_details"]!["cached_tokens"]!,
        reasoning:
          usage[isChat ? "completion_tokens_details" : "output_tokens_details"]!["reasoning_tokens"]!,
      };
    }
  }
}
