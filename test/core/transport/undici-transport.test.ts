import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
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
  return { send, replies, ends, transport };
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
