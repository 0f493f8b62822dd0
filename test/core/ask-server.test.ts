import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { askServer, backendPath, createUndiciTransport } from "gatewright";
import type { ServerAnswer, Transport } from "gatewright";
import { afterEach, describe, expect, it } from "vitest";

let server: Server | undefined;
let transport: Transport | undefined;

afterEach(async () => {
  await transport?.destroy();
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
});

/** Asks a server that answers with `status`, and `bytes` that spell what it was asked to send. */
async function ask(
  status: number,
  bytes: number,
  headers: Record<string, string> = {},
): Promise<ServerAnswer> {
  server = createServer(({ headers: { accept = "" } }, response) => {
    response.statusCode = status;
    response.end(accept.padEnd(bytes, "."));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server!.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  transport = createUndiciTransport(new URL(`http://127.0.0.1:${port}`), {
    connectMs: 5_000,
    connections: 1,
  });
  return askServer(transport, { path: "/", headers, timeoutMs: 5_000, maxBytes: 100 });
}

describe("a question to a server", () => {
  it("asks for JSON, unless its headers ask for something else", async () => {
    expect(await ask(200, 0)).toEqual({ status: 200, text: "application/json" });
  });

  it("takes the accept of its headers", async () => {
    expect(await ask(200, 0, { accept: "*/*" })).toEqual({ status: 200, text: "*/*" });
  });

  it("reads as much as it may, and of more tells the status alone", async () => {
    expect(await ask(503, 101)).toEqual({ failure: "too_large", status: 503 });
  });
});

describe("the path of a call to a backend", () => {
  const pathAt = (baseURL: string, path: string, outside?: string) =>
    backendPath({ baseURL: new URL(baseURL) }, path, outside);

  it("is below its base URL, however that ends", () => {
    expect(pathAt("http://one.test", "/models")).toBe("/models");
    expect(pathAt("http://one.test/v1/", "/models")).toBe("/v1/models");
  });

  it("carries the query of the base URL behind its own", () => {
    expect(pathAt("http://one.test/v1?version=2", "/models")).toBe("/v1/models?version=2");
    expect(pathAt("http://one.test/v1?version=2", "/models?limit=9")).toBe("/v1/models?limit=9&version=2");
  });

  it("leaves out the end of the base that it is outside of, where the base ends so", () => {
    expect(pathAt("http://one.test/api/v1", "/health", "/v1")).toBe("/api/health");
    expect(pathAt("http://one.test/api", "/health", "/v1")).toBe("/api/health");
  });
});
