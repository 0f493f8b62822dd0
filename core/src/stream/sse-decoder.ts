import { asBuffer } from "../as-buffer.ts";
import { ByteCarry } from "./byte-carry.ts";
import { malformedStream } from "./stream-error.ts";

const LF = 0x0a;
const CR = 0x0d;

/** One event as it came. */
export class SseBlock {
  /** Null for a block of comments alone. */
  readonly data: string | null;
  readonly type: string | undefined;
  readonly #buffer: Buffer;
  readonly #start: number;
  readonly #end: number;

  constructor(buffer: Buffer, start: number, end: number, data: string | null, type: string | undefined) {
    this.#buffer = buffer;
    this.#start = start;
    this.#end = end;
    this.data = data;
    this.type = type;
  }

  /** Its bytes, blank line included, with CR and CRLF line ends turned into LF. Made when asked for. */
  get raw(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }
}

/**
 * Offered the most common form of event first, as places in a buffer: one `data:` line, one blank line. Returns true
 * when it took the event, so that nothing is made of it.
 */
export type PlainEventTaker = (
  buffer: Buffer,
  start: number,
  end: number,
  dataStart: number,
  dataEnd: number,
) => boolean;

/** Largest event that is held in memory until its blank line comes: partial images are some megabytes. */
const MAX_EVENT_BYTES = 32 * 1024 * 1024;

/**
 * Splits a byte stream into server-sent events (WHATWG HTML, section 9.2.6): LF, CR or CRLF line ends, chunks cut
 * anywhere, a BOM in front. What it yields does not depend on where the chunks were cut. An unfinished block at the
 * end is dropped, save a bare `data: [DONE]`.
 */
export class SseDecoder {
  readonly #carry = new ByteCarry();
  /** Offset in the carry from which no line end has been looked for yet, and the start of the line it is in. */
  #scanned = 0;
  #lineStart = 0;
  #atStart = true;
  /** A CR ended the last line of the last chunk: an LF that follows belongs to it. */
  #skipLf = false;
  /** Once a CR was seen the slow, byte-wise path is taken. */
  #carriageReturns = false;

  /** Calls back for each block that the chunk completes. Throws for bytes that are no event stream. */
  push(chunk: Uint8Array, onBlock: (block: SseBlock) => void, takePlain?: PlainEventTaker): void {
    let fresh = asBuffer(chunk);
    if (!this.#carriageReturns && fresh.includes(CR)) this.#carriageReturns = true;
    if (this.#carriageReturns) fresh = this.#normalize(fresh);
    const buffer = this.#carry.join(fresh);
    let start = 0;
    if (this.#atStart) {
      if (buffer.length < 3 && isBomPrefix(buffer)) {
        this.#carry.hold(buffer, 0);
        return;
      }
      this.#atStart = false;
      if (buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf)
        start = this.#lineStart = this.#scanned = 3;
    }

    let lineStart = this.#lineStart;
    let at = buffer.indexOf(LF, this.#scanned);
    while (at >= 0) {
      if (at === lineStart) {
        const block = readBlock(buffer, start, at + 1, takePlain);
        if (block) onBlock(block);
        start = at + 1;
      }
      lineStart = at + 1;
      at = buffer.indexOf(LF, lineStart);
    }
    if (buffer.length - start > MAX_EVENT_BYTES)
      throw malformedStream("An event of the backend's stream is too large");
    this.#carry.hold(buffer, start);
    this.#scanned = buffer.length - start;
    this.#lineStart = lineStart - start;
  }

  /** At the end of the stream: a last `data: [DONE]` that lacks its blank line still counts. */
  end(onBlock: (block: SseBlock) => void): void {
    const rest = this.#carry.take();
    if (!rest) return;
    if (BARE_DONE.test(rest.toString("latin1")))
      onBlock(new SseBlock(DONE, 0, DONE.length, "[DONE]", undefined));
  }

  /** Rewrites CR and CRLF line ends of a chunk to LF. */
  #normalize(chunk: Buffer): Buffer {
    const out = Buffer.allocUnsafe(chunk.length);
    let length = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (byte === LF && this.#skipLf) {
        this.#skipLf = false;
        continue;
      }
      this.#skipLf = byte === CR;
      out[length++] = byte === CR ? LF : byte;
    }
    return out.subarray(0, length);
  }
}

function isBomPrefix(buffer: Buffer): boolean {
  return (buffer.length === 0 || buffer[0] === 0xef) && (buffer.length < 2 || buffer[1] === 0xbb);
}

const BARE_DONE = /^data:[ \t]*\[DONE\]\s*$/;
const DONE = Buffer.from("data: [DONE]\n\n");
const DATA = Buffer.from("data:");
const EVENT = Buffer.from("event:");

/** Undefined when the event was taken already. */
function readBlock(
  buffer: Buffer,
  start: number,
  end: number,
  takePlain: PlainEventTaker | undefined,
): SseBlock | undefined {
  const firstLineEnd = buffer.indexOf(LF, start);
  if (firstLineEnd === end - 2 && startsWith(DATA, buffer, start, firstLineEnd)) {
    const from = skipBlank(buffer, start + DATA.length);
    if (takePlain?.(buffer, start, end, from, firstLineEnd)) return undefined;
    return new SseBlock(buffer, start, end, buffer.toString("utf8", from, firstLineEnd), undefined);
  }
  if (startsWith(EVENT, buffer, start, firstLineEnd) && startsWith(DATA, buffer, firstLineEnd + 1, end)) {
    const secondLineEnd = buffer.indexOf(LF, firstLineEnd + 1);
    if (secondLineEnd === end - 2) {
      const data = readValue(buffer, firstLineEnd + 1 + DATA.length, secondLineEnd);
      return new SseBlock(buffer, start, end, data, readValue(buffer, start + EVENT.length, firstLineEnd));
    }
  }
  const { data, type } = readFields(buffer.toString("utf8", start, end));
  return new SseBlock(buffer, start, end, data, type);
}

function startsWith(name: Buffer, buffer: Buffer, start: number, end: number): boolean {
  if (end - start < name.length) return false;
  for (let i = 0; i < name.length; i++) if (buffer[start + i] !== name[i]) return false;
  return true;
}

/** Where a field's value begins: one blank behind the colon is none of it. */
function skipBlank(buffer: Buffer, from: number): number {
  return buffer[from] === 0x20 ? from + 1 : from;
}

function readValue(buffer: Buffer, from: number, end: number): string {
  return buffer.toString("utf8", skipBlank(buffer, from), end);
}

/** Unknown fields are ignored, but none is named with control characters or with what is no UTF-8. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const NO_FIELD = /[\u0000-\u001f\ufffd]/;

function readFields(text: string): Pick<SseBlock, "data" | "type"> {
  let data: string | null = null;
  let type: string | undefined;
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (NO_FIELD.test(name)) throw malformedStream("The backend sent bytes that are no event stream");
    if (name === "data") data = data === null ? value : `${data}\n${value}`;
    else if (name === "event") type = value;
  }
  return { data, type };
}

/** An event in the form in which all of ours leave: an `event:` line where there is a type, `data:` lines, LF. */
export function writeSse(data: string, type?: string): string {
  const lines = data.includes("\n") ? data.replaceAll("\n", "\ndata: ") : data;
  return type === undefined ? `data: ${lines}\n\n` : `event: ${type}\ndata: ${lines}\n\n`;
}
