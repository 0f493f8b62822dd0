import { describe, expect, it } from "vitest";
import { MessageReader } from "../../bench/src/http1.ts";

/** Reads `bytes` given in pieces of `size`. */
function read(bytes: string, size: number): string[] {
  const seen: string[] = [];
  let body = "";
  const reader = new MessageReader({
    head: (head) => seen.push(head.split("\r\n")[0]!),
    body: (part) => (body += part.toString("latin1")),
    end() {
      seen.push(body);
      body = "";
    },
  });
  for (let at = 0; at < bytes.length; at += size) reader.push(Buffer.from(bytes.slice(at, at + size)));
  return seen;
}

const MESSAGES =
  "GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n" +
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" +
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab\r\n\r\nc\r\n0123456789ab\r\n0\r\nx-trailer: 1\r\n\r\n" +
  "HTTP/1.1 204 No Content\r\nx: y\r\n\r\n";

describe("MessageReader", () => {
  it.each([1, 2, 3, 7, 64, 1_000])("reads messages of every framing in pieces of %i bytes", (size) => {
    expect(read(MESSAGES, size)).toEqual([
      "GET /v1/models HTTP/1.1",
      "",
      "HTTP/1.1 200 OK",
      "hello",
      "HTTP/1.1 200 OK",
      "ab\r\n0123456789ab",
      "HTTP/1.1 204 No Content",
      "",
    ]);
  });

  it("throws on a chunk size that is no number", () => {
    expect(() => read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 64)).toThrow(
      'expected a chunk size, got "zz"',
    );
  });
});
