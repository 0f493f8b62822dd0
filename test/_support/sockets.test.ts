import { afterEach, describe, expect, it } from "vitest";
import { connectRaw, readReply, requestText } from "./raw-client.ts";
import { chunk, LAST_CHUNK, replyHead, startScriptedUpstream } from "./scripted-upstream.ts";
import { startTcpProxy } from "./tcp-proxy.ts";
import { waitFor } from "./wait-for.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startUpstream(...[script]: Parameters<typeof startScriptedUpstream>) {
  const upstream = await startScriptedUpstream(script);
  cleanups.push(() => upstream.close());
  return upstream;
}

describe("a scripted upstream", () => {
  it("reads requests by length and by chunks, and answers any bytes it is told to, one by one", async () => {
    const upstream = await startUpstream(async (connection) => {
      for (let i = 0; i < 2; i++) {
        const { method, path, headers, body } = await connection.readRequest();
        await connection.send(replyHead(200, { "Transfer-Encoding": "chunked" }));
        await connection.sendPieces(chunk(`${method} ${path} ${headers["x-a"]} ${String(body)} 🙂`), {
          size: 1,
        });
        await connection.send(LAST_CHUNK);
      }
    });
    const client = await connectRaw(upstream.url);
    await client.sendPieces(requestText("POST", "/a", { headers: { "X-A": "1" }, body: "é" }), {
      at: [5, 20],
    });
    expect(String((await readReply(client)).body)).toBe("POST /a 1 é 🙂");
    const chunked = requestText("PUT", "/b", { headers: { "Transfer-Encoding": "chunked", "x-a": "2" } });
    await client.send(`${chunked}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n`);
    expect(String((await readReply(client)).body)).toBe("PUT /b 2 abc 🙂");
    client.destroy();
  });

  it("half-closes and resets, and the client sees which", async () => {
    const upstream = await startUpstream(async (connection) => {
      await connection.readRequest();
      if (connection.index === 0) {
        connection.halfClose();
        expect(String(await connection.readBytes(5))).toBe("still");
      } else {
        connection.reset();
      }
    });
    const closed = await connectRaw(upstream.url);
    await closed.send(requestText("GET", "/"));
    expect(String(await closed.readToEnd())).toBe("");
    await closed.send("still");
    closed.halfClose();
    expect(await closed.closed).toBeUndefined();
    const reset = await connectRaw(upstream.url);
    await reset.send(requestText("GET", "/"));
    expect(await reset.closed).toMatchObject({ code: "ECONNRESET" });
  });

  it("reports what a script threw when it is closed", async () => {
    const upstream = await startScriptedUpstream(() => {
      throw new Error("wrong script");
    });
    const client = await connectRaw(upstream.url);
    await waitFor("the connection is seen", () => upstream.connections.length === 1);
    await expect(upstream.close()).rejects.toThrow("wrong script");
    client.destroy();
  });

  it("gives up a read when the connection ends, with what had come", async () => {
    const upstream = await startUpstream(async (connection) => {
      await connection.send("HTTP/1.1 200");
      connection.halfClose();
    });
    const client = await connectRaw(upstream.url);
    await expect(client.readUntil("\r\n\r\n")).rejects.toThrow("HTTP/1.1 200");
    client.destroy();
  });
});

describe("a TCP proxy", () => {
  async function startEcho() {
    const upstream = await startUpstream(async (connection) => {
      try {
        for (;;) await connection.send(await connection.readUntil("\n"));
      } finally {
        connection.destroy();
      }
    });
    const { hostname: host, port } = new URL(upstream.url);
    const proxy = await startTcpProxy({ host, port: Number(port) });
    cleanups.push(() => proxy.close());
    return { proxy, connect: () => connectRaw(`http://${proxy.host}:${proxy.port}`) };
  }

  it("passes bytes both ways, and the end of both halves", async () => {
    const { proxy, connect } = await startEcho();
    const client = await connect();
    await client.send("one\ntwo\n");
    expect(String(await client.readBytes(8))).toBe("one\ntwo\n");
    expect(proxy.open).toBe(1);
    client.destroy();
    await waitFor("the proxy has let go", () => proxy.open === 0);
  });

  it("delays without changing the order", async () => {
    const { proxy, connect } = await startEcho();
    const client = await connect();
    proxy.delayMs = 20;
    await client.send("late\n");
    proxy.delayMs = 0;
    await client.send("later\n");
    expect(String(await client.readBytes(11))).toBe("late\nlater\n");
    client.destroy();
  });

  it("holds everything in a black hole and lets it out afterwards", async () => {
    const { proxy, connect } = await startEcho();
    const client = await connect();
    proxy.blackhole(true);
    await client.send("held\n");
    const other = await connect();
    expect(String(client.pending) + String(other.pending)).toBe("");
    proxy.blackhole(false);
    expect(String(await client.readUntil("\n"))).toBe("held\n");
    client.destroy();
    other.destroy();
  });

  it("resets open connections, and refuses new ones while told to", async () => {
    const { proxy, connect } = await startEcho();
    const client = await connect();
    await client.send("a\n");
    await client.readUntil("\n");
    proxy.reset();
    expect(await client.closed).toMatchObject({ code: "ECONNRESET" });
    proxy.refuse = true;
    // The reset may come as soon as the connection is made, or a moment later.
    const refused = connect().then(
      (connected) => connected.closed,
      (error: unknown) => error,
    );
    expect(await refused).toMatchObject({ code: "ECONNRESET" });
  });
});

describe("waitFor", () => {
  it("returns the first truthy answer, and names what did not come", async () => {
    let asked = 0;
    expect(await waitFor("three", () => ++asked === 3 && asked)).toBe(3);
    await expect(waitFor("rain", () => false, 10)).rejects.toThrow("rain");
  });
});
