import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { joinWrites } from "../../core/src/join-writes.ts";

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const close of cleanUp.splice(0)) close();
});

/** A socket whose writes are joined, and everything that arrives at its other end. */
async function openSocket(): Promise<{ socket: Socket; received: Promise<Buffer> }> {
  let deliver!: (bytes: Buffer) => void;
  const received = new Promise<Buffer>((resolve) => (deliver = resolve));
  const server = createServer((peer) => {
    const chunks: Buffer[] = [];
    peer.on("data", (chunk) => chunks.push(chunk));
    peer.on("end", () => deliver(Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  cleanUp.push(
    () => socket.destroy(),
    () => server.close(),
  );
  joinWrites(socket);
  return { socket, received };
}

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

describe("joined writes", () => {
  it.each([
    ["small, of any bytes", everyByte],
    ["larger than what is joined", Buffer.alloc(100_000, everyByte)],
    ["empty", Buffer.alloc(0)],
  ])("pass a body that is %s behind its headers", async (_, body) => {
    const { socket, received } = await openSocket();
    socket.cork();
    socket.write("POST / HTTP/1.1\r\nx: \xe9\r\n\r\n", "latin1");
    socket.write(body);
    socket.uncork();
    socket.end();
    expect(await received).toEqual(
      Buffer.concat([Buffer.from("POST / HTTP/1.1\r\nx: \xe9\r\n\r\n", "latin1"), body]),
    );
  });

  it("keep the order of what was written while the socket still connects, in whatever encoding", async () => {
    const { socket, received } = await openSocket();
    socket.write("é", "utf8");
    socket.write("ff00", "hex");
    socket.write("é", "latin1");
    socket.write(Buffer.from("end"));
    let called = 0;
    socket.write("!", "latin1", () => called++);
    socket.end();
    expect(await received).toEqual(Buffer.from("c3a9ff00e9656e6421", "hex"));
    expect(called).toBe(1);
  });

  it("report a failure to each who wrote", async () => {
    const { socket } = await openSocket();
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.on("error", () => {});
    socket.cork();
    const failures = ["a", "b"].map(
      (text) =>
        new Promise((resolve) => socket.write(text, "latin1", (error) => resolve(error instanceof Error))),
    );
    socket.destroy(new Error("gone"));
    socket.uncork();
    expect(await Promise.all(failures)).toEqual([true, true]);
  });
});
