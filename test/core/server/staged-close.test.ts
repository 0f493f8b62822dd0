import { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closeInStages } from "../../../core/src/server/staged-close.ts";

/** A connection of which the test is the other side. */
function openConnection(): { socket: Duplex; written: string[]; ended: () => boolean } {
  const written: string[] = [];
  let ended = false;
  const socket = new Duplex({
    allowHalfOpen: true,
    read() {},
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
    final(done) {
      ended = true;
      done();
    },
  });
  return { socket, written, ended: () => ended };
}

/** Lets streams do what they put off. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("closing in stages (RFC 9112, section 9.6)", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("closes this side behind what was written, and the other is read on", async () => {
    const { socket, written, ended } = openConnection();
    socket.write("the answer");
    closeInStages(socket);
    await turn();
    expect(written).toEqual(["the answer"]);
    expect(ended()).toBe(true);
    for (let n = 0; n < 100; n++) socket.push(Buffer.alloc(65_536));
    await turn();
    expect(socket.readableLength).toBe(0);
    expect(socket.destroyed).toBe(false);
    socket.push(null);
    await turn();
    expect(socket.destroyed).toBe(true);
  });

  it("hands what comes to nobody who listened before", async () => {
    const { socket } = openConnection();
    const heard: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => heard.push(chunk));
    socket.pause();
    socket.push("before");
    closeInStages(socket);
    socket.push("after");
    await turn();
    expect(heard).toEqual([]);
    expect(socket.readableLength).toBe(0);
  });

  it("waits 5 seconds for a client that is silent", async () => {
    const { socket } = openConnection();
    closeInStages(socket);
    vi.advanceTimersByTime(4_999);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(socket.destroyed).toBe(true);
  });

  it("waits 30 seconds for a client that sends now and then", async () => {
    const { socket } = openConnection();
    closeInStages(socket);
    for (let seconds = 3; seconds <= 30; seconds += 3) {
      vi.advanceTimersByTime(3_000);
      socket.push("x");
      await turn();
      expect(socket.destroyed).toBe(false);
    }
    vi.advanceTimersByTime(1);
    socket.push("x");
    await turn();
    expect(socket.destroyed).toBe(true);
  });

  it("survives a client that resets the connection meanwhile", async () => {
    const { socket } = openConnection();
    closeInStages(socket);
    socket.destroy(new Error("read ECONNRESET"));
    await turn();
    expect(socket.destroyed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
