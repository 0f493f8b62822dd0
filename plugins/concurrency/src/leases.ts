import { defineAtomicOp } from "gatewright";

/** When each slot that is taken runs out, in microseconds, by the slot's id. */
type Leases = Record<string, number>;

function running(leases: Leases | undefined, nowUs: number): Leases {
  return Object.fromEntries(Object.entries(leases ?? {}).filter(([, untilUs]) => untilUs > nowUs));
}

const LUA_RUNNING = `
    local leases, count = {}, 0
    for id, until_us in pairs(states[1]) do
      if until_us > now_us then leases[id] = until_us count = count + 1 end
    end`;

/** Takes the slot `id` if fewer than `max` are taken: 1, else 0. */
export const takeLease = defineAtomicOp<
  Leases,
  readonly [id: string, max: number, leaseMs: number],
  [number]
>({
  name: "concurrency take",
  reduce([state], [id, max, leaseMs], nowUs) {
    const leases = running(state, nowUs);
    const fits = Object.keys(leases).length < max;
    if (fits) leases[id] = nowUs + leaseMs * 1_000;
    return { states: [leases], result: [fits ? 1 : 0], ttlMs: [leaseMs] };
  },
  lua: `${LUA_RUNNING}
    local fits = count < args[2]
    if fits then leases[args[1]] = now_us + args[3] * 1000 end
    return { leases }, { fits and 1 or 0 }, { args[3] }`,
});

/** Gives a slot back; one that has run out already is no matter. */
export const giveLease = defineAtomicOp<Leases, readonly [id: string, leaseMs: number], []>({
  name: "concurrency give",
  reduce([state], [id, leaseMs], nowUs) {
    const { [id]: _given, ...left } = running(state, nowUs);
    return { states: [Object.keys(left).length > 0 ? left : null], result: [], ttlMs: [leaseMs] };
  },
  lua: `${LUA_RUNNING}
    leases[args[1]] = nil
    return { next(leases) and leases or false }, {}, { args[2] }`,
});

/**
 * Makes the leases of one process those that it names. The first `held` of `ids` hold for another lease, also where the
 * store has lost them; the others, which are being asked for, stay as they are; what else the process has goes: the
 * store took it without being able to say so, or could not be told that it was given back.
 */
export const renewLeases = defineAtomicOp<
  Leases,
  readonly [leaseMs: number, process: string, held: number, ...ids: string[]],
  []
>({
  name: "concurrency renew",
  reduce([state], [leaseMs, process, held, ...ids], nowUs) {
    const named = new Set(ids);
    const leases = Object.fromEntries(
      Object.entries(running(state, nowUs)).filter(([id]) => named.has(id) || !id.startsWith(process)),
    );
    for (const id of ids.slice(0, held)) leases[id] = nowUs + leaseMs * 1_000;
    return { states: [Object.keys(leases).length > 0 ? leases : null], result: [], ttlMs: [leaseMs] };
  },
  lua: `${LUA_RUNNING}
    local lease_ms, process, held = args[1], args[2], args[3]
    local named = {}
    for i = 4, #args do named[args[i]] = true end
    for id in pairs(leases) do
      if not named[id] and string.sub(id, 1, #process) == process then leases[id] = nil end
    end
    for i = 4, 3 + held do leases[args[i]] = now_us + lease_ms * 1000 end
    return { next(leases) and leases or false }, {}, { lease_ms }`,
});
