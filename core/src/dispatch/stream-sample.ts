import { Buffer } from "node:buffer";
import type { BodySink } from "../reply.ts";
import type { EventRelay, RelayOwner } from "../stream/event-relay.ts";
import { toStreamError } from "../stream/stream-error.ts";
import { AnswerCount } from "../token-estimate.ts";

/** So much of a stream is kept. */
const SAMPLE_BYTES = 4 * 1024;

const LF = 0x0a;

/** The beginning of a stream as it came, for the case that its usage is never told: then the texts in it are counted. */
export class StreamSample {
  // Copied: chunks that stay would each be carried through the collections of the young heap.
  readonly #kept = Buffer.allocUnsafeSlow(SAMPLE_BYTES);
  #length = 0;

  add(chunk: Uint8Array): void {
    const free = SAMPLE_BYTES - this.#length;
    if (free === 0) return;
    const part = chunk.length <= free ? chunk : chunk.subarray(0, free);
    this.#kept.set(part, this.#length);
    this.#length += part.length;
  }

  /** Reads the sample once more, for the texts in it; what came after it, up to `bytes`, is taken to be like it. */
  countTokens(createRelay: (owner: RelayOwner) => EventRelay, bytes: number): number {
    const kept = this.#kept.subarray(0, this.#length);
    // Up to the end of an event, so that none is counted by its bytes alone.
    const sample = kept.length === bytes ? kept : kept.subarray(0, kept.lastIndexOf(LF) + 1 || kept.length);
    const answer = new AnswerCount();
    const relay = createRelay(UNHEARD);
    relay.stream.observe({ event: ({ json }) => answer.add(json) });
    relay.stream.start(NO_SINK);
    try {
      relay.push(sample);
    } catch {
      // What broke the stream is known. The texts before it count.
    }
    relay.stream.cancel();
    return Math.ceil((answer.tokens * bytes) / sample.length);
  }
}

/** For a stream that is read for what is in it alone. */
const UNHEARD: RelayOwner = {
  onCommit() {},
  onUsage() {},
  onCancel() {},
  onPressure() {},
  toError: toStreamError,
};
const NO_SINK: BodySink = { data() {}, end() {}, fail() {} };
