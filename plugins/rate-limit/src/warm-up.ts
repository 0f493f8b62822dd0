import { TTL_MARGIN_MS } from "./algorithm.ts";
import type { Algorithm, Numbers } from "./algorithm.ts";

/** `tokens` in millionths of a unit; `since`: when the first call came. */
type WarmUp = { tokens: number; at: number; since: number };

const UNIT = 1_000_000;

/**
 * A token bucket that starts cold: it holds what one second gives at the starting rate of 1/s, and its refill rises
 * linearly from there to the full rate. Numbers: units a second (as millionths a microsecond), capacity, length of the
 * warm-up in microseconds. Refills are differences of one rounded running sum, so that no remainder is lost.
 */
export const warmUp: Algorithm<WarmUp> = {
  most: ([, capacity]) => capacity,
  advance(state, numbers, nowUs) {
    if (state === undefined) return { tokens: startRate(numbers) * UNIT, at: nowUs, since: nowUs };
    // A clock that goes back takes the start along: what is warm stays so.
    const since = state.since - Math.max(0, state.at - nowUs);
    const at = Math.min(state.at, nowUs);
    const refill = refilled(nowUs - since, numbers) - refilled(at - since, numbers);
    return { tokens: Math.min(numbers[1] * UNIT, state.tokens + refill), at: nowUs, since };
  },
  waitUs: (state, numbers, cost, nowUs) => untilTokens(cost * UNIT, state, numbers, nowUs),
  take(state, _numbers, cost) {
    state.tokens -= cost * UNIT;
  },
  correct(state, [, capacity], delta) {
    state.tokens = Math.min(capacity * UNIT, state.tokens - delta * UNIT);
  },
  remaining: ({ tokens }) => Math.max(0, Math.floor(tokens / UNIT)),
  resetUs: (state, numbers, nowUs) => untilTokens(numbers[1] * UNIT, state, numbers, nowUs),
  ttlMs(state, numbers, nowUs) {
    const fullUs = untilTokens(numbers[1] * UNIT, state, numbers, nowUs);
    return Math.ceil((numbers[2] + fullUs) / 1_000) + TTL_MARGIN_MS;
  },
  lua: `(function()
    local UNIT = ${UNIT}
    local function start_rate(n) return math.min(1, n[1]) end
    local function refilled(us, n)
      local from, to, warm = start_rate(n), n[1], n[3]
      if us >= warm then return math.floor((from + to) / 2 * warm + to * (us - warm)) end
      return math.floor(from * us + (to - from) * us * us / (2 * warm))
    end
    local function until_tokens(tokens, state, n, now)
      local need = tokens - state.tokens
      if need <= 0 then return 0 end
      local passed = now - state.since
      local before = refilled(passed, n)
      local low, high = 1, math.ceil((need + 1) / start_rate(n)) + 1
      while low < high do
        local middle = math.floor((low + high) / 2)
        if refilled(passed + middle, n) - before >= need then high = middle else low = middle + 1 end
      end
      return low
    end
    return {
      most = function(n) return n[2] end,
      advance = function(state, n, now)
        if not state.at then return { tokens = start_rate(n) * UNIT, at = now, since = now } end
        local since = state.since - math.max(0, state.at - now)
        local at = math.min(state.at, now)
        local refill = refilled(now - since, n) - refilled(at - since, n)
        return { tokens = math.min(n[2] * UNIT, state.tokens + refill), at = now, since = since }
      end,
      wait_us = function(state, n, cost, now) return until_tokens(cost * UNIT, state, n, now) end,
      take = function(state, n, cost) state.tokens = state.tokens - cost * UNIT end,
      correct = function(state, n, delta)
        state.tokens = math.min(n[2] * UNIT, state.tokens - delta * UNIT)
      end,
      remaining = function(state) return math.max(0, math.floor(state.tokens / UNIT)) end,
      reset_us = function(state, n, now) return until_tokens(n[2] * UNIT, state, n, now) end,
      ttl_ms = function(state, n, now)
        local full = until_tokens(n[2] * UNIT, state, n, now)
        return math.ceil((n[3] + full) / 1000) + ${TTL_MARGIN_MS}
      end,
    }
  end)()`,
};

/** 1 unit a second, or the full rate where that is lower. */
function startRate([rate]: Numbers): number {
  return Math.min(1, rate);
}

/** Millionths given in the first `us` microseconds: the area below the rising rate. */
function refilled(us: number, numbers: Numbers): number {
  const [to, , warmUs] = numbers;
  const from = startRate(numbers);
  if (us >= warmUs) return Math.floor(((from + to) / 2) * warmUs + to * (us - warmUs));
  return Math.floor(from * us + ((to - from) * us * us) / (2 * warmUs));
}

/** Searched, not solved for: a root of the square would be off by its rounding, and a client told to come too early. */
function untilTokens(tokens: number, state: WarmUp, numbers: Numbers, nowUs: number): number {
  const need = tokens - state.tokens;
  if (need <= 0) return 0;
  const passedUs = nowUs - state.since;
  const before = refilled(passedUs, numbers);
  let low = 1;
  let high = Math.ceil((need + 1) / startRate(numbers)) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (refilled(passedUs + middle, numbers) - before >= need) high = middle;
    else low = middle + 1;
  }
  return low;
}
