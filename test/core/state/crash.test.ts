import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createClock } from "../../../core/src/state/clock.ts";
import { openFileStore } from "../../../core/src/state/file/file-store.ts";
import { countAll } from "./_sample-ops.ts";

/** More by CRASH_ROUNDS=200, about a second each. */
const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 20);
const WORKERS = [0, 1, 2, 3];

/** Kills the child `killAfterMs` after it has opened the folder; returns the last value acknowledged of each kind. */
async function runAndKill(dir: string, killAfterMs: number): Promise<Map<string, number>> {
  const acknowledgements = `${dir}.acknowledged`;
  const child = fork(new URL("_crash-child.ts", import.meta.url), [dir, acknowledgements], {
    execArgv: ["--conditions=gatewright-source", "--import", "tsx"],
  });
  const exited = once(child, "exit");
  await Promise.race([once(child, "message"), exited]);
  await sleep(killAfterMs);
  child.kill("SIGKILL");
  const [, signal] = await exited;
  expect(signal).toBe("SIGKILL");
  const lines = (await readFile(acknowledgements, "utf8")).split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const [what, worker, value] = line.split(" ");
      return [`${what} ${worker}`, Number(value)];
    }),
  );
}

test(
  `K1, K3: after kill -9 at ${ROUNDS} random moments all that was acknowledged is there, whole`,
  { timeout: ROUNDS * 10_000 },
  async () => {
    const dir = await mkdtemp(join(tmpdir(), "gatewright-crash-"));
    // Without bias: fast-check prefers small numbers, at which nothing has been acknowledged yet.
    const delays = fc.sample(fc.noBias(fc.integer({ min: 0, max: 400 })), { seed: 9, numRuns: ROUNDS });
    const acknowledged = new Map<string, number>();
    let busyRounds = 0;
    for (const delay of delays) {
      const round = await runAndKill(dir, delay);
      if (round.size > 0) busyRounds += 1;
      for (const [what, value] of round) acknowledged.set(what, value);
      const store = await openFileStore({ dir, clock: createClock() });
      expect((await readdir(join(dir, "documents"))).filter((name) => name.endsWith(".tmp"))).toEqual([]);
      for (const worker of WORKERS) {
        const document = await store.documents.get<{ value: number; padding: string }>(`doc:${worker}`);
        const value = document?.value ?? 0;
        // The write under way at the kill may be there or not.
        const lastSet = acknowledged.get(`doc ${worker}`) ?? 0;
        expect([lastSet, lastSet + 1]).toContain(value);
        if (document) expect(document.padding).toHaveLength((value * 997) % 20_000);

        const counts = await store.run(
          countAll,
          "",
          [`own:${worker}`, `twin:${worker}`],
          [0, 1e9, 3_600_000],
        );
        const lastRun = acknowledged.get(`run ${worker}`) ?? 0;
        expect([lastRun, lastRun + 1]).toContain(counts[1]);
        expect(counts[2]).toBe(counts[1]);
        acknowledged.set(`doc ${worker}`, value);
        acknowledged.set(`run ${worker}`, counts[1]!);
      }
      await store.close();
    }
    // A round killed at once may have acknowledged nothing; most must have, or nothing was tested.
    expect(busyRounds).toBeGreaterThan(ROUNDS * 0.8);
    await rm(dir, { recursive: true });
    await rm(`${dir}.acknowledged`);
  },
);
