import { OutageLog } from "gatewright";
import { describe, expect, it } from "vitest";

function rig() {
  const lines: string[] = [];
  const keep = (message: string, fields?: Record<string, unknown>): void =>
    void lines.push([message, fields?.["error"]].filter(Boolean).join(": "));
  let nowMs = 0;
  const outage = new OutageLog(
    { log: { debug: keep, info: keep, warn: keep, error: keep }, now: () => nowMs },
    { failed: "down", answered: "up" },
  );
  return { outage, lines, pass: (ms: number) => (nowMs += ms) };
}

describe("the log", () => {
  it("is told once of an outage, with the first error, and once of its end", () => {
    const { outage, lines } = rig();
    outage.failed(new Error("first"));
    outage.failed(new Error("second"));
    outage.answered();
    outage.answered();
    expect(lines).toEqual(["down: Error: first", "up"]);
  });

  it("is told nothing while all is well", () => {
    const { outage, lines } = rig();
    outage.answered();
    expect(lines).toEqual([]);
  });

  it("is told every ten seconds at most of what comes and goes", () => {
    const { outage, lines, pass } = rig();
    for (let at = 0; at < 25_000; at += 100) {
      outage.failed(new Error("late"));
      outage.answered();
      pass(100);
    }
    // At 0, 10 and 20 seconds.
    expect(lines).toEqual(Array.from({ length: 3 }, () => ["down: Error: late", "up"]).flat());
  });
});
