import type { Duplex } from "node:stream";
import {
  createInnerRequest,
  GatewayError,
  isGatewayError,
  readJsonMembers,
  toGatewayError,
} from "gatewright";
import type { ConnectionSwitch, Context, GatewayHost, SessionEnd, SwitchedConnection } from "gatewright";
import { WebSocketServer, type ServerOptions, type WebSocket } from "ws";
import { readId, readWish } from "./message.ts";
import type { WebsocketApiOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { errorMessage, tellReply, type LastMessage } from "./reply-message.ts";

/** RFC 6455, section 7.4.1. */
const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;
const BROKEN_OFF = 1006;
const POLICY_VIOLATION = 1008;

/** After the first close frame: how long the client may take to answer it and to close the connection. */
const CLOSING_MS = 5_000;

/** One client's connection: reads its requests, sends each through the gateway, and tells what comes of them. */
export class Session implements ConnectionSwitch {
  readonly #ctx: Context;
  readonly #gateway: GatewayHost;
  readonly #options: WebsocketApiOptions;
  readonly #running = new Map<string, AbortController>();
  /** Requests so far. */
  #count = 0;
  #socket: WebSocket | undefined;
  #outbox!: Outbox;
  /** Why no more requests are taken: the connection is closed behind the last that runs. */
  #ending: { readonly code: number; readonly reason: string } | undefined;
  /** A close frame of this side is on its way. */
  #isClosing = false;
  #isAlive = true;
  #timers: NodeJS.Timeout[] = [];
  #interruption: GatewayError | undefined;
  #resolve!: (end: SessionEnd) => void;

  constructor(ctx: Context, gateway: GatewayHost, options: WebsocketApiOptions) {
    this.#ctx = ctx;
    this.#gateway = gateway;
    this.#options = options;
  }

  accept({ request, socket, head, headers, limits }: SwitchedConnection): Promise<SessionEnd> {
    const ended = new Promise<SessionEnd>((resolve) => (this.#resolve = resolve));
    // The published types do not know `closeTimeout` yet.
    const options: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      // A client that sends pings and takes no pong would fill the memory.
      autoPong: false,
      maxPayload: limits.jsonBytes,
      closeTimeout: CLOSING_MS,
      handleProtocols: () => this.#protocol(),
    };
    const server = new WebSocketServer(options);
    server.on("headers", (lines) => {
      for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
    });
    socket.on("close", () => {
      // Gone, or refused, before there was a WebSocket.
      if (!this.#socket) this.#end(BROKEN_OFF);
    });
    server.handleUpgrade(request, socket, head, (opened) => this.#open(opened, socket));
    socket.resume();
    return ended;
  }

  /** Browsers insist that one of the names is agreed to; the credential among them was taken out. */
  #protocol(): string | false {
    return this.#ctx.request.headers["sec-websocket-protocol"]?.split(",", 1)[0]!.trim() ?? false;
  }

  #open(socket: WebSocket, connection: Duplex): void {
    const { maxConcurrent, pingIntervalMs, maxSessionMs } = this.#options;
    this.#socket = socket;
    this.#outbox = new Outbox({ socket, connection, maxWaiting: maxConcurrent });
    connection.on("data", () => (this.#isAlive = true));
    socket.on("message", (data, isBinary) => this.#onMessage(data as Buffer, isBinary));
    socket.on("ping", (data) => {
      if (!this.#outbox.isBlocked && socket.readyState === socket.OPEN) socket.pong(data);
    });
    // The library has closed with the code of the fault by then.
    socket.on("error", () => this.#giveUp());
    socket.on("close", (code) => this.#end(code));
    if (pingIntervalMs > 0) this.#timers.push(setInterval(() => this.#beat(), pingIntervalMs).unref());
    if (maxSessionMs > 0)
      this.#timers.push(
        setTimeout(
          () => this.#endWith(GOING_AWAY, "The connection was open for long enough"),
          maxSessionMs,
        ).unref(),
      );
    if (this.#ending) this.#closeIfIdle();
  }

  /** Whether a client that takes nothing is still there, the limit of writes tells. */
  #beat(): void {
    const socket = this.#socket!;
    if (this.#outbox.isBlocked || socket.readyState !== socket.OPEN) return;
    if (!this.#isAlive) {
      socket.terminate();
      return;
    }
    this.#isAlive = false;
    socket.ping();
  }

  // --- requests

  #onMessage(text: Buffer, isBinary: boolean): void {
    const socket = this.#socket!;
    // What was on its way when the connection was closed.
    if (socket.readyState !== socket.OPEN) return;
    if (isBinary) {
      this.#giveUp();
      this.#closeWith(UNSUPPORTED_DATA, "Messages are JSON text");
      return;
    }
    let id: string | null = null;
    try {
      const members = readJsonMembers(text);
      id = readId(members);
      const wish = readWish(members);
      if (wish.cancel) {
        this.#running.get(id)?.abort();
        return;
      }
      this.#checkRoom(id);
      void this.#run(id, wish);
    } catch (error) {
      void this.#tell(errorMessage(id, this.#toError(error)));
    }
  }

  #checkRoom(id: string): void {
    const { maxConcurrent } = this.#options;
    if (this.#running.has(id))
      throw new GatewayError("duplicate_id", {
        status: 409,
        type: "invalid_request_error",
        param: "id",
        message: "A request with this id is running, and goes on",
      });
    if (this.#ending)
      throw new GatewayError("draining", {
        message: "The connection is about to be closed: send the request on another",
      });
    if (this.#running.size >= maxConcurrent)
      throw new GatewayError("too_many_requests", {
        status: 429,
        type: "rate_limit_error",
        message: `At most ${maxConcurrent} requests run at once on one connection`,
      });
  }

  /** Never rejects. */
  async #run(id: string, { path, body }: { path: string; body: Buffer }): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    const { signal } = controller;
    let last: LastMessage;
    try {
      const request = createInnerRequest(this.#ctx, { path, body, index: this.#count++, signal });
      const { clientAddress: address } = this.#ctx.request;
      const response = await this.#gateway.fetch(request, { address, current: true });
      last = await tellReply(id, response, (message) => this.#outbox.send(message));
    } catch (error) {
      last = { text: errorMessage(id, this.#toError(error)), unauthorized: false };
    }
    // Free before the client can know of it.
    this.#running.delete(id);
    await this.#tell(last.text);
    // Good at the handshake, and not any more.
    if (last.unauthorized && this.#ctx.principal)
      this.#endWith(POLICY_VIOLATION, "The key is not valid any more");
  }

  async #tell(message: string): Promise<void> {
    await this.#outbox.send(message);
    this.#closeIfIdle();
  }

  #toError(error: unknown): GatewayError {
    if (!isGatewayError(error))
      this.#gateway.log.error("a message on a WebSocket failed inside the gateway", {
        requestId: this.#ctx.id,
        cause: String(error),
      });
    return toGatewayError(error);
  }

  #giveUp(): void {
    for (const controller of this.#running.values()) controller.abort();
  }

  // --- the end

  drain(): void {
    this.#endWith(GOING_AWAY, "The gateway is shutting down");
  }

  close(reason: GatewayError): void {
    this.#interruption = reason;
    // What runs is aborted as well, and its end is told first.
    this.drain();
  }

  cancel(): void {}

  #endWith(code: number, reason: string): void {
    this.#ending ??= { code, reason };
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    if (!this.#ending || !this.#socket || this.#running.size > 0 || !this.#outbox.isEmpty) return;
    this.#closeWith(this.#ending.code, this.#ending.reason);
  }

  /** A client that does not answer is cut off, which changes nothing of how the session ended. */
  #closeWith(code: number, reason: string): void {
    this.#isClosing = true;
    this.#socket!.close(code, reason);
  }

  #end(code: number): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#giveUp();
    this.#outbox?.close();
    const error = this.#interruption;
    if (error) this.#resolve({ outcome: "truncated", error });
    else if (code === BROKEN_OFF && !this.#isClosing)
      this.#resolve({ outcome: "client_abort", error: new GatewayError("client_closed_request") });
    else this.#resolve({ outcome: "complete" });
  }
}
