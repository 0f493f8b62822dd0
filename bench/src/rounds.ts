import type { Plan } from "./plan.ts";
import type { Running } from "./subjects.ts";
import type { Upstream } from "./upstream.ts";

/** A subject that could not be measured, and why. */
export interface Failure {
  readonly subject: string;
  readonly measure: string;
  readonly reason: string;
}

/** What the measures that need running subjects work with. */
export interface Bench {
  readonly plan: Plan;
  readonly upstream: Upstream;
  /** The upstream itself first, as `direct`, then the subjects. */
  readonly running: readonly Running[];
  readonly failures: Failure[];
  /** Puts a new process, warmed up, in the place of each of these; gives those that started. */
  renew(running: readonly Running[]): Promise<Running[]>;
}

/** Figures by subject. */
export type BySubject<T> = Record<string, T>;

export interface RoundOptions {
  /** Each round is measured in processes of its own: where the luck of one would tell. */
  readonly fresh?: boolean;
}

/**
 * Measures every subject once a round, in an order that rotates, so that no one profits from its place and what else
 * the machine does falls on all. A subject that fails is told in `failures` and left out of this measure.
 */
export async function interleave<T>(
  bench: Bench,
  measure: string,
  rounds: number,
  one: (running: Running) => Promise<T>,
  { fresh = false }: RoundOptions = {},
): Promise<Map<string, T[]>> {
  const results = new Map<string, T[]>(bench.running.map(({ name }) => [name, []]));
  let taking = bench.running;
  for (let round = 0; round < rounds; round += 1) {
    if (fresh && round > 0) taking = await bench.renew(taking);
    const start = taking.length === 0 ? 0 : round % taking.length;
    for (const running of [...taking.slice(start), ...taking.slice(0, start)]) {
      try {
        results.get(running.name)!.push(await one(running));
      } catch (error) {
        bench.failures.push({ subject: running.name, measure, reason: (error as Error).message });
        taking = taking.filter((other) => other !== running);
        results.delete(running.name);
      }
    }
  }
  return results;
}
