import { STORES, type Store } from "./answers.ts";
import { BACKENDS, type BackendKind } from "./backends.ts";
import { PLUGINS } from "./plugins.ts";
import { UsageError } from "./refusal.ts";

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
