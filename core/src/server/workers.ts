import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { StartRefused } from "./start-refused.ts";
import { tellEarlyStop, type StopMessage } from "./stop-requests.ts";

/** What a worker tells its primary: that it serves or why it cannot, and that it ends once its requests have. */
type WorkerMessage = { readonly ready: true } | { readonly failure: string } | { readonly leaving: true };

type WorkerState = "starting" | "ready" | "leaving";

/** A worker that lived so long was well: the next one is started at once. */
const STABLE_MS = 10_000;
/** With each worker that ends sooner the wait before the next one doubles, up to the longest. */
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;

/**
 * Runs N processes that share the port, until a signal stops them; a second one makes them cut what still runs, a third
 * kills them. Resolves with the worst of their exit codes. A worker that ends is replaced; one that never got ready ends
 * the start, and a replacement that does not get ready ends the service when no other worker serves. After an exception
 * of this process that nobody caught (`fatal`) it stops as for a signal.
 *
 * @throws StartRefused with the words of the first worker that could not start.
 */
export function runWorkers(count: number, fatal: Promise<unknown>): Promise<number> {
  return new Promise((resolve, reject) => {
    const workers = new Map<Worker, WorkerState>();
    const delayed = new Set<NodeJS.Timeout>();
    let signals = 0;
    let failure: string | undefined;
    let worst = 0;
    let earlyEnds = 0;

    const fork = (isReplacement: boolean): void => {
      const startedAt = performance.now();
      const worker = cluster.fork();
      let told: string | undefined;
      workers.set(worker, "starting");
      worker.on("message", (message: WorkerMessage) => {
        if ("failure" in message) told = message.failure;
        else if ("ready" in message) workers.set(worker, "ready");
        else {
          workers.set(worker, "leaving");
          if (isStopping()) return;
          console.error(`worker ${worker.process.pid} ends after its requests; a new one takes its place`);
          replace(performance.now() - startedAt);
        }
      });
      // The end of the channel comes behind the last message, the exit perhaps before it.
      void Promise.all([once(worker, "exit"), once(worker, "disconnect")]).then(([[code, signal]]) => {
        const state = workers.get(worker);
        workers.delete(worker);
        const how = `worker ${worker.process.pid} ended (${signal ?? code})`;
        // One that was not ready had nothing to end.
        if (isStopping())
          worst = Math.max(worst, signal === null ? (code as number) : Number(state !== "starting"));
        else if (state === "leaving") return;
        else if (state === "ready" || (isReplacement && hasReady())) {
          console.error(`${told === undefined ? how : `${told}\n${how}`}; a new one takes its place`);
          replace(performance.now() - startedAt);
        } else giveUp(told ?? `${how} before it served`);
        if (isStopping() && workers.size === 0) finish();
      });
    };

    const replace = (livedMs: number): void => {
      earlyEnds = livedMs < STABLE_MS ? earlyEnds + 1 : 0;
      const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (earlyEnds - 1), LONGEST_DELAY_MS);
      const timer = setTimeout(
        () => {
          delayed.delete(timer);
          fork(true);
        },
        earlyEnds === 0 ? 0 : delayMs,
      );
      delayed.add(timer);
    };

    const isStopping = (): boolean => signals > 0 || failure !== undefined;

    const hasReady = (): boolean => [...workers.values()].includes("ready");

    /** A message waits for a worker that has not begun to listen for it. */
    const stop = (worker: Worker, signal: NodeJS.Signals): void => {
      const message: StopMessage = { stop: signal };
      if (signals > 2) worker.process.kill("SIGKILL");
      // One that has just ended need not be told.
      else if (worker.isConnected()) worker.send(message, () => {});
    };

    const giveUp = (reason: string): void => {
      failure = reason;
      for (const timer of delayed) clearTimeout(timer);
      for (const worker of workers.keys()) {
        stop(worker, "SIGTERM");
        // The second makes it cut what runs.
        stop(worker, "SIGTERM");
      }
    };

    const onSignal = (signal: NodeJS.Signals): void => {
      signals++;
      if (signals === 1 && !hasReady()) tellEarlyStop(signal);
      for (const timer of delayed) clearTimeout(timer);
      for (const worker of workers.keys()) stop(worker, signal);
      if (workers.size === 0) finish();
    };

    const finish = (): void => {
      process.off("SIGTERM", onSignal);
      process.off("SIGINT", onSignal);
      if (failure === undefined) resolve(worst);
      else reject(new StartRefused(failure));
    };

    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
    void fatal.then(() => {
      worst = 1;
      onSignal("SIGTERM");
    });
    for (let n = 0; n < count; n++) fork(false);
  });
}

/** Resolves when the message is on its way, so that an exit does not overtake it. */
export function tellPrimary(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    process.send!(message, undefined, undefined, () => resolve());
  });
}
