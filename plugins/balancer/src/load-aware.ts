import type { Target } from "gatewright";
import type { LoadFigures } from "./load-figures.ts";

const MAX_GPU = 80;
const MAX_GPU_MEMORY = 90;
const MAX_CPU = 80;

/**
 * Those of the candidates that the figures speak for, all of them equally: with a free GPU where there is any, then
 * with the fewest requests, then with the best hardware. All with weight where one of them has no figures, and where
 * no CPU has room.
 */
export function leastBusy(
  candidates: readonly Target[],
  figuresOf: (target: Target) => LoadFigures | undefined,
): readonly Target[] {
  const usable: { target: Target; figures: LoadFigures; requests: number }[] = [];
  let hasRoom = false;
  for (const target of candidates) {
    if (target.weight === 0) continue;
    const figures = figuresOf(target);
    if (!figures) return candidates;
    hasRoom ||= (figures.cpu ?? 0) <= MAX_CPU;
    // What was sent since the backend told is known here alone.
    usable.push({ target, figures, requests: Math.max(figures.activeRequests, target.inFlight) });
  }
  if (!hasRoom) return candidates;
  const free = usable.filter(
    ({ figures: { gpu = 0, gpuMemory = 0 } }) => gpu <= MAX_GPU && gpuMemory <= MAX_GPU_MEMORY,
  );
  const pool = free.length > 0 ? free : usable;
  const fewest = Math.min(...pool.map(({ requests }) => requests));
  const idle = pool.filter(({ requests }) => requests === fewest);
  const best = Math.max(...idle.map(({ figures }) => figures.capability));
  return idle.filter(({ figures }) => figures.capability === best).map(({ target }) => target);
}
