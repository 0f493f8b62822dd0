/**
 * The frames of the simulated streams: OpenAI chat chunks as server-sent events. A paced frame carries its number and
 * the time it was written inside the `content`, so that they survive a gateway that parses and rewrites its JSON.
 */

/** Ends every stream: the finish reason, then the terminator. */
export const LAST_FRAMES = `data: ${chunkJson("", "stop")}\n\ndata: [DONE]\n\n`;

/** A frame with one word in it. */
export const PLAIN_FRAME = frame(" token");

/** Frame number `sequence`, written at `nowMs`. */
export function stampedFrame(sequence: number, nowMs: number): string {
  return frame(`#${sequence}@${nowMs.toFixed(3)};`);
}

/** One HTTP chunk (RFC 9112 §7.1) with `text`, which is ASCII. */
export function httpChunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

function frame(content: string): string {
  return `data: ${chunkJson(content, null)}\n\n`;
}

function chunkJson(content: string, finishReason: "stop" | null): string {
  return JSON.stringify({
    id: "chatcmpl-bench",
    object: "chat.completion.chunk",
    created: 1_760_000_000,
    model: "bench-model",
    choices: [{ index: 0, delta: content === "" ? {} : { content }, finish_reason: finishReason }],
  });
}

const NEWLINE = 10;
const EVENT_END = Buffer.from("\n\n");

/** Counts the events of one stream, however its bytes are cut. */
export class FrameCounter {
  #endsInNewline = false;

  /** How many events end within `bytes`. */
  count(bytes: Buffer): number {
    let at = 0;
    let events = 0;
    if (this.#endsInNewline && bytes[0] === NEWLINE) {
      events = 1;
      at = 1;
    }
    for (;;) {
      const end = bytes.indexOf(EVENT_END, at);
      if (end === -1) break;
      events += 1;
      at = end + 2;
    }
    this.#endsInNewline = at < bytes.length && bytes[bytes.length - 1] === NEWLINE;
    return events;
  }
}

/** Reads the stamps of one paced stream, however its bytes are cut. */
export class StampReader {
  /** Frames seen, as long as they came in order: the number expected next. */
  next = 0;
  /** Set by the terminator. */
  done = false;
  #rest = "";
  readonly #onFrame: (writtenMs: number) => void;

  constructor(onFrame: (writtenMs: number) => void) {
    this.#onFrame = onFrame;
  }

  push(bytes: Buffer): void {
    const text = this.#rest + bytes.toString("latin1");
    const end = text.lastIndexOf("\n\n");
    this.#rest = end === -1 ? text : text.slice(end + 2);
    if (end === -1) return;
    const events = text.slice(0, end);
    for (const [, sequence, writtenMs] of events.matchAll(/#(\d+)@([\d.]+);/g)) {
      if (Number(sequence) !== this.next) return;
      this.next += 1;
      this.#onFrame(Number(writtenMs));
    }
    if (events.includes("[DONE]")) this.done = true;
  }
}
