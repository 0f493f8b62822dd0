import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { countUploaded } from "./upload-garbage.ts";

/**
 * For so long what a client still sends is read and thrown away: nginx's `lingering_time`, by default the same
 * (https://nginx.org/en/docs/http/ngx_http_core_module.html#lingering_time).
 */
const LINGER_MS = 30_000;
/** A client that sends nothing for so long is not waited for: nginx's `lingering_timeout`. */
const SILENCE_MS = 5_000;
/** Twice what `spoolBytes` lets in by default: more than any upload that this was meant for, and a second's work. */
const MAX_BYTES = 512 * 1024 * 1024;

/**
 * Ends a connection in stages (RFC 9112, section 9.6). The system answers bytes that nobody reads any more with a reset,
 * at which a client that is still sending loses the reply that it had not read yet. So this side alone is closed, behind
 * what was written; what comes is thrown away until the client has closed its own, or was waited for long enough.
 */
export function closeInStages(socket: Duplex): void {
  if (socket.destroyed) return;
  const until = performance.now() + LINGER_MS;
  let left = MAX_BYTES;
  const destroy = (): void => void socket.destroy();
  const silence = setTimeout(destroy, SILENCE_MS).unref();
  const discard = (chunk: Buffer): void => {
    countUploaded(chunk.length);
    left -= chunk.length;
    if (left < 0 || performance.now() > until) destroy();
    else silence.refresh();
  };
  const takeOver = (): void => {
    // Node's parser goes: what comes is no request any more.
    socket.removeAllListeners("data");
    socket.on("data", discard);
  };
  socket.on("end", destroy);
  socket.on("error", destroy);
  lingering.add(socket);
  socket.on("close", () => {
    clearTimeout(silence);
    lingering.delete(socket);
  });
  socket.end();
  if (!socket.isPaused()) takeOver();
  else {
    // The parser reads by itself, and starts again by itself: it goes when it has.
    socket.once("resume", takeOver);
    socket.resume();
  }
}

/** Connections whose client is waited for, the oldest first. */
const lingering = new Set<Duplex>();

/** A connection had to be refused: whoever was waited for longest gives its place to the next. */
export function makeRoom(): void {
  for (const socket of lingering) {
    socket.destroy();
    return;
  }
}

/** Connections that end with the reply at hand: what comes behind its request is not looked at. */
const ending = new WeakSet<Socket>();

/** The reply at hand is the last on this connection, and the client may still be sending. */
export function endAfterReply(socket: Socket): void {
  ending.add(socket);
  closesInStages(socket);
}

export function isEnding(socket: Socket): boolean {
  return ending.has(socket);
}

/** Whenever Node closes the connection behind a reply, it does so in stages. */
export function closesInStages(socket: Socket): void {
  socket.destroySoon = destroySoon;
}

/** In the place of the method by which Node closes a connection once its last reply is written. */
function destroySoon(this: Socket): void {
  closeInStages(this);
}
