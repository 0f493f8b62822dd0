import { GatewayError, isStateUnavailable, OutageLog } from "gatewright";
import type { Context, GatewayHost } from "gatewright";
import { admit, ADMIT_FIGURES, ADMIT_HEAD, correct, NEVER } from "./atomic.ts";
import type { Decision } from "./decision.ts";
import type { Counting, Limit } from "./limit.ts";
import { LocalStore } from "./local-store.ts";
import type { RateLimitOptions, TokenOptions } from "./options.ts";
import { boundTokens } from "./token-bound.ts";
import type { TokenBound } from "./token-bound.ts";

type Figures = readonly number[];

/** What was asked of the limits that apply to a request. */
interface Question {
  readonly limits: readonly Limit[];
  readonly keys: readonly string[];
  readonly costs: readonly number[];
  /** Of token limits. */
  readonly bound: TokenBound | undefined;
}

/** Whether a request may go on, and what it has taken if so. */
export interface Verdict extends Question {
  readonly admitted: boolean;
  readonly decisions: readonly Decision[];
  /** On the clock of what counted. */
  readonly takenAtUs: number;
  readonly source: Decision["source"];
}

const MEANWHILE = {
  "open-local": "each process limits by its share",
  open: "requests pass unlimited",
  closed: "requests are refused",
};

/** Asks the store, all limits of a request at once, and says what holds while it is down. */
export class Limiter {
  readonly #limits: readonly Limit[];
  readonly #options: RateLimitOptions;
  readonly #host: GatewayHost;
  readonly #outage: OutageLog;
  readonly #countsTokens: boolean;
  readonly #tokens: TokenOptions;
  #local: LocalStore | undefined;

  constructor(limits: readonly Limit[], options: RateLimitOptions, host: GatewayHost) {
    this.#limits = limits;
    this.#options = options;
    this.#host = host;
    this.#outage = new OutageLog(host, {
      failed: `rateLimit: the store cannot be used; ${MEANWHILE[options.onStoreFailure]}`,
      answered: "rateLimit: the store counts again",
    });
    this.#countsTokens = limits.some(({ unit }) => unit === "tokens");
    const { tokens, shadow } = options;
    this.#tokens = { ...tokens, capOutput: tokens.capOutput && !shadow };
  }

  /**
   * Decides, at once where the store is of this process. Undefined: no limit applies, or none can be checked and all
   * may pass. @throws `state_unavailable` where the options say so.
   */
  decide(ctx: Context): Verdict | undefined | Promise<Verdict | undefined> {
    const question = this.#ask(ctx);
    if (question.keys.length === 0) return undefined;
    try {
      const figures = this.#host.state.run(admit, question.keys, admitArgs(question, "store"));
      if (!(figures instanceof Promise)) return this.#verdict(question, figures, "store");
      return figures.then(
        (figures) => {
          this.#outage.answered();
          return this.#verdict(question, figures, "store");
        },
        (error: unknown) => this.#without(question, error),
      );
    } catch (error) {
      return this.#without(question, error);
    }
  }

  /**
   * Sets right what an admitted request took, limit by limit. Runs once for a verdict. Where the store does not take
   * it, what was reserved stays taken: that is the safe side, and it runs off by itself.
   */
  correct(verdict: Verdict, used: (limit: Limit, cost: number) => number): void {
    const keys: string[] = [];
    const args: number[] = [];
    for (const [i, limit] of verdict.limits.entries()) {
      const delta = used(limit, verdict.costs[i]!) - verdict.costs[i]!;
      if (delta === 0) continue;
      const { algorithm, numbers } = countingOf(limit, verdict.source);
      keys.push(verdict.keys[i]!);
      args.push(algorithm, ...numbers, delta, verdict.takenAtUs);
    }
    if (keys.length === 0) return;
    if (verdict.source === "local") {
      this.#local!.run(correct, keys, args);
      return;
    }
    try {
      const done = this.#host.state.run(correct, keys, args);
      if (done instanceof Promise) done.catch((error: unknown) => this.#noteLost(error));
    } catch (error) {
      this.#noteLost(error);
    }
  }

  /** The request goes on, or is over: nobody else is to hear of it. */
  #noteLost(error: unknown): void {
    if (isStateUnavailable(error)) this.#outage.failed(error);
    else this.#host.log.error("rateLimit: a correction was lost", { error: String(error) });
  }

  #ask(ctx: Context): Question {
    const limits: Limit[] = [];
    const keys: string[] = [];
    const costs: number[] = [];
    const bound = this.#countsTokens ? boundTokens(ctx, this.#tokens) : undefined;
    for (const limit of this.#limits) {
      const key = limit.keys(ctx);
      if (key === undefined) continue;
      limits.push(limit);
      keys.push(key);
      costs.push(limit.unit === "tokens" ? bound!.prompt + bound!.output : costOf(limit, ctx));
    }
    return { limits, keys, costs, bound };
  }

  #without(question: Question, error: unknown): Verdict | undefined {
    if (!isStateUnavailable(error)) throw error;
    this.#outage.failed(error);
    switch (this.#options.onStoreFailure) {
      case "open":
        return undefined;
      case "open-local": {
        this.#local ??= new LocalStore(this.#host);
        const own = {
          ...question,
          costs: question.costs.map((cost, i) => toLocalCost(cost, question.limits[i]!)),
        };
        return this.#verdict(own, this.#local.run(admit, own.keys, admitArgs(own, "local")), "local");
      }
      case "closed":
        if (this.#options.shadow) return undefined;
        throw new GatewayError("state_unavailable", {
          message: "Limits cannot be checked at the moment",
          headers: { "retry-after": "1" },
        });
    }
  }

  #verdict(question: Question, figures: Figures, source: Decision["source"]): Verdict {
    const takenAtUs = figures[1]!;
    const { shadow } = this.#options;
    const decisions = question.limits.map((limit, i): Decision => {
      const at = ADMIT_HEAD + i * ADMIT_FIGURES;
      const resetUs = figures[at + 1]!;
      const waitUs = figures[at + 2]!;
      return {
        name: limit.name,
        unit: limit.unit,
        fits: waitUs === 0,
        limit: countingOf(limit, source).most,
        remaining: figures[at]!,
        resetMs: Math.ceil(resetUs / 1_000),
        resetAtMs: Math.ceil((takenAtUs + resetUs) / 1_000),
        waitMs: waitUs === NEVER ? Infinity : Math.ceil(waitUs / 1_000),
        windowSeconds: limit.windowSeconds,
        source,
        shadow,
      };
    });
    const { limits, keys, costs, bound } = question;
    // Field by field: a spread took most of the time of a decision.
    return { limits, keys, costs, bound, admitted: figures[0] === 1, decisions, takenAtUs, source };
  }
}

function admitArgs({ limits, costs }: Question, source: Decision["source"]): number[] {
  const args: number[] = [];
  for (let i = 0; i < limits.length; i++) {
    const { algorithm, numbers } = countingOf(limits[i]!, source);
    args.push(algorithm, numbers[0], numbers[1], numbers[2], costs[i]!);
  }
  return args;
}

function countingOf(limit: Limit, source: Decision["source"]): Counting {
  return source === "store" ? limit.count : limit.localCount;
}

/** One process has a part of the limit: what fits into the whole must not be refused for ever. */
function toLocalCost(cost: number, { count, localCount }: Limit): number {
  return cost > count.most ? cost : Math.min(cost, localCount.most);
}

function costOf({ name, cost }: Limit, ctx: Context): number {
  const units = typeof cost === "number" ? cost : cost(ctx);
  if (!(units >= 0 && Number.isFinite(units)))
    throw new TypeError(`rateLimit: the cost of \`${name}\` must be a number of 0 or more, got ${units}`);
  return Math.ceil(units);
}
