import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { buildConnector, Client, errors, util, type Dispatcher } from "undici";
import { groupWrites } from "../group-writes.ts";
import { joinWrites } from "../join-writes.ts";
import type {
  Transport,
  TransportCall,
  TransportFailure,
  TransportHandler,
  TransportRequest,
} from "./transport.ts";

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

/**
 * The connections to one backend under one credential. Time limits other than connecting are dispatch's; redirects are
 * not followed; nothing is retried here.
 */
export function createUndiciTransport(origin: URL, options: UndiciTransportOptions): Transport {
  return new ConnectionPool(origin, options);
}

/**
 * undici's clients, one connection each, taken from a stack: the one that was used last comes first, warm, and finding
 * it takes no search. undici's own pool looks through all of them for each call, which tells from some hundred streams
 * on.
 */
class ConnectionPool implements Transport {
  readonly #origin: URL;
  readonly #options: UndiciTransportOptions;
  readonly #connect: Connect;
  readonly #all = new Set<Connection>();
  readonly #idle: Connection[] = [];
  /** Calls that wait for a connection, oldest first. */
  readonly #waiting = new Set<UndiciCall>();
  #active = 0;
  #onIdle: (() => void) | undefined;

  constructor(origin: URL, options: UndiciTransportOptions) {
    this.#origin = new URL(origin.origin);
    this.#options = options;
    // One for all connections: it remembers TLS sessions, which make the handshake of a further connection short.
    this.#connect = createConnector(options.connectMs);
  }

  send(request: TransportRequest, handler: TransportHandler): TransportCall {
    const call = new UndiciCall(request, handler, this);
    this.#active++;
    const connection = this.#idle.pop() ?? this.#open();
    if (connection) call.start(connection);
    else this.#waiting.add(call);
    return call;
  }

  #open(): Connection | undefined {
    if (this.#all.size >= this.#options.connections) return undefined;
    const connection = new Connection(this.#origin, this.#options, this.#connect);
    this.#all.add(connection);
    return connection;
  }

  /** The call is over; its connection, if it had one, takes the next. */
  finish(call: UndiciCall, connection: Connection | undefined): void {
    this.#active--;
    if (!connection) this.#waiting.delete(call);
    else if (call.cut) this.#drop(connection);
    else this.#idle.push(connection);
    this.#serveNext();
    if (this.#active === 0) this.#onIdle?.();
  }

  #serveNext(): void {
    const [next] = this.#waiting;
    if (!next) return;
    const connection = this.#idle.pop() ?? this.#open();
    if (!connection) return;
    this.#waiting.delete(next);
    next.start(connection);
  }

  /** It was broken off in the middle of a call. undici would open it anew at once, with nothing to send. */
  #drop(connection: Connection): void {
    this.#all.delete(connection);
    void connection.destroy();
  }

  async close(): Promise<void> {
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await Promise.all(Array.from(this.#all, (connection) => connection.close()));
  }

  async destroy(): Promise<void> {
    await Promise.all(Array.from(this.#all, (connection) => connection.destroy()));
  }
}

/** One connection, which undici opens anew when it was closed. */
class Connection extends Client {
  readonly line: Line;

  constructor(origin: URL, { maxHeaderBytes = 64 * 1024 }: UndiciTransportOptions, connect: Connect) {
    const line = new Line();
    super(origin, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 4_000,
      keepAliveMaxTimeout: 60_000,
      maxHeaderSize: maxHeaderBytes,
      connect: (options, callback) => line.attach(connect(options, callback)),
    });
    this.line = line;
  }
}

/**
 * The socket of a connection, and the way to hold back what comes on it. undici's own way stops its parser, and a
 * stopped parser cannot bear that the backend closes the connection or resets it: an assertion fails where nobody
 * can catch it (nodejs/undici#5360). So the parser always runs, and finds nothing to read for as long as the line is
 * held. The backend notices when the system's buffers are full.
 */
class Line {
  /** It carried a call. */
  used = false;
  held = false;
  #socket: LineSocket | undefined;

  attach(socket: LineSocket): void {
    this.used = this.held = false;
    this.#socket = socket;
    socket[LINE] = this;
    socket.read = readLine;
  }

  /** Why it broke. */
  get failure(): Error | null {
    return this.#socket?.errored ?? null;
  }

  hold(): void {
    this.held = true;
  }

  release(): void {
    if (!this.held) return;
    this.held = false;
    // Not at once: the parser may be the one who called.
    process.nextTick(() => {
      if (!this.held) this.#socket?.emit("readable");
    });
  }
}

const LINE = Symbol("line");
type LineSocket = Socket & { [LINE]?: Line };

/** The `read` of a socket: one function for all, where hundreds of streams may begin together. */
function readLine(this: LineSocket, size?: number): unknown {
  return this[LINE]!.held ? null : Socket.prototype.read.call(this, size);
}

type Connect = (options: buildConnector.Options, callback: buildConnector.Callback) => Socket;

function createConnector(connectMs: number): Connect {
  const connect = buildConnector({ timeout: 0 });
  return (options, callback) => {
    let timer: NodeJS.Timeout | undefined;
    // undici's connector returns its socket, which its types leave out.
    const socket = connect(options, (error, connected) => {
      clearTimeout(timer);
      if (error) callback(asConnectError(error), null);
      else callback(null, connected);
    }) as unknown as Socket;
    joinWrites(socket);
    groupWrites(socket);
    if (connectMs > 0)
      timer = setTimeout(() => socket.destroy(new ConnectTimeout("connect timeout")), connectMs);
    return socket;
  };
}

/**
 * A certificate for another name by the code that OpenSSL has for it. By Node's code undici fails the calls that wait,
 * but goes on counting them as running, and never sends another on that client.
 */
function asConnectError(error: Error): Error {
  if ((error as { code?: string }).code !== "ERR_TLS_CERT_ALTNAME_INVALID") return error;
  return Object.assign(new Error(error.message, { cause: error }), { code: "HOSTNAME_MISMATCH" });
}

/**
 * One call. It speaks undici's callback form: the newer controller form is an adapter that undici puts around it for
 * each call, and that parses trailers which nobody reads. The version is pinned.
 */
class UndiciCall implements TransportCall, Dispatcher.DispatchHandler {
  /** Until it is handed over. */
  #request: TransportRequest | undefined;
  readonly #handler: TransportHandler;
  readonly #pool: ConnectionPool;
  #connection: Connection | undefined;
  /** Set while undici holds the call. */
  #abort: ((error: Error) => void) | undefined;
  #finished = false;
  #sent = false;
  /** The socket had carried another call before. */
  #reused = false;
  /** The first byte of a reply came. */
  #answered = false;
  aborted = false;

  constructor(request: TransportRequest, handler: TransportHandler, pool: ConnectionPool) {
    this.#request = request;
    this.#handler = handler;
    this.#pool = pool;
  }

  get stage(): TransportCall["stage"] {
    if (!this.#connection) return "queued";
    return this.#sent ? "sent" : "connecting";
  }

  /** It was given up while it ran. */
  get cut(): boolean {
    return this.aborted && this.#sent;
  }

  start(connection: Connection): void {
    const { method, path, headers, body, upgrade = null } = this.#request!;
    this.#request = undefined;
    this.#connection = connection;
    connection.dispatch(
      { method, path, headers, body: body as Dispatcher.DispatchOptions["body"], upgrade },
      this,
    );
  }

  /** Once: gives the connection back. */
  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#connection?.line.release();
    this.#pool.finish(this, this.#connection);
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort;
    if (this.aborted) {
      abort(new errors.RequestAbortedError());
      return;
    }
    this.#sent = true;
    const { line } = this.#connection!;
    this.#reused = line.used;
    line.used = true;
  }

  onResponseStarted(): void {
    this.#answered = true;
  }

  /** The connection is not free for further calls before this one is closed: `connections` bounds them all. */
  onUpgrade(_status: number, headers: Buffer[], socket: Duplex): void {
    socket.on("error", ignore);
    socket.once("close", () => this.#finish());
    if (this.aborted || !this.#handler.onUpgrade) socket.destroy();
    else this.#handler.onUpgrade(util.parseHeaders(headers), socket);
  }

  onHeaders(status: number, headers: Buffer[]): boolean {
    if (status >= 200 && !this.aborted) this.#handler.onHeaders(status, util.parseHeaders(headers));
    return GO_ON;
  }

  onData(chunk: Buffer): boolean {
    if (!this.aborted) this.#handler.onData(chunk);
    return GO_ON;
  }

  onComplete(): void {
    const { failure } = this.#connection!.line;
    if (failure) {
      // undici takes a reset for the end of a body that ends with its connection: it is the sign that some is missing.
      this.onError(failure);
      return;
    }
    this.#finish();
    if (!this.aborted) this.#handler.onEnd();
  }

  onError(error: Error): void {
    this.#finish();
    if (this.aborted) return;
    this.aborted = true;
    this.#handler.onError(toFailure(error, this.#sent, this.#reused && !this.#answered));
  }

  pause(): void {
    if (!this.#finished) this.#connection?.line.hold();
  }

  resume(): void {
    if (!this.#finished) this.#connection?.line.release();
  }

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    // undici says when a call that had begun is over; one that still waits for a connection just leaves.
    if (this.#abort) this.#abort(new errors.RequestAbortedError());
    else if (!this.#connection) this.#finish();
  }
}

/** To undici: its parser is never to stop. */
const GO_ON = true;

/** What failed is told by `close`, which follows. */
function ignore(): void {}

const TLS_CODES = /^(?:CERT_|ERR_TLS|ERR_SSL|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|EPROTO)/;
const CONNECT_CODES = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
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
  // `EAI_…`: what the resolver says of a name, besides that it does not exist.
  if (error instanceof AggregateError || CONNECT_CODES.has(code) || code.startsWith("EAI_"))
    return { kind: "connect", sent: sent && code !== "ECONNREFUSED", cause: error };
  if (UNSENDABLE_CODES.has(code)) return { kind: "unsendable", sent: false, cause: error };
  if (code.startsWith("HPE_") || MALFORMED_CODES.has(code))
    return { kind: "malformed", sent: true, cause: error };
  if (code === "UND_ERR_SOCKET" && UNASKED.test(error.message))
    return { kind: "interim", sent: true, cause: error };
  return { kind: "reset", sent, cause: error, reusedConnection };
}

const MALFORMED_CODES = new Set([
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  "UND_ERR_RESPONSE",
  "UND_ERR_HEADERS_OVERFLOW",
]);

/** What undici says of a `100 Continue` or a change of protocol that nobody asked for. */
const UNASKED = /^bad (?:response|upgrade)$/;

/** A header, path or method that undici does not write. */
const UNSENDABLE_CODES = new Set(["UND_ERR_INVALID_ARG", "UND_ERR_NOT_SUPPORTED"]);
