import { asBuffer } from "../as-buffer.ts";

const CONTINUATION = 0x0;
const TEXT = 0x1;
const CLOSE = 0x8;

/** Two bytes, eight of length, four of the mask: the longest header of a frame. */
export const MAX_HEADER_BYTES = 14;

/** A longer message is not read: no event that tells of usage, or of a model, is so long. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/**
 * Follows the frames of one direction of a WebSocket (RFC 6455, section 5.2) that somebody else speaks: where one ends,
 * whether the last one has come, and whole text messages for who asks. It judges nothing and holds nothing back.
 */
export class FrameReader {
  readonly #onText: ((message: Buffer) => void) | undefined;
  readonly #header = Buffer.allocUnsafe(MAX_HEADER_BYTES);
  #headerBytes = 0;
  #isClosing = false;
  /** Of the payload, what is still to come; -1 while a header is read. */
  #left = -1;
  /** The frame at hand is part of a text message. */
  #isText = false;
  /** The message that is being sent in frames is text, and not too long. */
  #message: Uint8Array[] | undefined;
  #messageBytes = 0;

  /** `onText` is for the side that does not mask, the server's (section 5.1). */
  constructor(onText?: (message: Buffer) => void) {
    this.#onText = onText;
  }

  /** A close frame has begun. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Nothing of a frame is under way: another may be put in here. */
  get isBetweenFrames(): boolean {
    return this.#left < 0 && this.#headerBytes === 0;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left < 0) {
        this.#header[this.#headerBytes++] = chunk[at++]!;
        if (this.#headerBytes === headerLength(this.#header, this.#headerBytes)) this.#begin();
        continue;
      }
      const end = Math.min(chunk.length, at + this.#left);
      if (this.#isText) this.#keep(chunk.subarray(at, end));
      this.#left -= end - at;
      at = end;
      if (this.#left === 0) this.#end();
    }
  }

  #begin(): void {
    const opcode = this.#header[0]! & 0x0f;
    if (opcode === CLOSE) this.#isClosing = true;
    this.#isText = opcode === TEXT || (opcode === CONTINUATION && this.#message !== undefined);
    if (opcode === TEXT && this.#onText) this.#message = [];
    if (opcode === TEXT) this.#messageBytes = 0;
    this.#left = payloadLength(this.#header);
    if (this.#left === 0) this.#end();
  }

  #keep(bytes: Uint8Array): void {
    if (!this.#message) return;
    this.#messageBytes += bytes.length;
    if (this.#messageBytes > MAX_MESSAGE_BYTES) this.#message = undefined;
    else this.#message.push(bytes);
  }

  #end(): void {
    const isLast = (this.#header[0]! & 0x80) !== 0;
    this.#left = -1;
    this.#headerBytes = 0;
    if (!this.#isText || !isLast || !this.#message) return;
    const message = this.#message;
    this.#message = undefined;
    this.#onText!(message.length === 1 ? asBuffer(message[0]!) : Buffer.concat(message));
  }
}

/** As far as it can be told from what is there of it. */
export function headerLength(header: Buffer, known: number): number {
  if (known < 2) return 2;
  const length = header[1]! & 0x7f;
  const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
  return 2 + extended + (header[1]! & 0x80 ? 4 : 0);
}

/** Of a whole header. */
export function payloadLength(header: Buffer): number {
  const length = header[1]! & 0x7f;
  if (length === 126) return header.readUInt16BE(2);
  if (length === 127) return Number(header.readBigUInt64BE(2));
  return length;
}
