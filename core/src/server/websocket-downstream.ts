import { STATUS_CODES, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ServerLimits } from "../config/resolved.ts";
import type { GatewayError } from "../errors.ts";
import { clientLeft, outcomeOf } from "../outcome.ts";
import { discardReply, isBodyStream, type Reply } from "../reply.ts";
import type { Downstream, Exchange } from "../request/exchange.ts";
import type { ConnectionSwitch } from "../websocket/connection-switch.ts";
import { errorReply, replyHeaders } from "./answer.ts";
import { hasLength, takeBody } from "./sendable.ts";
import { closeInStages } from "./staged-close.ts";

/** A client may speak before it has been answered; more than this has to wait. */
const MAX_EARLY_BYTES = 64 * 1024;

export interface UpgradeRequest {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  /** What came behind the request already. */
  readonly head: Buffer;
  /** Set while the process drains. */
  closing(): boolean;
}

/** The client's side of a WebSocket: refuses it in HTTP, or hands the connection to whoever speaks on it. */
export class WebSocketDownstream implements Downstream {
  readonly #req: IncomingMessage;
  readonly #socket: Duplex;
  readonly #limits: ServerLimits;
  readonly #closing: () => boolean;
  #exchange!: Exchange;
  /** What the client said before it was answered. */
  #early: Buffer[];
  #earlyBytes = 0;
  #answered = false;
  #session: ConnectionSwitch | undefined;
  #draining = false;
  /** Of earlier requests of the connection. */
  readonly #bytesBefore: { readonly read: number; readonly written: number };
  #writtenAtLook = 0;
  #blockedSince = 0;

  constructor({ req, socket, head, closing }: UpgradeRequest, limits: ServerLimits) {
    this.#req = req;
    this.#socket = socket;
    this.#limits = limits;
    this.#closing = closing;
    this.#early = head.length > 0 ? [head] : [];
    this.#bytesBefore = { read: bytesRead(socket) - head.length, written: bytesWritten(socket) };
  }

  attach(exchange: Exchange): void {
    this.#exchange = exchange;
    const socket = this.#socket;
    socket.on("data", this.#onEarlyData);
    socket.on("end", this.#onEarlyEnd);
    socket.on("error", this.#onEarlyEnd);
    socket.on("close", this.#onEarlyEnd);
  }

  onAbort(reason: GatewayError): void {
    if (this.#session) this.#session.close(reason);
    else this.fail(reason);
  }

  readAll(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array());
  }

  async *stream(): AsyncGenerator<Uint8Array> {}

  send(reply: Reply): void {
    if (this.#answered) {
      discardReply(reply);
      return;
    }
    const { switch: session } = reply;
    if (!session) {
      this.#sendWhole(reply);
      return;
    }
    this.#answered = true;
    this.#session = session;
    this.#exchange.committed = true;
    this.#exchange.firstTokenAt = performance.now();
    this.#stopWaiting();
    void this.#runSession(session, replyHeaders(this.#exchange, reply));
  }

  async #runSession(session: ConnectionSwitch, headers: readonly string[]): Promise<void> {
    const { outcome, error } = await session.accept({
      request: this.#req,
      socket: this.#socket,
      head: Buffer.concat(this.#early.splice(0)),
      headers,
      limits: this.#limits,
    });
    this.#countBytes();
    this.#exchange.finish(outcome, 101, error);
  }

  /** A plugin answers in place of the backend: in HTTP, and no session comes of it. */
  #sendWhole(reply: Reply): void {
    const body = takeBody(reply);
    if (isBodyStream(body)) {
      discardReply(reply);
      throw new Error("a plugin answered a WebSocket with a stream");
    }
    const headers = replyHeaders(this.#exchange, reply);
    this.#answered = true;
    this.#write(reply.status, headers, body ?? "");
    this.#exchange.finish("complete", reply.status);
  }

  fail(error: GatewayError): void {
    if (this.#answered) return;
    this.#answered = true;
    const { headers, body } = errorReply(this.#exchange, error);
    this.#write(error.status, headers, body);
    this.#exchange.finish(outcomeOf(error), error.status, error);
  }

  #write(status: number, headers: readonly string[], body: string | Uint8Array): void {
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nconnection: close\r\n`;
    for (let at = 0; at < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
    const bytes = Buffer.from(body as Uint8Array);
    const socket = this.#socket;
    this.#exchange.bytesOut = bytes.length;
    if (hasLength(status)) head += `content-length: ${bytes.length}\r\n`;
    socket.write(`${head}\r\n`, "latin1");
    socket.write(bytes);
    closeInStages(socket);
  }

  // --- before there is an answer

  readonly #onEarlyData = (chunk: Buffer): void => {
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > MAX_EARLY_BYTES) this.#socket.pause();
  };

  readonly #onEarlyEnd = (): void => {
    if (this.#answered) return;
    this.#answered = true;
    const reason = clientLeft();
    this.#socket.destroy();
    this.#exchange.abort(reason);
    this.#exchange.finish("client_abort", 499, reason);
  };

  #stopWaiting(): void {
    const socket = this.#socket;
    socket.pause();
    socket.off("data", this.#onEarlyData);
    socket.off("end", this.#onEarlyEnd);
    socket.off("close", this.#onEarlyEnd);
    // The listener for errors stays: without any, one would end the process.
  }

  // --- limits

  expire(nowMs: number): void {
    if (!this.#session) return;
    if (!this.#draining && this.#closing()) {
      this.#draining = true;
      this.#session.drain?.();
    }
    const written = bytesWritten(this.#socket);
    const isStuck = this.#socket.writableLength > 0 && written === this.#writtenAtLook;
    this.#writtenAtLook = written;
    if (!isStuck) this.#blockedSince = 0;
    else if (this.#blockedSince === 0) this.#blockedSince = nowMs;
    else if (nowMs - this.#blockedSince >= this.#limits.writeTimeoutMs) this.#socket.destroy();
  }

  #countBytes(): void {
    this.#exchange.bytesIn = bytesRead(this.#socket) - this.#bytesBefore.read;
    this.#exchange.bytesOut = bytesWritten(this.#socket) - this.#bytesBefore.written;
  }
}

function bytesRead(socket: Duplex): number {
  return (socket as { bytesRead?: number }).bytesRead ?? 0;
}

function bytesWritten(socket: Duplex): number {
  return (socket as { bytesWritten?: number }).bytesWritten ?? 0;
}
