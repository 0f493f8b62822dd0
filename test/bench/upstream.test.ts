import { afterEach, describe, expect, it } from "vitest";
import { chatRequest, requestHead } from "../../bench/src/chat-request.ts";
import { Connection } from "../../bench/src/connection.ts";
import { FrameCounter } from "../../bench/src/frames.ts";
import { startUpstream, type Behaviour, type Upstream } from "../../bench/src/upstream.ts";

let upstream: Upstream | undefined;

afterEach(() => upstream?.close());

interface Received {
  readonly status: number;
  readonly bytes: number;
  /** Events of the stream. */
  readonly frames: number;
}

async function ask(behaviour: Behaviour, stream = false): Promise<Received> {
  upstream = await startUpstream();
  upstream.behave(behaviour);
  const port = Number(new URL(upstream.url).port);
  const connection = await Connection.open(port);
  const counter = new FrameCounter();
  let [bytes, frames] = [0, 0];
  const status = await new Promise<number>((end) =>
    connection.send(chatRequest({ port, headers: {} }, { stream }), {
      body(chunk) {
        bytes += chunk.length;
        frames += counter.count(chunk);
      },
      end,
    }),
  );
  connection.close();
  return { status, bytes, frames };
}

describe("the benchmark's upstream", () => {
  it("answers a chat request with 420 bytes", async () => {
    expect(await ask({ kind: "reply" })).toMatchObject({ status: 200, bytes: 420 });
  });

  it.each([1, 31, 32, 33, 5_000])("streams exactly the ordered number of frames: %i", async (frames) => {
    // The finish reason and the terminator are events of their own.
    expect(await ask({ kind: "burst", frames }, true)).toMatchObject({ status: 200, frames: frames + 2 });
  });

  it("streams stamped frames at their pace, as many as ordered", async () => {
    const received = await ask({ kind: "paced", frames: 3, intervalMs: 1 }, true);
    expect(received).toMatchObject({ status: 200, frames: 5 });
  });

  it.each([1, 65_536, 3_000_001])("sends exactly the ordered number of bytes: %i", async (bytes) => {
    expect(await ask({ kind: "download", bytes })).toMatchObject({ status: 200, bytes });
  });

  it("lists the one model, and counts what it was sent", async () => {
    upstream = await startUpstream();
    expect(await (await fetch(`${upstream.url}/models`)).json()).toMatchObject({
      data: [{ id: "bench-model" }],
    });
    expect(upstream.takeReceivedBytes()).toBe(0);
    const port = Number(new URL(upstream.url).port);
    const connection = await Connection.open(port);
    const request = Buffer.from(`${requestHead({ port, headers: {} }, "/v1/x", "text/plain", 5)}12345`);
    await new Promise((end) => connection.send(request, { end }));
    connection.close();
    expect(upstream.takeReceivedBytes()).toBe(5);
    expect(upstream.takeReceivedBytes()).toBe(0);
  });
});
