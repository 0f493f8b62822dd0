import { createHash } from "node:crypto";

/** A Lua script and the name under which Redis keeps it. */
export interface Script {
  readonly source: string;
  readonly sha1: string;
}

/**
 * Records rest as MessagePack, which keeps numbers bit for bit (negative zero becomes zero) and apart from strings.
 * Arguments and results travel as text with a letter in front: `n` and 17 significant digits, which are enough for
 * every double, or `s` and the string. Everything is checked before the first write, since Redis does not roll back.
 */
const PRELUDE = `
local function untag(text)
  local value = string.sub(text, 2)
  if string.byte(text) == 110 then return tonumber(value) end
  return value
end

local function check(value, where)
  local kind = type(value)
  if kind == 'string' then return end
  if kind ~= 'number' or value ~= value or value == math.huge or value == -math.huge then
    error('expected finite numbers and strings in the ' .. where .. ', got ' .. tostring(value))
  end
end

local function tag(value)
  check(value, 'result')
  if type(value) == 'number' then return 'n' .. string.format('%.17g', value) end
  return 's' .. value
end

local args = {}
for i = 1, #ARGV do args[i] = untag(ARGV[i]) end

local states = redis.call('MGET', unpack(KEYS))
for i = 1, #KEYS do states[i] = states[i] and cmsgpack.unpack(states[i]) or {} end

local time = redis.call('TIME')

local function op(states, args, now_us)
`;

const POSTLUDE = `
end

local next_states, result, ttl_ms = op(states, args, time[1] * 1000000 + time[2])

for i = 1, #KEYS do
  local state, ttl = next_states[i], ttl_ms[i]
  if state then
    for _, value in pairs(state) do check(value, 'state') end
    if type(ttl) ~= 'number' or ttl < 1 or ttl % 1 ~= 0 then
      error('expected a whole time to live above 0, got ' .. tostring(ttl))
    end
  elseif state == nil then
    error('expected a state or false for each key')
  end
end

for i = 1, #result do result[i] = tag(result[i]) end

for i = 1, #KEYS do
  if next_states[i] then
    redis.call('SET', KEYS[i], cmsgpack.pack(next_states[i]), 'PX', string.format('%.0f', ttl_ms[i]))
  else
    redis.call('DEL', KEYS[i])
  end
end

return result
`;

const scripts = new WeakMap<object, Script>();

/** The script of an op: made once. */
export function scriptOf(op: { readonly name: string; readonly lua: string }): Script {
  let script = scripts.get(op);
  if (script === undefined) {
    const source = `-- ${op.name}\n${PRELUDE}${op.lua}${POSTLUDE}`;
    script = { source, sha1: createHash("sha1").update(source).digest("hex") };
    scripts.set(op, script);
  }
  return script;
}

export function toTagged(value: number | string): string {
  if (typeof value === "string") return `s${value}`;
  if (!Number.isFinite(value)) throw new TypeError(`Arguments of an atomic op must be finite, got ${value}`);
  return `n${value}`;
}

export function fromTagged(text: string): number | string {
  return text.startsWith("n") ? Number(text.slice(1)) : text.slice(1);
}
