import type { IncomingMessage, ServerResponse } from "node:http";
import { asBuffer } from "../as-buffer.ts";
import type { ServerLimits } from "../config/resolved.ts";
import { GatewayError } from "../errors.ts";
import { discardReply, isBodyStream, type BodySink, type BodyStream, type Reply } from "../reply.ts";
import type { Downstream, Exchange } from "../request/exchange.ts";
import { isEventStream } from "../stream/event-stream.ts";
import { clientLeft, errorReply, interruptedOutcome, outcomeOf, replyHeaders } from "./answer.ts";
import type { Outcome } from "../attempt.ts";
import { isSilent, keepAliveOf } from "./keep-alive.ts";
import { leavesBodyUnread } from "./refusal.ts";
import { writeChunk } from "./write-chunk.ts";

/** An upload slower than this for a minute is given up. */
const MIN_UPLOAD_BYTES_PER_SECOND = 1024;
const UPLOAD_GRACE_MS = 60_000;

/**
 * Bodies up to this size leave as text: Node writes text in one piece with the headers, bytes as a second one. In
 * Latin-1 each byte is a character of its own, so that any bytes come through.
 */
const MAX_JOINED_BYTES = 16 * 1024;

/** The client's side of a request on Node: reads the body from, and writes the reply to, the raw HTTP objects. */
export class NodeDownstream implements Downstream, BodySink {
  readonly #req: IncomingMessage;
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
  #blockedSince = 0;
  #lastWriteAt = 0;
  /** Something was written since the limits were looked at last: cheaper than asking the clock for each write. */
  #wrote = false;
  #ending: { outcome: Outcome; status: number; error?: GatewayError } | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, limits: ServerLimits) {
    this.#req = req;
    this.#res = res;
    this.#limits = limits;
  }

  attach(exchange: Exchange): void {
    this.#exchange = exchange;
    exchange.onAbort = this.#onAbort;
    this.#res.on("close", this.#onClose);
  }

  // --- the body

  readAll(limit: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const req = this.#req;
      if (Number(req.headers["content-length"]) > limit) {
        reject(bodyTooLarge(limit));
        return;
      }
      this.#begin("json");
      this.#rejectRead = reject;
      // Most bodies come in the same packet as their headers: by the next tick all of it is there, and can be taken
      // without the events of a stream.
      process.nextTick(() => {
        if (!req.complete || req.readableLength > limit) {
          this.#collect(limit, resolve, reject);
          return;
        }
        this.#reading = "done";
        resolve((req.read() as Buffer | null) ?? Buffer.alloc(0));
      });
    });
  }

  #collect(limit: number, resolve: (body: Buffer) => void, reject: (error: GatewayError) => void): void {
    const req = this.#req;
    const chunks: Buffer[] = [];
    let length = 0;
    req.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) {
        req.pause();
        reject(bodyTooLarge(limit));
      } else chunks.push(chunk);
    });
    req.on("end", () => {
      this.#reading = "done";
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length));
    });
  }

  async *stream(): AsyncGenerator<Uint8Array> {
    this.#begin("upload");
    try {
      for await (const chunk of this.#req as AsyncIterable<Buffer>) {
        this.#exchange.bytesIn += chunk.length;
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
      discardReply(reply);
      throw error;
    }
  }

  #start(reply: Reply): void {
    const { body, status } = reply;
    const headers = replyHeaders(this.#exchange, reply);
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
    headers.push("content-length", String(length));
    this.#finishUnread(headers);
    this.#res.writeHead(status, headers);
    if (this.#req.method === "HEAD") this.#res.end();
    else if (typeof body === "string" || length > MAX_JOINED_BYTES) this.#res.end(body);
    else this.#res.end(asBuffer(body).toString("latin1"), "latin1");
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
    if (this.#res.destroyed) return;
    this.#exchange.bytesOut += chunk.length;
    this.#wrote = true;
    // The first piece takes the head with it.
    const goesOn = this.#begun ? writeChunk(this.#res, chunk) : this.#res.write(chunk);
    this.#begun = true;
    if (!goesOn && this.#blockedSince === 0) this.#waitForDrain();
  }

  #waitForDrain(): void {
    this.#blockedSince = performance.now();
    this.#stream!.pause();
    // The socket's own event comes for whatever was written; the reply's only for what it wrote itself.
    (this.#res.socket ?? this.#res).once("drain", () => {
      this.#blockedSince = 0;
      this.#stream?.resume();
    });
  }

  end(): void {
    this.#stream = undefined;
    this.#res.end();
  }

  /** Part of the answer has gone out: an event stream ends with an error event, other bodies with a broken connection. */
  #breakStream(error: GatewayError): void {
    this.#stream = undefined;
    this.#ending = { outcome: interruptedOutcome(error), status: this.#res.statusCode, error };
    if (this.#res.destroyed) return;
    if (!this.#events) {
      this.#res.destroy();
      return;
    }
    const { dialect } = this.#exchange.operation;
    const event = error.upstream?.told ? "" : dialect.errorEvent(error, this.#exchange.id);
    this.#exchange.bytesOut += Buffer.byteLength(event);
    this.#res.end(event);
  }

  /** An answer that comes before the body was read: a long rest is not waited for. */
  #finishUnread(headers: string[]): void {
    const halfRead = this.#reading === "upload" || this.#reading === "given up";
    if (halfRead || leavesBodyUnread(this.#req)) headers.push("connection", "close");
  }

  // --- limits and the end

  expire(nowMs: number): void {
    // A pipelined reply whose turn has not come hears nothing of the end of its connection.
    if (this.#req.socket.destroyed) {
      this.#onClose();
      return;
    }
    if (this.#wrote) {
      this.#wrote = false;
      this.#lastWriteAt = nowMs;
    }
    if (this.#reading !== "not yet" && this.#readFrom === 0) this.#readFrom = nowMs;
    if (this.#blockedSince > 0 && nowMs - this.#blockedSince >= this.#limits.writeTimeoutMs) {
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
    if (this.#reading === "json" && nowMs - this.#readFrom >= this.#limits.bodyTimeoutMs) this.#slowBody();
    else if (this.#reading === "upload") {
      const elapsedMs = nowMs - this.#readFrom;
      const expected = ((elapsedMs - UPLOAD_GRACE_MS) / 1000) * MIN_UPLOAD_BYTES_PER_SECOND;
      if (elapsedMs > UPLOAD_GRACE_MS && this.#exchange.bytesIn < expected) this.#slowBody();
    }
  }

  #slowBody(): void {
    this.#reading = "given up";
    this.#exchange.abort(new GatewayError("request_timeout"));
  }

  readonly #onAbort = (reason: GatewayError): void => {
    this.#rejectRead?.(reason);
    if (!this.#stream) this.fail(reason);
  };

  readonly #onClose = (): void => {
    const exchange = this.#exchange;
    const ending = this.#ending;
    if (ending && (this.#res.writableFinished || ending.error)) {
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
