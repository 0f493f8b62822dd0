import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect } from "vitest";
import { createState } from "../../core/src/state/create-state.ts";
import type { StateRoot } from "../../core/src/state/create-state.ts";
import { defineAtomicOp } from "../../core/src/state/state.ts";
import type { AtomicOp, AtomicRecord } from "../../core/src/state/state.ts";
import { startRedis } from "./redis.ts";
import type { TestRedis } from "./redis.ts";

type Values = readonly (number | string)[];
export type AnyOp = AtomicOp<AtomicRecord, Values, Values>;

export interface OpArbitraries<A extends Values> {
  args: fc.Arbitrary<A>;
  /** Keys of one call, out of a few names shared by all calls of a history. Default: one of `a`, `b`, `c`. */
  keys?: fc.Arbitrary<readonly string[]>;
}

/** One op of a history of several, such as acquire and release on the same keys. */
export interface OpCase extends OpArbitraries<Values> {
  op: AnyOp;
}

export interface HistoryOptions {
  /** Time between two calls, in microseconds, 0 included. Default: anything from 0 to 2 s, often short. */
  stepUs?: fc.Arbitrary<number>;
  /** Histories tried. @default 60 */
  runs?: number;
  seed?: number;
}

const START_US = 1_700_000_000_000_000;
/** Longer than any test: records must not go by the real time of Redis while the history has its own. */
const REAL_TTL_MS = 3_600_000;

let redis: TestRedis;
let dir: string;
const roots: StateRoot[] = [];
/** Each history has its own records. */
let histories = 0;

// The stores live as long as the test file that imports this suite.
beforeAll(async () => {
  redis = await startRedis();
  dir = await mkdtemp(join(tmpdir(), "gatewright-ops-"));
  roots.push(
    await createState({ driver: "memory" }),
    await createState({ driver: "file", dir }),
    await createState({ driver: "redis", url: redis.url, timeoutMs: 5_000 }),
  );
});

afterAll(async () => {
  for (const root of roots) await root.close();
  await redis.stop();
  await rm(dir, { recursive: true });
});

/**
 * Proves that an op's reducer and its Lua are the same function: random histories of calls and of time give the same
 * results, the same states and the same times to live in memory, in a file and in a real Redis. Also that the reducer
 * changes none of its inputs.
 */
export async function expectReducerEqualsLua<S extends AtomicRecord, A extends Values, R extends Values>(
  op: AtomicOp<S, A, R>,
  arbitraries: OpArbitraries<A>,
  options?: HistoryOptions,
): Promise<void> {
  const opCase = { op, ...arbitraries } as unknown as OpCase;
  await expectHistoriesEqual([opCase], options);
}

/** The same for several ops that work on the same keys. */
export async function expectHistoriesEqual(
  cases: readonly OpCase[],
  options: HistoryOptions = {},
): Promise<void> {
  const { stepUs = defaultSteps(), runs = 60, seed = 20_240_229 } = options;
  const timed = cases.map(({ op }) => atGivenTime(op));
  const call = fc.oneof(
    ...cases.map(({ args, keys = fc.constantFrom(["a"], ["b"], ["c"]) }, index) =>
      fc.record({ index: fc.constant(index), keys, args, stepUs }),
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 40 }), async (calls) => {
      const scope = `history-${++histories}`;
      const states = roots.map((root) => root.scoped(scope));
      const touched = new Set<string>();
      let nowUs = START_US;
      for (const { index, keys, args, stepUs } of calls) {
        nowUs += stepUs;
        for (const key of keys) touched.add(key);
        const results = [];
        for (const state of states) results.push(await state.run(timed[index]!, keys, [nowUs, ...args]));
        expectAllEqual(results);
      }
      for (const key of touched) {
        const records = [];
        for (const state of states) records.push(await state.run(peek, [key], []));
        expectAllEqual(records);
      }
    }),
    { numRuns: runs, seed },
  );
}

function defaultSteps(): fc.Arbitrary<number> {
  return fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 2_000_000 }));
}

/** All stores answered as the first did; negative zero counts as zero. */
function expectAllEqual(answers: readonly Values[]): void {
  const [first, ...others] = answers.map((values) => values.map((value) => (value === 0 ? 0 : value)));
  for (const value of first!) if (typeof value === "number") expect(Number.isFinite(value)).toBe(true);
  for (const other of others) expect(other).toEqual(first);
}

/**
 * The op with its time as first argument, so that both sides can be given the same one. Expiry then follows that time
 * too: it stands in the record as `_expires`, which is also how times to live are compared.
 */
function atGivenTime(op: AnyOp): AnyOp {
  return defineAtomicOp<AtomicRecord, Values, Values>({
    name: `${op.name} at a given time`,
    durable: op.durable,
    reduce(states, args) {
      const [now, ...rest] = args;
      const nowUs = now as number;
      const alive = states.map((state) => {
        if (state === undefined || (state._expires as number) <= nowUs) return undefined;
        const { _expires, ...own } = state;
        return Object.freeze(own);
      });
      const step = op.reduce(Object.freeze(alive), Object.freeze(rest), nowUs);
      return {
        states: step.states.map(
          (state, i) => state && { ...state, _expires: nowUs + step.ttlMs[i]! * 1_000 },
        ),
        result: step.result,
        ttlMs: step.ttlMs.map(() => REAL_TTL_MS),
      };
    },
    lua: `
      local now = table.remove(args, 1)
      for i = 1, #states do
        local expires = states[i]._expires
        states[i]._expires = nil
        if expires and expires <= now then states[i] = {} end
      end
      local function inner(states, args, now_us)
        ${op.lua}
      end
      local next_states, result, ttl_ms = inner(states, args, now)
      for i = 1, #ttl_ms do
        if next_states[i] then next_states[i]._expires = now + ttl_ms[i] * 1000 end
        ttl_ms[i] = ${REAL_TTL_MS}
      end
      return next_states, result, ttl_ms`,
  });
}

/** All fields of one record, by name. */
const peek = defineAtomicOp<AtomicRecord, [], Values>({
  name: "peek",
  reduce([state]) {
    const fields = Object.entries(state ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    return { states: [state ?? null], result: fields.flat(), ttlMs: [REAL_TTL_MS] };
  },
  lua: `
    local names = {}
    for name in pairs(states[1]) do names[#names + 1] = name end
    table.sort(names)
    local result = {}
    for _, name in ipairs(names) do
      result[#result + 1] = name
      result[#result + 1] = states[1][name]
    end
    return { names[1] and states[1] or false }, result, { ${REAL_TTL_MS} }`,
});
