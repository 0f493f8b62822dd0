import { basename, resolve } from "node:path";
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

/** Name of the package in a folder, which npm takes as it is. @throws UsageError */
export function toProjectName(folder: string): string {
  const name = basename(resolve(folder));
  if (/^[a-z0-9][a-z0-9._~-]{0,213}$/.test(name) && !TAKEN.has(name)) return name;
  const problem = TAKEN.has(name)
    ? "is taken by a package that the project needs"
    : "must be of small letters, digits, `-`, `.`, `_` and `~`, and begin with a letter or a digit";
  throw new UsageError(`The name ${JSON.stringify(name)} ${problem}. ${suggest(name)}`.trimEnd());
}

/** A project cannot install a package of its own name. */
const TAKEN: ReadonlySet<string> = new Set([
  "gatewright",
  "ioredis",
  "node_modules",
  "typescript",
  "valibot",
]);

function suggest(name: string): string {
  const near = name
    .toLowerCase()
    .replace(/[^a-z0-9._~-]+/g, "-")
    .replace(/^[^a-z0-9]+|-+$/g, "");
  return near === "" || near === name || TAKEN.has(near) ? "" : `Try ${near}.`;
}

/** Ids in a list parted by commas. @throws UsageError */
export function toBackends(text: string): readonly BackendKind[] {
  const ids = toIds("backends", text, BACKENDS);
  if (ids.size === 0) throw new UsageError("--backends needs at least one.");
  return BACKENDS.filter(({ id }) => ids.has(id));
}

/** Ids in a list parted by commas; `none` for no plugin. @throws UsageError */
export function toPlugins(text: string): ReadonlySet<string> {
  return text === "none" ? new Set() : toIds("plugins", text, PLUGINS);
}

function toIds(flag: string, text: string, known: readonly { id: string }[]): ReadonlySet<string> {
  const names = known.map(({ id }) => id);
  const ids = text
    .split(",")
    .map((id) => id.trim())
    .filter((id) => id !== "");
  const unknown = ids.find((id) => !names.includes(id));
  if (unknown !== undefined) throw new UsageError(`--${flag}: ${unknown} is none of ${names.join(", ")}.`);
  return new Set(ids);
}

/** @throws UsageError */
export function toStore(text: string): Store {
  const store = STORES.find((one) => one === text);
  if (!store) throw new UsageError(`--state must be one of ${STORES.join(", ")}.`);
  return store;
}

/** @throws UsageError */
export function toPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new UsageError("--port must be a whole number from 1 to 65535.");
}

/** Address of a server as a config has it, which holds no secrets. @throws UsageError */
export function toServerURL(flag: string, text: string): string {
  const url = toURL(flag, text, ["http:", "https:"]);
  if (url.username || url.password || url.search || url.hash)
    throw new UsageError(`--${flag} must be an address without user, password, ? and #.`);
  return url.href.replace(/\/+$/, "");
}

/** Address of a store; a password in it goes to `.env`. @throws UsageError */
export function toRedisURL(text: string): string {
  // As one word that neither a shell nor a reader of `.env` takes for more than it is.
  return toURL("redis-url", text, ["redis:", "rediss:"]).href.replace(
    /[$'`"\\;&()<>|*!]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function toURL(flag: string, text: string, protocols: readonly string[]): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && protocols.includes(url.protocol) && url.hostname !== "") return url;
  throw new UsageError(`--${flag} must be a URL that begins with ${protocols.join("// or ")}//.`);
}

/** @throws UsageError */
export function toModel(text: string): string {
  // Goes into a quoted word of a shell.
  if (/^[\w./:@+-]{1,200}$/.test(text)) return text;
  throw new UsageError("--model must be a name of letters, digits and ./:@+-_.");
}
