/** Whole microseconds since the epoch; never goes back. */
export type Clock = () => number;

const RESYNC_MS = 1_000;
/** A smaller lead of the wall clock is scheduling noise or slew, not a step, and following it would only drift. */
const STEP_US = 100_000;

/**
 * The machine's own clock: the wall clock once, moved on by the monotonic one, so that a wall clock set back changes
 * nothing. One that leaps ahead (set right, or the machine slept) is followed within a second.
 */
export function createClock(): Clock {
  let offsetUs = Date.now() * 1_000 - performance.now() * 1_000;
  let resyncAtMs = performance.now() + RESYNC_MS;
  return neverBack(() => {
    const monotonicMs = performance.now();
    if (monotonicMs >= resyncAtMs) {
      resyncAtMs = monotonicMs + RESYNC_MS;
      const wallOffsetUs = Date.now() * 1_000 - monotonicMs * 1_000;
      if (wallOffsetUs - offsetUs > STEP_US) offsetUs = wallOffsetUs;
    }
    return offsetUs + monotonicMs * 1_000;
  });
}

/** `now` in whole microseconds, held still while it would go back; starts no earlier than `notBeforeUs`. */
export function neverBack(now: () => number, notBeforeUs = 0): Clock {
  let lastUs = notBeforeUs;
  return () => {
    const us = Math.floor(now());
    if (us > lastUs) lastUs = us;
    return lastUs;
  };
}
