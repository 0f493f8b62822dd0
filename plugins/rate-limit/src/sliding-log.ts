import { TTL_MARGIN_MS } from "./algorithm.ts";
import type { Algorithm } from "./algorithm.ts";

/**
 * `log` has an entry of 32 digits for each call that took something: when, and the units taken up to and with it. So
 * the units of any stretch are a difference of two sums, found by halving. `base`: the sum before the first entry.
 */
type SlidingLog = { log: string; base: number };

const DIGITS = 16;
const ENTRY = 2 * DIGITS;

/**
 * The exact sliding window: at most `limit` units in any trailing window, both of its ends included. Numbers: limit,
 * window in microseconds. Costs 32 bytes for each call in the window.
 */
export const slidingLog: Algorithm<SlidingLog> = {
  most: ([limit]) => limit,
  advance(state, [, windowUs], nowUs) {
    if (state === undefined) return { log: "", base: 0 };
    const log = withoutFuture(state.log, nowUs);
    const gone = firstWhere(log, (i) => timeAt(log, i) >= nowUs - windowUs);
    if (gone === countOf(log)) return { log: "", base: 0 };
    if (gone === 0) return { log, base: state.base };
    return { log: log.slice(gone * ENTRY), base: sumAt(log, gone - 1) };
  },
  waitUs({ log, base }, [limit, windowUs], cost, nowUs) {
    const sum = totalOf(log, base);
    if (sum - base + cost <= limit) return 0;
    // The last entry that has to leave is the first with which enough has left.
    const last = firstWhere(log, (i) => sum - sumAt(log, i) + cost <= limit);
    return timeAt(log, last) + windowUs + 1 - nowUs;
  },
  take(state, _numbers, cost, nowUs) {
    if (cost > 0) state.log += toEntry(nowUs, totalOf(state.log, state.base) + cost);
  },
  correct(state, numbers, delta, takenAtUs, nowUs) {
    if (delta >= 0) slidingLog.take(state, numbers, delta, nowUs);
    else giveBack(state, -delta, takenAtUs);
  },
  remaining: ({ log, base }, [limit]) => Math.max(0, limit - (totalOf(log, base) - base)),
  resetUs({ log }, [, windowUs], nowUs) {
    const count = countOf(log);
    return count === 0 ? 0 : timeAt(log, count - 1) + windowUs + 1 - nowUs;
  },
  ttlMs: (_state, [, windowUs]) => Math.ceil(windowUs / 1_000) + TTL_MARGIN_MS,
  lua: `(function()
    local function count_of(log) return #log / ${ENTRY} end
    local function time_at(log, i) return tonumber(string.sub(log, i * ${ENTRY} + 1, i * ${ENTRY} + ${DIGITS})) end
    local function sum_at(log, i)
      return tonumber(string.sub(log, i * ${ENTRY} + ${DIGITS} + 1, (i + 1) * ${ENTRY}))
    end
    local function total_of(log, base)
      if log == '' then return base end
      return sum_at(log, count_of(log) - 1)
    end
    local function to_entry(time, sum) return string.format('%0${DIGITS}.0f%0${DIGITS}.0f', time, sum) end
    local function first_where(log, holds)
      local low, high = 0, count_of(log)
      while low < high do
        local middle = math.floor((low + high) / 2)
        if holds(middle) then high = middle else low = middle + 1 end
      end
      return low
    end
    local function without_future(log, now)
      local count = count_of(log)
      if count == 0 or time_at(log, count - 1) <= now then return log end
      local first = first_where(log, function(i) return time_at(log, i) > now end)
      local parts = { string.sub(log, 1, first * ${ENTRY}) }
      for i = first, count - 1 do parts[#parts + 1] = to_entry(now, sum_at(log, i)) end
      return table.concat(parts)
    end
    local function give_back(state, units, taken_at)
      local log, count = state.log, count_of(state.log)
      local i = first_where(log, function(i) return time_at(log, i) >= taken_at end)
      while i < count and time_at(log, i) == taken_at do
        local before = state.base
        if i > 0 then before = sum_at(log, i - 1) end
        if sum_at(log, i) - before >= units then
          local parts = { string.sub(log, 1, i * ${ENTRY}) }
          for j = i, count - 1 do parts[#parts + 1] = to_entry(time_at(log, j), sum_at(log, j) - units) end
          state.log = table.concat(parts)
          return
        end
        i = i + 1
      end
    end
    local function take(state, n, cost, now)
      if cost > 0 then state.log = state.log .. to_entry(now, total_of(state.log, state.base) + cost) end
    end
    return {
      most = function(n) return n[1] end,
      advance = function(state, n, now)
        if not state.log then return { log = '', base = 0 } end
        local log = without_future(state.log, now)
        local gone = first_where(log, function(i) return time_at(log, i) >= now - n[2] end)
        if gone == count_of(log) then return { log = '', base = 0 } end
        if gone == 0 then return { log = log, base = state.base } end
        return { log = string.sub(log, gone * ${ENTRY} + 1), base = sum_at(log, gone - 1) }
      end,
      wait_us = function(state, n, cost, now)
        local log = state.log
        local sum = total_of(log, state.base)
        if sum - state.base + cost <= n[1] then return 0 end
        local last = first_where(log, function(i) return sum - sum_at(log, i) + cost <= n[1] end)
        return time_at(log, last) + n[2] + 1 - now
      end,
      take = take,
      correct = function(state, n, delta, taken_at, now)
        if delta >= 0 then take(state, n, delta, now) else give_back(state, -delta, taken_at) end
      end,
      remaining = function(state, n) return math.max(0, n[1] - (total_of(state.log, state.base) - state.base)) end,
      reset_us = function(state, n, now)
        local count = count_of(state.log)
        if count == 0 then return 0 end
        return time_at(state.log, count - 1) + n[2] + 1 - now
      end,
      ttl_ms = function(state, n) return math.ceil(n[2] / 1000) + ${TTL_MARGIN_MS} end,
    }
  end)()`,
};

const countOf = (log: string): number => log.length / ENTRY;
const timeAt = (log: string, i: number): number => Number(log.slice(i * ENTRY, i * ENTRY + DIGITS));
const sumAt = (log: string, i: number): number => Number(log.slice(i * ENTRY + DIGITS, (i + 1) * ENTRY));
const totalOf = (log: string, base: number): number => (log === "" ? base : sumAt(log, countOf(log) - 1));

function toEntry(timeUs: number, sum: number): string {
  return String(timeUs).padStart(DIGITS, "0") + String(sum).padStart(DIGITS, "0");
}

/** The first entry for which `holds`, which holds for all after it too; the count when for none. */
function firstWhere(log: string, holds: (i: number) => boolean): number {
  let low = 0;
  let high = countOf(log);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** After a clock went back, what lies ahead of it counts as of now: it must not be held against anybody for longer. */
function withoutFuture(log: string, nowUs: number): string {
  const count = countOf(log);
  if (count === 0 || timeAt(log, count - 1) <= nowUs) return log;
  const first = firstWhere(log, (i) => timeAt(log, i) > nowUs);
  let rewritten = log.slice(0, first * ENTRY);
  for (let i = first; i < count; i++) rewritten += toEntry(nowUs, sumAt(log, i));
  return rewritten;
}

/** Lowers the entry of that time, if it is still there; several may have come in one microsecond. */
function giveBack(state: SlidingLog, units: number, takenAtUs: number): void {
  const { log, base } = state;
  const count = countOf(log);
  for (let i = firstWhere(log, (i) => timeAt(log, i) >= takenAtUs); i < count; i++) {
    if (timeAt(log, i) !== takenAtUs) return;
    const before = i === 0 ? base : sumAt(log, i - 1);
    if (sumAt(log, i) - before < units) continue;
    state.log = log.slice(0, i * ENTRY);
    for (let j = i; j < count; j++) state.log += toEntry(timeAt(log, j), sumAt(log, j) - units);
    return;
  }
}
