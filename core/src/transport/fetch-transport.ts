import type {
  Transport,
  TransportCall,
  TransportFailure,
  TransportHandler,
  TransportRequest,
} from "./transport.ts";

/**
 * A transport over the runtime's `fetch`: for Bun, Deno and tests. It has no connection limits of its own, and cannot
 * tell a request that was never sent from one that was, so that it calls every failure sent.
 */
export function createFetchTransport(origin: URL, fetchImpl: typeof fetch = fetch): Transport {
  const running = new Set<FetchCall>();
  return {
    send(request, handler) {
      const call = new FetchCall(handler, () => running.delete(call));
      running.add(call);
      void call.run(fetchImpl, new URL(request.path, origin), request);
      return call;
    },
    async close() {
      await Promise.all([...running].map((call) => call.done));
    },
    async destroy() {
      for (const call of running) call.abort();
      await Promise.all([...running].map((call) => call.done));
    },
  };
}

class FetchCall implements TransportCall {
  /** For all that `fetch` tells. */
  readonly stage = "sent";
  readonly done: Promise<void>;
  readonly #handler: TransportHandler;
  readonly #controller = new AbortController();
  #finish!: () => void;
  #aborted = false;
  #resumed: (() => void) | undefined;
  #pausedUntil: Promise<void> | undefined;

  constructor(handler: TransportHandler, onDone: () => void) {
    this.#handler = handler;
    this.done = new Promise((resolve) => {
      this.#finish = () => {
        onDone();
        resolve();
      };
    });
  }

  async run(fetchImpl: typeof fetch, url: URL, request: TransportRequest): Promise<void> {
    try {
      const response = await fetchImpl(url, {
        method: request.method,
        headers: toPairs(request.headers),
        body: toBody(request.body),
        redirect: "manual",
        signal: this.#controller.signal,
        // Needed by Node for bodies that stream; other runtimes ignore it.
        ...(isStream(request.body) && { duplex: "half" }),
      });
      if (this.#aborted) return;
      this.#handler.onHeaders(response.status, Object.fromEntries(response.headers));
      for await (const chunk of response.body ?? []) {
        await this.#pausedUntil;
        if (this.#aborted) return;
        this.#handler.onData(chunk);
      }
      if (!this.#aborted) this.#handler.onEnd();
    } catch (error) {
      if (!this.#aborted) this.#handler.onError(toFailure(error));
    } finally {
      this.#finish();
    }
  }

  pause(): void {
    this.#pausedUntil ??= new Promise((resolve) => {
      this.#resumed = resolve;
    });
  }

  resume(): void {
    this.#pausedUntil = undefined;
    this.#resumed?.();
  }

  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#controller.abort();
    this.resume();
  }
}

function toPairs(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let n = 0; n < flat.length; n += 2) {
    // fetch computes it, and some runtimes refuse to be told.
    if (flat[n] !== "content-length") pairs.push([flat[n]!, flat[n + 1]!]);
  }
  return pairs;
}

function isStream(body: TransportRequest["body"]): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

function toBody(body: TransportRequest["body"]): Uint8Array | string | null | ReadableStream<Uint8Array> {
  if (!isStream(body)) return body;
  const iterator = body[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

function toFailure(error: unknown): TransportFailure {
  const cause = (error as { cause?: { code?: string } }).cause;
  const refused = cause?.code === "ECONNREFUSED" || cause?.code === "ENOTFOUND";
  return { kind: refused ? "connect" : "reset", sent: !refused, cause: error };
}
