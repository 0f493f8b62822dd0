import { parseJson, writeLongIntegers } from "../body/exact-json.ts";
import { toGatewayError, type GatewayError } from "../errors.ts";
import type { BodySink } from "../reply.ts";
import type { EventStream, EventTransform, StreamEvent, StreamObserver } from "./event-stream.ts";
import { Pressure } from "./pressure.ts";
import { writeSse } from "./sse-decoder.ts";

/** What the pipe tells whoever feeds it. */
export interface EventPipeOwner {
  /** The consumer gave up, or a plugin failed on an event. */
  onCancel(): void;
  /** Feed nothing for now (`true`), or go on. What is fed all the same is kept. */
  onPressure(pause: boolean): void;
}

/** An event on its way. `raw` is its bytes, blank line included, where they can leave as they are. */
export interface PipedEvent extends StreamEvent {
  readonly raw?: Buffer;
}

/** An event of one `data:` line, decoded and parsed when somebody looks. */
class RawEvent implements PipedEvent {
  readonly raw: Buffer;
  readonly #dataStart: number;
  readonly #dataEnd: number;
  #data: string | undefined;
  #json: unknown;

  constructor(raw: Buffer, dataStart: number, dataEnd: number) {
    this.raw = raw;
    this.#dataStart = dataStart;
    this.#dataEnd = dataEnd;
  }

  get data(): string {
    return (this.#data ??= this.raw.toString("utf8", this.#dataStart, this.#dataEnd));
  }

  get json(): unknown {
    return (this.#json ??= parseJson(this.data));
  }
}

/** What an event takes that is held, besides its bytes: many small ones are to count as well. */
const EVENT_BYTES = 128;

/** One plugin's part in the stream, in the order in which it was added. */
interface Stage {
  observer?: StreamObserver;
  transform?: EventTransform;
}

/**
 * The consumer's end of an event stream: holds events until somebody starts it, shows them to observers and
 * transforms, and writes them out: what was taken between two flushes leaves as one write.
 */
export class EventPipe implements EventStream {
  readonly kind = "events";
  readonly #owner: EventPipeOwner;
  #stages: Stage[] | undefined;
  #sink: BodySink | undefined;
  readonly #pressure: Pressure;
  #held: PipedEvent[] = [];
  #ended: { error?: GatewayError } | undefined;
  #closed = false;
  /** Events side by side in one buffer: where they begin and end in it. */
  #run: Buffer | undefined;
  #runStart = 0;
  #runEnd = 0;
  #out: (Buffer | string)[] = [];
  lastNamed: StreamEvent | undefined;

  /** `offered` is false where nobody can start it before `offer` is called. */
  constructor(owner: EventPipeOwner, offered = true) {
    this.#owner = owner;
    this.#pressure = new Pressure(owner, offered);
  }

  get closed(): boolean {
    return this.#closed || this.#ended !== undefined;
  }

  /** What waits for the start, in bytes. */
  get heldBytes(): number {
    return this.#pressure.heldBytes;
  }

  // --- the feeder's side

  /** Takes an event; `flush` sends what was taken since the last one. */
  push(event: PipedEvent): void {
    if (this.closed) return;
    if (this.#sink) {
      this.#deliver(event);
      return;
    }
    this.#held.push(event);
    this.#pressure.hold((event.raw ? event.raw.length : event.data.length) + EVENT_BYTES);
  }

  /** Somebody is about to start it: from now on what is held back makes the feeder wait. */
  offer(): void {
    this.#pressure.offer();
  }

  /** Takes the bytes of an event, whose data is JSON, for those who may want to look at it. */
  passRaw(buffer: Buffer, start: number, end: number, dataStart: number, dataEnd: number): void {
    if (this.closed) return;
    if (!this.#sink || this.#stages) {
      this.push(new RawEvent(buffer.subarray(start, end), dataStart - start, dataEnd - start));
      return;
    }
    if (this.#run === buffer && this.#runEnd === start) {
      this.#runEnd = end;
      return;
    }
    this.#endRun();
    this.#run = buffer;
    this.#runStart = start;
    this.#runEnd = end;
  }

  flush(): void {
    if (!this.#sink || this.#closed) return;
    const bytes = this.#takeAll();
    if (!bytes) return;
    try {
      this.#sink.data(bytes);
    } catch (error) {
      this.#abandon(error);
    }
  }

  end(): void {
    if (this.closed) return;
    this.#ended = {};
    this.flush();
    this.#settle();
  }

  /** The stream is broken: the consumer is told after what came before it. */
  fail(error: GatewayError): void {
    if (this.closed) return;
    this.#ended = { error };
    this.flush();
    this.#settle();
  }

  // --- the consumer's side

  observe(observer: StreamObserver): void {
    this.#add({ observer });
  }

  transform(transform: EventTransform): void {
    this.#add({ transform });
  }

  #add(stage: Stage): void {
    if (this.#stages) this.#stages.push(stage);
    else this.#stages = [stage];
  }

  start(sink: BodySink): void {
    if (this.#sink || this.#closed) throw new Error("a stream is started once");
    this.#sink = sink;
    const held = this.#held;
    this.#held = [];
    for (const event of held) {
      if (this.#closed) return;
      this.#deliver(event);
    }
    this.flush();
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
    this.#out = [];
    this.#run = undefined;
    this.#owner.onCancel();
  }

  // --- one event

  #deliver(piped: PipedEvent): void {
    if (!this.#stages || isComment(piped)) {
      this.#write(piped);
      return;
    }
    let events: readonly StreamEvent[] = [piped];
    try {
      for (const stage of this.#stages) {
        if (stage.transform) events = events.flatMap((event) => stage.transform!(event) ?? []);
        else for (const event of events) this.#watch(stage.observer!.event?.(event));
      }
    } catch (error) {
      this.#abandon(error);
      return;
    }
    for (const event of events) this.#write(event);
  }

  /** An observer may be an `async` function: nobody waits for it, but its fault counts as that of any other. */
  #watch(told: unknown): void {
    if (!(told instanceof Promise)) return;
    told.catch((error: unknown) => {
      // Too late to tell the client: whoever looks after the process learns of it.
      if (this.closed) throw error;
      this.#abandon(error);
    });
  }

  /** A plugin or the consumer failed: the feeder has no part in it, and is not called back. */
  #abandon(error: unknown): void {
    this.#owner.onCancel();
    this.#ended = { error: toGatewayError(error) };
    this.flush();
    this.#settle();
  }

  #write(event: PipedEvent): void {
    this.#endRun();
    if (event.type !== undefined) this.lastNamed = event;
    // A transform may have made the text by itself, of `json`.
    const { data } = event;
    this.#out.push(event.raw ?? writeSse(this.#stages ? writeLongIntegers(data) : data, event.type));
  }

  #takeAll(): Buffer | undefined {
    if (this.#out.length === 0) return this.#takeRun();
    this.#endRun();
    const out = this.#out;
    this.#out = [];
    return joinPieces(out);
  }

  #endRun(): void {
    const run = this.#takeRun();
    if (run) this.#out.push(run);
  }

  #takeRun(): Buffer | undefined {
    const run = this.#run?.subarray(this.#runStart, this.#runEnd);
    this.#run = undefined;
    return run;
  }

  #settle(): void {
    if (!this.#ended || !this.#sink || this.#closed) return;
    this.#closed = true;
    let { error } = this.#ended;
    for (const { observer } of this.#stages ?? []) {
      try {
        if (error) observer?.fail?.(error);
        else observer?.end?.();
      } catch (thrown) {
        error ??= toGatewayError(thrown);
      }
    }
    if (error) this.#sink.fail(error);
    else this.#sink.end();
  }
}

/** Texts in a row are encoded together, which takes a fraction of encoding each. */
function joinPieces(pieces: readonly (Buffer | string)[]): Buffer {
  if (pieces.length === 1 && typeof pieces[0] !== "string") return pieces[0]!;
  const buffers: Buffer[] = [];
  let text = "";
  for (const piece of pieces) {
    if (typeof piece === "string") {
      text += piece;
      continue;
    }
    if (text !== "") buffers.push(Buffer.from(text));
    text = "";
    buffers.push(piece);
  }
  if (text !== "") buffers.push(Buffer.from(text));
  return buffers.length === 1 ? buffers[0]! : Buffer.concat(buffers);
}

/** A block of comments passes by everybody. */
function isComment(event: PipedEvent): boolean {
  return event.data === "" && event.json === undefined;
}
