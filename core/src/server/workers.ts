import cluster, { type Worker } from "node:cluster";
import type { ResolvedConfig } from "../config/resolved.ts";

/** A worker that dies sooner after its start than this is not started again at once. */
const STABLE_MS = 1_000;
const RESTART_DELAY_MS = 1_000;

/**
 * Runs N processes that share the port. A worker that dies is replaced; a signal is handed on, and the exit code is
 * the worst of theirs.
 */
export function runWorkers(config: ResolvedConfig): Promise<number> {
  const { workers: count } = config.server;
  return new Promise((resolve) => {
    const alive = new Set<Worker>();
    let stopping = false;
    let worst = 0;
    let restarting = 0;

    const fork = (): void => {
      const startedAt = performance.now();
      const worker = cluster.fork();
      alive.add(worker);
      let ready = false;
      worker.on("message", (message: { ready?: boolean }) => {
        ready ||= message.ready === true;
      });
      worker.on("exit", (code, signal) => {
        alive.delete(worker);
        if (stopping || (!ready && alive.size === 0 && restarting === 0)) {
          worst = Math.max(worst, signal ? 1 : code);
          if (alive.size === 0) finish();
          return;
        }
        console.error(`worker ${worker.process.pid} ended (${signal ?? code}); a new one takes its place`);
        restarting++;
        const early = performance.now() - startedAt < STABLE_MS;
        setTimeout(
          () => {
            restarting--;
            if (!stopping) fork();
          },
          early ? RESTART_DELAY_MS : 0,
        );
      });
    };

    const onSignal = (signal: NodeJS.Signals): void => {
      stopping = true;
      for (const worker of alive) worker.process.kill(signal);
      if (alive.size === 0) finish();
    };
    const finish = (): void => {
      process.off("SIGTERM", onSignal);
      process.off("SIGINT", onSignal);
      resolve(worst);
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
    for (let n = 0; n < count; n++) fork();
  });
}
