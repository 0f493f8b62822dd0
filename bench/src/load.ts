import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { openConnections } from "./connection.ts";
import type { Connection, Endpoint, ExchangeHandler } from "./connection.ts";
import { FrameCounter } from "./frames.ts";
import { cpuMs, machineCpuMs } from "./machine.ts";

export interface LoadOptions {
  readonly endpoint: Endpoint;
  readonly request: Buffer;
  readonly connections: number;
  /** Not counted: at least so long, and until each connection had its first reply. */
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Whose processor time to tell. */
  readonly pid?: number;
}

/** What happened within the window. Times in milliseconds. */
export interface Load {
  /** Whole replies with status 200, per second. */
  readonly requestsPerSecond: number;
  /** Events of event streams, per second. */
  readonly framesPerSecond: number;
  /** Exchanges that broke, did not end or had another status. */
  readonly errors: number;
  /** From the request to the end of its reply, sorted. */
  readonly latencies: Float64Array;
  /** From the request to the first byte of the body, sorted. */
  readonly firstBytes: Float64Array;
  /** Share of the time that the load side was computing: near 1, it is the load that was measured. */
  readonly loadBusy: number;
  /** The same of the process measured; NaN without one. */
  readonly subjectBusy: number;
  /** Cores' worth of computing that was neither's: what blurs the figures. NaN where the system does not tell. */
  readonly othersBusy: number;
}

/** How long first replies, and those after the window, may take. */
const GRACE_MS = 5_000;

/** Keeps every connection busy with one request after the other. */
export async function runLoad(options: LoadOptions): Promise<Load> {
  const { endpoint, request, durationMs, pid } = options;
  const connections = await openConnections(endpoint.port, options.connections);
  const latencies: number[] = [];
  const firstBytes: number[] = [];
  let frames = 0;
  let errors = 0;
  let phase: "warmup" | "window" | "over" = "warmup";
  let working = connections.length;
  let unanswered = connections.length;
  let allDone = () => {};
  const done = new Promise<void>((resolve) => (allDone = resolve));
  let allAnswered = () => {};
  const answered = new Promise<void>((resolve) => (allAnswered = resolve));

  const work = (connection: Connection) => {
    const counter = new FrameCounter();
    let sentMs = 0;
    let firstByteMs = 0;
    let isFirst = true;
    const exchange: ExchangeHandler = {
      body(bytes) {
        if (firstByteMs === 0) firstByteMs = performance.now();
        const count = counter.count(bytes);
        if (phase === "window") frames += count;
      },
      end(status) {
        if (status !== 200) errors += 1;
        else if (phase === "window") {
          latencies.push(performance.now() - sentMs);
          firstBytes.push(firstByteMs - sentMs);
        }
        if (isFirst && --unanswered === 0) allAnswered();
        isFirst = false;
        if (phase !== "over" && connection.isOpen) next();
        else if (--working === 0) allDone();
      },
    };
    const next = () => {
      firstByteMs = 0;
      sentMs = performance.now();
      connection.send(request, exchange);
    };
    next();
  };
  for (const connection of connections) work(connection);

  // A proxy that is still opening its own connections is not what is to be measured.
  const ready = Promise.all([answered, sleep(options.warmupMs)]);
  await Promise.race([ready, sleep(GRACE_MS, undefined, { ref: false })]);
  phase = "window";
  const before = usage(pid);
  await sleep(durationMs);
  phase = "over";
  const after = usage(pid);
  await Promise.race([done, sleep(GRACE_MS, undefined, { ref: false })]);
  errors += working;
  for (const connection of connections) connection.close();

  const elapsedMs = after.atMs - before.atMs;
  const loadMs = after.loadMs - before.loadMs;
  const subjectMs = after.subjectMs - before.subjectMs;
  return {
    requestsPerSecond: (latencies.length / elapsedMs) * 1_000,
    framesPerSecond: (frames / elapsedMs) * 1_000,
    errors,
    latencies: Float64Array.from(latencies).sort(),
    firstBytes: Float64Array.from(firstBytes).sort(),
    loadBusy: loadMs / elapsedMs,
    subjectBusy: subjectMs / elapsedMs,
    // Ticks are coarse, so that a little less than nothing can come out.
    othersBusy: Math.max(0, (after.machineMs - before.machineMs - loadMs - (subjectMs || 0)) / elapsedMs),
  };
}

interface Usage {
  readonly atMs: number;
  readonly loadMs: number;
  readonly subjectMs: number;
  readonly machineMs: number;
}

function usage(pid: number | undefined): Usage {
  const { user, system } = process.cpuUsage();
  return {
    atMs: performance.now(),
    loadMs: (user + system) / 1_000,
    subjectMs: pid === undefined ? Number.NaN : cpuMs(pid),
    machineMs: machineCpuMs(),
  };
}
