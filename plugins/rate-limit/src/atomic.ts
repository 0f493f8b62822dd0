import { defineAtomicOp } from "gatewright";
import type { AtomicOp, AtomicRecord } from "gatewright";
import type { Algorithm, Numbers } from "./algorithm.ts";
import { bucket } from "./bucket.ts";
import { fixedWindow } from "./fixed-window.ts";
import { slidingCounters } from "./sliding-counters.ts";
import { slidingLog } from "./sliding-log.ts";
import { warmUp } from "./warm-up.ts";

/** All ways to count. A limit names its own by its place here. */
const ALGORITHMS: readonly Algorithm<AtomicRecord>[] = [
  bucket,
  warmUp,
  slidingLog,
  slidingCounters,
  fixedWindow,
];

export const BUCKET = 0;
export const WARM_UP = 1;
export const SLIDING_LOG = 2;
export const SLIDING_COUNTERS = 3;
export const FIXED_WINDOW = 4;

/** Arguments of one limit: algorithm, its three numbers, cost. */
const ADMIT_ARGS = 5;
/** Arguments of one limit: algorithm, its three numbers, difference, time of admission. */
const CORRECT_ARGS = 6;
/** Before the figures of the limits, the result has: admitted (1 or 0), the store's time in microseconds. */
export const ADMIT_HEAD = 2;
/** Figures of one limit: remaining, microseconds to reset, microseconds to wait. */
export const ADMIT_FIGURES = 3;
/** The wait of what is above the limit itself. */
export const NEVER = -1;

type Op = AtomicOp<AtomicRecord, readonly number[], readonly number[]>;

const LUA_ALGORITHMS = `local algorithms = { ${ALGORITHMS.map(({ lua }) => lua).join(",\n")} }`;

function numbersAt(args: readonly number[], at: number): Numbers {
  return [args[at + 1]!, args[at + 2]!, args[at + 3]!];
}

/** Takes the cost of each limit if all have room for theirs, else nothing of any: all limits of a request at once. */
export const admit: Op = defineAtomicOp<AtomicRecord, readonly number[], readonly number[]>({
  name: "rate-limit admit",
  reduce(states, args, nowUs) {
    const next: AtomicRecord[] = [];
    const waits: number[] = [];
    let admitted = true;
    for (let i = 0; i < states.length; i++) {
      const at = i * ADMIT_ARGS;
      const algorithm = ALGORITHMS[args[at]!]!;
      const numbers = numbersAt(args, at);
      const cost = args[at + 4]!;
      const state = algorithm.advance(states[i], numbers, nowUs);
      const wait = cost > algorithm.most(numbers) ? NEVER : algorithm.waitUs(state, numbers, cost, nowUs);
      if (wait !== 0) admitted = false;
      next.push(state);
      waits.push(wait);
    }
    const result = [admitted ? 1 : 0, nowUs];
    const ttlMs: number[] = [];
    for (let i = 0; i < states.length; i++) {
      const at = i * ADMIT_ARGS;
      const algorithm = ALGORITHMS[args[at]!]!;
      const numbers = numbersAt(args, at);
      const state = next[i]!;
      if (admitted) algorithm.take(state, numbers, args[at + 4]!, nowUs);
      result.push(
        algorithm.remaining(state, numbers, nowUs),
        algorithm.resetUs(state, numbers, nowUs),
        waits[i]!,
      );
      ttlMs.push(algorithm.ttlMs(state, numbers, nowUs));
    }
    return { states: next, result, ttlMs };
  },
  lua: `
    ${LUA_ALGORITHMS}
    local function limit_at(i)
      local at = (i - 1) * ${ADMIT_ARGS}
      return algorithms[args[at + 1] + 1], { args[at + 2], args[at + 3], args[at + 4] }, args[at + 5]
    end
    local next_states, waits, admitted = {}, {}, true
    for i = 1, #states do
      local algorithm, numbers, cost = limit_at(i)
      next_states[i] = algorithm.advance(states[i], numbers, now_us)
      waits[i] = ${NEVER}
      if cost <= algorithm.most(numbers) then
        waits[i] = algorithm.wait_us(next_states[i], numbers, cost, now_us)
      end
      if waits[i] ~= 0 then admitted = false end
    end
    local result, ttl_ms = { admitted and 1 or 0, now_us }, {}
    for i = 1, #states do
      local algorithm, numbers, cost = limit_at(i)
      local state = next_states[i]
      if admitted then algorithm.take(state, numbers, cost, now_us) end
      result[#result + 1] = algorithm.remaining(state, numbers, now_us)
      result[#result + 1] = algorithm.reset_us(state, numbers, now_us)
      result[#result + 1] = waits[i]
      ttl_ms[i] = algorithm.ttl_ms(state, numbers, now_us)
    end
    return next_states, result, ttl_ms`,
});

/** Sets right, once it is known, how much an admitted request used of each limit. */
export const correct: Op = defineAtomicOp<AtomicRecord, readonly number[], readonly number[]>({
  name: "rate-limit correct",
  reduce(states, args, nowUs) {
    const next: AtomicRecord[] = [];
    const ttlMs: number[] = [];
    for (let i = 0; i < states.length; i++) {
      const at = i * CORRECT_ARGS;
      const algorithm = ALGORITHMS[args[at]!]!;
      const numbers = numbersAt(args, at);
      const state = algorithm.advance(states[i], numbers, nowUs);
      algorithm.correct(state, numbers, args[at + 4]!, args[at + 5]!, nowUs);
      next.push(state);
      ttlMs.push(algorithm.ttlMs(state, numbers, nowUs));
    }
    return { states: next, result: [], ttlMs };
  },
  lua: `
    ${LUA_ALGORITHMS}
    local next_states, ttl_ms = {}, {}
    for i = 1, #states do
      local at = (i - 1) * ${CORRECT_ARGS}
      local algorithm = algorithms[args[at + 1] + 1]
      local numbers = { args[at + 2], args[at + 3], args[at + 4] }
      local state = algorithm.advance(states[i], numbers, now_us)
      algorithm.correct(state, numbers, args[at + 5], args[at + 6], now_us)
      next_states[i] = state
      ttl_ms[i] = algorithm.ttl_ms(state, numbers, now_us)
    end
    return next_states, {}, ttl_ms`,
});
