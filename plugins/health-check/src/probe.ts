import { connect } from "node:net";
import { createUndiciTransport, revealSecret } from "gatewright";
import type { Backend, Transport, TransportCall, TransportFailure, TransportRequest } from "gatewright";

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

/** Undefined where the adapter has nothing that could be asked. */
export function createProbe(backend: Backend, options: ProbeOptions): Probe | undefined {
  if (options.kind === "tcp") return new TcpProbe(backend.baseURL, options.timeoutMs);
  const { health, models } = backend.adapter;
  if (options.kind === "models")
    return models && new HttpProbe(backend, under(backend, models.path), options.timeoutMs, models.read);
  if (options.path !== undefined) return new HttpProbe(backend, options.path, options.timeoutMs);
  return health && new HttpProbe(backend, under(backend, health.path, health.outside), options.timeoutMs);
}

/** Below the base URL, whose query goes out with every call, or outside of what its path ends with. */
function under({ baseURL: { pathname, search } }: Backend, path: string, outside = ""): string {
  const base = pathname.replace(/\/+$/, "");
  const below = (base.endsWith(outside) ? base.slice(0, base.length - outside.length) : base) + path;
  return path.includes("?") ? below + search.replace("?", "&") : below + search;
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

/** One GET on a connection of its own. Redirects are not followed. */
class HttpProbe implements Probe {
  readonly #backend: Backend;
  readonly #transport: Transport;
  readonly #path: string;
  readonly #timeoutMs: number;
  /** Throws when the body is not what it should be. */
  readonly #read: ((body: unknown) => unknown) | undefined;
  #cancel: (() => void) | undefined;

  constructor(backend: Backend, path: string, timeoutMs: number, read?: (body: unknown) => unknown) {
    this.#backend = backend;
    this.#transport = createUndiciTransport(backend.baseURL, { connectMs: timeoutMs, connections: 1 });
    this.#path = path;
    this.#timeoutMs = timeoutMs;
    this.#read = read;
  }

  async ask(): Promise<CheckResult> {
    const request = this.#request();
    return new Promise((resolve) => {
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      let status = 0;
      let call: TransportCall | undefined;
      const finish = (result: CheckResult): void => {
        clearTimeout(timer);
        call?.abort();
        resolve(result);
      };
      const fail = (cause: string): void => finish({ passed: false, cause });
      const timer = setTimeout(fail, this.#timeoutMs, "timeout").unref();
      this.#cancel = () => fail("closed");
      call = this.#transport.send(request, {
        onHeaders: (code) => {
          status = code;
        },
        onData: (chunk) => {
          bytes += chunk.length;
          if (bytes <= MAX_REPLY_BYTES) chunks.push(chunk);
          else finish(this.#judgeTooLarge(status));
        },
        onEnd: () => finish(this.#judge(status, Buffer.concat(chunks).toString("utf8"))),
        onError: (failure) => fail(causeOf(failure)),
      });
    });
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#transport.destroy();
  }

  #request(): TransportRequest {
    const { adapter, apiKey, options } = this.#backend;
    const headers = {
      "user-agent": "gatewright",
      ...adapter.headers?.(options),
      ...adapter.auth(apiKey && revealSecret(apiKey), options),
    };
    return { method: "GET", path: this.#path, headers: Object.entries(headers).flat(), body: null };
  }

  #judge(status: number, body: string): CheckResult {
    if (status === 200)
      return this.#isReadable(body) ? { passed: true } : { passed: false, cause: "malformed" };
    if (status === 401 || status === 403) return { passed: false, cause: "auth" };
    if (status === 503 && LOADING.test(body)) return { passed: false, cause: "loading", loading: true };
    return { passed: false, cause: status >= 300 && status < 400 ? "redirect" : `status_${status}` };
  }

  /** What the rest would say does not matter where the status is all that is asked for. */
  #judgeTooLarge(status: number): CheckResult {
    if (this.#read === undefined || status !== 200) return this.#judge(status, "");
    return { passed: false, cause: "too_large" };
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

function causeOf({ kind }: TransportFailure): string {
  return kind === "connect_timeout" ? "timeout" : kind;
}
