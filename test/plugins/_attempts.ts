/**
 * Attempts that settle, as core's do: at once with a whole reply or a failure, later with a stream. For plugins that
 * judge a target by how its attempts end.
 */
import { GatewayError } from "gatewright";
import type { Attempt, Backend, Context, Outcome, Reply, Target, UpstreamFailure, Usage } from "gatewright";
import type { FakeHost } from "./_context.ts";

export class FakeAttempt implements Attempt {
  readonly number: number;
  readonly target: Target;
  readonly startedAt: number;
  timeToFirstByteMs?: number;
  timeToFirstTokenMs?: number;
  durationMs?: number;
  status?: number;
  usage?: Usage;
  outcome?: Outcome | "cancelled";
  error?: GatewayError;
  readonly #host: FakeHost;
  #listeners: ((attempt: Attempt) => void)[] = [];

  constructor(ctx: Context, host: FakeHost) {
    this.#host = host;
    this.target = ctx.target ?? ctx.candidates[0]!;
    this.startedAt = host.nowMs;
    this.number = (ctx.attempts as Attempt[]).push(this);
    this.target.inFlight++;
  }

  onSettled(listener: (attempt: Attempt) => void): void {
    if (this.outcome === undefined) this.#listeners.push(listener);
    else listener(this);
  }

  /** Response headers arrive, with the first content. */
  answer(status = 200): void {
    this.status = status;
    this.timeToFirstByteMs = this.timeToFirstTokenMs = this.#host.nowMs - this.startedAt;
  }

  /** A reply whose body flows until somebody settles the attempt. */
  stream(): Reply {
    this.answer();
    return { status: 200, headers: {}, body: "stream", attempt: this };
  }

  whole(usage?: Usage): Reply {
    this.answer();
    this.usage = usage;
    this.settle("complete");
    return { status: 200, headers: {}, body: this.target.id, attempt: this };
  }

  settle(outcome: Outcome | "cancelled", failure?: Partial<UpstreamFailure>): void {
    if (failure !== undefined) {
      const upstream: UpstreamFailure = { kind: "status", sent: true, ...failure };
      this.error = new GatewayError("provider_error", { upstream });
      this.error.attempt = this;
      if (upstream.status !== undefined) this.status ??= upstream.status;
    }
    this.outcome = outcome;
    this.durationMs = this.#host.nowMs - this.startedAt;
    this.target.inFlight--;
    for (const listener of this.#listeners.splice(0)) listener(this);
  }

  /** The error that the attempt ends with, before any content. */
  fail(failure: Partial<UpstreamFailure>): GatewayError {
    this.settle("upstream_error", failure);
    return this.error!;
  }

  /** The client goes away, before any content. */
  leave(): GatewayError {
    this.settle("client_abort");
    const error = new GatewayError("client_closed_request");
    error.attempt = this;
    return (this.error = error);
  }
}

/** What becomes of an attempt. May wait, and throw what `fail` or `leave` gave. */
export type Play = (attempt: FakeAttempt, ctx: Context) => Reply | Promise<Reply>;

export function createAttemptDispatch(host: FakeHost, play: Play): (ctx: Context) => Promise<Reply> {
  return async function dispatch(ctx) {
    if ((ctx.target ?? ctx.candidates[0]) === undefined) throw new GatewayError("no_available_instances");
    return play(new FakeAttempt(ctx, host), ctx);
  };
}

/** A backend that is somewhere, with the time limits that a config has by default. */
export function createPlacedBackend(name: string, fields: Partial<Backend> = {}): Backend {
  return {
    name,
    adapter: { name: "openai", provider: "openai", auth: () => ({}), operations: {} },
    options: {},
    baseURL: new URL(`http://${name}.test/v1`),
    weight: 1,
    timeouts: {
      connectMs: 5_000,
      firstByteMs: 60_000,
      firstTokenMs: 0,
      idleMs: 60_000,
      attemptMs: 0,
      totalMs: 60_000,
      maxStreamMs: 600_000,
    },
    transport: undefined as never,
    ...fields,
  };
}

/** Makes these the targets of the host's config. */
export function placeTargets(host: FakeHost, targets: readonly Target[]): void {
  Object.assign(host, {
    targets: new Map(targets.map((target) => [target.id, target])),
    backends: new Map(targets.map(({ backend }) => [backend.name, backend])),
  });
}

/** Makes the host keep what plugins carry, as a process does over reloads. */
export function keepCarried(host: FakeHost): void {
  const carried = new Map<string, unknown>();
  Object.assign(host, {
    carry: <T>(key: string, create: () => T): T => {
      if (!carried.has(key)) carried.set(key, create());
      return carried.get(key) as T;
    },
  });
}

/** Lets everything run that waits for nothing but its turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
