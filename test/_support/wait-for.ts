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
