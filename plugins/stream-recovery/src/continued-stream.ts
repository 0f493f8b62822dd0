import {
  discardReply,
  EventPipe,
  isEventStream,
  isGatewayError,
  isJsonObject,
  isOfProvider,
  toStreamEvent,
} from "gatewright";
import type {
  Attempt,
  BodySink,
  Context,
  EventPipeOwner,
  EventStream,
  GatewayError,
  Next,
  Reply,
  RequestBody,
  StreamEvent,
  Target,
} from "gatewright";
import type { AnswerDialect } from "./answer-dialect.ts";
import { prefill, restart } from "./continuation.ts";
import type { Continuation } from "./continuation.ts";
import type { ContinueOptions } from "./options.ts";
import { Splice } from "./splice.ts";
import { Transcript } from "./transcript.ts";
import type { BrokenPart } from "./usage-sum.ts";

/** The request as it was before its first attempt. */
export interface Origin {
  readonly ctx: Context;
  readonly next: Next;
  readonly body: RequestBody;
  readonly candidates: readonly Target[];
  readonly dialect: AnswerDialect;
}

/**
 * One stream towards the client, whatever number of backend streams it takes. The first passes as it is; after a
 * break the answer is gone on with elsewhere, in events that look like those before. `pipe` is what outer layers and
 * the client get.
 */
export class ContinuedStream implements EventPipeOwner {
  readonly pipe: EventPipe = new EventPipe(this);
  readonly #origin: Origin;
  readonly #options: ContinueOptions;
  readonly #told: Transcript;
  readonly #broken: BrokenPart[] = [];
  /** Targets that failed this answer. */
  readonly #failed: Target[] = [];
  /** The stream that is being read, and the attempt behind it. */
  #stream: EventStream | undefined;
  #attempt: Attempt | undefined;
  /** Chunks of told text that the prompt of the present stream held. */
  #prefilled = 0;
  #opening: AbortController | undefined;
  #recoveries = 0;
  #paused = false;
  #cancelled = false;

  constructor(origin: Origin, options: ContinueOptions) {
    this.#origin = origin;
    this.#options = options;
    this.#told = new Transcript(origin.dialect);
  }

  /** Reads the first stream. What arrives is held, up to a bound, until the client's side starts `pipe`. */
  begin(stream: EventStream, attempt: Attempt | undefined): void {
    stream.observe({ event: (event) => this.#tell(event) });
    this.#read(stream, attempt, (error) => this.#onBreak(error));
  }

  // --- from the client's side

  onCancel(): void {
    this.#cancelled = true;
    this.#stream?.cancel();
    this.#opening?.abort();
  }

  onPressure(pause: boolean): void {
    this.#paused = pause;
    if (pause) this.#stream?.pause();
    else this.#stream?.resume();
  }

  // --- one stream

  #read(stream: EventStream, attempt: Attempt | undefined, onBreak: (error: GatewayError) => void): void {
    this.#stream = stream;
    this.#attempt = attempt;
    const sink: BodySink = {
      data: () => this.pipe.flush(),
      end: () => this.pipe.end(),
      fail: (error) => {
        this.#stream = undefined;
        onBreak(error);
      },
    };
    stream.start(sink);
    if (this.#paused) this.#stream?.pause();
  }

  #tell(event: StreamEvent): void {
    if (isJsonObject(event.json)) this.#told.add(event.json);
    this.pipe.push(event);
  }

  // --- after a break

  #onBreak(error: GatewayError): void {
    if (!this.#isRecoverable(error)) {
      this.pipe.fail(error);
      return;
    }
    this.#recoveries++;
    const prefilled = this.#prefilled;
    const usage = this.#attempt?.usage;
    // An estimate knows the beginning of the stream; here every piece was seen.
    const told = usage?.estimated ? undefined : usage;
    this.#broken.push({ usage: told, pieces: this.#told.pieces - prefilled, prefilled });
    if (this.#attempt) this.#failed.push(this.#attempt.target);
    void this.#recover(error);
  }

  /** A backend's failure in the middle of plain text. A stream that is merely too long is none. */
  #isRecoverable({ upstream }: GatewayError): boolean {
    return (
      upstream !== undefined &&
      upstream.kind !== "timeout" &&
      !upstream.code?.startsWith("content_") &&
      this.#told.plain &&
      this.#recoveries < this.#options.maxRecoveries &&
      !this.#origin.ctx.aborted
    );
  }

  /** Goes on where the text can be joined; else the break is reported. Never rejects. */
  async #recover(failure: GatewayError): Promise<void> {
    const { ctx } = this.#origin;
    for (const way of this.#ways()) {
      const candidates = this.#candidatesFor(way);
      if (candidates.length === 0) continue;
      const joined = await this.#goOn(way, candidates);
      if (this.#cancelled) return;
      if (joined) {
        ctx.log.info("a broken stream goes on", {
          requestId: ctx.id,
          by: way.kind,
          after: failure.upstream?.kind,
        });
        return;
      }
      if (ctx.aborted) break;
    }
    this.pipe.fail(failure);
  }

  #ways(): Continuation[] {
    const { body, dialect } = this.#origin;
    const { prefillMode } = this.#options;
    const first = dialect.prefillModes.includes(prefillMode)
      ? prefill(body, this.#told, prefillMode)
      : undefined;
    return [...(first ? [first] : []), restart(body, this.#told)];
  }

  /** On other backends than those that failed, or on the same where there are no others. */
  #candidatesFor({ kind }: Continuation): readonly Target[] {
    const usable = this.#origin.candidates.filter(({ weight }) => weight > 0);
    const others = usable.filter(({ backend }) => this.#failed.every((target) => target.backend !== backend));
    const candidates = others.length > 0 ? others : usable;
    if (kind === "restart") return candidates;
    const { prefill: names } = this.#options;
    return candidates.filter(({ backend }) => names.some((name) => isOfProvider(backend, name)));
  }

  /** One further attempt. True once its text has been joined to what was told. */
  async #goOn(way: Continuation, candidates: readonly Target[]): Promise<boolean> {
    this.#opening = new AbortController();
    let reply: Reply;
    try {
      reply = await this.#origin.next({ candidates, body: way.body, signal: this.#opening.signal });
    } catch (error) {
      this.#noteRefusal(error);
      return false;
    }
    if (this.#cancelled || !isEventStream(reply.body)) {
      discardReply(reply);
      return false;
    }
    return this.#join(reply.body, reply.attempt, way);
  }

  /** A backend that refuses to complete a message may well answer the request itself; one that failed will not. */
  #noteRefusal(error: unknown): void {
    if (isGatewayError(error) && error.attempt && (error.status >= 500 || error.status === 429))
      this.#failed.push(error.attempt.target);
  }

  /** Reads a further stream. What was told is left out of it; a stream that tells something else is given up. */
  #join(stream: EventStream, attempt: Attempt | undefined, way: Continuation): Promise<boolean> {
    return new Promise((resolve) => {
      const splice = new Splice(way.expected);
      const prefilled = way.kind === "prefill" ? this.#told.pieces : 0;
      let state: "joining" | "joined" | "departed" = "joining";
      const join = (): void => {
        state = "joined";
        this.#prefilled = prefilled;
        resolve(true);
      };
      const depart = (): void => {
        state = "departed";
        this.#stream = undefined;
        stream.cancel();
        resolve(false);
      };
      if (splice.joined && !this.#origin.dialect.hasOpening) join();
      stream.observe({
        event: (event) => {
          // The rest of a block that held the departing event.
          if (state === "departed") return;
          const fresh = state === "joined" ? event : spliced(event, splice, this.#origin.dialect);
          if (fresh === undefined) depart();
          else if (fresh !== null) {
            if (state === "joining") join();
            this.#tellAdopted(fresh);
          }
        },
      });
      this.#read(stream, attempt, (error) => {
        if (state === "joined") this.#onBreak(error);
        else {
          if (attempt) this.#failed.push(attempt.target);
          resolve(false);
        }
      });
    });
  }

  /** Tells an event of a further stream as one of the first. */
  #tellAdopted(event: StreamEvent): void {
    if (!isJsonObject(event.json)) {
      this.#tell(event);
      return;
    }
    const { dialect } = this.#origin;
    const adopted = dialect.adopt(event.json, this.#told.identity ?? {});
    if (adopted)
      this.#tell(toStreamEvent(dialect.addUsage(adopted, this.#broken, this.#prefilled), event.type));
  }
}

/**
 * The part of an event that is new; null where none is; `undefined` where the stream departs from what was told: by
 * other text, by something that is no text, or by its end.
 */
function spliced(event: StreamEvent, splice: Splice, dialect: AnswerDialect): StreamEvent | null | undefined {
  if (!isJsonObject(event.json)) return undefined;
  const { text, plain, finishes } = dialect.read(event.json);
  const fresh = plain ? splice.take(text) : undefined;
  if (fresh === undefined) return undefined;
  if (!splice.joined) return finishes ? undefined : null;
  if (fresh === text) return text === "" && !finishes ? null : event;
  return toStreamEvent(dialect.withText(event.json, fresh), event.type);
}
