import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { httpChunk, stampedFrame } from "./frames.ts";
import { MessageReader } from "./http1.ts";
import { jsonReply, MODEL_LIST } from "./json-reply.ts";
import { FILLER, pour } from "./pour.ts";
import { dialectOf, OPENAI } from "./stream-dialects.ts";
import type { StreamDialect } from "./stream-dialects.ts";

/** What the simulated backend answers to each POST. */
export type Behaviour =
  /** A chat reply of 420 bytes, after the request was read to its end. */
  | { readonly kind: "reply" }
  /** A stream of so many frames in the dialect asked for, each a chunk of its own, as fast as the socket takes them. */
  | { readonly kind: "burst"; readonly frames: number }
  /** A stream of so many stamped frames, one every `intervalMs`. */
  | { readonly kind: "paced"; readonly frames: number; readonly intervalMs: number }
  /** Binary audio of so many bytes. */
  | { readonly kind: "download"; readonly bytes: number };

export interface Upstream {
  /** Base URL as backends are configured, `/v1` included. */
  readonly url: string;
  /** For every request from now on. */
  behave(behaviour: Behaviour): void;
  /** Body bytes received since the last call. */
  takeReceivedBytes(): number;
  close(): void;
}

/** A backend on a random loopback port: bare sockets and canned bytes, cheap enough never to be what is measured. */
export async function startUpstream(): Promise<Upstream> {
  const sockets = new Set<Socket>();
  let behaviour: Behaviour = { kind: "reply" };
  let receivedBytes = 0;

  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // A proxy that is stopped, or a client that leaves, resets its sockets: expected here.
    socket.on("error", () => socket.destroy());
    let head = "";
    const reader = new MessageReader({
      head: (next) => (head = next),
      body: (bytes) => (receivedBytes += bytes.length),
      end: () => (head.startsWith("POST ") ? answer(socket, behaviour, head) : socket.write(MODEL_LIST)),
    });
    socket.on("data", (bytes) => reader.push(bytes));
  });
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 });
  await new Promise((resolve) => server.once("listening", resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    behave: (next) => (behaviour = next),
    takeReceivedBytes() {
      const bytes = receivedBytes;
      receivedBytes = 0;
      return bytes;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function answer(socket: Socket, behaviour: Behaviour, head: string): void {
  switch (behaviour.kind) {
    case "reply":
      socket.write(CHAT_REPLY);
      return;
    case "burst":
      burst(socket, behaviour.frames, dialectOf(head));
      return;
    case "paced":
      paced(socket, behaviour.frames, behaviour.intervalMs);
      return;
    case "download":
      download(socket, behaviour.bytes);
  }
}

function burst(socket: Socket, frames: number, dialect: StreamDialect): void {
  socket.write(dialect.head);
  pour(socket, wordsOf(dialect), frames * dialect.word.length, () => socket.write(dialect.end));
}

function wordsOf(dialect: StreamDialect): Buffer {
  let words = WORDS.get(dialect);
  if (!words) WORDS.set(dialect, (words = Buffer.from(dialect.word.repeat(BURST_FRAMES))));
  return words;
}

function paced(socket: Socket, frames: number, intervalMs: number): void {
  let sequence = 0;
  socket.write(OPENAI.head);
  const tick = () => {
    socket.write(httpChunk(stampedFrame(sequence, performance.now())), "latin1");
    sequence += 1;
    if (sequence < frames) return;
    clearInterval(timer);
    socket.write(OPENAI.end);
  };
  const timer = setInterval(tick, intervalMs);
  socket.once("close", () => clearInterval(timer));
}

function download(socket: Socket, bytes: number): void {
  socket.write(`HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: ${bytes}\r\n\r\n`);
  pour(socket, FILLER, bytes);
}

const REPLY_BYTES = 420;
const CHAT_REPLY = jsonReply(chatReply(REPLY_BYTES));
/** Frames per write: some 7 KB, below the high-water mark of a socket. */
const BURST_FRAMES = 32;
const WORDS = new Map<StreamDialect, Buffer>();

/** A chat completion whose text fills it up to `bytes`. */
function chatReply(bytes: number): string {
  const withText = (content: string) =>
    JSON.stringify({
      id: "chatcmpl-bench",
      object: "chat.completion",
      created: 1_760_000_000,
      model: "bench-model",
      choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
      usage: { prompt_tokens: 40, completion_tokens: 30, total_tokens: 70 },
    });
  return withText("x".repeat(bytes - withText("").length));
}
