import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { UploadClock } from "../../../core/src/request/upload-clock.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  vi.advanceTimersByTime(1_000);
});
afterEach(() => void vi.useRealTimers());

/** Waits, on the clock, for something of an upload. */
function wait(clock: UploadClock, ms: number): void {
  clock.start();
  vi.advanceTimersByTime(ms);
  clock.stop();
}

describe("the time that a client takes for its upload", () => {
  it("is what it was waited for, and not what the backend took in between", () => {
    const clock = new UploadClock();
    wait(clock, 100);
    vi.advanceTimersByTime(5_000);
    wait(clock, 20);
    expect(clock.waiting).toBe(false);
    expect(clock.waitedMs(performance.now())).toBe(120);
    clock.start();
    vi.advanceTimersByTime(3);
    expect(clock.waiting).toBe(true);
    expect(clock.waitedMs(performance.now())).toBe(123);
    clock.stop();
    clock.stop();
    expect(clock.waitedMs(performance.now())).toBe(123);
  });

  it("may be anything for a minute, and then a second for each KiB", () => {
    const clock = new UploadClock();
    wait(clock, 60_000);
    expect(clock.isTooSlow(0, performance.now())).toBe(false);
    wait(clock, 10_000);
    expect(clock.isTooSlow(10 * 1024, performance.now())).toBe(false);
    expect(clock.isTooSlow(10 * 1024 - 1, performance.now())).toBe(true);
  });

  it("is no fault of a client whose upload the backend does not take", () => {
    const clock = new UploadClock();
    wait(clock, 1_000);
    vi.advanceTimersByTime(600_000);
    expect(clock.isTooSlow(1, performance.now())).toBe(false);
  });
});
