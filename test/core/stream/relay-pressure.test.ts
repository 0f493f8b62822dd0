import { describe, expect, it } from "vitest";
import { ByteRelay } from "../../../core/src/stream/byte-relay.ts";
import { EventPipe } from "../../../core/src/stream/event-pipe.ts";

const BLOCK = Buffer.alloc(200_000, "x");

/** A feeder that notes whether it may go on, and a sink that is full from its first chunk. */
function createEnds() {
  const pressure: boolean[] = [];
  const owner = { onPressure: (pause: boolean) => pressure.push(pause), onCancel: () => {} };
  let received = 0;
  const sinkOf = (stream: { pause(): void }) => ({
    data: (chunk: Uint8Array) => {
      received += chunk.length;
      stream.pause();
    },
    end: () => {},
    fail: () => {},
  });
  return { pressure, owner, sinkOf, received: () => received };
}

describe("a stream that was held back until its start", () => {
  it("of bytes: waits on when the sink is full, and goes on when the sink says so", () => {
    const { pressure, owner, sinkOf, received } = createEnds();
    const relay = new ByteRelay(owner);
    for (let n = 0; n < 3; n++) relay.push(BLOCK);
    expect(pressure).toEqual([true]);
    relay.start(sinkOf(relay));
    expect(received()).toBe(3 * BLOCK.length);
    expect(pressure.at(-1)).toBe(true);
    relay.resume();
    expect(pressure.at(-1)).toBe(false);
  });

  it("of events: the same", () => {
    const { pressure, owner, sinkOf } = createEnds();
    const pipe = new EventPipe(owner);
    for (let n = 0; n < 3; n++) pipe.push({ raw: BLOCK, data: "x", json: {} });
    expect(pressure).toEqual([true]);
    pipe.start(sinkOf(pipe));
    expect(pressure.at(-1)).toBe(true);
    pipe.resume();
    expect(pressure.at(-1)).toBe(false);
  });

  it("of events that nobody can start yet: holds nobody back, until they are offered", () => {
    const { pressure, owner, sinkOf } = createEnds();
    const pipe = new EventPipe(owner, false);
    for (let n = 0; n < 3; n++) pipe.push({ raw: BLOCK, data: "x", json: {} });
    expect(pressure).toEqual([]);
    expect(pipe.heldBytes).toBeGreaterThanOrEqual(3 * BLOCK.length);
    pipe.offer();
    expect(pressure).toEqual([true]);
    pipe.start(sinkOf(pipe));
    pipe.resume();
    expect(pressure.at(-1)).toBe(false);
    expect(pipe.heldBytes).toBe(0);
  });

  it("goes on at once when the sink takes it all", () => {
    const { pressure, owner } = createEnds();
    const relay = new ByteRelay(owner);
    for (let n = 0; n < 3; n++) relay.push(BLOCK);
    relay.start({ data: () => {}, end: () => {}, fail: () => {} });
    expect(pressure).toEqual([true, false]);
  });
});
