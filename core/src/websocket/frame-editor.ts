import { headerLength, MAX_HEADER_BYTES, MAX_MESSAGE_BYTES, payloadLength } from "./frame-reader.ts";

/** A text message that is whole in its one frame and not compressed (RFC 6455, section 5.2). */
const WHOLE_TEXT = 0x81;
const MASKED = 0x80;

/**
 * Changes text messages in one direction of a WebSocket. A text frame is held back until it is whole, which is when its
 * receiver learns of it anyway. Binary, control and long frames, and messages in several frames, pass as they come.
 */
export class FrameEditor {
  readonly #edit: (message: Buffer) => string | undefined;
  readonly #header = Buffer.allocUnsafe(MAX_HEADER_BYTES);
  #headerBytes = 0;
  /** Of the payload, what is still to come; -1 while a header is read. */
  #left = -1;
  /** The payload of the frame that is held back. */
  #held: Uint8Array[] | undefined;

  /** `edit` gets one message, which it may not change, and answers undefined where it stays as it is. */
  constructor(edit: (message: Buffer) => string | undefined) {
    this.#edit = edit;
  }

  /** What goes on in place of `chunk`. */
  push(chunk: Uint8Array): Uint8Array {
    const out: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#left < 0) {
        this.#header[this.#headerBytes++] = chunk[at++]!;
        if (this.#headerBytes === headerLength(this.#header, this.#headerBytes)) this.#begin(out);
      } else {
        const end = Math.min(chunk.length, at + this.#left);
        (this.#held ?? out).push(chunk.subarray(at, end));
        this.#left -= end - at;
        at = end;
      }
      if (this.#left === 0) this.#end(out);
    }
    return out.length === 1 ? out[0]! : Buffer.concat(out);
  }

  #begin(out: Uint8Array[]): void {
    this.#left = payloadLength(this.#header);
    if (this.#header[0] === WHOLE_TEXT && this.#left <= MAX_MESSAGE_BYTES) this.#held = [];
    else out.push(this.#copyHeader());
  }

  #end(out: Uint8Array[]): void {
    if (this.#held) {
      const header = this.#copyHeader();
      const payload = Buffer.concat(this.#held);
      const mask = (header[1]! & MASKED) === 0 ? undefined : header.subarray(-4);
      const text = this.#edit(mask ? masked(payload, mask) : payload);
      if (text === undefined) out.push(header, payload);
      else out.push(...encode(Buffer.from(text), mask));
    }
    this.#held = undefined;
    this.#left = -1;
    this.#headerBytes = 0;
  }

  #copyHeader(): Buffer {
    return Buffer.from(this.#header.subarray(0, this.#headerBytes));
  }
}

function encode(payload: Buffer, mask: Buffer | undefined): Buffer[] {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const header = Buffer.alloc(2 + extended);
  header[0] = WHOLE_TEXT;
  header[1] = (mask ? MASKED : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) header.writeUInt16BE(length, 2);
  if (extended === 8) header.writeBigUInt64BE(BigInt(length), 2);
  return mask ? [header, mask, masked(payload, mask)] : [header, payload];
}

/** Masks, and takes a mask off (section 5.3). */
function masked(payload: Buffer, mask: Buffer): Buffer {
  const result = Buffer.allocUnsafe(payload.length);
  for (let at = 0; at < payload.length; at++) result[at] = payload[at]! ^ mask[at % 4]!;
  return result;
}
