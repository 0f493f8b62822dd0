import type { Logger } from "../log.ts";
import { describeCause } from "./open-exchange.ts";

/** Why a process stops that no signal told to. */
export const FAULT = "an exception that nobody caught";

/**
 * Faults that belong to no request: code of a plugin that nobody waits for. Node ends the process for them, and with it
 * everybody's streams. Here a rejected promise is told, and the process goes on. After an exception nobody knows what
 * state it is in: it is told, and whoever runs the process stops it in order. The next one ends it at once.
 *
 * For programs of our own alone: in another's process its host decides.
 */
export class ProcessFaults {
  /** Resolves with the first exception that nobody caught. */
  readonly fatal: Promise<typeof FAULT>;
  /** Where they are told; standard error until there is a gateway. */
  log: Logger | undefined;
  #isFatal = false;

  constructor() {
    process.on("unhandledRejection", (reason) =>
      this.#tell("a promise was rejected and nobody took it", reason),
    );
    this.fatal = new Promise((resolve) => {
      process.on("uncaughtException", (error) => {
        this.#tell(FAULT, error);
        if (this.#isFatal) process.exit(1);
        this.#isFatal = true;
        resolve(FAULT);
      });
    });
  }

  /** Whether an exception came that nobody caught: no exit is a clean one then. */
  get isFatal(): boolean {
    return this.#isFatal;
  }

  #tell(message: string, fault: unknown): void {
    const cause = describeCause(fault);
    if (this.log) this.log.error(message, { cause });
    else console.error(`${message}\n${cause}`);
  }
}
