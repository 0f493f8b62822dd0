/** Targets behind plugins that judge them by how their attempts end. */
import type { Middleware, Plugin, Reply, Target, UpstreamFailure } from "gatewright";
import { createAttemptDispatch, createPlacedBackend, placeTargets } from "./_attempts.ts";
import type { FakeAttempt, Play } from "./_attempts.ts";
import { createHost, createTarget, failureOf, FakeContext, run, setupMiddlewares } from "./_context.ts";
import type { FakeHost, FakeRequest } from "./_context.ts";

export const FAILURE: Partial<UpstreamFailure> = { status: 500 };

/** A target at a backend of the same name. */
export function place(name: string, weight = 1): Target {
  return createTarget(name, { weight, backend: createPlacedBackend(name) });
}

/** Plugins, the targets behind them, and what became of these so far. */
export interface TargetRig {
  readonly host: FakeHost;
  readonly targets: readonly Target[];
  /** Attempts in the order of their start. */
  readonly attempts: FakeAttempt[];
  /** What becomes of attempts; at first each succeeds. */
  play: Play;
  send(fields?: FakeRequest, play?: Play): Promise<Reply>;
  /** So many requests one after the other whose attempts fail. */
  fail(times: number, failure?: Partial<UpstreamFailure>, fields?: FakeRequest): Promise<void>;
}

export interface TargetRigOptions {
  targets: readonly Target[];
  before?: readonly Middleware[];
  after?: readonly Middleware[];
  host?: FakeHost;
}

export async function createTargetRig(
  plugins: readonly Plugin[],
  { targets, before = [], after = [], host = createHost() }: TargetRigOptions,
): Promise<TargetRig> {
  placeTargets(host, targets);
  const middlewares = await setupMiddlewares(plugins, host);
  const attempts: FakeAttempt[] = [];
  const rig: TargetRig = {
    host,
    targets,
    attempts,
    play: (attempt) => attempt.whole(),
    send(fields, play) {
      const dispatch = createAttemptDispatch(host, (attempt, ctx) => {
        attempts.push(attempt);
        return (play ?? rig.play)(attempt, ctx);
      });
      const ctx = new FakeContext({ candidates: targets, ...fields }, host);
      ctx.resolve = () => targets;
      return run([...before, ...middlewares, ...after], ctx, dispatch);
    },
    async fail(times, failure = FAILURE, fields = {}) {
      for (let count = 0; count < times; count++)
        await failureOf(rig.send(fields, (attempt) => Promise.reject(attempt.fail(failure))));
    },
  };
  return rig;
}
