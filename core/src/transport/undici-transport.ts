import type { Socket } from "node:net";
import { buildConnector, Client, Pool, errors, type Dispatcher } from "undici";
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
    factory: (url, clientOptions) => new Connection(url, clientOptions, options.connectMs),
  });
  return {
    send(request, handler) {
      const call = new UndiciCall(handler);
      const dispatched: CallOptions = {
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: request.body as Dispatcher.DispatchOptions["body"],
        call,
      };
      pool.dispatch(dispatched, call);
      return call;
    },
    close: () => pool.close(),
    destroy: () => pool.destroy(),
  };
}

/** What undici hands down to the connection that it chose. */
interface CallOptions extends Dispatcher.DispatchOptions {
  call: UndiciCall;
}

/** The socket of a connection, which undici opens anew when it was closed. */
interface Line {
  socket: Socket | undefined;
  /** It carried a call. */
  used: boolean;
}

/** One connection of the pool; it tells its calls which socket carries them. */
class Connection extends Client {
  readonly #line: Line;

  constructor(origin: URL, options: object, connectMs: number) {
    const line: Line = { socket: undefined, used: false };
    super(origin, { ...options, connect: createConnector(connectMs, line) });
    this.#line = line;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    (options as CallOptions).call.line = this.#line;
    return super.dispatch(options, handler);
  }
}

function createConnector(connectMs: number, line: Line): buildConnector.connector {
  const connect = buildConnector({ timeout: 0 });
  return (options, callback) => {
    let timer: NodeJS.Timeout | undefined;
    // undici's connector returns its socket, which its types leave out.
    const socket = connect(options, (...result) => {
      clearTimeout(timer);
      callback(...result);
    }) as unknown as Socket;
    line.socket = socket;
    line.used = false;
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
  /** Set by the connection that was chosen. */
  line: Line | undefined;
  /** What a socket that had carried another call had read by then. */
  #readBefore: number | undefined;

  constructor(handler: TransportHandler) {
    this.#handler = handler;
  }

  onRequestStart(controller: DispatchController): void {
    this.#controller = controller;
    if (this.#aborted) {
      controller.abort(new errors.RequestAbortedError());
      return;
    }
    this.#sent = true;
    const line = this.line!;
    if (line.used) this.#readBefore = line.socket!.bytesRead;
    line.used = true;
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
    const unanswered = this.#readBefore !== undefined && this.line!.socket!.bytesRead === this.#readBefore;
    this.#handler.onError(toFailure(error, this.#sent, unanswered));
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

function toFailure(error: Error, sent: boolean, reusedConnection: boolean): TransportFailure {
  const code = (error as { code?: string }).code ?? "";
  if (error instanceof ConnectTimeout || code === "UND_ERR_CONNECT_TIMEOUT")
    return { kind: "connect_timeout", sent: false, cause: error };
  if (TLS_CODES.test(code)) return { kind: "tls", sent: false, cause: error };
  if (error instanceof AggregateError || CONNECT_CODES.has(code))
    return { kind: "connect", sent: sent && code !== "ECONNREFUSED", cause: error };
  if (code.startsWith("HPE_") || MALFORMED_CODES.has(code))
    return { kind: "malformed", sent: true, cause: error };
  return { kind: "reset", sent, cause: error, reusedConnection };
}

const MALFORMED_CODES = new Set([
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  "UND_ERR_RESPONSE",
  "UND_ERR_HEADERS_OVERFLOW",
  "UND_ERR_INVALID_ARG",
  "UND_ERR_NOT_SUPPORTED",
]);
