import { GatewayError, isEventStream } from "gatewright";
import type {
  BodySink,
  BodyStream,
  EventStream,
  EventTransform,
  StreamEvent,
  StreamObserver,
} from "gatewright";
import type { Limits } from "./options.ts";

/** Puts a stream under `idleMs` and `maxStreamMs`. `giveUp` tells the attempt behind it. */
export function timeStream(
  stream: BodyStream,
  limits: Limits,
  giveUp: (error: GatewayError) => void,
): BodyStream | EventStream {
  return isEventStream(stream)
    ? new TimedEventStream(stream, limits, giveUp)
    : new TimedStream(stream, limits, giveUp);
}

/** Hands the bytes of a stream on untouched, and breaks it when a limit does. */
class TimedStream<Inner extends BodyStream> implements BodyStream, BodySink {
  protected readonly inner: Inner;
  readonly #limits: Limits;
  readonly #giveUp: (error: GatewayError) => void;
  #sink: BodySink | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #endTimer: NodeJS.Timeout | undefined;

  constructor(inner: Inner, limits: Limits, giveUp: (error: GatewayError) => void) {
    this.inner = inner;
    this.#limits = limits;
    this.#giveUp = giveUp;
    // Counts from the commit point, whenever the client's side starts the stream.
    const { maxStreamMs } = limits;
    if (maxStreamMs !== undefined)
      this.#endTimer = setTimeout(() => {
        this.#break(interruption("timeout", `The stream lasted longer than ${maxStreamMs} ms`));
      }, maxStreamMs);
  }

  // --- towards the client

  start(sink: BodySink): void {
    this.#sink = sink;
    this.#watchIdle();
    this.inner.start(this);
  }

  /** A client that does not read is not the backend's silence. */
  pause(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
    this.inner.pause();
  }

  resume(): void {
    if (this.#sink) this.#watchIdle();
    this.inner.resume();
  }

  cancel(): void {
    this.#close();
    this.inner.cancel();
  }

  // --- from the backend

  data(chunk: Uint8Array): void {
    this.#idleTimer?.refresh();
    this.#sink?.data(chunk);
  }

  end(): void {
    this.#close()?.end();
  }

  fail(error: GatewayError): void {
    this.#close()?.fail(error);
  }

  // --- the limits

  #watchIdle(): void {
    const { idleMs } = this.#limits;
    if (idleMs === undefined) return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      this.#break(interruption("stalled", `The backend sent nothing for ${idleMs} ms`));
    }, idleMs);
  }

  /** An attempt behind the stream ends it, in its own way; a stream of a plugin's own has none, and is ended here. */
  #break(error: GatewayError): void {
    this.#giveUp(error);
    const sink = this.#close();
    if (!sink) return;
    this.inner.cancel();
    sink.fail(error);
  }

  /** Stops all timers, and gives the sink if it has not been told of the end yet. */
  #close(): BodySink | undefined {
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#endTimer);
    this.#idleTimer = undefined;
    const sink = this.#sink;
    this.#sink = undefined;
    return sink;
  }
}

class TimedEventStream extends TimedStream<EventStream> implements EventStream {
  readonly kind = "events";

  get lastNamed(): StreamEvent | undefined {
    return this.inner.lastNamed;
  }

  observe(observer: StreamObserver): void {
    this.inner.observe(observer);
  }

  transform(transform: EventTransform): void {
    this.inner.transform(transform);
  }
}

/** The end of a stream that has begun: it can only be reported inside of it. */
function interruption(kind: "stalled" | "timeout", message: string): GatewayError {
  return new GatewayError("upstream_interrupted", { message, upstream: { kind, sent: true } });
}
