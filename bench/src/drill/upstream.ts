import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { TOKENS_USED } from "../../configs/drill-numbers.ts";
import { MessageReader } from "../http1.ts";
import { jsonReply, MODEL_LIST } from "../json-reply.ts";
import { OPENAI } from "../stream-dialects.ts";

/** What the backend of a drill answers. Failing ones are what a model server may do at its worst. */
export type Answer =
  /** Whole, and good: JSON, or a stream where one was asked for. */
  | { readonly kind: "good"; readonly afterMs?: number }
  | { readonly kind: "status"; readonly status: number }
  /** The connection is reset before a byte of the reply. */
  | { readonly kind: "reset" }
  /** The reply breaks off in the middle. */
  | { readonly kind: "cut" }
  /** Half of the reply, or nothing of it, and then silence until the gateway gives up. */
  | { readonly kind: "stall"; readonly halfway: boolean };

export interface Asked {
  /** Empty for a request without a body. */
  readonly model: string;
  readonly stream: boolean;
}

export interface DrillUpstream {
  /** Base URL as backends are configured, `/v1` included. */
  readonly url: string;
  /** Requests for a model that are being answered. */
  inFlight(model: string): number;
  /** The most of these at once since the last call of it. */
  takeMostInFlight(model: string): number;
  close(): void;
}

/** A backend on bare sockets whose every answer is chosen by `choose`. */
export async function startDrillUpstream(choose: (asked: Asked) => Answer): Promise<DrillUpstream> {
  const sockets = new Set<Socket>();
  const gauges = new Map<string, { now: number; most: number }>();
  const gaugeOf = (model: string) => {
    let gauge = gauges.get(model);
    if (gauge === undefined) gauges.set(model, (gauge = { now: 0, most: 0 }));
    return gauge;
  };

  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    let leave = (): void => {};
    socket.on("close", () => {
      sockets.delete(socket);
      leave();
    });
    // The gateway resets what it gives up.
    socket.on("error", () => socket.destroy());
    let isPost = false;
    let body = "";
    const reader = new MessageReader({
      head(head) {
        isPost = head.startsWith("POST ");
        body = "";
      },
      body: (bytes) => (body += bytes.toString("latin1")),
      end() {
        if (!isPost) {
          socket.write(MODEL_LIST);
          return;
        }
        const asked = {
          model: /"model":"([^"]*)"/.exec(body)?.[1] ?? "",
          stream: body.includes('"stream":true'),
        };
        const gauge = gaugeOf(asked.model);
        gauge.now += 1;
        gauge.most = Math.max(gauge.most, gauge.now);
        leave = () => {
          gauge.now -= 1;
          leave = () => {};
        };
        give(socket, choose(asked), asked.stream, () => leave());
      },
    });
    socket.on("data", (bytes) => reader.push(bytes));
  });
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 });
  await new Promise((resolve) => server.once("listening", resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    inFlight: (model) => gaugeOf(model).now,
    takeMostInFlight(model) {
      const gauge = gaugeOf(model);
      const { most } = gauge;
      gauge.most = gauge.now;
      return most;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** `done` is called before the last byte is out: whoever has it may ask again at once. */
function give(socket: Socket, answer: Answer, stream: boolean, done: () => void): void {
  const [first, rest] = stream ? STREAM_HALVES : REPLY_HALVES;
  switch (answer.kind) {
    case "good": {
      const send = (): void => {
        done();
        socket.write(stream ? STREAM : REPLY);
      };
      if (answer.afterMs === undefined) send();
      else setTimeout(send, answer.afterMs);
      return;
    }
    case "status":
      done();
      socket.write(failure(answer.status));
      return;
    case "reset":
      socket.resetAndDestroy();
      return;
    case "cut":
      socket.write(first);
      // Not at once, or the first half would be lost with the connection.
      setTimeout(() => socket.resetAndDestroy(), rest.length > 0 ? CUT_AFTER_MS : 0);
      return;
    case "stall":
      if (answer.halfway) socket.write(first);
  }
}

const CUT_AFTER_MS = 5;
const FRAMES = 20;

function failure(status: number): Buffer {
  const json = JSON.stringify({
    error: { message: "as the drill wants it", type: "server_error", code: null },
  });
  return jsonReply(json, `${status} Ordered`);
}

const REPLY = jsonReply(
  JSON.stringify({
    id: "chatcmpl-drill",
    object: "chat.completion",
    created: 1_760_000_000,
    model: "drill",
    choices: [{ index: 0, message: { role: "assistant", content: "x".repeat(200) }, finish_reason: "stop" }],
    usage: {
      prompt_tokens: TOKENS_USED - 30,
      completion_tokens: 30,
      total_tokens: TOKENS_USED,
    },
  }),
);
const STREAM = Buffer.concat([OPENAI.head, Buffer.from(OPENAI.word.repeat(FRAMES)), OPENAI.end]);
const halves = (bytes: Buffer): [Buffer, Buffer] => [
  bytes.subarray(0, bytes.length >> 1),
  bytes.subarray(bytes.length >> 1),
];
const REPLY_HALVES = halves(REPLY);
const STREAM_HALVES = halves(STREAM);
