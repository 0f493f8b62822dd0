import { connect } from "node:net";
import { askServer, backendHeaders, backendPath, createUndiciTransport } from "gatewright";
import type { Backend, Transport } from "gatewright";

/** What one check found. */
export type CheckResult =
  | { readonly passed: true }
  | {
      readonly passed: false;
      /** A word for logs, such as `connect`, `timeout`, `auth` or `status_500`. */
      readonly cause: string;
      /** It answers that it is not ready yet. */
      readonly loading?: boolean;
    };

/** One way to ask one backend. */
export interface Probe {
  /** Answers within the time limit, whatever the backend does. */
  ask(): Promise<CheckResult>;
  /** Gives a running check up and closes connections. */
  close(): Promise<void>;
}

export interface ProbeOptions {
  readonly kind: "http" | "tcp" | "models";
  /** From the root of the server; absent: the adapter's own. */
  readonly path?: string;
  readonly timeoutMs: number;
}

/** Most of a reply that is read. */
const MAX_REPLY_BYTES = 64 * 1024;

/** Servers that are still reading their weights say so with 503, e.g. llama.cpp. */
const LOADING = /\b(?:loading|initiali[sz]ing|warming up|starting up)\b/i;

/** Where a check has another word for it. */
const CAUSES: Readonly<Record<string, string>> = { connect_timeout: "timeout", "given up": "closed" };

/** Undefined where the adapter has nothing that could be asked. */
export function createProbe(backend: Backend, options: ProbeOptions): Probe | undefined {
  if (options.kind === "tcp") return new TcpProbe(backend.baseURL, options.timeoutMs);
  const { health, models } = backend.adapter;
  if (options.kind === "models")
    return (
      models && new HttpProbe(backend, backendPath(backend, models.path), options.timeoutMs, models.read)
    );
  if (options.path !== undefined) return new HttpProbe(backend, options.path, options.timeoutMs);
  return (
    health && new HttpProbe(backend, backendPath(backend, health.path, health.outside), options.timeoutMs)
  );
}

/** Connects and hangs up. */
class TcpProbe implements Probe {
  readonly #host: string;
  readonly #port: number;
  readonly #timeoutMs: number;
  #cancel: (() => void) | undefined;

  constructor({ hostname, port, protocol }: URL, timeoutMs: number) {
    // An IPv6 address stands in brackets in a URL only.
    this.#host = hostname.replace(/^\[|\]$/g, "");
    this.#port = Number(port) || (protocol === "https:" ? 443 : 80);
    this.#timeoutMs = timeoutMs;
  }

  ask(): Promise<CheckResult> {
    return new Promise((resolve) => {
      const socket = connect({ host: this.#host, port: this.#port });
      const finish = (result: CheckResult): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(result);
      };
      const timer = setTimeout(finish, this.#timeoutMs, { passed: false, cause: "timeout" }).unref();
      this.#cancel = () => finish({ passed: false, cause: "closed" });
      socket.once("connect", () => finish({ passed: true }));
      socket.on("error", () => finish({ passed: false, cause: "connect" }));
    });
  }

  async close(): Promise<void> {
    this.#cancel?.();
  }
}

/** One GET on a connection of its own. */
class HttpProbe implements Probe {
  readonly #backend: Backend;
  readonly #transport: Transport;
  readonly #path: string;
  readonly #timeoutMs: number;
  /** Throws when the body is not what it should be. */
  readonly #read: ((body: unknown) => unknown) | undefined;
  readonly #closing = new AbortController();

  constructor(backend: Backend, path: string, timeoutMs: number, read?: (body: unknown) => unknown) {
    this.#backend = backend;
    this.#transport = createUndiciTransport(backend.baseURL, { connectMs: timeoutMs, connections: 1 });
    this.#path = path;
    this.#timeoutMs = timeoutMs;
    this.#read = read;
  }

  async ask(): Promise<CheckResult> {
    const answer = await askServer(this.#transport, {
      path: this.#path,
      // Mostly it is the status that counts.
      headers: { accept: "*/*", ...backendHeaders(this.#backend) },
      timeoutMs: this.#timeoutMs,
      maxBytes: MAX_REPLY_BYTES,
      signal: this.#closing.signal,
    });
    if (answer.failure === undefined) return this.#judge(answer.status, answer.text);
    const { failure, status } = answer;
    // What the rest would say does not matter where the status is all that is asked for.
    if (status !== undefined && (this.#read === undefined || status !== 200)) return this.#judge(status, "");
    return { passed: false, cause: CAUSES[failure] ?? failure };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#transport.destroy();
  }

  #judge(status: number, body: string): CheckResult {
    if (status === 200)
      return this.#isReadable(body) ? { passed: true } : { passed: false, cause: "malformed" };
    if (status === 401 || status === 403) return { passed: false, cause: "auth" };
    if (status === 503 && LOADING.test(body)) return { passed: false, cause: "loading", loading: true };
    return { passed: false, cause: status >= 300 && status < 400 ? "redirect" : `status_${status}` };
  }

  #isReadable(body: string): boolean {
    if (this.#read === undefined) return true;
    try {
      this.#read(JSON.parse(body));
      return true;
    } catch {
      // Whatever is wrong with it: it is no model list.
      return false;
    }
  }
}
