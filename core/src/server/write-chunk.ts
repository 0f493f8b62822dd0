import type { ServerResponse } from "node:http";
import { asBuffer } from "../as-buffer.ts";
import { writeAtOnce } from "../group-writes.ts";

/** Beyond, a copy costs more than the pieces that Node makes. */
const MAX_COPIED_BYTES = 16 * 1024;

/**
 * Writes a piece of a reply whose head has gone out, as `response.write` does, and says like it whether more may come.
 *
 * Node sends a chunk (RFC 9112, section 7.1) as four pieces, held together by a cork until the next tick: half of what a
 * token costs on its way. Here it leaves at once, as one text; Latin-1 has a character for each byte, so that any bytes
 * come through. Where Node does not frame the body, holds back what came before (from Node 26 on the reply is corked, not
 * its socket), or the reply has no socket of its own yet, Node writes it.
 */
export function writeChunk(response: ServerResponse, chunk: Uint8Array): boolean {
  const { socket } = response;
  const byNode = !response.chunkedEncoding || response.writableCorked > 0 || socket === null;
  if (byNode || chunk.length > MAX_COPIED_BYTES || chunk.length === 0) return response.write(chunk);
  const text = asBuffer(chunk).toString("latin1");
  return writeAtOnce(socket, `${chunk.length.toString(16)}\r\n${text}\r\n`, "latin1");
}

/**
 * Lets go of the text of a head that was sent. Node keeps it, in the some thirty pieces it was joined of, until the reply
 * is over, though it only asks whether there is one.
 */
export function forgetHead(response: ServerResponse): void {
  const head = response as { _header?: string | null; _headerSent?: boolean };
  if (head._header && head._headerSent) head._header = SENT;
}

const SENT = "sent";
