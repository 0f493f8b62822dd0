import cluster from "node:cluster";

/** What the primary tells its workers. */
export interface StopMessage {
  /** The signal that it got. */
  readonly stop: NodeJS.Signals;
}

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * The next wish that this process stop: a signal. A worker hears it from its primary alone, since a terminal (Ctrl-C)
 * and systemd send each signal to every process of the group, so that it would come twice.
 */
export function nextStop(): Promise<NodeJS.Signals> {
  return cluster.isWorker ? nextMessage() : nextSignal();
}

/** There is no gateway yet whose log it could go to. */
export function tellEarlyStop(signal: NodeJS.Signals): void {
  console.error(`${signal} while starting: stopped before anybody was served`);
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const done = (signal: NodeJS.Signals): void => {
      for (const name of SIGNALS) process.off(name, done);
      resolve(signal);
    };
    for (const name of SIGNALS) process.on(name, done);
  });
}

function nextMessage(): Promise<NodeJS.Signals> {
  for (const name of SIGNALS) if (process.listenerCount(name) === 0) process.on(name, ignore);
  return new Promise((resolve) => {
    const done = (message: Partial<StopMessage>): void => {
      if (message.stop === undefined) return;
      process.off("message", done);
      resolve(message.stop);
    };
    process.on("message", done);
  });
}

function ignore(): void {}
