import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Adapter, Backend } from "gatewright";
import { healthCheck } from "@gatewright/health-check";
import type { HealthChange } from "@gatewright/health-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { adapters } from "@gatewright/adapters";
import ollama from "../../adapters/src/ollama.ts";
import openai from "../../adapters/src/openai.ts";
import { Checker } from "../../plugins/health-check/src/checker.ts";
import { createProbe } from "../../plugins/health-check/src/probe.ts";
import type { CheckResult, ProbeOptions } from "../../plugins/health-check/src/probe.ts";
import { createSecret } from "../../core/src/config/secret.ts";
import { createAttemptDispatch, createPlacedBackend, placeTargets } from "./_attempts.ts";
import {
  createHost,
  createRandom,
  createTarget,
  failureOf,
  FakeContext,
  run,
  setupPlugin,
} from "./_context.ts";

const LIST = JSON.stringify({ object: "list", data: [{ id: "m", object: "model" }] });

interface Server {
  readonly url: string;
  /** `GET /path`, in order. */
  readonly seen: string[];
  /** Of the last request. */
  headers: Record<string, unknown>;
  /** Connections so far. */
  readonly connections: number;
  /** Frees the port, and takes it again. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

async function startServer(listener: RequestListener): Promise<Server> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let port = 0;
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    started.headers = request.headers;
    listener(request, response);
  });
  server.on("connection", (socket) => {
    connections++;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const started: Server = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    seen,
    headers: {},
    get connections() {
      return connections;
    },
    async start() {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
      port = (server.address() as AddressInfo).port;
    },
    async stop() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  await started.start();
  onTestFinished(() => started.stop());
  return started;
}

function backendAt(url: string, fields: Partial<Backend> = {}): Backend {
  return createPlacedBackend("x", {
    adapter: openai,
    options: { headers: {} },
    baseURL: new URL(`${url}/v1`),
    ...fields,
  });
}

/** Asks once, by a probe that is closed at once. */
async function ask(backend: Backend, options: Partial<ProbeOptions> = {}): Promise<CheckResult> {
  const probe = createProbe(backend, { kind: "http", timeoutMs: 5_000, ...options })!;
  const result = await probe.ask();
  await probe.close();
  return result;
}

const PASSED = { passed: true };

describe("a check", () => {
  it("re-5, B10: GETs the adapter's health path with the credential, and nothing that is billed", async () => {
    const server = await startServer((_request, response) => response.end(LIST));
    expect(await ask(backendAt(server.url, { apiKey: createSecret("sk-check") }))).toEqual(PASSED);
    expect(server.seen).toEqual(["GET /v1/models"]);
    expect(server.headers["authorization"]).toBe("Bearer sk-check");
    const local = backendAt(server.url, { adapter: ollama, baseURL: new URL(server.url) });
    expect(await ask(local)).toEqual(PASSED);
    expect(server.seen.at(-1)).toBe("GET /api/version");
  });

  it("takes a path of its own from the root of the server", async () => {
    const server = await startServer((request, response) => {
      response.statusCode = request.url === "/health" ? 200 : 404;
      response.end("ok");
    });
    expect(await ask(backendAt(server.url), { path: "/health" })).toEqual(PASSED);
    expect(await ask(backendAt(server.url))).toEqual({ passed: false, cause: "status_404" });
  });

  it("re-5: of kind `models` wants a model list", async () => {
    let body = LIST;
    const server = await startServer((_request, response) => response.end(body));
    expect(await ask(backendAt(server.url), { kind: "models" })).toEqual(PASSED);
    body = "<!doctype html><title>Welcome</title>";
    expect(await ask(backendAt(server.url), { kind: "models" })).toEqual({
      passed: false,
      cause: "malformed",
    });
    body = '{"models":[]}';
    expect(await ask(backendAt(server.url), { kind: "models" })).toEqual({
      passed: false,
      cause: "malformed",
    });
  });

  it("re-5: names 401 and 403 as a cause of their own", async () => {
    for (const status of [401, 403]) {
      const server = await startServer((_request, response) => response.writeHead(status).end());
      expect(await ask(backendAt(server.url))).toEqual({ passed: false, cause: "auth" });
    }
  });

  it("B10: follows no redirect", async () => {
    const elsewhere = await startServer((_request, response) => response.end(LIST));
    const server = await startServer((_request, response) =>
      response.writeHead(302, { location: `${elsewhere.url}/v1/models` }).end(),
    );
    expect(await ask(backendAt(server.url))).toEqual({ passed: false, cause: "redirect" });
    expect(elsewhere.seen).toEqual([]);
  });

  it("B10: reads 64 KiB at most", async () => {
    let sent = 0;
    const server = await startServer((_request, response) => {
      const chunk = Buffer.alloc(16 * 1024, " ");
      const write = (): void => {
        while (!response.destroyed && sent < 1e9) {
          sent += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", write);
        }
      };
      write();
    });
    expect(await ask(backendAt(server.url), { kind: "models" })).toEqual({
      passed: false,
      cause: "too_large",
    });
    // Where only the status counts, the rest is not waited for.
    expect(await ask(backendAt(server.url))).toEqual(PASSED);
    expect(sent).toBeLessThan(1e8);
  });

  it.each<[string, RequestListener]>([
    ["no answer", () => {}],
    ["headers and then silence", (_request, response) => response.writeHead(200).flushHeaders()],
  ])("B10: ends in time with %s", async (_, listener) => {
    const server = await startServer(listener);
    expect(await ask(backendAt(server.url), { timeoutMs: 50 })).toEqual({ passed: false, cause: "timeout" });
  });

  it("re-18: tells loading from down", async () => {
    let body = '{"error":{"message":"Loading model","type":"unavailable_error","code":503}}';
    const server = await startServer((_request, response) => response.writeHead(503).end(body));
    expect(await ask(backendAt(server.url))).toEqual({ passed: false, cause: "loading", loading: true });
    body = "Service Unavailable";
    expect(await ask(backendAt(server.url))).toEqual({ passed: false, cause: "status_503" });
  });

  it("re-5: of kind `tcp` connects and hangs up without a word", async () => {
    const server = await startServer(() => {});
    expect(await ask(backendAt(server.url), { kind: "tcp" })).toEqual(PASSED);
    expect([server.connections, server.seen]).toEqual([1, []]);
    await server.stop();
    expect(await ask(backendAt(server.url), { kind: "tcp" })).toEqual({ passed: false, cause: "connect" });
    expect(await ask(backendAt(server.url))).toEqual({ passed: false, cause: "connect" });
  });

  it("is given up when it is closed", async () => {
    const server = await startServer(() => {});
    const probe = createProbe(backendAt(server.url), { kind: "http", timeoutMs: 60_000 })!;
    const result = probe.ask();
    await vi.waitFor(() => expect(server.seen).toHaveLength(1));
    await probe.close();
    expect(await result).toEqual({ passed: false, cause: "closed" });
  });

  it("fails, and goes on, when the adapter throws", async () => {
    const results: CheckResult[] = [];
    const adapter: Adapter = {
      ...openai,
      auth() {
        throw new RangeError("of the adapter's own");
      },
    };
    const probe = createProbe(backendAt("http://127.0.0.1:9", { adapter }), {
      kind: "http",
      timeoutMs: 1_000,
    })!;
    const checker = new Checker(probe, {
      intervalMs: 1,
      random: createRandom(1),
      onResult: (result) => results.push(result),
    });
    await vi.waitFor(() => expect(results.length).toBeGreaterThan(1));
    expect(results[0]).toEqual({ passed: false, cause: "RangeError" });
    await checker.close();
  });

  it.each([
    ["vllm", "/v1", "/health"],
    ["vllm", "/deep/v1/", "/deep/health"],
    ["vllm", "/api", "/api/health"],
    ["localai", "/v1", "/readyz"],
    ["llamacpp", "/v1", "/v1/health"],
    ["sglang", "/v1", "/v1/models"],
    ["perplexity", "", "/v1/models"],
    ["azure", "", "/openai/v1/models"],
  ])("asks %s at %j for %s", async (name, base, path) => {
    const server = await startServer((_request, response) => void response.end());
    const { default: adapter } = await adapters[name]!();
    const baseURL = new URL(server.url + base);
    expect(await ask(backendAt(server.url, { adapter, baseURL }))).toEqual(PASSED);
    expect(server.seen).toEqual([`GET ${path}`]);
  });

  it("has nothing to ask an adapter without a health path", () => {
    const adapter: Adapter = { ...openai, health: undefined };
    expect(
      createProbe(backendAt("http://127.0.0.1:9", { adapter }), { kind: "http", timeoutMs: 1 }),
    ).toBeUndefined();
  });
});

describe("the rhythm of checks", () => {
  it("B10: spreads a hundred backends over the interval, then 10 seconds plus up to a tenth", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const random = createRandom(10);
    const asked: number[][] = [];
    const checkers = Array.from({ length: 100 }, () => {
      const times: number[] = [];
      asked.push(times);
      const start = Date.now();
      const probe = {
        ask: async (): Promise<CheckResult> => {
          times.push(Date.now() - start);
          return { passed: true };
        },
        close: async () => {},
      };
      return new Checker(probe, { intervalMs: 10_000, random, onResult() {} });
    });
    await vi.advanceTimersByTimeAsync(60_000);
    const firsts = asked.map(([first]) => first!).sort((left, right) => left - right);
    expect(firsts.at(-1)).toBeLessThanOrEqual(10_000);
    // No second of the first ten has a third of all.
    for (let from = 0; from < 10_000; from += 1_000) {
      expect(firsts.filter((at) => at >= from && at < from + 1_000).length).toBeLessThan(34);
    }
    for (const times of asked) {
      for (const [index, at] of times.slice(1).entries()) {
        expect(at - times[index]!).toBeGreaterThanOrEqual(10_000);
        expect(at - times[index]!).toBeLessThanOrEqual(11_001);
      }
    }
    await Promise.all(checkers.map((checker) => checker.close()));
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a backend that is checked", () => {
  it("re-5: is down after three failed checks, gets nothing, and is up after two passed ones", async () => {
    const server = await startServer((_request, response) => response.end(LIST));
    const host = createHost();
    const target = createTarget("x", { backend: backendAt(server.url) });
    placeTargets(host, [target]);
    const changes: HealthChange[] = [];
    const askedAt: number[] = [];
    const onChange = (change: HealthChange): void => {
      changes.push(change);
      askedAt.push(server.seen.length);
    };
    const { middleware, close } = await setupPlugin(healthCheck({ intervalMs: 10, onChange }), host);
    let sent = 0;
    const dispatch = createAttemptDispatch(host, (attempt) => {
      sent++;
      return attempt.whole();
    });
    const send = (): ReturnType<typeof run> =>
      run([middleware!], new FakeContext({ candidates: [target] }, host), dispatch);

    await vi.waitFor(() => expect(server.seen.length).toBeGreaterThan(2));
    await send();
    await server.stop();
    await vi.waitFor(() => expect(changes).toHaveLength(1));
    expect(changes[0]).toEqual({ backend: "x", to: "down", cause: "connect" });
    // A single backend, so this is no case for panic: it is not there.
    const error = await failureOf(send());
    expect([error.status, error.code]).toEqual([503, "no_available_instances"]);
    expect(sent).toBe(1);
    const before = server.seen.length;
    await server.start();
    await vi.waitFor(() => expect(changes).toHaveLength(2));
    expect(changes[1]).toEqual({ backend: "x", to: "up" });
    expect(askedAt[1]! - before).toBe(2);
    await send();
    await close?.();
    expect(sent).toBe(2);
  });

  it("re-18: gets nothing while it loads, with retry-after when it is alone, and is up at the first pass", async () => {
    let loading = true;
    const server = await startServer((_request, response) => {
      if (loading) response.writeHead(503).end('{"status":"loading model"}');
      else response.end("{}");
    });
    const host = createHost();
    const target = createTarget("x", { backend: backendAt(server.url) });
    placeTargets(host, [target]);
    const changes: HealthChange[] = [];
    const { middleware, close } = await setupPlugin(
      healthCheck({ intervalMs: 10, onChange: (change: HealthChange) => changes.push(change) }),
      host,
    );
    const dispatch = createAttemptDispatch(host, (attempt) => attempt.whole());
    const send = (): ReturnType<typeof run> =>
      run([middleware!], new FakeContext({ candidates: [target] }, host), dispatch);
    await vi.waitFor(() => expect(changes).toEqual([{ backend: "x", to: "loading", cause: "loading" }]));
    const error = await failureOf(send());
    expect([error.code, error.headers["retry-after"]]).toEqual(["no_available_instances", "1"]);
    loading = false;
    await vi.waitFor(() => expect(changes.at(-1)).toEqual({ backend: "x", to: "up" }));
    expect((await send()).status).toBe(200);
    await close?.();
  });

  it("stays ejected when a check passes, since that does not try what requests do", async () => {
    const server = await startServer((_request, response) => response.end(LIST));
    const host = createHost();
    const targets = [
      createTarget("x", { backend: backendAt(server.url) }),
      createTarget("y", { backend: createPlacedBackend("y") }),
    ];
    placeTargets(host, targets);
    const { middleware, close } = await setupPlugin(
      healthCheck({ intervalMs: 5, ejection: { failures: 1 }, backends: { y: { check: "off" } } }),
      host,
    );
    const dispatch = createAttemptDispatch(host, (attempt) =>
      attempt.target === targets[0] ? Promise.reject(attempt.fail({ status: 500 })) : attempt.whole(),
    );
    const send = (): ReturnType<typeof run> =>
      run([middleware!], new FakeContext({ candidates: targets }, host), dispatch);
    await failureOf(send());
    const asked = server.seen.length;
    await vi.waitFor(() => expect(server.seen.length).toBeGreaterThan(asked + 3));
    expect((await send()).body).toBe("y/m");
    await close?.();
  });
});
