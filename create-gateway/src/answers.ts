import { BACKENDS, type BackendKind } from "./backends.ts";
import { PLUGINS } from "./plugins.ts";
import { UsageError } from "./refusal.ts";

export const STORES = ["memory", "file", "redis"] as const;
export type Store = (typeof STORES)[number];

/** Everything that makes one project differ from another. */
export interface Answers {
  /** Folder to make, as it was given. */
  readonly folder: string;
  readonly backends: readonly ChosenBackend[];
  readonly state: Store;
  /** Of the `redis` state. */
  readonly redisURL: string;
  /** Ids of the chosen plugins. */
  readonly plugins: ReadonlySet<string>;
  readonly port: number;
  /** Model of the example call. */
  readonly model: string;
  /** Whether there are an adapter and a plugin to start from. */
  readonly example: boolean;
}

export interface ChosenBackend {
  readonly kind: BackendKind;
  /** Of a server of one's own. */
  readonly url?: string;
}

/** What is known so far, by flags or prompts: checked, and absent where nothing was said. */
export interface GivenAnswers {
  folder?: string;
  backends?: readonly BackendKind[];
  /** Addresses by the backend's id. */
  urls: Readonly<Record<string, string>>;
  state?: Store;
  redisURL?: string;
  plugins?: ReadonlySet<string>;
  port?: number;
  model?: string;
  example?: boolean;
}

export const DEFAULT_FOLDER = "my-gateway";
export const DEFAULT_REDIS_URL = "redis://127.0.0.1:6379";

/** Ollama, and OpenAI where there is a key for it. */
export function defaultBackends(environment: NodeJS.ProcessEnv): readonly BackendKind[] {
  return BACKENDS.filter(({ id }) => id === "ollama" || (id === "openai" && environment["OPENAI_API_KEY"]));
}

/** The model of the first backend that has a usual one. */
export function defaultModel(backends: readonly BackendKind[]): string | undefined {
  return backends.find(({ model }) => model !== undefined)?.model;
}

/** Defaults where nothing was said. @throws UsageError where there is none, or where one answer forbids another. */
export function completeAnswers(given: GivenAnswers, environment: NodeJS.ProcessEnv): Answers {
  const kinds = given.backends ?? defaultBackends(environment);
  const state = given.state ?? "memory";
  for (const id of Object.keys(given.urls)) {
    if (!kinds.some((kind) => kind.id === id)) throw new UsageError(`--${id}-url needs --backends ${id}.`);
  }
  if (given.redisURL !== undefined && state !== "redis")
    throw new UsageError("--redis-url needs --state redis.");
  const backends = kinds.map((kind) => ({ kind, url: urlOf(kind, given.urls) }));
  const model = given.model ?? defaultModel(kinds);
  if (model === undefined) throw new UsageError("--model is needed: these backends have no usual one.");
  return {
    folder: given.folder ?? DEFAULT_FOLDER,
    backends,
    state,
    redisURL: given.redisURL ?? DEFAULT_REDIS_URL,
    plugins: given.plugins ?? new Set(PLUGINS.map(({ id }) => id)),
    port: given.port ?? 8080,
    model,
    example: given.example ?? false,
  };
}

function urlOf({ id, server }: BackendKind, urls: GivenAnswers["urls"]): string | undefined {
  if (!server) return undefined;
  const url = urls[id] ?? server.url;
  if (url === undefined) throw new UsageError(`--${id}-url is needed: where the server is, ${server.hint}.`);
  return url;
}
