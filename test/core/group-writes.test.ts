import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { groupWrites, writeAtOnce } from "../../core/src/group-writes.ts";
import { joinWrites } from "../../core/src/join-writes.ts";

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const close of cleanUp.splice(0)) close();
});

interface Line {
  readonly socket: Socket;
  /** All that arrived at the other end, once that saw the end. */
  readonly received: Promise<Buffer>;
}

async function openLines(count: number): Promise<Line[]> {
  const waiting = new Map<number, (bytes: Buffer) => void>();
  const server: Server = createServer((peer) => {
    const chunks: Buffer[] = [];
    peer.on("data", (chunk) => chunks.push(chunk));
    peer.on("error", () => {});
    peer.on("end", () => waiting.get(peer.remotePort!)?.(Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      cleanUp.push(() => socket.destroy());
      joinWrites(socket);
      groupWrites(socket);
      const received = new Promise<Buffer>((resolve) => waiting.set(socket.localPort!, resolve));
      return { socket, received };
    }),
  );
}

/** Settles when the turn of the event loop that writes were made in is over. */
const turnOver = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("grouped writes", () => {
  it("let the first of a turn leave at once and the others together at its end", async () => {
    const lines = await openLines(3);
    await turnOver();
    for (const { socket } of lines) socket.write("abc");
    expect(lines.map(({ socket }) => socket.writableLength)).toEqual([0, 3, 3]);
    await turnOver();
    expect(lines.map(({ socket }) => socket.writableLength)).toEqual([0, 0, 0]);
    for (const { socket } of lines) socket.end();
    for (const { received } of lines) expect(String(await received)).toBe("abc");
  });

  it("let none leave early in the turn after a busy one, and the first again after a quiet one", async () => {
    const lines = await openLines(4);
    await turnOver();
    const [first] = lines;
    for (const { socket } of lines) socket.write("a");
    await turnOver();
    first!.socket.write("b");
    expect(first!.socket.writableLength).toBe(1);
    await turnOver();
    expect(first!.socket.writableLength).toBe(0);
    first!.socket.write("c");
    expect(first!.socket.writableLength).toBe(0);
    first!.socket.end();
    expect(String(await first!.received)).toBe("abc");
  });

  it("do not hold back more than 64", async () => {
    const lines = await openLines(66);
    await turnOver();
    for (const { socket } of lines) socket.write("abc");
    const held = lines.filter(({ socket }) => socket.writableLength > 0).length;
    expect(held).toBe(1);
    for (const { socket } of lines) socket.end();
    for (const { received } of lines) expect(String(await received)).toBe("abc");
  });

  it("send large pieces at once", async () => {
    const lines = await openLines(2);
    await turnOver();
    const large = Buffer.alloc(16 * 1024 + 1, "x");
    lines[0]!.socket.write("a");
    lines[1]!.socket.write(large);
    expect(lines[1]!.socket.writableLength).toBe(0);
    for (const { socket } of lines) socket.end();
    expect(await lines[1]!.received).toEqual(large);
  });

  it("do not hold back what is not to wait, unless something before it waits", async () => {
    const lines = await openLines(3);
    await turnOver();
    const [first, free, held] = lines;
    first!.socket.write("first of the turn");
    writeAtOnce(free!.socket, "at once", "latin1");
    held!.socket.write("held, ");
    writeAtOnce(held!.socket, "behind it", "latin1");
    expect(free!.socket.writableLength).toBe(0);
    expect(held!.socket.writableLength).toBe("held, behind it".length);
    for (const { socket } of lines) socket.end();
    expect(String(await free!.received)).toBe("at once");
    expect(String(await held!.received)).toBe("held, behind it");
  });

  it("keep the order of what one socket writes, and its end behind it", async () => {
    const [other, line] = await openLines(2);
    await turnOver();
    other!.socket.write("first of the turn");
    for (let n = 0; n < 5; n++) line!.socket.write(`${n},`);
    line!.socket.end("end");
    expect(String(await line!.received)).toBe("0,1,2,3,4,end");
  });

  it("bring what was written before its connection was broken off", async () => {
    const [other, line] = await openLines(2);
    await turnOver();
    other!.socket.write("first of the turn");
    line!.socket.write("last words");
    line!.socket.destroy();
    expect(String(await line!.received)).toBe("last words");
  });

  it("tell the writer of a connection that is gone", async () => {
    const lines = await openLines(2);
    await turnOver();
    lines[0]!.socket.write("a");
    lines[1]!.socket.on("error", () => {});
    lines[1]!.socket.destroy();
    const failure = new Promise((resolve) => lines[1]!.socket.write("b", resolve));
    const success = new Promise((resolve) => lines[0]!.socket.write("c", resolve));
    expect(await failure).toBeInstanceOf(Error);
    expect(await success).toBeFalsy();
  });
});
