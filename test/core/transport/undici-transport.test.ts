import { createServer, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, onTestFinished } from "vitest";
import type { TransportCall, TransportHandler } from "../../../core/src/transport/transport.ts";
import { createUndiciTransport } from "../../../core/src/transport/undici-transport.ts";
import { waitFor } from "../../_support/wait-for.ts";

/** A backend that answers when it is told to, behind a pool of one connection. */
async function startPool() {
  const replies: ServerResponse[] = [];
  const server: Server = createServer((_, response) => void replies.push(response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const transport = createUndiciTransport(origin, { connectMs: 5_000, connections: 1 });
  onTestFinished(async () => {
    await transport.destroy();
    server.closeAllConnections();
    server.close();
  });
  const ends: string[] = [];
  const send = (name: string, body = ""): TransportCall => {
    const handler: TransportHandler = {
      onHeaders: () => {},
      onData: () => {},
      onEnd: () => ends.push(name),
      onError: () => ends.push(`${name} failed`),
    };
    return transport.send({ method: "POST", path: "/", headers: [], body }, handler);
  };
  return { send, replies, ends, transport, server };
}

describe("a pool whose connections are all in use", () => {
  it("tells how far each call is, and serves those that wait in their order", async () => {
    const { send, replies, ends } = await startPool();
    const [first, second, third] = ["first", "second", "third"].map((name) => send(name));
    expect([first!.stage, second!.stage, third!.stage]).toEqual(["connecting", "queued", "queued"]);
    for (let n = 0; n < 3; n++) {
      await waitFor("the request", () => replies.length === n + 1);
      replies[n]!.end();
      await waitFor("the end of the reply", () => ends.length === n + 1);
    }
    expect(ends).toEqual(["first", "second", "third"]);
    expect(third!.stage).toBe("sent");
  });

  it("passes over those that were given up", async () => {
    const { send, replies, ends, transport } = await startPool();
    send("first");
    send("second").abort();
    send("third");
    await waitFor("the first request", () => replies.length === 1);
    replies[0]!.end();
    await waitFor("the third request", () => replies.length === 2);
    replies[1]!.end();
    await transport.close();
    expect(ends).toEqual(["first", "third"]);
  });

  it("opens no connection in the place of one that was broken off, before there is a call for it", async () => {
    let opened = 0;
    const { send, replies, ends, server } = await startPool();
    server.on("connection", () => opened++);
    const first = send("first");
    const second = send("second");
    await waitFor("the first request", () => replies.length === 1);
    const closed = new Promise((resolve) => replies[0]!.once("close", resolve));
    second.abort();
    first.abort();
    await closed;
    // Whatever would be opened for nobody comes before this one.
    send("third");
    await waitFor("the third request", () => replies.length === 2);
    expect(opened).toBe(2);
    replies[1]!.end();
    await waitFor("its end", () => ends.length > 0);
    expect(ends).toEqual(["third"]);
  });

  it("gives the place of one that was broken off to a call that waits", async () => {
    const { send, replies, ends } = await startPool();
    const first = send("first");
    send("second");
    await waitFor("the first request", () => replies.length === 1);
    first.abort();
    await waitFor("the second request", () => replies.length === 2);
    replies[1]!.end();
    await waitFor("its end", () => ends.length > 0);
    expect(ends).toEqual(["second"]);
  });

  it("keeps nothing of those that were given up, though no connection comes free", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const { send, replies } = await startPool();
    send("first");
    await waitFor("the first request", () => replies.length === 1);
    const calls = Array.from({ length: 20 }, () => {
      const call = send("late");
      call.abort();
      return new WeakRef(call);
    });
    await waitFor("the calls are collected", () => {
      collect();
      return calls.every((call) => call.deref() === undefined);
    });
    replies[0]!.end();
  });
});

/** One call to a backend of bare bytes, which `answer` writes; the call is paused at its first piece. */
async function startPaused(answer: (socket: Socket) => void) {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const transport = createUndiciTransport(origin, { connectMs: 5_000, connections: 1 });
  onTestFinished(async () => {
    await transport.destroy();
    server.close();
  });
  const seen = { bytes: 0, end: "" };
  const call = transport.send(
    { method: "GET", path: "/", headers: [], body: null },
    {
      onHeaders: () => {},
      onData(chunk) {
        if (seen.bytes === 0) call.pause();
        seen.bytes += chunk.length;
      },
      onEnd: () => (seen.end = "whole"),
      onError: ({ kind }) => (seen.end = kind),
    },
  );
  await waitFor("the first piece", () => seen.bytes > 0);
  return { call, seen };
}

const HEADS = [
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n"],
  ["a close without a length", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"],
  ["a length and a close", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 300000\r\n\r\n"],
] as const;

describe("a call that is paused", () => {
  it.each(HEADS)("gets all of a reply whose backend has closed meanwhile (%s)", async (_, head) => {
    let closed = false;
    const { call, seen } = await startPaused((socket) => {
      socket.write(head);
      socket.end(Buffer.alloc(300_000, "x"), () => (closed = true));
    });
    await waitFor("the close of the backend's side", () => closed);
    call.resume();
    await waitFor("the end", () => seen.end !== "");
    expect(seen).toEqual({ bytes: 300_000, end: "whole" });
  });

  it.each(HEADS)("gets the end of one that was all there when it was paused (%s)", async (name, head) => {
    const { call, seen } = await startPaused((socket) => {
      socket.end(head.replace("300000", "5") + "hello");
    });
    // What a length bounds has ended with its last byte; else the close is still to be read.
    const isBounded = name === "a length and a close";
    expect(seen).toEqual({ bytes: 5, end: isBounded ? "whole" : "" });
    call.resume();
    await waitFor("the end", () => seen.end !== "");
    expect(seen).toEqual({ bytes: 5, end: "whole" });
  });

  it.each(HEADS)("hears of a reset, and so does nobody else (%s)", async (_, head) => {
    let reset = (): void => {};
    const { call, seen } = await startPaused((socket) => {
      socket.write(`${head}some bytes`);
      reset = () => void socket.resetAndDestroy();
    });
    reset();
    call.resume();
    await waitFor("the end", () => seen.end !== "");
    expect(seen.end).not.toBe("whole");
  });

  it("makes the backend wait", async () => {
    const size = 64 * 1024 * 1024;
    let sent = false;
    const { call, seen } = await startPaused((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
      socket.write(Buffer.alloc(size, "x"), () => (sent = true));
    });
    let before = -1;
    await waitFor("nothing more to come", () => {
      const stands = before === seen.bytes;
      before = seen.bytes;
      return stands;
    });
    expect(sent).toBe(false);
    expect(seen.bytes).toBeLessThan(1024 * 1024);
    call.resume();
    await waitFor("the end", () => seen.end !== "");
    expect(seen).toEqual({ bytes: size, end: "whole" });
    expect(sent).toBe(true);
  });
});

it("names an interim reply that nobody asked for as what it is", async () => {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () =>
      socket.end("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const transport = createUndiciTransport(origin, { connectMs: 5_000, connections: 1 });
  onTestFinished(async () => {
    await transport.destroy();
    server.close();
  });
  let failure = "";
  transport.send(
    { method: "GET", path: "/", headers: [], body: null },
    { onHeaders: () => {}, onData: () => {}, onEnd: () => {}, onError: ({ kind }) => (failure = kind) },
  );
  await waitFor("the failure", () => failure !== "");
  expect(failure).toBe("interim");
});
