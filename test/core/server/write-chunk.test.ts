import { createServer, type RequestListener, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { writeChunk } from "../../../core/src/server/write-chunk.ts";

let server: Server | undefined;
afterEach(() => server?.close());

/** Sends bytes to a server that answers like this; gives all that comes back until it closes. */
async function exchange(listener: RequestListener, request: string): Promise<Buffer> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(request);
  await closed;
  return Buffer.concat(chunks);
}

/** Bodies of replies in a row, each behind its head. */
function bodies(reply: Buffer): string[] {
  return reply
    .toString("latin1")
    .split(/HTTP\/1\.1 200 OK\r\n/)
    .slice(1)
    .map((one) => one.slice(one.indexOf("\r\n\r\n") + 4));
}

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const large = Buffer.alloc(20_000, everyByte);
const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/** What a chunked body holds (RFC 9112, section 7.1). Where it is cut is its writer's affair: Node 26 joins pieces. */
function unframed(body: string): string {
  let [text, at] = ["", 0];
  while (body.slice(at) !== "0\r\n\r\n") {
    const [line, size] = /^([1-9a-f][0-9a-f]*)\r\n/.exec(body.slice(at))!;
    const end = at + line.length + Number.parseInt(size!, 16);
    expect(body.slice(end, end + 2)).toBe("\r\n");
    text += body.slice(at + line.length, end);
    at = end + 2;
  }
  return text;
}

describe("chunks that are written at once", () => {
  it("come framed, in order, whatever their bytes and size, among those that Node writes", async () => {
    const reply = await exchange((_, response) => {
      response.write("head and first");
      for (const piece of [everyByte, large, Buffer.alloc(0), Buffer.from("é")]) writeChunk(response, piece);
      response.write("by Node");
      writeChunk(response, Buffer.from("last"));
      response.end("end");
    }, LAST_GET);
    const bytes = [everyByte, large, Buffer.from("é")].map((piece) => piece.toString("latin1")).join("");
    expect(bodies(reply).map(unframed)).toEqual([`head and first${bytes}by Nodelastend`]);
  });

  it("go as they are where the body is not chunked", async () => {
    const reply = await exchange((_, response) => {
      response.write("a");
      writeChunk(response, Buffer.from("b"));
      response.end();
    }, "GET / HTTP/1.0\r\n\r\n");
    expect(bodies(reply)).toEqual(["ab"]);
  });

  it("are left out where there is no body", async () => {
    const reply = await exchange(
      (_, response) => {
        response.write("a");
        writeChunk(response, Buffer.from("b"));
        response.end();
      },
      LAST_GET.replace("GET", "HEAD"),
    );
    expect(bodies(reply)).toEqual([""]);
  });

  it("wait for their turn where an earlier reply on the connection has not ended", async () => {
    let endFirst = (): void => {};
    const reply = await exchange(
      (() => {
        let count = 0;
        return (_: unknown, response) => {
          count++;
          response.write(`${count}a`);
          writeChunk(response, Buffer.from(`${count}b`));
          if (count === 1) {
            endFirst = () => response.end();
            return;
          }
          endFirst();
          writeChunk(response, Buffer.from("2c"));
          response.end();
        };
      })() satisfies RequestListener,
      GET + LAST_GET,
    );
    expect(bodies(reply).map(unframed)).toEqual(["1a1b", "2a2b2c"]);
  });

  it("say when no more should come, and the socket when it may go on", async () => {
    const seen: boolean[] = [];
    const reply = await exchange((_, response) => {
      response.write("a");
      response.socket!.once("drain", () => response.end());
      let more = true;
      while (more) {
        more = writeChunk(response, Buffer.alloc(10_000, "x"));
        seen.push(more);
      }
    }, LAST_GET);
    expect(seen.at(-1)).toBe(false);
    expect(bodies(reply)[0]!.endsWith("0\r\n\r\n")).toBe(true);
  });
});
