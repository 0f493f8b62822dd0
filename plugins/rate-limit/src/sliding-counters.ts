import { TTL_MARGIN_MS } from "./algorithm.ts";
import type { Algorithm } from "./algorithm.ts";

/** `window` is the number of the calendar window that `current` counts; `previous` counts the one before. */
type Counters = { window: number; current: number; previous: number };

/**
 * The sliding window by two counters: of the previous calendar window the share counts that the trailing window still
 * covers, as if its units had come evenly. An approximation: where they came late, nearly twice the limit can pass in
 * one window. Numbers: limit, window in microseconds.
 */
export const slidingCounters: Algorithm<Counters> = {
  most: ([limit]) => limit,
  advance(state, [, windowUs], nowUs) {
    const window = Math.floor(nowUs / windowUs);
    if (state === undefined || window > state.window + 1) return { window, current: 0, previous: 0 };
    if (window === state.window + 1) return { window, current: 0, previous: state.current };
    return { window, current: state.current, previous: state.previous };
  },
  waitUs({ current, previous }, [limit, windowUs], cost, nowUs) {
    const at = nowUs % windowUs;
    const room = limit - cost - current;
    if (room >= 0) return Math.max(0, firstCovered(previous, room, windowUs) - at);
    return windowUs - at + firstCovered(current, limit - cost, windowUs);
  },
  take(state, _numbers, cost) {
    state.current += cost;
  },
  correct(state, [, windowUs], delta, takenAtUs) {
    const window = Math.floor(takenAtUs / windowUs);
    if (delta > 0 || window === state.window) state.current = Math.max(0, state.current + delta);
    else if (window === state.window - 1) state.previous = Math.max(0, state.previous + delta);
  },
  remaining({ current, previous }, [limit, windowUs], nowUs) {
    const share = (previous * (windowUs - (nowUs % windowUs))) / windowUs;
    return Math.max(0, limit - current - Math.ceil(share));
  },
  resetUs({ current, previous }, [, windowUs], nowUs) {
    const at = nowUs % windowUs;
    if (current > 0) return 2 * windowUs - at;
    return previous > 0 ? windowUs - at : 0;
  },
  ttlMs: (_state, [, windowUs]) => Math.ceil((2 * windowUs) / 1_000) + TTL_MARGIN_MS,
  lua: `(function()
    local function first_covered(units, room, window)
      if units <= room then return 0 end
      local at = math.ceil(window - room * window / units)
      while units * (window - at) > room * window do at = at + 1 end
      return at
    end
    return {
      most = function(n) return n[1] end,
      advance = function(state, n, now)
        local window = math.floor(now / n[2])
        if not state.window or window > state.window + 1 then
          return { window = window, current = 0, previous = 0 }
        end
        if window == state.window + 1 then return { window = window, current = 0, previous = state.current } end
        return { window = window, current = state.current, previous = state.previous }
      end,
      wait_us = function(state, n, cost, now)
        local at = now % n[2]
        local room = n[1] - cost - state.current
        if room >= 0 then return math.max(0, first_covered(state.previous, room, n[2]) - at) end
        return n[2] - at + first_covered(state.current, n[1] - cost, n[2])
      end,
      take = function(state, n, cost) state.current = state.current + cost end,
      correct = function(state, n, delta, taken_at)
        local window = math.floor(taken_at / n[2])
        if delta > 0 or window == state.window then state.current = math.max(0, state.current + delta)
        elseif window == state.window - 1 then state.previous = math.max(0, state.previous + delta) end
      end,
      remaining = function(state, n, now)
        local share = state.previous * (n[2] - now % n[2]) / n[2]
        return math.max(0, n[1] - state.current - math.ceil(share))
      end,
      reset_us = function(state, n, now)
        local at = now % n[2]
        if state.current > 0 then return 2 * n[2] - at end
        if state.previous > 0 then return n[2] - at end
        return 0
      end,
      ttl_ms = function(state, n) return math.ceil(2 * n[2] / 1000) + ${TTL_MARGIN_MS} end,
    }
  end)()`,
};

/** Where in a window the share of `units` from the window before has fallen to `room`. */
function firstCovered(units: number, room: number, windowUs: number): number {
  if (units <= room) return 0;
  let at = Math.ceil(windowUs - (room * windowUs) / units);
  // The quotient is rounded; the rule itself is not.
  while (units * (windowUs - at) > room * windowUs) at++;
  return at;
}
