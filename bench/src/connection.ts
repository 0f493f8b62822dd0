import { connect } from "node:net";
import type { Socket } from "node:net";
import { MessageReader } from "./http1.ts";

/** Where requests go: a port on loopback, and the headers that its owner wants. */
export interface Endpoint {
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Called while one exchange runs. */
export interface ExchangeHandler {
  /** The status line and headers of the reply. */
  head?(head: string): void;
  body?(bytes: Buffer): void;
  /** The reply is whole. Status 0: the connection broke before that. */
  end(status: number): void;
}

/** A keep-alive connection with one exchange at a time. */
export class Connection {
  readonly socket: Socket;
  #exchange: ExchangeHandler | null = null;
  #status = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    const reader = new MessageReader({
      head: (head) => {
        // "HTTP/1.1 200 OK"
        this.#status = Number(head.slice(9, 12));
        this.#exchange?.head?.(head);
      },
      body: (bytes) => this.#exchange?.body?.(bytes),
      end: () => this.#finish(this.#status),
    });
    socket.on("data", (bytes) => reader.push(bytes));
    // A reset is told by the `close` that follows, as status 0.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#finish(0));
  }

  /** Resolves when connected; rejects when refused. */
  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Connection(socket));
      });
    });
  }

  /** True until the peer or `close` ends it. */
  get isOpen(): boolean {
    return !this.socket.destroyed && this.socket.writable;
  }

  send(request: Buffer, exchange: ExchangeHandler): void {
    this.#exchange = exchange;
    if (this.isOpen) this.socket.write(request);
    else this.#finish(0);
  }

  close(): void {
    this.socket.destroy();
  }

  #finish(status: number): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.end(status);
  }
}

/** Opens `count` connections, some at a time, so that no accept queue overflows. */
export async function openConnections(port: number, count: number): Promise<Connection[]> {
  const connections: Connection[] = [];
  while (connections.length < count) {
    const batch = Math.min(CONNECT_AT_ONCE, count - connections.length);
    connections.push(...(await Promise.all(Array.from({ length: batch }, () => Connection.open(port)))));
  }
  return connections;
}

const CONNECT_AT_ONCE = 100;

/** The status of one request on a connection of its own; null when there was no reply. */
export async function callOnce(endpoint: Endpoint, request: Buffer): Promise<number | null> {
  let connection: Connection;
  try {
    connection = await Connection.open(endpoint.port);
  } catch {
    return null;
  }
  const status = await new Promise<number>((resolve) => connection.send(request, { end: resolve }));
  connection.close();
  return status === 0 ? null : status;
}
