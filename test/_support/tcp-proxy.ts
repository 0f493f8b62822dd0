import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface TcpProxy {
  readonly host: string;
  readonly port: number;
  /** Connections open now. */
  readonly open: number;
  /** Each piece, in both directions, is late by so much; their order stays. 0 is the default. */
  delayMs: number;
  /**
   * Swallows nothing, but lets nothing through: connections are accepted and stay silent, and what was held goes out
   * once it is over, as TCP does after a network has healed.
   */
  blackhole(on: boolean): void;
  /** Resets every connection that is open. */
  reset(): void;
  /** Resets new connections at once, as a dead server's machine does. */
  refuse: boolean;
  close(): Promise<void>;
}

/** Stands between a client and a real server, and makes the network bad on demand. */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let hole: { over: Promise<void>; end(): void } | undefined;

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (proxy.refuse) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      // An error closes the socket, and thereby its partner.
      from.on("error", () => to.resetAndDestroy());
      pump(from, to);
    }
  });

  function pump(from: Socket, to: Socket): void {
    let last = Promise.resolve();
    function pass(step: () => void): void {
      const due = proxy.delayMs > 0 ? sleep(proxy.delayMs) : undefined;
      last = Promise.all([last, due]).then(async () => {
        await hole?.over;
        step();
      });
    }
    from.on("data", (piece) => pass(() => void to.write(piece)));
    from.on("end", () => pass(() => void to.end()));
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: TcpProxy = {
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    get open() {
      return sockets.size / 2;
    },
    delayMs: 0,
    refuse: false,
    blackhole(on) {
      hole?.end();
      hole = undefined;
      if (!on) return;
      let end!: () => void;
      hole = { over: new Promise<void>((resolve) => (end = resolve)), end: () => end() };
    },
    reset() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      hole?.end();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}
