/** Calls the counter as often as told, all at once, and sends its parent how many calls were admitted. */
import { createState } from "../../../core/src/state/create-state.ts";
import { countAll } from "./_sample-ops.ts";

const [url, calls, limit] = process.argv.slice(2);
const state = await createState({ driver: "redis", url: url!, timeoutMs: 10_000 });
const results = await Promise.all(
  Array.from({ length: Number(calls) }, async () =>
    state.run(countAll, ["shared"], [1, Number(limit), 60_000]),
  ),
);
process.send!(results.filter(([fits]) => fits === 1).length);
await state.close();
process.disconnect();
