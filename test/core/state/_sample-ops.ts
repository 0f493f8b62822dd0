import { defineAtomicOp } from "../../../core/src/index.ts";

/** Up to `limit` for all keys together or none: adds `by` to each. Result: admitted (1 or 0), then each count. */
export const countAll = defineAtomicOp<
  { count: number },
  [by: number, limit: number, ttlMs: number],
  number[]
>({
  name: "count-all",
  reduce(states, [by, limit, ttlMs]) {
    const counts = states.map((state) => state?.count ?? 0);
    const fits = counts.every((count) => count + by <= limit);
    const next = fits ? counts.map((count) => count + by) : counts;
    return {
      states: next.map((count) => ({ count })),
      result: [fits ? 1 : 0, ...next],
      ttlMs: next.map(() => ttlMs),
    };
  },
  lua: `
    local by, limit = args[1], args[2]
    local fits = true
    for i = 1, #states do
      states[i] = { count = states[i].count or 0 }
      if states[i].count + by > limit then fits = false end
    end
    local result, ttl_ms = { fits and 1 or 0 }, {}
    for i = 1, #states do
      if fits then states[i].count = states[i].count + by end
      result[i + 1] = states[i].count
      ttl_ms[i] = args[3]
    end
    return states, result, ttl_ms`,
});

/** The same on disk before it is acknowledged. */
export const countDurably = defineAtomicOp({ ...countAll, name: "count-durably", durable: true });

/** Token bucket as GCRA in whole microseconds, so that no remainder is lost. Result: admitted, and the wait in microseconds. */
export const tokenBucket = defineAtomicOp<
  { tat: number },
  [periodUs: number, burst: number, cost: number],
  [number, number]
>({
  name: "token-bucket",
  reduce([state], [periodUs, burst, cost], nowUs) {
    const room = burst * periodUs;
    const tat = Math.min(Math.max(state?.tat ?? 0, nowUs), nowUs + room);
    const next = tat + cost * periodUs;
    const waitUs = Math.max(0, next - room - nowUs);
    const kept = waitUs > 0 ? tat : next;
    return {
      states: [{ tat: kept }],
      result: [waitUs > 0 ? 0 : 1, waitUs],
      ttlMs: [Math.floor((kept - nowUs) / 1_000) + 1],
    };
  },
  lua: `
    local period_us, burst, cost = args[1], args[2], args[3]
    local room = burst * period_us
    local tat = math.min(math.max(states[1].tat or 0, now_us), now_us + room)
    local next_tat = tat + cost * period_us
    local wait_us = math.max(0, next_tat - room - now_us)
    local kept = wait_us > 0 and tat or next_tat
    return { { tat = kept } }, { wait_us > 0 and 0 or 1, wait_us }, { math.floor((kept - now_us) / 1000) + 1 }`,
});

type Slots = Record<string, number>;

/** Takes a slot under a lease, one field an owner. Result: taken, slots in use. */
export const acquireSlot = defineAtomicOp<
  Slots,
  [owner: string, limit: number, leaseMs: number],
  [number, number]
>({
  name: "acquire-slot",
  reduce([state], [owner, limit, leaseMs], nowUs) {
    const held = Object.entries(state ?? {}).filter(([name, untilUs]) => untilUs > nowUs && name !== owner);
    const slots = Object.fromEntries(held);
    const taken = held.length < limit;
    if (taken) slots[owner] = nowUs + leaseMs * 1_000;
    const used = held.length + (taken ? 1 : 0);
    return { states: [used > 0 ? slots : null], result: [taken ? 1 : 0, used], ttlMs: [leaseMs] };
  },
  lua: `
    local owner, limit, lease_ms = args[1], args[2], args[3]
    local slots, held = {}, 0
    for name, until_us in pairs(states[1]) do
      if until_us > now_us and name ~= owner then
        slots[name] = until_us
        held = held + 1
      end
    end
    local taken = held < limit
    if taken then
      slots[owner] = now_us + lease_ms * 1000
      held = held + 1
    end
    return { held > 0 and slots or false }, { taken and 1 or 0, held }, { lease_ms }`,
});

/** Gives a slot back; the last one removes the record. Result: slots left. */
export const releaseSlot = defineAtomicOp<Slots, [owner: string, leaseMs: number], [number]>({
  name: "release-slot",
  reduce([state], [owner, leaseMs]) {
    const left = Object.entries(state ?? {}).filter(([name]) => name !== owner);
    return {
      states: [left.length > 0 ? Object.fromEntries(left) : null],
      result: [left.length],
      ttlMs: [leaseMs],
    };
  },
  lua: `
    states[1][args[1]] = nil
    local left = 0
    for _ in pairs(states[1]) do left = left + 1 end
    return { left > 0 and states[1] or false }, { left }, { args[2] }`,
});

/** Keeps the last text and a number beside it, and answers with both as they were before. */
export const swap = defineAtomicOp<
  { text: string; number: number },
  [text: string, number: number],
  [string, number]
>({
  name: "swap",
  reduce([state], [text, number]) {
    return { states: [{ text, number }], result: [state?.text ?? "", state?.number ?? 0], ttlMs: [60_000] };
  },
  lua: `
    local before = { states[1].text or '', states[1].number or 0 }
    return { { text = args[1], number = args[2] } }, before, { 60000 }`,
});

/** An exponentially weighted mean: doubles whose last bit must survive. */
export const smooth = defineAtomicOp<{ mean: number }, [sample: number, weight: number], [number]>({
  name: "smooth",
  reduce([state], [sample, weight]) {
    const mean = state === undefined ? sample : state.mean + (sample - state.mean) * weight;
    return { states: [{ mean }], result: [mean], ttlMs: [60_000] };
  },
  lua: `
    local mean = states[1].mean
    if mean then mean = mean + (args[1] - mean) * args[2] else mean = args[1] end
    return { { mean = mean } }, { mean }, { 60000 }`,
});
