import type { IncomingMessage } from "node:http";
import fc from "fast-check";
import { isGatewayError } from "gatewright";
import { describe, expect, it } from "vitest";
import { checkRequest, checkWebRequest } from "../../../core/src/server/guards.ts";
import { createOperationRoutes } from "../../../core/src/server/operation-routes.ts";
import { coreOperations } from "../../../core/src/operations/index.ts";

const VIA = "gatewright-abc";

/** A request as Node's parser hands it over. */
function requestOf(fields: {
  url?: string;
  method?: string;
  httpVersion?: string;
  lines?: [string, string][];
}): IncomingMessage {
  const lines = fields.lines ?? [["Host", "gateway.test"]];
  const headers: Record<string, string> = {};
  for (const [name, value] of lines) headers[name.toLowerCase()] ??= value;
  const { url = "/v1/models", method = "GET", httpVersion = "1.1" } = fields;
  return { url, method, httpVersion, headers, rawHeaders: lines.flat() } as unknown as IncomingMessage;
}

type Check = (fields: Parameters<typeof requestOf>[0]) => ReturnType<typeof checkRequest>;

const check: Check = (fields) => checkRequest(requestOf(fields), 8_192, VIA);

/** The same as a web server hands it over. */
const checkWeb: Check = ({ url = "/v1/models", lines: headers = [] }) =>
  checkWebRequest(new Request(`http://gateway.test${url}`, { headers }), 8_192, VIA);

function statusOf(fields: Parameters<typeof requestOf>[0], way: Check = check): number {
  try {
    way(fields);
    return 0;
  } catch (error) {
    if (!isGatewayError(error)) throw error;
    return error.status;
  }
}

describe("request targets", () => {
  it.each([
    ["/v1/models", "/v1/models", ""],
    ["/v1/models?a=b?c", "/v1/models", "a=b?c"],
    ["/?", "/", ""],
    ["//v1/models", "//v1/models", ""],
    ["http://other.test/v1/models?x", "/v1/models", "x"],
    ["HTTPS://other.test", "/", ""],
    ["http://user@other.test:1/a", "/a", ""],
  ])("F10: %s is path %s and query %j", (url, path, query) => {
    expect(check({ url })).toEqual({ path, query });
  });

  it.each(["", "v1", "file:///x", "ftp://x/y", "http://", "http:///x", "javascript:x", "*"])(
    "F10: %j is 400",
    (url) => {
      expect(statusOf({ url })).toBe(400);
    },
  );

  it("F10: * is for OPTIONS alone", () => {
    expect(check({ url: "*", method: "OPTIONS" }).path).toBe("*");
    expect(statusOf({ url: "*", method: "POST" })).toBe(400);
  });

  it("finding 2: an operation is found by the very bytes of the path, and by nothing that resolves to them", () => {
    const routes = createOperationRoutes(coreOperations);
    const known = new Set(coreOperations.flatMap(({ paths }) => paths));
    const piece = fc.constantFrom(
      "v1",
      "models",
      "chat",
      "completions",
      "..",
      ".",
      "",
      "%2e",
      "%2F",
      "CHAT",
      "%63hat",
      ";x",
      "\\",
      "\u212a",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
        const path = `/${pieces.join("/")}`;
        const matched = routes.match("POST", path);
        const expected = known.has(path) || path.startsWith("/v1/models/");
        expect(matched !== undefined && path !== "/v1/models/").toBe(expected && path !== "/v1/models/");
      }),
      { seed: 20_240_229, numRuns: 500 },
    );
  });
});

describe("framing headers", () => {
  const host: [string, string] = ["Host", "gateway.test"];

  it("F8: one valid Host, by raw headers", () => {
    expect(statusOf({ lines: [] })).toBe(400);
    expect(statusOf({ lines: [], httpVersion: "1.0" })).toBe(0);
    expect(statusOf({ lines: [host, ["hOST", "gateway.test"]] })).toBe(400);
    for (const value of ["", "a b", "a/b", "a@b", "a,b", "[::1", "[::1]x", "a:", "a:123456", "a\0"])
      expect(statusOf({ lines: [["Host", value]] }), value).toBe(400);
    for (const value of ["a", "a.b-c_d:1", "[::1]", "[::1]:8080", "1.2.3.4"])
      expect(statusOf({ lines: [["Host", value]] }), value).toBe(0);
  });

  it("A2: hands on every Authorization line, joined, of which Node keeps the first", () => {
    const joined = (...values: string[]): string | undefined => {
      const names = ["Authorization", "AUTHORIZATION", "authorization"];
      const req = requestOf({
        lines: [host, ...values.map((value, n): [string, string] => [names[n]!, value])],
      });
      checkRequest(req, 8_192, VIA);
      return req.headers.authorization;
    };
    expect(joined("Bearer a")).toBe("Bearer a");
    expect(joined("Bearer a", "Bearer b")).toBe("Bearer a, Bearer b");
    expect(joined("", "Bearer b")).toBe(", Bearer b");
    expect(joined("Bearer a", "Bearer a", "Basic c")).toBe("Bearer a, Bearer a, Basic c");
  });

  it("F4, F5: chunked alone, and not in HTTP/1.0", () => {
    const encoded = (value: string, httpVersion = "1.1"): number =>
      statusOf({ httpVersion, lines: [host, ["Transfer-Encoding", value]] });
    expect(encoded("chunked")).toBe(0);
    expect(encoded("CHUNKED")).toBe(0);
    for (const value of ["", "gzip", "gzip, chunked", "chunked, chunked", "xchunked"])
      expect(encoded(value)).toBe(400);
    expect(encoded("chunked", "1.0")).toBe(400);
  });

  it.each([
    ["Node", check],
    ["web servers", checkWeb],
  ])("L1, L3, F19: too much, encoded bodies, and what came back, from %s", (_, way) => {
    const many = Array.from({ length: 1_000 }, (_line, n): [string, string] => [`a${n}`, "1"]);
    expect(statusOf({ lines: [host, ...many] }, way)).toBe(431);
    expect(statusOf({ lines: [host, ...many.slice(1)] }, way)).toBe(0);
    expect(statusOf({ url: `/${"a".repeat(8_192)}` }, way)).toBe(414);
    expect(statusOf({ url: `/${"a".repeat(8_191)}` }, way)).toBe(0);
    expect(statusOf({ url: `/?${"a".repeat(8_191)}` }, way)).toBe(414);
    expect(statusOf({ lines: [host, ["Content-Encoding", "gzip"]] }, way)).toBe(415);
    expect(statusOf({ lines: [host, ["Content-Encoding", "identity"]] }, way)).toBe(0);
    expect(statusOf({ lines: [host, ["Via", `1.1 a, 1.1 ${VIA}`]] }, way)).toBe(508);
    expect(statusOf({ lines: [host, ["Via", "1.1 gatewright-other"]] }, way)).toBe(0);
  });

  it("finds path and query of a web request", () => {
    expect(checkWeb({ url: "/v1/models?a=b?c" })).toEqual({ path: "/v1/models", query: "a=b?c" });
    expect(checkWeb({ url: "" })).toEqual({ path: "/", query: "" });
  });
});
