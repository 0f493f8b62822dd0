import { asBuffer } from "../as-buffer.ts";
import { ByteCarry } from "./byte-carry.ts";
import { malformedStream } from "./stream-error.ts";

const LF = 0x0a;
const MAX_LINE_BYTES = 32 * 1024 * 1024;

/** Splits a byte stream into lines of newline-delimited JSON. The last line may lack its LF. */
export class NdjsonDecoder {
  readonly #carry = new ByteCarry();
  /** Offset in the carry from which no line end has been looked for yet. */
  #scanned = 0;

  push(chunk: Uint8Array, onLine: (line: string) => void): void {
    const buffer = this.#carry.join(asBuffer(chunk));
    let start = 0;
    let at = buffer.indexOf(LF, this.#scanned);
    while (at >= 0) {
      emit(buffer.toString("utf8", start, at), onLine);
      start = at + 1;
      at = buffer.indexOf(LF, start);
    }
    if (buffer.length - start > MAX_LINE_BYTES)
      throw malformedStream("A line of the backend's stream is too large");
    this.#carry.hold(buffer, start);
    this.#scanned = buffer.length - start;
  }

  end(onLine: (line: string) => void): void {
    const rest = this.#carry.take();
    if (rest) emit(rest.toString("utf8"), onLine);
  }
}

function emit(line: string, onLine: (line: string) => void): void {
  const trimmed = line.trim();
  if (trimmed !== "") onLine(trimmed);
}
