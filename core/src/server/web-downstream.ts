import type { Outcome } from "../attempt.ts";
import { GatewayError, toGatewayError } from "../errors.ts";
import { clientLeft, interruptedOutcome, outcomeOf } from "../outcome.ts";
import { discardReply, isBodyStream, type BodySink, type BodyStream, type Reply } from "../reply.ts";
import type { Downstream, Exchange } from "../request/exchange.ts";
import { UploadClock } from "../request/upload-clock.ts";
import { isEventStream } from "../stream/event-stream.ts";
import { errorReply, replyHeaders } from "./answer.ts";
import type { ServerLimits } from "../config/resolved.ts";
import { isSilent, keepAliveOf } from "./keep-alive.ts";
import { notBytes, takeBody } from "./sendable.ts";

type Controller = ReadableStreamDefaultController<Uint8Array>;

/** The client's side of a request on runtimes that speak web `Request` and `Response`: Bun, Deno, tests. */
export class WebDownstream implements Downstream, BodySink {
  /** Settles with the answer; never rejects. */
  readonly response: Promise<Response>;
  readonly #request: Request;
  readonly #limits: ServerLimits;
  #exchange!: Exchange;
  #resolve!: (response: Response) => void;
  #answered = false;
  /** Of the reply that streams. */
  #status = 200;
  #stream: BodyStream | undefined;
  #controller: Controller | undefined;
  #events = false;
  /** The client takes no more since then; 0 while it does. */
  #blockedSince = 0;
  #lastWriteAt = 0;
  /** When a JSON body was begun to be read; 0 before and after. */
  #readFrom = 0;
  #rejectRead: ((error: GatewayError) => void) | undefined;

  constructor(request: Request, limits: ServerLimits) {
    this.#request = request;
    this.#limits = limits;
    this.response = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  attach(exchange: Exchange): void {
    this.#exchange = exchange;
    this.#request.signal.addEventListener("abort", () => this.#leave(), { once: true });
  }

  onAbort(reason: GatewayError): void {
    this.#rejectRead?.(reason);
    if (!this.#stream) this.fail(reason);
  }

  async readAll(limit: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const aborted = new Promise<never>((_, reject) => {
      this.#rejectRead = reject;
    });
    const reader = this.#chunks();
    this.#readFrom = performance.now();
    for (;;) {
      const next = await Promise.race([reader.next(), aborted]);
      if (next.done) {
        this.#readFrom = 0;
        return Buffer.concat(chunks, length);
      }
      length += next.value.length;
      if (length > limit)
        throw new GatewayError("request_too_large", { message: `The body is larger than ${limit} bytes` });
      chunks.push(next.value);
    }
  }

  stream(): AsyncGenerator<Uint8Array> {
    this.#exchange.upload = new UploadClock();
    return this.#exchange.upload.time(this.#chunks());
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    if (!this.#request.body) return;
    try {
      for await (const chunk of this.#request.body) {
        this.#exchange.bytesIn += chunk.length;
        yield chunk;
      }
    } catch {
      throw this.#exchange.abortReason ?? clientLeft();
    }
  }

  send(reply: Reply): void {
    if (this.#answered) {
      discardReply(reply);
      return;
    }
    this.#answered = true;
    this.#exchange.committed = true;
    this.#exchange.firstTokenAt = performance.now();
    const { status } = reply;
    let headers: Headers;
    try {
      headers = toHeaders(replyHeaders(this.#exchange, reply));
    } catch (error) {
      // A plugin's reply that HTTP cannot carry: what is left to say is that it failed.
      this.#answered = false;
      discardReply(reply);
      throw error;
    }
    const body = takeBody(reply);
    if (isBodyStream(body)) {
      this.#resolve(new Response(this.#open(body, status), { status, headers }));
      return;
    }
    this.#sendWhole(status, headers, body);
    this.#exchange.finish("complete", status);
  }

  fail(error: GatewayError): void {
    if (this.#stream) this.#close(interruptedOutcome(error), error);
    if (this.#answered) return;
    this.#answered = true;
    const { headers, body } = errorReply(this.#exchange, error);
    this.#sendWhole(error.status, toHeaders(headers), body);
    this.#exchange.finish(outcomeOf(error), error.status, error);
  }

  #sendWhole(status: number, headers: Headers, body: Uint8Array | string | null): void {
    this.#exchange.bytesOut =
      body === null ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.length;
    this.#resolve(new Response(this.#request.method === "HEAD" ? null : body, { status, headers }));
  }

  #open(stream: BodyStream, status: number): ReadableStream<Uint8Array> {
    this.#stream = stream;
    this.#status = status;
    this.#events = isEventStream(stream);
    this.#lastWriteAt = performance.now();
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
        try {
          stream.start(this);
        } catch (error) {
          this.fail(toGatewayError(error));
        }
      },
      pull: () => {
        if (this.#blockedSince === 0) return;
        this.#blockedSince = 0;
        this.#stream?.resume();
      },
      cancel: () => this.#leave(status),
    });
  }

  data(chunk: Uint8Array): void {
    if (!this.#stream) return;
    if (!(chunk instanceof Uint8Array)) {
      this.#stream.cancel();
      this.fail(notBytes(chunk));
      return;
    }
    this.#exchange.bytesOut += chunk.length;
    this.#lastWriteAt = performance.now();
    this.#controller!.enqueue(chunk);
    if (this.#blockedSince > 0 || (this.#controller!.desiredSize ?? 0) > 0) return;
    this.#blockedSince = this.#lastWriteAt;
    this.#stream.pause();
  }

  end(): void {
    if (this.#stream) this.#close("complete");
  }

  #close(outcome: Outcome, error?: GatewayError): void {
    const stream = this.#stream;
    this.#stream = undefined;
    const { dialect } = this.#exchange.operation;
    if (error && isEventStream(stream) && !error.upstream?.told)
      this.#enqueue(dialect.errorEvent(error, this.#exchange.id, stream.lastNamed));
    if (error && !isEventStream(stream)) this.#controller!.error(error);
    else this.#controller!.close();
    this.#exchange.finish(outcome, this.#status, error);
  }

  #leave(status = 499): void {
    if (this.#exchange.isFinished) return;
    const reason = clientLeft();
    const stream = this.#stream;
    this.#stream = undefined;
    // Answers 499 where nothing was: whoever gave the request up inside of the gateway still waits.
    this.#exchange.abort(reason);
    this.#answered = true;
    // A stream of a plugin's own has no attempt to learn it from.
    stream?.cancel();
    this.#controller?.error(reason);
    this.#exchange.finish("client_abort", status, reason);
  }

  expire(nowMs: number): void {
    const { upload, bytesIn } = this.#exchange;
    const isLate =
      this.#readFrom > 0
        ? nowMs - this.#readFrom >= this.#limits.bodyTimeoutMs
        : upload?.isTooSlow(bytesIn, nowMs);
    if (isLate) this.#exchange.abort(new GatewayError("request_timeout"));
    if (!this.#stream) return;
    if (this.#blockedSince > 0) {
      if (nowMs - this.#blockedSince >= this.#limits.writeTimeoutMs) this.#leave(this.#status);
      return;
    }
    if (!this.#events || !isSilent(this.#lastWriteAt, nowMs, this.#limits)) return;
    this.#lastWriteAt = nowMs;
    this.#enqueue(keepAliveOf(this.#exchange.operation.dialect));
  }

  #enqueue(text: string): void {
    const bytes = Buffer.from(text);
    this.#exchange.bytesOut += bytes.length;
    this.#controller!.enqueue(bytes);
  }
}

function toHeaders(list: readonly string[]): Headers {
  const headers = new Headers();
  for (let n = 0; n < list.length; n += 2) headers.append(list[n]!, list[n + 1]!);
  return headers;
}
