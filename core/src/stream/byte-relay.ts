import type { GatewayError } from "../errors.ts";
import type { BodySink, BodyStream } from "../reply.ts";

/** What a relay of bytes tells the attempt that feeds it. */
export interface ByteRelayOwner {
  onCancel(): void;
  onPressure(pause: boolean): void;
}

const HIGH_WATER_BYTES = 256 * 1024;

/** The way of an opaque body (audio, files) from the backend to whoever takes the reply; bounded while it waits. */
export class ByteRelay implements BodyStream {
  readonly #owner: ByteRelayOwner;
  #sink: BodySink | undefined;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** The feeder waits for `start`; the sink asked it to wait. */
  #paused = false;
  #sinkPaused = false;
  #ended: { error?: GatewayError } | undefined;
  #closed = false;

  constructor(owner: ByteRelayOwner) {
    this.#owner = owner;
  }

  push(chunk: Uint8Array): void {
    if (this.#closed) return;
    if (this.#sink) {
      this.#sink.data(chunk);
      return;
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > HIGH_WATER_BYTES && !this.#paused) {
      this.#paused = true;
      this.#owner.onPressure(true);
    }
  }

  end(): void {
    this.#ended ??= {};
    this.#settle();
  }

  fail(error: GatewayError): void {
    this.#ended ??= { error };
    this.#settle();
  }

  start(sink: BodySink): void {
    if (this.#sink || this.#closed) throw new Error("a stream is started once");
    this.#sink = sink;
    for (const chunk of this.#held) sink.data(chunk);
    this.#held = [];
    if (this.#paused) {
      this.#paused = false;
      if (!this.#sinkPaused) this.#owner.onPressure(false);
    }
    this.#settle();
  }

  pause(): void {
    this.#sinkPaused = true;
    this.#owner.onPressure(true);
  }

  resume(): void {
    this.#sinkPaused = false;
    this.#owner.onPressure(false);
  }

  cancel(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held = [];
    this.#owner.onCancel();
  }

  #settle(): void {
    if (!this.#ended || !this.#sink || this.#closed) return;
    this.#closed = true;
    if (this.#ended.error) this.#sink.fail(this.#ended.error);
    else this.#sink.end();
  }
}
