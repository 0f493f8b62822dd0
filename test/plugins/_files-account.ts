import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { JsonObject } from "gatewright";

export interface FilesAccount {
  /** Without a slash at the end. */
  readonly url: string;
  /** What was asked of it: method and path with query. */
  readonly seen: string[];
  readonly credentials: Set<string | undefined>;
  readonly files: Map<string, { object: JsonObject; content: Buffer }>;
  readonly batches: Map<string, JsonObject>;
  /** Answers with this status, while it is set. */
  failWith: number | undefined;
  /** Held back until it settles: the rest of an upload, and of a content. */
  gate: Promise<void>;
  /** Bytes of upload bodies that have come so far. */
  received: number;
  close(): Promise<void>;
}

/** An account of a vendor that keeps files and batches; `name` is part of every id that it gives. */
export async function startFilesAccount(name: string): Promise<FilesAccount> {
  const account: Omit<FilesAccount, "url" | "close"> = {
    seen: [],
    credentials: new Set(),
    files: new Map(),
    batches: new Map(),
    failWith: undefined,
    gate: Promise.resolve(),
    received: 0,
  };
  const { files, batches, seen } = account;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url } = request;
    seen.push(`${method} ${url}`);
    account.credentials.add(request.headers.authorization);
    const body = await read(request);
    const json = (status: number, value: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    if (account.failWith !== undefined) return json(account.failWith, { error: { message: "no" } });
    const [, root, id, part] = /^\/v1\/(files|batches)(?:\/([\w-]+)(\/\w+)?)?/.exec(url!) ?? [];
    const gone = (): void => json(404, { error: { message: `No such object: ${id}`, code: null } });
    if (root === "files") {
      if (id === undefined) return json(200, addFile(request, body));
      const file = files.get(id);
      if (!file) return gone();
      if (method === "DELETE") {
        files.delete(id);
        return json(200, { id, object: "file", deleted: true });
      }
      if (part !== "/content") return json(200, file.object);
      response.writeHead(200, { "content-type": "application/octet-stream" });
      response.write(file.content.subarray(0, 10));
      await account.gate;
      response.end(file.content.subarray(10));
      return;
    }
    if (id === undefined && method === "GET")
      return json(200, { object: "list", data: [...batches.values()] });
    if (id === undefined) return json(200, addBatch(JSON.parse(body.toString()) as JsonObject));
    const batch = batches.get(id);
    if (!batch) return gone();
    if (part === "/cancel") batch["status"] = "cancelling";
    json(200, batch);
  }

  function addFile(request: IncomingMessage, body: Buffer): JsonObject {
    const text = body.toString("latin1");
    const boundary = /boundary="?([^";]+)/.exec(request.headers["content-type"]!)![1]!;
    const purpose = /name="purpose"\r\n\r\n(\w+)/.exec(text)?.[1];
    const start = text.indexOf("\r\n\r\n", text.indexOf("filename=")) + 4;
    const content = body.subarray(start, body.indexOf(`\r\n--${boundary}`, start));
    const id = `file-${name}${files.size + 1}`;
    const object = { id, object: "file", bytes: content.length, purpose, model: "kept as it is" };
    files.set(id, { object, content });
    return object;
  }

  function addBatch({ input_file_id }: JsonObject): JsonObject {
    const id = `batch_${name}${batches.size + 1}`;
    const batch = { id, object: "batch", input_file_id, status: "validating", model: "kept as it is" };
    batches.set(id, batch);
    return batch;
  }

  async function read(request: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
      account.received += (chunk as Buffer).length;
    }
    return Buffer.concat(chunks);
  }

  const server = createServer((request, response) => void serve(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(account, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
