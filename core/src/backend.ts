import type { Adapter } from "./adapter.ts";
import { revealSecret, type Secret } from "./config/secret.ts";
import { addQuery } from "./path-query.ts";
import type { Transport } from "./transport/transport.ts";

/** Limits of one attempt, in milliseconds. 0 switches a limit off. */
export interface Timeouts {
  /** DNS, TCP and TLS. */
  connectMs: number;
  /** To the response headers. */
  firstByteMs: number;
  /** Streams: to the first content event. */
  firstTokenMs: number;
  /** Between two chunks of a body. */
  idleMs: number;
  /** One whole attempt, up to the commit point for streams. */
  attemptMs: number;
  /** The whole request, queueing and every attempt included, up to the commit point for streams. */
  totalMs: number;
  /** A stream after its commit point. */
  maxStreamMs: number;
}

/** A configured upstream server or provider account. */
export interface Backend {
  readonly name: string;
  readonly adapter: Adapter;
  /** The adapter's own options, checked, defaults applied. */
  readonly options: Record<string, unknown>;
  readonly baseURL: URL;
  readonly apiKey?: Secret;
  readonly weight: number;
  readonly timeouts: Timeouts;
  /** It tells its models itself, so that its targets come and go. */
  readonly discovers?: boolean;
  /** Before a colon in a model's name they ask for this backend. */
  readonly vendorPrefixes?: readonly string[];
  readonly transport: Transport;
}

/** Where a backend is. What is kept of one by its name holds there alone: at another place it is another. */
export function backendPlace({ adapter, baseURL }: Pick<Backend, "adapter" | "baseURL">): string {
  return `${adapter.name} ${baseURL.href}`;
}

/**
 * Path and query of a call to a backend: below its base URL, whose query goes out with every call, without what the base
 * ends with that the path is `outside` of.
 */
export function backendPath({ baseURL }: Pick<Backend, "baseURL">, path: string, outside = ""): string {
  const base = baseURL.pathname.replace(/\/+$/, "");
  const above = base.endsWith(outside) ? base.slice(0, base.length - outside.length) : base;
  return addQuery(above + path, baseURL.search.slice(1));
}

/** Headers of every request to a backend: those of its dialect, and its credential. */
export function backendHeaders({
  adapter,
  options,
  apiKey,
}: Pick<Backend, "adapter" | "options" | "apiKey">): Record<string, string> {
  return { ...adapter.headers?.(options), ...adapter.auth(apiKey && revealSecret(apiKey), options) };
}

/** Whether a client that names `provider` may mean this backend: its own name, its adapter's, or the vendor's. */
export function isOfProvider({ name, adapter }: Backend, provider: string): boolean {
  return provider === name || provider === adapter.name || provider === adapter.provider;
}
