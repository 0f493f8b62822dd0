import { TTL_MARGIN_MS } from "./algorithm.ts";
import type { Algorithm } from "./algorithm.ts";

/** `window` is the number of the window since the epoch, so that windows begin with the calendar's, in UTC. */
type FixedWindow = { window: number; used: number };

/**
 * Counts per calendar window. Numbers: limit, window in microseconds. Around an edge of two windows twice the limit can
 * pass in a short time, which is what a calendar quota means.
 */
export const fixedWindow: Algorithm<FixedWindow> = {
  most: ([limit]) => limit,
  advance(state, [, windowUs], nowUs) {
    const window = Math.floor(nowUs / windowUs);
    // A clock that goes back into the window before keeps what was used.
    return { window, used: state === undefined || window > state.window ? 0 : state.used };
  },
  waitUs: ({ used }, [limit, windowUs], cost, nowUs) =>
    used + cost <= limit ? 0 : windowUs - (nowUs % windowUs),
  take(state, _numbers, cost) {
    state.used += cost;
  },
  // A cost belongs to the window of its admission.
  correct(state, [, windowUs], delta, takenAtUs) {
    if (Math.floor(takenAtUs / windowUs) === state.window) state.used = Math.max(0, state.used + delta);
  },
  remaining: ({ used }, [limit]) => Math.max(0, limit - used),
  resetUs: (_state, [, windowUs], nowUs) => windowUs - (nowUs % windowUs),
  ttlMs: (_state, [, windowUs], nowUs) => Math.ceil((windowUs - (nowUs % windowUs)) / 1_000) + TTL_MARGIN_MS,
  lua: `{
    most = function(n) return n[1] end,
    advance = function(state, n, now)
      local window = math.floor(now / n[2])
      if not state.window or window > state.window then return { window = window, used = 0 } end
      return { window = window, used = state.used }
    end,
    wait_us = function(state, n, cost, now)
      if state.used + cost <= n[1] then return 0 end
      return n[2] - now % n[2]
    end,
    take = function(state, n, cost) state.used = state.used + cost end,
    correct = function(state, n, delta, taken_at)
      if math.floor(taken_at / n[2]) == state.window then state.used = math.max(0, state.used + delta) end
    end,
    remaining = function(state, n) return math.max(0, n[1] - state.used) end,
    reset_us = function(state, n, now) return n[2] - now % n[2] end,
    ttl_ms = function(state, n, now) return math.ceil((n[2] - now % n[2]) / 1000) + ${TTL_MARGIN_MS} end,
  }`,
};
