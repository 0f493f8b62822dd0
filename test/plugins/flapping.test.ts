import { expect, it } from "vitest";
import { runFlapping } from "./_flapping.ts";

it("re-1, re-6, B8: hides a backend that is gone for a minute, spares it, and uses it again soon", async () => {
  // A twentieth of the time: three seconds for the minute.
  const figures = await runFlapping(1 / 20);
  expect(new Set(figures.statuses)).toEqual(new Set([200]));
  expect(figures.attemptsDuringOutage).toBeGreaterThan(0);
  expect(figures.attemptsDuringOutage).toBeLessThanOrEqual(12);
  // One request a second, so that this is the wait in seconds, however slow the machine.
  expect(figures.backAfterRequests).toBeLessThanOrEqual(30);
});
