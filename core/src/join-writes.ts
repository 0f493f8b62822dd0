import { Socket } from "node:net";
import { asBuffer } from "./as-buffer.ts";

/** Beyond, a copy costs more than another piece. */
const MAX_JOINED_BYTES = 16 * 1024;

interface Piece {
  chunk: string | Uint8Array;
  encoding: BufferEncoding;
}

/**
 * Makes a socket hand small pieces that it was given together, as headers and a body are, to the system as one text:
 * the way of texts through Node is several times shorter than that of a list of buffers. Latin-1 has a character for
 * each byte, so that any bytes come through.
 */
export function joinWrites(socket: Socket): void {
  socket._writev = writeJoined;
}

function writeJoined(this: Socket, pieces: Piece[], callback: (error?: Error | null) => void): void {
  const text = join(pieces);
  if (text === undefined) Socket.prototype._writev!.call(this, pieces, callback);
  else this._write(text, "latin1", callback);
}

/** Undefined where the pieces are large, or text in another encoding. */
function join(pieces: readonly Piece[]): string | undefined {
  let text = "";
  for (const { chunk, encoding } of pieces) {
    if (typeof chunk !== "string") {
      if (chunk.length > MAX_JOINED_BYTES) return undefined;
      text += asBuffer(chunk).toString("latin1");
    } else if (encoding === "latin1") text += chunk;
    else return undefined;
    if (text.length > MAX_JOINED_BYTES) return undefined;
  }
  return text;
}
