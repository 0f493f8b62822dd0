import type { Plan } from "../plan.ts";
import { median } from "../statistics.ts";
import type { Subject } from "../subjects.ts";
import type { Upstream } from "../upstream.ts";

/** From the start of the process to its first chat reply, in milliseconds. */
export interface ColdStart {
  readonly medianMs: number;
  readonly starts: readonly number[];
}

export async function measureColdStart(subject: Subject, upstream: Upstream, plan: Plan): Promise<ColdStart> {
  const starts: number[] = [];
  upstream.behave({ kind: "reply" });
  for (let i = 0; i < plan.coldStart.starts; i += 1) {
    const running = await subject.start(upstream.url);
    starts.push(running.startMs);
    await running.stop();
  }
  return { medianMs: median(starts), starts };
}
