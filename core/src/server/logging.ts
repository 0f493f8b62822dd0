import { createConsola, type ConsolaReporter, type LogObject } from "consola";
import type { LogConfig } from "../config/resolved.ts";
import type { Finished } from "../context.ts";
import { causeOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Exchange } from "../request/exchange.ts";
import { requestFacts, requestLine, type RequestFacts, type RequestLog } from "./request-log.ts";
import { StandardOutput } from "./standard-output.ts";

const LEVELS = { silent: -999, error: 0, warn: 1, info: 3, debug: 4 } as const;

/** Where log lines go; a test or an embedder may take them instead. */
export interface LogSink {
  /** Calls `onLost` if the text could not be written. */
  write(text: string, onLost?: () => void): void;
  /** What was written and has not gone out yet, in characters. */
  readonly writableLength?: number;
}

export interface Logging {
  log: Logger;
  requestLog: RequestLog | undefined;
  /** Writes what is still held back. */
  flush(): void;
}

/** Pretty for a terminal, JSON lines otherwise. */
export function createLogging(config: LogConfig, sink?: LogSink): Logging {
  const pretty = config.format === "pretty" || (config.format === "auto" && process.stdout.isTTY);
  const lines = new LineBuffer(sink ?? new StandardOutput());
  const consola = createConsola({
    level: LEVELS[config.level],
    ...(!pretty && { reporters: [jsonReporter(lines)] }),
  });
  const call =
    (level: "debug" | "info" | "warn" | "error") =>
    (message: string, fields?: Record<string, unknown>): void => {
      if (fields) consola[level](message, fields);
      else consola[level](message);
    };
  const log: Logger = { debug: call("debug"), info: call("info"), warn: call("warn"), error: call("error") };

  const logsRequests = config.requests && LEVELS[config.level] >= LEVELS.info;
  // A request's line does not go through consola: noted as it is and spelled in batches it costs a tenth.
  const requestLog: RequestLog | undefined = !logsRequests
    ? undefined
    : pretty
      ? (exchange, finished) => log.info(prettyRequest(exchange, finished))
      : (exchange, finished) => lines.add(requestFacts(exchange, finished));
  return { log, requestLog, flush: () => lines.flush() };
}

function jsonReporter(lines: LineBuffer): ConsolaReporter {
  return {
    log({ date, type, args }: LogObject) {
      const [message, fields] = args as [unknown, object | undefined];
      lines.add(
        JSON.stringify({ time: date.toISOString(), level: type, message: String(message), ...fields }),
      );
      if (type === "error" || type === "fatal") lines.flush();
    },
  };
}

function prettyRequest(exchange: Exchange, finished: Finished): string {
  const { target, outcome, status, durationMs, error } = finished;
  const usage = exchange.toldUsage();
  const parts = [
    String(status),
    exchange.operation.name,
    exchange.requestedModel || "-",
    `→ ${target?.backend.name ?? "-"}`,
    `${Math.round(durationMs)} ms`,
  ];
  if (usage) parts.push(`${usage.inputTokens}+${usage.outputTokens} tokens`);
  const drops = exchange.lateDrops();
  if (drops) parts.push(`without ${drops.join(", ")}`);
  if (outcome !== "complete") {
    const why = [outcome, error?.code, error && causeOf(error)].filter((word) => word !== undefined);
    parts.push(`(${why.join(", ")})`);
  }
  return parts.join(" ");
}

/** How long a line may wait for company, and how many may wait. */
const FLUSH_MS = 100;
const FLUSH_LINES = 128;
/** Held back by a sink that takes nothing; beyond, lines are dropped and counted. */
const MAX_HELD_CHARACTERS = 8 * 1024 * 1024;

function spell(lines: readonly (string | RequestFacts)[]): string {
  let text = "";
  for (const line of lines) text += `${typeof line === "string" ? line : requestLine(line)}\n`;
  return text;
}

/** Collects lines and writes them together: one system call for many requests. */
class LineBuffer {
  readonly #sink: LogSink;
  #lines: (string | RequestFacts)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;

  constructor(sink: LogSink) {
    this.#sink = sink;
  }

  add(line: string | RequestFacts): void {
    if (this.#lines.push(line) >= FLUSH_LINES) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#lines;
    this.#lines = [];
    if ((this.#sink.writableLength ?? 0) > MAX_HELD_CHARACTERS) {
      this.#dropped += lines.length;
      return;
    }
    const dropped = this.#dropped;
    if (dropped > 0)
      lines.push(JSON.stringify({ level: "warn", message: "log lines were dropped", count: dropped }));
    this.#dropped = 0;
    const count = lines.length;
    // Lost with them: the line that told of those before.
    const lost = dropped > 0 ? count - 1 + dropped : count;
    if (count > 0) this.#sink.write(spell(lines), () => (this.#dropped += lost));
  }
}
