import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";

/** Longer messages leave in frames of this size: a client that takes one in `writeTimeoutMs` is not cut off. */
const FRAME_BYTES = 64 * 1024;

/** As much may wait in the connection before nothing more is given to it. Above the high-water marks of Node's sockets. */
const HELD_BYTES = 64 * 1024;

interface Waiting {
  /** What is left of the message. */
  rest: Buffer;
  sent(): void;
}

export interface OutboxOptions {
  readonly socket: WebSocket;
  readonly connection: Duplex;
  /** With more messages waiting, nothing is read from the client. */
  readonly maxWaiting: number;
}

/** Messages on their way to a client, one behind the other, no faster than it takes them. */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #connection: Duplex;
  readonly #maxWaiting: number;
  readonly #waiting: Waiting[] = [];
  #isBlocked = false;

  constructor({ socket, connection, maxWaiting }: OutboxOptions) {
    this.#socket = socket;
    this.#connection = connection;
    this.#maxWaiting = maxWaiting;
  }

  /** The client takes nothing at present. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Nothing waits here for the connection to take it. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves once the connection has the message, or is closed: whoever waits for that waits for the client. */
  send(text: string): Promise<void> {
    return new Promise((sent) => {
      this.#waiting.push({ rest: Buffer.from(text), sent });
      if (this.#waiting.length > this.#maxWaiting && this.#isBlocked) this.#socket.pause();
      this.#write();
    });
  }

  /** The connection is closed: what waits is let go. */
  close(): void {
    for (const { sent } of this.#waiting.splice(0)) sent();
  }

  #write(): void {
    while (!this.#isBlocked && this.#waiting.length > 0) {
      if (this.#socket.readyState !== this.#socket.OPEN) {
        this.close();
        return;
      }
      const first = this.#waiting[0]!;
      const frame = first.rest.subarray(0, FRAME_BYTES);
      first.rest = first.rest.subarray(frame.length);
      const fin = first.rest.length === 0;
      this.#socket.send(frame, { binary: false, fin });
      if (fin) this.#waiting.shift()!.sent();
      if (this.#socket.bufferedAmount > HELD_BYTES) this.#waitForDrain();
    }
  }

  #waitForDrain(): void {
    this.#isBlocked = true;
    this.#connection.once("drain", () => {
      this.#isBlocked = false;
      this.#socket.resume();
      this.#write();
    });
  }
}
