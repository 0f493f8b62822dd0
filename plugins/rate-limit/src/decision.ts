import type { Unit } from "./limit.ts";

/** What one limit said to a request. */
export interface Decision {
  readonly name: string;
  readonly unit: Unit;
  /** False: this limit had no room for the request. */
  readonly fits: boolean;
  readonly limit: number;
  /** What is left after the request; never below 0. */
  readonly remaining: number;
  /** Until all of it is there again, in whole milliseconds. */
  readonly resetMs: number;
  /** The same on the clock of the store, in milliseconds since the epoch. */
  readonly resetAtMs: number;
  /** Until the request fits; 0: it does. Infinity: never, as it asks for more than the whole limit. */
  readonly waitMs: number;
  /** In which a limit that is used up is whole again. */
  readonly windowSeconds: number;
  /** Counted by the store, or, while that was down, by this process alone. */
  readonly source: "store" | "local";
  /** Decided without acting. */
  readonly shadow: boolean;
}

/** Published under `ctx.vars.rateLimit`: decisions of all rate limits of the request, the last of each limit. */
export interface RateLimitVars {
  readonly decisions: readonly Decision[];
}

declare module "gatewright" {
  interface ContextVars {
    rateLimit?: RateLimitVars;
  }
}
