import type { Socket } from "node:net";
import { buildConnector, Pool, errors, type Dispatcher } from "undici";
import type { Transport, TransportCall, TransportFailure, TransportHandler } from "./transport.ts";

export interface UndiciTransportOptions {
  /** DNS, TCP and TLS together. */
  connectMs: number;
  /** Most connections open at once. */
  connections: number;
  /** Largest block of reply headers, in bytes. */
  maxHeaderBytes?: number;
}

/** Thrown into undici by our connect timer: undici's own is only good to half a second. */
class ConnectTimeout extends Error {}

type DispatchController = Dispatcher.DispatchController;

/**
 * One undici pool for one backend and credential. Time limits other than connecting are dispatch's; redirects are not
 * followed; nothing is retried here.
 */
export function createUndiciTransport(origin: URL, options: UndiciTransportOptions): Transport {
  const pool = new Pool(origin.origin, {
    connections: options.connections,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 60_000,
    maxHeaderSize: options.maxHeaderBytes ?? 64 * 1024,
    connect: createConnector(options.connectMs),
  });
  return {
    send(request, handler) {
      const call = new UndiciCall(handler);
      pool.dispatch(
        {
          method: request.method,
          path: request.path,
          headers: request.headers,
          body: request.body as Dispatcher.DispatchOptions["body"],
        },
        call,
      );
      return call;
    },
    close: () => pool.close(),
    destroy: () => pool.destroy(),
  };
}

function createConnector(connectMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: 0 });
  return (options, callback) => {
    let timer: NodeJS.Timeout | undefined;
    // undici's connector returns its socket, which its types leave out.
    const socket = connect(options, (...result) => {
      clearTimeout(timer);
      callback(...result);
    }) as unknown as Socket;
    if (connectMs > 0)
      timer = setTimeout(() => socket.destroy(new ConnectTimeout("connect timeout")), connectMs);
  };
}

class UndiciCall implements TransportCall, Dispatcher.DispatchHandler {
  readonly #handler: TransportHandler;
  #controller: DispatchController | undefined;
  #aborted = false;
  #paused = false;
  #sent = false;

  constructor(handler: TransportHandler) {
    this.#handler = handler;
  }

  onRequestStart(controller: DispatchController): void {
    this.#controller = controller;
    if (this.#aborted) controller.abort(new errors.RequestAbortedError());
    else this.#sent = true;
  }

  onRequestUpgrade(controller: DispatchController): void {
    controller.abort(new errors.RequestAbortedError());
  }

  onResponseStart(
    controller: DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200 || this.#aborted) return;
    this.#handler.onHeaders(status, headers);
    if (this.#paused) controller.pause();
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (!this.#aborted) this.#handler.onData(chunk);
  }

  onResponseEnd(): void {
    if (!this.#aborted) this.#handler.onEnd();
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#handler.onError(toFailure(error, this.#sent));
  }

  pause(): void {
    this.#paused = true;
    this.#controller?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#controller?.resume();
  }

  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#controller?.abort(new errors.RequestAbortedError());
  }
}

const TLS_CODES = /^(?:CERT_|ERR_TLS|ERR_SSL|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|EPROTO)/;
const CONNECT_CODES = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "ETIMEDOUT",
]);

function toFailure(error: Error, sent: boolean): TransportFailure {
  const code = (error as { code?: string }).code ?? "";
  if (error instanceof ConnectTimeout || code === "UND_ERR_CONNECT_TIMEOUT")
    return { kind: "connect_timeout", sent: false, cause: error };
  if (TLS_CODES.test(code)) return { kind: "tls", sent: false, cause: error };
  if (error instanceof AggregateError || CONNECT_CODES.has(code))
    return { kind: "connect", sent: sent && code !== "ECONNREFUSED", cause: error };
  if (code.startsWith("HPE_") || MALFORMED_CODES.has(code))
    return { kind: "malformed", sent: true, cause: error };
  const info = (error as { socket?: { bytesRead?: number } }).socket;
  return { kind: "reset", sent, cause: error, reusedConnection: (info?.bytesRead ?? 0) > 0 };
}

const MALFORMED_CODES = new Set([
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  "UND_ERR_RESPONSE",
  "UND_ERR_HEADERS_OVERFLOW",
  "UND_ERR_INVALID_ARG",
  "UND_ERR_NOT_SUPPORTED",
]);
