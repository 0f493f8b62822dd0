/**
 * A process to be killed: sets documents and runs durable operations on the state folder given, and writes each
 * acknowledged one to the file given, in one call each: what was written there outlives the process.
 */
import { openSync, writeSync } from "node:fs";
import { createClock } from "../../../core/src/state/clock.ts";
import { openFileStore } from "../../../core/src/state/file/file-store.ts";
import { countDurably } from "./_sample-ops.ts";

const WORKERS = 4;
const HOUR = 3_600_000;

const [dir, acknowledgements] = process.argv.slice(2);
const out = openSync(acknowledgements!, "w");
const store = await openFileStore({ dir: dir!, clock: createClock(), segmentBytes: 4_000 });
const acknowledge = (what: string, worker: number, value: number) =>
  writeSync(out, `${what} ${worker} ${value}\n`);

async function setDocuments(worker: number): Promise<never> {
  for (let value = (await store.documents.get<{ value: number }>(`doc:${worker}`))?.value ?? 0; ;) {
    value += 1;
    await store.documents.set(`doc:${worker}`, { value, padding: "x".repeat((value * 997) % 20_000) });
    acknowledge("doc", worker, value);
  }
}

async function runOperations(worker: number): Promise<never> {
  for (;;) {
    const [, own] = await store.run(countDurably, "", [`own:${worker}`, `twin:${worker}`], [1, 1e9, HOUR]);
    acknowledge("run", worker, own!);
  }
}

// It must not outlive a parent that was itself ended.
process.once("disconnect", () => process.exit());
process.send!("open");
await Promise.all(
  Array.from({ length: WORKERS }, (_, worker) => [setDocuments(worker), runOperations(worker)]).flat(),
);
