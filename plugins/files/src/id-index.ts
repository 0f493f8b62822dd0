import { defineAtomicOp } from "gatewright";

/** Ids, with when each was added, in microseconds since the epoch. */
type Index = Record<string, number>;

export type IndexArgs = readonly [action: "add" | "remove" | "read", id: string, max: number, ttlMs: number];

/** Adds or removes an id, or only reads. Answers with all ids, the latest first; beyond `max` the oldest are let go. */
export const editIndex = defineAtomicOp<Index, IndexArgs, string[]>({
  name: "edit-index",
  durable: true,
  reduce([state], [action, id, max, ttlMs], nowUs) {
    const index: Index = { ...state };
    if (action === "add") index[id] ??= nowUs;
    if (action === "remove") delete index[id];
    const ids = Object.keys(index).sort((a, b) => index[b]! - index[a]! || (a < b ? 1 : -1));
    for (const old of ids.splice(max)) delete index[old];
    return { states: [ids.length > 0 ? index : null], result: ids, ttlMs: [ttlMs] };
  },
  lua: `
    local action, id, max, ttl_ms = args[1], args[2], args[3], args[4]
    local index = states[1]
    if action == 'add' and not index[id] then index[id] = now_us end
    if action == 'remove' then index[id] = nil end
    local ids = {}
    for known in pairs(index) do ids[#ids + 1] = known end
    table.sort(ids, function(a, b)
      if index[a] ~= index[b] then return index[a] > index[b] end
      return a > b
    end)
    for i = #ids, max + 1, -1 do
      index[ids[i]] = nil
      ids[i] = nil
    end
    return { ids[1] and index or false }, ids, { ttl_ms }`,
});
