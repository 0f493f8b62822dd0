import { Socket } from "node:net";

/** So many wait for one another at most: whoever reads the first of them is not to stand idle for long. */
const MAX_GROUPED = 64;

/** Larger pieces keep a reader busy alone, and do not wait. */
const MAX_GROUPED_BYTES = 16 * 1024;

/** A turn of the event loop with more writes than one request makes is a busy one; the next will be, too. */
const FEW_WRITES = 2;

type Callback = (error?: Error | null) => void;

interface Write {
  readonly socket: Socket;
  readonly chunk: string | Buffer;
  readonly encoding: BufferEncoding;
  readonly callback: Callback;
}

/** Writes of this turn that wait for its end, oldest first. */
let waiting: Write[] = [];
/** Writes of this turn so far, those that left at once included. */
let writes = 0;
/** The turn before was a busy one. */
let busy = false;
/** Set while a write is made that is not to wait. */
let atOnce = false;

/**
 * Makes small writes of all sockets that were given to this leave in groups, at the end of a turn of the event loop. A
 * write that finds its reader asleep wakes it, which takes longer than all else of it where both are on one machine; of
 * several in a row only the first does. Where there is little to write the first of a turn leaves at once, so that who
 * is alone waits for nothing. Pieces of a stream, which somebody reads as they come, do not wait (`writeAtOnce`).
 */
export function groupWrites(socket: Socket): void {
  socket._write = writeInGroup;
  socket._destroy = writeAndDestroy;
}

const { _write: writeNow, _destroy: destroyNow } = Socket.prototype;

function writeInGroup(
  this: Socket,
  chunk: string | Buffer,
  encoding: BufferEncoding,
  callback: Callback,
): void {
  if (atOnce) {
    writeNow.call(this, chunk, encoding, callback);
    return;
  }
  // Runs when all sockets that had something to read were read.
  if (writes++ === 0) setImmediate(endTurn);
  if ((writes === 1 && !busy) || chunk.length > MAX_GROUPED_BYTES) {
    writeNow.call(this, chunk, encoding, callback);
    return;
  }
  waiting.push({ socket: this, chunk, encoding, callback });
  if (waiting.length >= MAX_GROUPED) flush();
}

/** As `socket.write`, without waiting for others: for what somebody reads as it comes. */
export function writeAtOnce(socket: Socket, text: string, encoding: BufferEncoding): boolean {
  atOnce = true;
  try {
    return socket.write(text, encoding);
  } finally {
    atOnce = false;
  }
}

function endTurn(): void {
  busy = writes > FEW_WRITES;
  writes = 0;
  if (waiting.length > 0) flush();
}

/** What was written goes out before its connection is broken off, as it would have without waiting. */
function writeAndDestroy(this: Socket, error: Error | null, callback: Callback): void {
  if (this.writableLength > 0) flush();
  destroyNow.call(this, error, callback);
}

function flush(): void {
  const group = waiting;
  waiting = [];
  let next = 0;
  try {
    while (next < group.length) {
      const { socket, chunk, encoding, callback } = group[next++]!;
      writeNow.call(socket, chunk, encoding, callback);
    }
  } finally {
    // Somebody who listens to a socket threw: what the others wrote is not lost.
    if (next < group.length) {
      waiting.unshift(...group.slice(next));
      if (writes++ === 0) setImmediate(endTurn);
    }
  }
}
