import { Buffer } from "node:buffer";
import { performance } from "node:perf_hooks";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { asBuffer } from "../as-buffer.ts";
import type { ServerLimits } from "../config/resolved.ts";
import { GatewayError } from "../errors.ts";
import { clientLeft, interruptedOutcome, outcomeOf } from "../outcome.ts";
import { discardReply, isBodyStream, type BodySink, type BodyStream, type Reply } from "../reply.ts";
import type { Downstream, Exchange } from "../request/exchange.ts";
import { UploadClock } from "../request/upload-clock.ts";
import { isEventStream } from "../stream/event-stream.ts";
import { errorReply, replyHeaders } from "./answer.ts";
import type { Outcome } from "../attempt.ts";
import { isSilent, keepAliveOf } from "./keep-alive.ts";
import { hasLength, notBytes, takeBody } from "./sendable.ts";
import { endAfterReply } from "./staged-close.ts";
import { leavesBodyUnread } from "./unread-body.ts";
import { countUploaded } from "./upload-garbage.ts";
import { forgetHead, writeChunk } from "./write-chunk.ts";

/**
 * Bodies up to this size leave as text: Node writes text in one piece with the headers, bytes as a second one. In
 * Latin-1 each byte is a character of its own, so that any bytes come through.
 */
const MAX_JOINED_BYTES = 16 * 1024;

/** Larger bodies leave piece by piece: a client that takes a piece in `writeTimeoutMs` is not cut off. */
const PIECE_BYTES = 64 * 1024;

/** The client's side of a request on Node: reads the body from, and writes the reply to, the raw HTTP objects. */
export class NodeDownstream implements Downstream, BodySink {
  readonly #req: IncomingMessage;
  /** Node takes it from a request that is not read to its end. */
  readonly #socket: Socket;
  readonly #res: ServerResponse;
  readonly #limits: ServerLimits;
  #exchange!: Exchange;
  #reading: "not yet" | "json" | "upload" | "done" | "given up" = "not yet";
  /** When the limits were looked at first after reading began. */
  #readFrom = 0;
  #rejectRead: ((error: GatewayError) => void) | undefined;
  /** An answer was begun: whatever comes later is dropped. */
  #answered = false;
  #stream: BodyStream | undefined;
  #events = false;
  /** Something of the stream was written. */
  #begun = false;
  /** The client takes no more since then; 0 while it does. */
  #blockedSince = 0;
  #lastWriteAt = 0;
  /** Something was written since the limits were looked at last: cheaper than asking the clock for each write. */
  #wrote = false;
  /** The client was given up while something waited for it. */
  #cutOff = false;
  #ending: { outcome: Outcome; status: number; error?: GatewayError } | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, limits: ServerLimits) {
    this.#req = req;
    this.#socket = req.socket;
    this.#res = res;
    this.#limits = limits;
  }

  attach(exchange: Exchange): void {
    this.#exchange = exchange;
    this.#res.on("close", this.#onClose);
  }

  // --- the body

  readAll(limit: number): Uint8Array | Promise<Uint8Array> {
    const req = this.#req;
    if (Number(req.headers["content-length"]) > limit) throw bodyTooLarge(limit);
    this.#begin("json");
    // Most bodies come in the same packet as their headers: all of it is there, and can be taken without the events of
    // a stream. Node says so of a body (`complete`) only when it looks for what follows.
    const held = req.readableLength;
    if ((req.complete || held === Number(req.headers["content-length"])) && held <= limit) {
      this.#reading = "done";
      return (req.read() as Buffer | null) ?? Buffer.alloc(0);
    }
    return new Promise((resolve, reject) => this.#collect(limit, resolve, reject));
  }

  #collect(limit: number, resolve: (body: Buffer) => void, reject: (error: GatewayError) => void): void {
    const req = this.#req;
    const chunks: Buffer[] = [];
    let length = 0;
    // The request lives on until its connection ends, and what listens to it as well.
    const stop = (): void => {
      this.#rejectRead = undefined;
      req.off("data", take).off("end", finish);
    };
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      chunks.push(chunk);
      if (length <= limit) return;
      stop();
      req.pause();
      reject(bodyTooLarge(limit));
    };
    const finish = (): void => {
      stop();
      this.#reading = "done";
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length));
    };
    this.#rejectRead = (error) => {
      stop();
      reject(error);
    };
    req.on("data", take).on("end", finish);
  }

  async *stream(): AsyncGenerator<Uint8Array> {
    this.#begin("upload");
    const clock = (this.#exchange.upload = new UploadClock());
    try {
      for await (const chunk of clock.time(this.#req as AsyncIterable<Buffer>)) {
        this.#exchange.bytesIn += chunk.length;
        countUploaded(chunk.length);
        yield chunk;
      }
    } catch {
      throw this.#exchange.abortReason ?? clientLeft();
    }
    this.#reading = "done";
  }

  #begin(kind: "json" | "upload"): void {
    this.#reading = kind;
    // Set by the listener where the client waits for a word before it sends (RFC 9110, section 10.1.1).
    if (this.#req.headers.expect !== undefined) this.#res.writeContinue();
  }

  // --- the reply

  send(reply: Reply): void {
    if (this.#answered) {
      discardReply(reply);
      return;
    }
    this.#answered = true;
    this.#exchange.committed = true;
    try {
      this.#start(reply);
    } catch (error) {
      // A plugin's reply that HTTP cannot carry: what is left to say is that it failed.
      if (this.#res.headersSent) throw error;
      this.#answered = false;
      this.#stream = undefined;
      // Node keeps the words of the status that it could not send.
      this.#res.statusMessage = "";
      discardReply(reply);
      throw error;
    }
  }

  #start(reply: Reply): void {
    const { status } = reply;
    const headers = replyHeaders(this.#exchange, reply);
    const body = takeBody(reply);
    this.#ending = { outcome: "complete", status };
    if (isBodyStream(body)) {
      this.#sendStream(body, status, headers);
      return;
    }
    this.#exchange.firstTokenAt = performance.now();
    this.#sendWhole(status, headers, body ?? "");
  }

  #sendWhole(status: number, headers: string[], body: string | Uint8Array): void {
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    this.#exchange.bytesOut = length;
    if (hasLength(status)) headers.push("content-length", String(length));
    this.#finishUnread(headers);
    this.#res.writeHead(status, headers);
    if (this.#req.method === "HEAD") this.#res.end();
    else if (length > PIECE_BYTES) this.#sendPieces(typeof body === "string" ? Buffer.from(body) : body);
    else if (typeof body === "string" || length > MAX_JOINED_BYTES) this.#res.end(body);
    else this.#res.end(asBuffer(body).toString("latin1"), "latin1");
  }

  /** Of one large write nobody could tell whether the client takes any of it. */
  #sendPieces(rest: Uint8Array): void {
    let from = 0;
    for (; from + PIECE_BYTES < rest.length; from += PIECE_BYTES) {
      if (this.#res.write(rest.subarray(from, from + PIECE_BYTES))) continue;
      this.#waitForDrain(() => this.#sendPieces(rest.subarray(from + PIECE_BYTES)));
      return;
    }
    this.#res.end(rest.subarray(from));
  }

  fail(error: GatewayError): void {
    if (this.#stream) {
      this.#breakStream(error);
      return;
    }
    if (this.#answered) return;
    this.#answered = true;
    this.#ending = { outcome: outcomeOf(error), status: error.status, error };
    if (this.#res.destroyed) return;
    const { headers, body } = errorReply(this.#exchange, error);
    this.#sendWhole(error.status, headers, body);
  }

  #sendStream(stream: BodyStream, status: number, headers: string[]): void {
    this.#stream = stream;
    this.#events = isEventStream(stream);
    this.#finishUnread(headers);
    this.#res.writeHead(status, headers);
    this.#exchange.firstTokenAt = this.#lastWriteAt = performance.now();
    stream.start(this);
  }

  data(chunk: Uint8Array): void {
    if (this.#res.destroyed || !this.#stream) return;
    if (!(chunk instanceof Uint8Array)) {
      this.#stream.cancel();
      this.#breakStream(notBytes(chunk));
      return;
    }
    this.#exchange.bytesOut += chunk.length;
    this.#wrote = true;
    const goesOn = this.#begun ? writeChunk(this.#res, chunk) : this.#writeFirst(chunk);
    if (goesOn || this.#blockedSince > 0) return;
    this.#stream.pause();
    this.#waitForDrain(() => this.#stream?.resume());
  }

  /** The first piece takes the head with it. */
  #writeFirst(chunk: Uint8Array): boolean {
    this.#begun = true;
    const goesOn = this.#res.write(chunk);
    forgetHead(this.#res);
    return goesOn;
  }

  #waitForDrain(goOn: () => void): void {
    this.#blockedSince = performance.now();
    // The socket's own event comes for whatever was written; the reply's only for what it wrote itself.
    (this.#res.socket ?? this.#res).once("drain", () => {
      this.#blockedSince = 0;
      goOn();
    });
  }

  end(): void {
    this.#stream = undefined;
    this.#res.end();
  }

  /** Part of the answer has gone out: an event stream ends with an error event, other bodies with a broken connection. */
  #breakStream(error: GatewayError): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#ending = { outcome: interruptedOutcome(error), status: this.#res.statusCode, error };
    if (this.#res.destroyed) return;
    if (!isEventStream(stream)) {
      this.#res.destroy();
      return;
    }
    const { dialect } = this.#exchange.operation;
    const event = error.upstream?.told ? "" : dialect.errorEvent(error, this.#exchange.id, stream.lastNamed);
    this.#exchange.bytesOut += Buffer.byteLength(event);
    this.#res.end(event);
  }

  /** An answer that comes before the body was read: a long rest is not waited for. */
  #finishUnread(headers: string[]): void {
    if (this.#reading === "done") return;
    const halfRead = this.#reading === "upload" || this.#reading === "given up";
    if (halfRead) endAfterReply(this.#socket);
    if (halfRead || leavesBodyUnread(this.#req, this.#res)) headers.push("connection", "close");
  }

  // --- limits and the end

  expire(nowMs: number): void {
    const socket = this.#socket;
    // A client that closed its half has left. What it did not take yet would hold the connection open.
    if (socket.readableEnded && !this.#res.writableEnded) socket.destroy();
    // A pipelined reply whose turn has not come hears nothing of the end of its connection.
    if (socket.destroyed || (this.#res.socket === null && socket.writableEnded)) {
      this.#onClose();
      return;
    }
    if (this.#wrote) {
      this.#wrote = false;
      this.#lastWriteAt = nowMs;
    }
    if (this.#reading !== "not yet" && this.#readFrom === 0) this.#readFrom = nowMs;
    if (this.#takesNothing(nowMs)) {
      this.#cutOff = true;
      this.#res.destroy();
      return;
    }
    if (
      this.#events &&
      this.#stream &&
      this.#blockedSince === 0 &&
      isSilent(this.#lastWriteAt, nowMs, this.#limits)
    ) {
      this.#lastWriteAt = nowMs;
      const text = keepAliveOf(this.#exchange.operation.dialect);
      this.#exchange.bytesOut += Buffer.byteLength(text);
      this.#res.write(text);
    }
    const isLate =
      this.#reading === "json"
        ? nowMs - this.#readFrom >= this.#limits.bodyTimeoutMs
        : this.#reading === "upload" && this.#exchange.upload!.isTooSlow(this.#exchange.bytesIn, nowMs);
    if (isLate) this.#slowBody();
  }

  /** What was written has waited for the client too long; that of an ended reply is gone once that reply is finished. */
  #takesNothing(nowMs: number): boolean {
    const res = this.#res;
    if (this.#blockedSince === 0 && res.writableEnded && !res.writableFinished) this.#blockedSince = nowMs;
    if (this.#blockedSince === 0) return false;
    // A pipelined reply has no socket before its turn: until then it waits for the one before it.
    if (res.socket === null) this.#blockedSince = nowMs;
    return nowMs - this.#blockedSince >= this.#limits.writeTimeoutMs;
  }

  #slowBody(): void {
    this.#reading = "given up";
    this.#exchange.abort(new GatewayError("request_timeout"));
  }

  onAbort(reason: GatewayError): void {
    this.#rejectRead?.(reason);
    if (!this.#stream) this.fail(reason);
  }

  readonly #onClose = (): void => {
    const exchange = this.#exchange;
    const ending = this.#ending;
    // What a connection drops when it breaks counts as written to Node.
    const isWhole = this.#res.writableFinished && !this.#cutOff && !this.#socket.errored;
    if (ending && (isWhole || ending.error)) {
      exchange.finish(ending.outcome, ending.status, ending.error);
      return;
    }
    const reason = clientLeft();
    const stream = this.#stream;
    this.#answered = true;
    this.#stream = undefined;
    exchange.abort(reason);
    // A stream of a plugin's own has no attempt to learn it from.
    stream?.cancel();
    exchange.finish("client_abort", this.#res.headersSent ? this.#res.statusCode : 499, reason);
  };
}

function bodyTooLarge(limit: number): GatewayError {
  return new GatewayError("request_too_large", { message: `The body is larger than ${limit} bytes` });
}
