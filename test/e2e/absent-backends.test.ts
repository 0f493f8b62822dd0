/** Backends with `adapter: "auto"` whose servers are down while the config is loaded. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { formatFaults, resolveConfig } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";
import { waitFor } from "../_support/wait-for.ts";
import { openaiAt, post, simulated } from "./_stage.ts";

interface LateServer {
  readonly url: string;
  start(): Promise<void>;
}

/** A server of one model, whose port is known before it listens. `failing` is what it answers until it is ready. */
async function lateServer(): Promise<LateServer> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.setHeader("content-type", "application/json");
      if (request.url === "/v1/models")
        response.end(JSON.stringify({ object: "list", data: [{ id: "late", object: "model" }] }));
      else if (request.url === "/v1/chat/completions")
        response.end(JSON.stringify({ id: "1", object: "chat.completion", model: "late", choices: [{}] }));
      else response.writeHead(404).end();
    });
  });
  const listen = (port: number) => new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  await close(server);
  onTestFinished(() => close(server));
  return { url: `http://127.0.0.1:${port}`, start: () => listen(port) };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  if (server.listening) await new Promise((done) => server.close(done));
}

const resolve = (backends: object) => resolveConfig({ backends }, { dir: import.meta.dirname });
const auto = (url: string, rest: object = {}) => ({ adapter: "auto", baseURL: url, ...rest });

describe("a server that is down while the config is loaded", () => {
  it("is left out with a warning where there are others, whatever models and plugins say of it", async () => {
    const { url } = await lateServer();
    const result = await resolveConfig(
      {
        backends: {
          there: { adapter: "openai", apiKey: "k", models: ["m"] },
          late: auto(url, { models: ["late"], headers: { "x-a": "1" } }),
        },
        models: {
          best: {
            targets: [
              { backend: "there", model: "m" },
              { backend: "late", model: "late" },
            ],
          },
        },
      },
      { dir: import.meta.dirname },
    );
    if (!result.ok) throw new Error(formatFaults(result.faults));
    expect(result.warnings).toEqual([
      "backends.late.adapter: the server cannot be recognised: it does not answer. The others serve without it; it is asked again.",
    ]);
    expect(result.config.backends).toMatchObject([
      { name: "there", enabled: true },
      { name: "late", enabled: false },
    ]);
    expect(result.config.absent.map(({ name }) => name)).toEqual(["late"]);
  });

  it("is a fault where there is no other, and where it answers but is none that is known", async () => {
    const { url } = await lateServer();
    const other = createServer((_request, response) => void response.writeHead(404).end());
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
    onTestFinished(() => close(other));
    const otherURL = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const alone = await resolve({ one: auto(url), two: auto(url) });
    expect(!alone.ok && alone.faults.map(({ path }) => path)).toEqual([
      "backends.one.adapter",
      "backends.two.adapter",
    ]);
    const unknown = await resolve({ one: auto(url), two: auto(otherURL) });
    expect(!unknown.ok && unknown.faults.map(({ path }) => path)).toEqual(["backends.two.adapter"]);
  });

  it("is taken into use once it is there, and its models with it", async () => {
    const there = await simulated({ models: ["a"] });
    const late = await lateServer();
    const gateway = await startTestGateway({
      discovery: { intervalMs: 50 },
      backends: { there: openaiAt(there, { models: ["a"] }), late: auto(late.url) },
    });
    onTestFinished(() => gateway.close());
    const ask = (model: string) =>
      post(`${gateway.url}/v1/chat/completions`, { model, messages: [{ role: "user", content: "hi" }] });
    expect((await ask("a")).status).toBe(200);
    expect((await ask("late")).status).toBe(404);
    await late.start();
    await waitFor("the backend to be found", () => gateway.lines.join("").includes("`late` is there"));
    expect(gateway.lines.join("")).toContain("openai-compatible");
    expect((await ask("late")).status).toBe(200);
    expect((await ask("a")).status).toBe(200);
  });

  it("stays out, with the reason, when its options are not those of what it is", async () => {
    const there = await simulated({ models: ["a"] });
    const late = await lateServer();
    const gateway = await startTestGateway({
      discovery: { intervalMs: 50 },
      backends: { there: openaiAt(there, { models: ["a"] }), late: auto(late.url, { numCtx: 1 }) },
    });
    onTestFinished(() => gateway.close());
    await late.start();
    await waitFor("the reason", () => gateway.lines.join("").includes("`late` stays out"));
    expect(gateway.lines.join("")).toContain("backends.late.numCtx");
  });
});
