import { toGatewayError, type GatewayError } from "../errors.ts";
import type { BodySink, BodyStream } from "../reply.ts";
import { Pressure } from "./pressure.ts";

/** What a relay of bytes tells the attempt that feeds it. */
export interface ByteRelayOwner {
  onCancel(): void;
  onPressure(pause: boolean): void;
}

/** The way of an opaque body (audio, files) from the backend to whoever takes the reply; bounded while it waits. */
export class ByteRelay implements BodyStream {
  readonly #owner: ByteRelayOwner;
  #sink: BodySink | undefined;
  readonly #pressure: Pressure;
  #held: Uint8Array[] = [];
  #ended: { error?: GatewayError } | undefined;
  #closed = false;

  constructor(owner: ByteRelayOwner) {
    this.#owner = owner;
    this.#pressure = new Pressure(owner);
  }

  push(chunk: Uint8Array): void {
    if (this.#closed) return;
    if (this.#sink) {
      this.#deliver(this.#sink, chunk);
      return;
    }
    this.#held.push(chunk);
    this.#pressure.hold(chunk.length);
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
    const held = this.#held;
    this.#held = [];
    for (const chunk of held) {
      if (this.#closed) return;
      this.#deliver(sink, chunk);
    }
    this.#pressure.release();
    this.#settle();
  }

  pause(): void {
    this.#pressure.pause();
  }

  resume(): void {
    this.#pressure.resume();
  }

  cancel(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held = [];
    this.#owner.onCancel();
  }

  #deliver(sink: BodySink, chunk: Uint8Array): void {
    try {
      sink.data(chunk);
    } catch (error) {
      // The consumer's fault, in which the feeder has no part.
      this.#owner.onCancel();
      this.#ended = { error: toGatewayError(error) };
      this.#settle();
    }
  }

  #settle(): void {
    if (!this.#ended || !this.#sink || this.#closed) return;
    this.#closed = true;
    if (this.#ended.error) this.#sink.fail(this.#ended.error);
    else this.#sink.end();
  }
}
