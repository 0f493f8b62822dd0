import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Full control over one end of a TCP connection: what the raw client and the scripted upstream are made of. */
export interface ByteChannel {
  readonly socket: Socket;
  /** All that came so far and was not taken by a read. */
  readonly pending: Buffer;
  /** The other side has closed its half, or the connection is gone. */
  readonly ended: boolean;
  /** Settles when the connection is gone, with the error that ended it, if any. */
  readonly closed: Promise<Error | undefined>;
  /** Sends bytes at once, and waits until the system has taken them. Text goes as UTF-8. */
  send(bytes: Uint8Array | string): Promise<void>;
  /**
   * Sends bytes cut into pieces, each a segment of its own: `size` bytes each, or cut at the given offsets, with a
   * pause of `pauseMs` between (0 lets the event loop turn once).
   */
  sendPieces(
    bytes: Uint8Array | string,
    cut: { size?: number; at?: number[]; pauseMs?: number },
  ): Promise<void>;
  /** Takes everything up to and including `mark`. @throws when the connection ends before it. */
  readUntil(mark: string): Promise<Buffer>;
  /** Takes exactly so many bytes. @throws when the connection ends before. */
  readBytes(count: number): Promise<Buffer>;
  /** Takes everything until the other side ends. After a reset: what came before it. */
  readToEnd(): Promise<Buffer>;
  /** FIN: nothing more is sent, reading goes on. */
  halfClose(): void;
  /** RST. */
  reset(): void;
  /** Closes both halves at once. */
  destroy(): void;
}

/** Wraps a socket. Read bytes are held without bound: this is for tests. */
export function createByteChannel(socket: Socket): ByteChannel {
  let pending: Buffer = Buffer.alloc(0);
  let ended = false;
  let failure: Error | undefined;
  let waiting: (() => void)[] = [];
  socket.setNoDelay(true);
  socket.on("data", (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    wake();
  });
  socket.on("end", finish);
  socket.on("error", (error) => {
    failure = error;
    finish();
  });
  const closed = new Promise<Error | undefined>((resolve) => {
    socket.on("close", () => {
      finish();
      resolve(failure);
    });
  });

  function wake(): void {
    const resolves = waiting;
    waiting = [];
    for (const resolve of resolves) resolve();
  }

  function finish(): void {
    ended = true;
    wake();
  }

  function take(count: number): Buffer {
    const taken = pending.subarray(0, count);
    pending = pending.subarray(count);
    return taken;
  }

  /** Waits until `measure` gives the length to take. */
  async function read(measure: () => number | undefined, what: string): Promise<Buffer> {
    for (;;) {
      const count = measure();
      if (count !== undefined) return take(count);
      if (ended)
        throw new Error(`The connection ended before ${what}; got ${JSON.stringify(String(pending))}`);
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  }

  async function send(bytes: Uint8Array | string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  return {
    socket,
    closed,
    get pending() {
      return pending;
    },
    get ended() {
      return ended;
    },
    send,
    async sendPieces(bytes, { size = 1, at, pauseMs = 0 }) {
      const all = Buffer.from(bytes as Uint8Array);
      const offsets = at ?? Array.from({ length: Math.ceil(all.length / size) }, (_, index) => index * size);
      const edges = [...new Set([0, ...offsets, all.length])];
      for (const [index, edge] of edges.slice(1).entries()) {
        await send(all.subarray(edges[index], edge));
        await sleep(pauseMs);
      }
    },
    readUntil: (mark) =>
      read(() => {
        const found = pending.indexOf(mark);
        return found < 0 ? undefined : found + Buffer.byteLength(mark);
      }, JSON.stringify(mark)),
    readBytes: (count) => read(() => (pending.length < count ? undefined : count), `${count} bytes`),
    readToEnd: () => read(() => (ended ? pending.length : undefined), "its end"),
    halfClose: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    destroy: () => void socket.destroy(),
  };
}
