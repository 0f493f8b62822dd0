import { writeSync } from "node:fs";
import type { LogSink } from "./logging.ts";

const STDOUT = 1;

/**
 * The process's standard output, for a log that outlives it. A stream of Node's that failed once never writes again,
 * though a full disk may be cleared: from then on texts go to the descriptor, each as if it were the first.
 */
export class StandardOutput implements LogSink {
  #failed = false;

  get writableLength(): number {
    return this.#failed ? 0 : process.stdout.writableLength;
  }

  write(text: string, onLost: () => void): void {
    if (this.#failed) {
      if (!writeAll(text)) onLost();
      return;
    }
    process.stdout.write(text, (error) => {
      if (!error) return;
      this.#failed = true;
      onLost();
    });
  }
}

/** False where some of it could not be written: nobody reads, or nothing fits. */
function writeAll(text: string): boolean {
  const bytes = Buffer.from(text);
  try {
    return writeSync(STDOUT, bytes) === bytes.length;
  } catch {
    return false;
  }
}

/**
 * Lets a process live on when nobody reads any more what it says, or its log has filled the disk: Node ends it with the
 * first such error that nobody listens for.
 */
export function outliveOutputs(): void {
  for (const stream of [process.stdout, process.stderr])
    if (!stream.listeners("error").includes(ignore)) stream.on("error", ignore);
}

function ignore(): void {}
