import { setTimeout as sleep } from "node:timers/promises";

const INTERVAL_MS = 5;

/**
 * Asks until the answer is truthy, and returns it. @throws when the deadline passes, naming `what` was awaited.
 * The deadline is a bound for failing tests, not a measure: passing ones go on as soon as the condition holds.
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadlineMs = 10_000,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (performance.now() > deadline) throw new Error(`Not within ${deadlineMs} ms: ${what}`);
    await sleep(INTERVAL_MS);
  }
}

const LOOK_MS = 20;
const LOOKS = 10;

/**
 * Waits until a count that has begun stays the same for ten looks. Each takes a turn of the event loop, so that a
 * machine that was busy elsewhere is not taken for a sender that is held back.
 */
export async function waitForStandstill(what: string, count: () => number): Promise<void> {
  let last = 0;
  let same = 0;
  await waitFor(what, async () => {
    const now = count();
    same = now > 0 && now === last ? same + 1 : 0;
    last = now;
    await sleep(LOOK_MS);
    return same === LOOKS;
  });
}
