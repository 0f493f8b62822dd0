import { defineAtomicOp } from "gatewright";

/** What is kept of a key: the request it stands for, who runs it, and for how long it is held. */
type Claim = {
  fingerprint: string;
  /** Empty once there is an answer. */
  owner: string;
  untilUs: number;
};

/** `mine`: the key is claimed for this request; `other`: it stands for another one. */
export type ClaimResult = "mine" | "running" | "answered" | "other";

/** Takes a free key, or says who has it, which changes nothing. */
export const claim = defineAtomicOp<
  Claim,
  readonly [fingerprint: string, owner: string, forMs: number],
  [ClaimResult]
>({
  name: "idempotency-key claim",
  durable: true,
  reduce([held], [fingerprint, owner, forMs], nowUs) {
    if (!held || held.untilUs <= nowUs) {
      const untilUs = nowUs + forMs * 1_000;
      return { states: [{ fingerprint, owner, untilUs }], result: ["mine"], ttlMs: [forMs] };
    }
    const result = held.fingerprint !== fingerprint ? "other" : held.owner === "" ? "answered" : "running";
    return { states: [held], result: [result], ttlMs: [Math.ceil((held.untilUs - nowUs) / 1_000)] };
  },
  lua: `
    local held = states[1]
    if held.untilUs == nil or held.untilUs <= now_us then
      local until_us = now_us + args[3] * 1000
      return { { fingerprint = args[1], owner = args[2], untilUs = until_us } }, { "mine" }, { args[3] }
    end
    local result = "running"
    if held.fingerprint ~= args[1] then result = "other"
    elseif held.owner == "" then result = "answered" end
    return { held }, { result }, { math.ceil((held.untilUs - now_us) / 1000) }
  `,
});

/** Marks the owner's key as answered, or gives it free: 1. A key that is another's by now is left alone: 0. */
export const settle = defineAtomicOp<
  Claim,
  readonly [owner: string, outcome: "answered" | "free", forMs: number],
  [number]
>({
  name: "idempotency-key settle",
  durable: true,
  reduce([held], [owner, outcome, forMs], nowUs) {
    if (!held || held.untilUs <= nowUs) return { states: [null], result: [0], ttlMs: [forMs] };
    if (held.owner !== owner)
      return { states: [held], result: [0], ttlMs: [Math.ceil((held.untilUs - nowUs) / 1_000)] };
    const untilUs = nowUs + forMs * 1_000;
    const state = outcome === "free" ? null : { fingerprint: held.fingerprint, owner: "", untilUs };
    return { states: [state], result: [1], ttlMs: [forMs] };
  },
  lua: `
    local held = states[1]
    if held.untilUs == nil or held.untilUs <= now_us then return { false }, { 0 }, { args[3] } end
    if held.owner ~= args[1] then
      return { held }, { 0 }, { math.ceil((held.untilUs - now_us) / 1000) }
    end
    if args[2] == "free" then return { false }, { 1 }, { args[3] } end
    local until_us = now_us + args[3] * 1000
    return { { fingerprint = held.fingerprint, owner = "", untilUs = until_us } }, { 1 }, { args[3] }
  `,
});
