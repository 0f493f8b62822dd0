import { connect } from "node:net";
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { FrameCounter } from "./frames.ts";
import { MessageReader } from "./http1.ts";
import { cpuMs } from "./machine.ts";

/** Where requests go: a port on loopback, and the headers that its owner wants. */
export interface Endpoint {
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Called while one exchange runs. */
export interface ExchangeHandler {
  body?(bytes: Buffer): void;
  /** The reply is whole. Status 0: the connection broke before that. */
  end(status: number): void;
}

/** A keep-alive connection with one exchange at a time. */
export class Connection {
  readonly socket: Socket;
  #exchange: ExchangeHandler | null = null;
  #status = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    const reader = new MessageReader({
      head: (head) => {
        // "HTTP/1.1 200 OK"
        this.#status = Number(head.slice(9, 12));
      },
      body: (bytes) => this.#exchange?.body?.(bytes),
      end: () => this.#finish(this.#status),
    });
    socket.on("data", (bytes) => reader.push(bytes));
    // A reset is told by the `close` that follows, as status 0.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#finish(0));
  }

  /** Resolves when connected; rejects when refused. */
  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Connection(socket));
      });
    });
  }

  /** True until the peer or `close` ends it. */
  get isOpen(): boolean {
    return !this.socket.destroyed && this.socket.writable;
  }

  send(request: Buffer, exchange: ExchangeHandler): void {
    this.#exchange = exchange;
    if (this.isOpen) this.socket.write(request);
    else this.#finish(0);
  }

  close(): void {
    this.socket.destroy();
  }

  #finish(status: number): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.end(status);
  }
}

/** Opens `count` connections, some at a time, so that no accept queue overflows. */
export async function openConnections(port: number, count: number): Promise<Connection[]> {
  const connections: Connection[] = [];
  while (connections.length < count) {
    const batch = Math.min(CONNECT_AT_ONCE, count - connections.length);
    connections.push(...(await Promise.all(Array.from({ length: batch }, () => Connection.open(port)))));
  }
  return connections;
}

const CONNECT_AT_ONCE = 100;

/** A chat request of 350 bytes of JSON, with its head. */
export function chatRequest(endpoint: Endpoint, { stream }: { stream: boolean }): Buffer {
  const withText = (content: string) =>
    JSON.stringify({
      model: "bench-model",
      messages: [
        { role: "system", content: "You are a helpful assistant." },
        { role: "user", content },
      ],
      max_tokens: 100,
      temperature: 0.7,
      ...(stream && { stream: true }),
    });
  const body = withText("x".repeat(REQUEST_BYTES - withText("").length));
  return Buffer.from(requestHead(endpoint, "/v1/chat/completions", "application/json", body.length) + body);
}

const REQUEST_BYTES = 350;

/** Request line and headers of a POST, up to the body. */
export function requestHead(endpoint: Endpoint, path: string, contentType: string, bytes: number): string {
  const headers = { "content-type": contentType, "content-length": bytes, ...endpoint.headers };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${endpoint.port}\r\n${lines.join("")}\r\n`;
}

/** The status of one request on a connection of its own; null when there was no reply. */
export async function callOnce(endpoint: Endpoint, request: Buffer): Promise<number | null> {
  let connection: Connection;
  try {
    connection = await Connection.open(endpoint.port);
  } catch {
    return null;
  }
  const status = await new Promise<number>((resolve) => connection.send(request, { end: resolve }));
  connection.close();
  return status === 0 ? null : status;
}

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
  return {
    requestsPerSecond: (latencies.length / elapsedMs) * 1_000,
    framesPerSecond: (frames / elapsedMs) * 1_000,
    errors,
    latencies: Float64Array.from(latencies).sort(),
    firstBytes: Float64Array.from(firstBytes).sort(),
    loadBusy: (after.loadMs - before.loadMs) / elapsedMs,
    subjectBusy: (after.subjectMs - before.subjectMs) / elapsedMs,
  };
}

function usage(pid: number | undefined): { atMs: number; loadMs: number; subjectMs: number } {
  const { user, system } = process.cpuUsage();
  return {
    atMs: performance.now(),
    loadMs: (user + system) / 1_000,
    subjectMs: pid === undefined ? Number.NaN : cpuMs(pid),
  };
}
