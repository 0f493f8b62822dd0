import type { Attempt, Target } from "gatewright";
import { pickLeastConnections } from "./least-connections.ts";

/** Weight of the newest sample in the moving average. */
const ALPHA = 0.2;
/** Attempts after which a target counts as measured. */
const ENOUGH = 3;

/** How many output tokens a second a target gives to one attempt. Plain data. */
export interface TokenRate {
  /** 0 where no attempt has told. */
  perSecond: number;
  attempts: number;
}

export function createTokenRate(): TokenRate {
  return { perSecond: 0, attempts: 0 };
}

/** Takes in an attempt that is over. A failure is a rate of 0; one without a token count only counts as made. */
export function addToRate(rate: TokenRate, { outcome, usage, durationMs }: Attempt, failed: boolean): void {
  rate.attempts++;
  if (failed) rate.perSecond *= 1 - ALPHA;
  else if (outcome === "complete" && usage !== undefined && usage.outputTokens > 0 && durationMs! > 0) {
    const sample = (usage.outputTokens * 1_000) / durationMs!;
    rate.perSecond = rate.perSecond === 0 ? sample : rate.perSecond + ALPHA * (sample - rate.perSecond);
  }
}

/**
 * The highest rate that is left for one more attempt. One that is not measured goes first; where nobody tells tokens,
 * the least loaded.
 */
export function pickThroughput(
  candidates: readonly Target[],
  rateOf: (target: Target) => TokenRate,
): Target | undefined {
  let best: Target | undefined;
  let most = 0;
  for (const target of candidates) {
    if (target.weight === 0) continue;
    const { perSecond, attempts } = rateOf(target);
    if (attempts + target.inFlight < ENOUGH) return target;
    const share = perSecond / (target.inFlight + 1);
    if (share > most) {
      most = share;
      best = target;
    }
  }
  return best ?? pickLeastConnections(candidates);
}
