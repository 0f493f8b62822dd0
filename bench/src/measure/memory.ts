import { setTimeout as sleep } from "node:timers/promises";
import { chatRequest, requestHead } from "../chat-request.ts";
import { Connection } from "../connection.ts";
import type { Endpoint } from "../connection.ts";
import { runLoad } from "../load.ts";
import { residentBytes } from "../machine.ts";
import type { Plan } from "../plan.ts";
import { FILLER, pour } from "../pour.ts";
import type { Running } from "../subjects.ts";
import type { Upstream } from "../upstream.ts";

/** Resident memory in MiB; NaN where the system does not tell. */
export interface Memory {
  /** After the first reply and a pause. */
  readonly idle: number;
  /** The most while a body of 100 MB passed, less what it was before; NaN if the subject refused it. */
  readonly uploadGrowth: number;
  readonly downloadGrowth: number;
  /** The most while 64 chat requests were always under way. */
  readonly underLoad: number;
}

/** Measures a subject that has just been started. */
export async function measureMemory(running: Running, upstream: Upstream, plan: Plan): Promise<Memory> {
  const pid = running.pid ?? -1;
  const { settleMs, loadMs, transferBytes } = plan.memory;
  upstream.behave({ kind: "reply" });
  await sleep(settleMs);
  const idle = toMiB(residentBytes(pid));

  const load = (connections: number, durationMs: number) =>
    runLoad({
      endpoint: running,
      request: chatRequest(running, { stream: false }),
      connections,
      warmupMs: 0,
      durationMs,
    });
  // The code paths are loaded and compiled and the heap has its working size before the growth is taken.
  await load(4, settleMs);
  await upload(running, SMALL_BYTES);
  upstream.behave({ kind: "download", bytes: SMALL_BYTES });
  await download(running);
  upstream.behave({ kind: "reply" });
  await sleep(settleMs);

  upstream.takeReceivedBytes();
  const uploadGrowth = await growth(pid, async () => {
    const status = await upload(running, transferBytes);
    return status === 200 && upstream.takeReceivedBytes() > transferBytes;
  });
  await sleep(settleMs);

  upstream.behave({ kind: "download", bytes: transferBytes });
  const downloadGrowth = await growth(pid, async () => (await download(running)) === transferBytes);
  await sleep(settleMs);

  upstream.behave({ kind: "reply" });
  const underLoad = await peak(pid, () => load(64, loadMs));
  return { idle, uploadGrowth, downloadGrowth, underLoad: toMiB(underLoad.bytes) };
}

/** Growth in MiB while `transfer` runs; NaN if it did not go through. */
async function growth(pid: number, transfer: () => Promise<boolean>): Promise<number> {
  const before = residentBytes(pid);
  const { bytes, result } = await peak(pid, transfer);
  return result ? toMiB(bytes - before) : Number.NaN;
}

const SAMPLE_MS = 5;

async function peak<T>(pid: number, work: () => Promise<T>): Promise<{ bytes: number; result: T }> {
  let bytes = residentBytes(pid);
  const sample = () => (bytes = Math.max(bytes, residentBytes(pid)));
  const timer = setInterval(sample, SAMPLE_MS);
  try {
    const result = await work();
    sample();
    return { bytes, result };
  } finally {
    clearInterval(timer);
  }
}

const SMALL_BYTES = 1_000_000;
const TRANSFER_LIMIT_MS = 30_000;
const BOUNDARY = "bench-boundary";

/** Sends an audio file as a multipart form, as fast as it is taken; resolves to the status, 0 if the call broke. */
async function upload(endpoint: Endpoint, fileBytes: number): Promise<number> {
  const before = Buffer.from(
    `--${BOUNDARY}\r\ncontent-disposition: form-data; name="model"\r\n\r\nbench-model\r\n` +
      `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="speech.wav"\r\n` +
      `content-type: audio/wav\r\n\r\n`,
  );
  const after = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
  const bytes = before.length + fileBytes + after.length;
  const head = requestHead(
    endpoint,
    "/v1/audio/transcriptions",
    `multipart/form-data; boundary=${BOUNDARY}`,
    bytes,
  );
  return exchange(endpoint, Buffer.concat([Buffer.from(head), before]), ({ socket }) =>
    pour(socket, FILLER, fileBytes, () => socket.write(after)),
  );
}

/** Asks for speech; resolves to the bytes that came, or -1 if the call failed. */
async function download(endpoint: Endpoint): Promise<number> {
  const body = JSON.stringify({ model: "bench-model", input: "Hello.", voice: "alloy" });
  const request = requestHead(endpoint, "/v1/audio/speech", "application/json", body.length) + body;
  let received = 0;
  const status = await exchange(
    endpoint,
    Buffer.from(request),
    undefined,
    (bytes) => (received += bytes.length),
  );
  return status === 200 ? received : -1;
}

async function exchange(
  endpoint: Endpoint,
  request: Buffer,
  onSent?: (connection: Connection) => void,
  body?: (bytes: Buffer) => void,
): Promise<number> {
  const connection = await Connection.open(endpoint.port);
  const limit = setTimeout(() => connection.close(), TRANSFER_LIMIT_MS);
  try {
    return await new Promise((resolve) => {
      connection.send(request, { body, end: resolve });
      onSent?.(connection);
    });
  } finally {
    clearTimeout(limit);
    connection.close();
  }
}

function toMiB(bytes: number): number {
  return bytes / 2 ** 20;
}
