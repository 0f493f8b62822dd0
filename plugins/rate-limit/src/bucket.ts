import { TTL_MARGIN_MS } from "./algorithm.ts";
import type { Algorithm } from "./algorithm.ts";

/**
 * `owed` is what has been taken and has not flowed back, in units × `price`; each microsecond `refill` of it flows
 * back. As both are whole numbers, no remainder of a refill is ever lost. The price is kept for the day it changes.
 */
type Bucket = { owed: number; price: number; at: number };

/**
 * The token bucket that starts full and the leaky bucket as a meter (ITU-T I.371, annex A): they are one algorithm,
 * seen from either side, for what is missing in the one is the level of the other. Any interval t admits at most
 * capacity + floor(t × rate) units. Numbers: refill per microsecond, price of a unit, price of the whole bucket.
 *
 * A clock that goes back gives nothing, and takes nothing but the time it went back.
 */
export const bucket: Algorithm<Bucket> = {
  most: ([, price, full]) => full / price,
  advance(state, [refill, price], nowUs) {
    if (state === undefined) return { owed: 0, price, at: nowUs };
    const owed = state.price === price ? state.owed : Math.ceil((state.owed / state.price) * price);
    const elapsedUs = Math.max(0, nowUs - state.at);
    return { owed: Math.max(0, owed - elapsedUs * refill), price, at: nowUs };
  },
  waitUs({ owed }, [refill, price, full], cost) {
    return Math.max(0, Math.ceil((owed + cost * price - full) / refill));
  },
  take(state, [, price], cost) {
    state.owed += cost * price;
  },
  correct(state, [, price], delta) {
    state.owed = Math.max(0, state.owed + delta * price);
  },
  remaining: ({ owed }, [, price, full]) => Math.max(0, Math.floor((full - owed) / price)),
  resetUs: ({ owed }, [refill]) => Math.ceil(owed / refill),
  ttlMs: ({ owed }, [refill]) => Math.ceil(owed / refill / 1_000) + TTL_MARGIN_MS,
  lua: `{
    most = function(n) return n[3] / n[2] end,
    advance = function(state, n, now)
      if not state.at then return { owed = 0, price = n[2], at = now } end
      local owed = state.owed
      if state.price ~= n[2] then owed = math.ceil(state.owed / state.price * n[2]) end
      local elapsed = math.max(0, now - state.at)
      return { owed = math.max(0, owed - elapsed * n[1]), price = n[2], at = now }
    end,
    wait_us = function(state, n, cost)
      return math.max(0, math.ceil((state.owed + cost * n[2] - n[3]) / n[1]))
    end,
    take = function(state, n, cost) state.owed = state.owed + cost * n[2] end,
    correct = function(state, n, delta) state.owed = math.max(0, state.owed + delta * n[2]) end,
    remaining = function(state, n) return math.max(0, math.floor((n[3] - state.owed) / n[2])) end,
    reset_us = function(state, n) return math.ceil(state.owed / n[1]) end,
    ttl_ms = function(state, n) return math.ceil(state.owed / n[1] / 1000) + ${TTL_MARGIN_MS} end,
  }`,
};
