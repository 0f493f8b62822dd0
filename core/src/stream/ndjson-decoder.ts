import { asBuffer } from "../as-buffer.ts";
import { malformedStream } from "./sse-decoder.ts";

const LF = 0x0a;
const MAX_LINE_BYTES = 32 * 1024 * 1024;

/** Splits a byte stream into lines of newline-delimited JSON. The last line may lack its LF. */
export class NdjsonDecoder {
  #carry: Buffer | null = null;
  #scanned = 0;

  push(chunk: Uint8Array, onLine: (line: string) => void): void {
    let buffer = asBuffer(chunk);
    if (this.#carry) buffer = Buffer.concat([this.#carry, buffer]);
    let start = 0;
    let at = buffer.indexOf(LF, this.#scanned);
    while (at >= 0) {
      emit(buffer.toString("utf8", start, at), onLine);
      start = at + 1;
      at = buffer.indexOf(LF, start);
    }
    if (buffer.length - start > MAX_LINE_BYTES)
      throw malformedStream("A line of the backend's stream is too large");
    this.#carry = start === buffer.length ? null : buffer.subarray(start);
    this.#scanned = this.#carry?.length ?? 0;
  }

  end(onLine: (line: string) => void): void {
    const rest = this.#carry;
    this.#carry = null;
    if (rest) emit(rest.toString("utf8"), onLine);
  }
}

function emit(line: string, onLine: (line: string) => void): void {
  const trimmed = line.trim();
  if (trimmed !== "") onLine(trimmed);
}
