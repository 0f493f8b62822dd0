import { retry } from "@gatewright/retry";
import { judgeAttempt } from "gatewright";
import { describe, expect, it } from "vitest";
import { waitFor } from "../_support/wait-for.ts";
import { chat, errorOf, openaiAt, simulated, startStage, type Stage } from "./_stage.ts";

/** A gateway that may open one connection to its backend, and a stream that has it. */
async function startFull(
  timeouts: Record<string, number>,
  backends: Record<string, Record<string, unknown>> = {},
) {
  const backend = await simulated({ tokens: 100_000, tokenMs: 20 });
  const stage = await startStage({
    backends: { main: openaiAt(backend, { connections: 1 }), ...backends },
    timeouts,
    plugins: [retry({ maxAttempts: 2 })],
  });
  const response = await chat(stage, { stream: true });
  return { stage, backend, leave: () => response.body!.cancel() };
}

/** Waits until the second request has waited for so long. */
async function waitInLine(stage: Stage, ms: number): Promise<void> {
  const { startedAt } = await waitFor("the second attempt", () => stage.contexts[1]?.attempts[0]);
  await waitFor(`${ms} ms in line`, () => performance.now() - startedAt >= ms);
}

async function expectNobodyBlamed(stage: Stage): Promise<void> {
  const end = await stage.ended();
  expect(end).toMatchObject({ outcome: "rejected", status: 504 });
  for (const attempt of end.attempts) {
    expect(attempt.error!.upstream).toEqual({ kind: "queued", sent: false });
    expect(judgeAttempt(attempt)).toBe("none");
  }
}

describe("a call that waits for a connection of the gateway's own pool", () => {
  it.each(["firstByteMs", "attemptMs", "totalMs"])(
    "in vain: `%s` is no fault of the backend's",
    async (limit) => {
      const { stage, backend, leave } = await startFull({ [limit]: 1_500 });
      const response = await chat(stage);
      expect(response.status).toBe(504);
      expect((await errorOf(response)).code).toBe("timeout");
      await expectNobodyBlamed(stage);
      expect(backend.requests).toHaveLength(1);
      await leave();
    },
  );

  it("in vain: goes on to another backend, whatever the operation", async () => {
    const other = await simulated();
    const { stage, leave } = await startFull({ firstByteMs: 1_500 }, { other: openaiAt(other) });
    const response = await chat(stage);
    expect(response.status).toBe(200);
    expect(response.headers.get("x-gatewright-backend")).toBe("other");
    await leave();
  });

  it("for a while: has the whole limit left once it was sent", async () => {
    const { stage, backend, leave } = await startFull({ firstByteMs: 3_000, attemptMs: 3_000 });
    Object.assign(backend.settings, { tokens: 1, tokenMs: 0 });
    backend.faults = [{ kind: "delay", ms: 1_600 }];
    const second = chat(stage);
    await waitInLine(stage, 1_600);
    await leave();
    expect((await second).status).toBe(200);
  });

  it("for a while: is no time that the backend took", async () => {
    const { stage, backend, leave } = await startFull({});
    Object.assign(backend.settings, { tokens: 1, tokenMs: 0 });
    const second = chat(stage);
    await waitInLine(stage, 600);
    await leave();
    expect((await second).status).toBe(200);
    const end = await stage.ended(2);
    const attempt = end.attempts[0]!;
    // All of it but what is later than the sweeper's last look; only more of it can be waiting.
    expect(attempt.durationMs! - attempt.timeToFirstByteMs!).toBeGreaterThan(300);
    expect(attempt.durationMs! - attempt.timeToFirstTokenMs!).toBeGreaterThan(300);
    expect(end.timeToFirstTokenMs).toBeGreaterThan(300);
  });
});
