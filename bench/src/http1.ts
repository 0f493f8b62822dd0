/** What a {@link MessageReader} tells of each message it reads, in this order. */
export interface MessageHandler {
  /** The start line and the header lines, without the blank line that ends them. */
  head(head: string): void;
  /** A part of the body, freed of its chunked coding. Valid during the call only. */
  body(bytes: Buffer): void;
  end(): void;
}

type State = "head" | "length" | "chunkSize" | "chunk" | "chunkEnd" | "trailer";

const EMPTY = Buffer.alloc(0);
const HEAD_END = Buffer.from("\r\n\r\n");
const LINE_END = Buffer.from("\r\n");
const NEEDS_MORE = -1;

/**
 * Reads HTTP/1.1 messages of either direction off a byte stream (RFC 9112 §6 and §7.1), as cheaply as JavaScript can:
 * an HTTP library on the load side would be slower than the proxies that are measured. It trusts its peer: a body has
 * a Content-Length or is chunked, or there is none; a length that is not a number throws.
 */
export class MessageReader {
  readonly #handler: MessageHandler;
  #state: State = "head";
  #remaining = 0;
  #rest: Buffer = EMPTY;

  constructor(handler: MessageHandler) {
    this.#handler = handler;
  }

  /** Takes what the socket gave, which may end anywhere. */
  push(input: Buffer): void {
    const bytes = this.#rest.length === 0 ? input : Buffer.concat([this.#rest, input]);
    this.#rest = EMPTY;
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(bytes, at);
      if (next === NEEDS_MORE) {
        this.#rest = bytes.subarray(at);
        return;
      }
      at = next;
    }
  }

  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case "head":
        return this.#head(bytes, at);
      case "length":
        return this.#payload(bytes, at, "head");
      case "chunkSize":
        return this.#chunkSize(bytes, at);
      case "chunk":
        return this.#payload(bytes, at, "chunkEnd");
      case "chunkEnd":
        return this.#chunkEnd(bytes, at);
    }
    return this.#trailer(bytes, at);
  }

  #head(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(HEAD_END, at);
    if (end === -1) return NEEDS_MORE;
    const head = bytes.toString("latin1", at, end);
    this.#handler.head(head);
    if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
      this.#state = "chunkSize";
      return end + 4;
    }
    this.#remaining = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#remaining === 0) this.#handler.end();
    else this.#state = "length";
    return end + 4;
  }

  #payload(bytes: Buffer, at: number, after: "head" | "chunkEnd"): number {
    const end = Math.min(at + this.#remaining, bytes.length);
    this.#remaining -= end - at;
    this.#handler.body(bytes.subarray(at, end));
    if (this.#remaining > 0) return end;
    this.#state = after;
    if (after === "head") this.#handler.end();
    return end;
  }

  #chunkSize(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(LINE_END, at);
    if (end === -1) return NEEDS_MORE;
    const size = Number.parseInt(bytes.toString("latin1", at, end), 16);
    if (Number.isNaN(size))
      throw new Error(`expected a chunk size, got "${bytes.toString("latin1", at, end)}"`);
    this.#remaining = size;
    this.#state = size === 0 ? "trailer" : "chunk";
    return end + 2;
  }

  #chunkEnd(bytes: Buffer, at: number): number {
    if (bytes.length - at < 2) return NEEDS_MORE;
    this.#state = "chunkSize";
    return at + 2;
  }

  #trailer(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(LINE_END, at);
    if (end === -1) return NEEDS_MORE;
    if (end === at) {
      this.#state = "head";
      this.#handler.end();
    }
    return end + 2;
  }
}
