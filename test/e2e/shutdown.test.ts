import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway } from "../_support/gateway.ts";
import { ROOT, startProgram, type Program } from "../_support/program.ts";
import { connectRaw, readReply, requestText } from "../_support/raw-client.ts";
import { waitFor } from "../_support/wait-for.ts";

const MODEL = "gpt-4o-mini";

async function startGatewayProcess(
  backend: SimulatedBackend,
  server: Record<string, unknown>,
  args: readonly string[] = [],
): Promise<Program> {
  const dir = await mkdtemp(join(ROOT, "node_modules", ".cache-shutdown-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, "gateway.config.json");
  await writeFile(
    file,
    JSON.stringify({
      server,
      log: { level: "info", format: "json" },
      backends: { only: { adapter: "openai", baseURL: `${backend.url}/v1`, models: [MODEL] } },
    }),
  );
  const program = await startProgram("start", file, args);
  onTestFinished(async () => {
    if (program.child.exitCode === null) program.kill("SIGKILL");
    await program.exited;
  });
  return program;
}

async function startBackend(settings: Record<string, unknown>): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend({ dialect: "openai", ...settings });
  onTestFinished(() => backend.close());
  return backend;
}

function chat(url: string, stream: boolean): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, stream, messages: [{ role: "user", content: "hello" }] }),
  });
}

describe("shutdown", () => {
  it("O6: SIGTERM: readiness fails first, requests are still taken, streams finish, exit code 0", async () => {
    const backend = await startBackend({ tokens: 30, tokenMs: 50 });
    const program = await startGatewayProcess(backend, { preStopDelayMs: 600, drainTimeoutMs: 60_000 });
    const stream = await chat(program.url, true);
    program.kill("SIGTERM");
    await waitFor("readiness fails", async () => (await fetch(`${program.url}/readyz`)).status === 503);

    backend.settings.tokens = 2;
    const late = await chat(program.url, false);
    expect(late.status).toBe(200);
    await late.text();
    expect((await (await fetch(`${program.url}/health`)).json()) as object).toMatchObject({
      status: "draining",
    });
    expect(await stream.text()).toMatch(/data: \[DONE\]\n\n$/);
    expect(await program.exited).toBe(0);
  });

  it("O6: at the end of the drain a running stream gets an error event, and the exit code is 1", async () => {
    const backend = await startBackend({ tokens: 10_000, tokenMs: 20 });
    const program = await startGatewayProcess(backend, { preStopDelayMs: 0, drainTimeoutMs: 300 });
    const stream = await chat(program.url, true);
    program.kill("SIGTERM");
    const text = await stream.text();

    expect(text).toMatch(/data: \{"error":\{[^\n]*"code":"draining"[^\n]*\}\n\n$/);
    expect(text).not.toContain("[DONE]");
    expect(await program.exited).toBe(1);
    await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
  });

  it("O7: a second signal ends running requests at once, in order", async () => {
    const backend = await startBackend({ tokens: 10_000, tokenMs: 20 });
    const program = await startGatewayProcess(backend, { preStopDelayMs: 60_000, drainTimeoutMs: 60_000 });
    const stream = await chat(program.url, true);
    program.kill("SIGTERM");
    await waitFor("the first signal is told", () => program.output().includes("a second signal ends them"));
    program.kill("SIGINT");

    expect(await stream.text()).toMatch(/"code":"draining"/);
    expect(await program.exited).toBe(1);
  });

  it("an idle gateway stops without waiting for kept connections", async () => {
    const backend = await startBackend({});
    const program = await startGatewayProcess(backend, { preStopDelayMs: 0, drainTimeoutMs: 60_000 });
    await (await chat(program.url, false)).text();
    program.kill("SIGTERM");

    expect(await program.exited).toBe(0);
  });
});

describe("workers", () => {
  it("several processes share the port, one that dies is replaced, and a signal stops all", async () => {
    const backend = await startBackend({ tokens: 2 });
    const program = await startGatewayProcess(backend, { preStopDelayMs: 0, drainTimeoutMs: 5_000 }, [
      "--workers",
      "2",
    ]);
    const workers = await waitFor("both workers listen", () => {
      const pids = [...program.output().matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid));
      return new Set(pids).size === 2 ? pids : undefined;
    });
    process.kill(workers[0]!, "SIGKILL");
    await waitFor("a new one takes its place", () => program.output().includes("a new one takes its place"));
    await waitFor("three have listened in all", () => {
      const pids = [...program.output().matchAll(/"pid":(\d+)/g)].map(([, pid]) => pid);
      return new Set(pids).size === 3;
    });
    const replies = await Promise.all(Array.from({ length: 8 }, () => chat(program.url, false)));

    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    await Promise.all(replies.map((reply) => reply.text()));
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
  }, 60_000);
});

describe("a gateway that has stopped accepting", () => {
  const request = (rest: Record<string, unknown> = {}): string =>
    requestText("POST", "/v1/chat/completions", {
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "hello" }], ...rest }),
    });

  it("re-19 O6: refuses connections, ends what runs whole, and closes after what an old connection still asks", async () => {
    const backend = await startBackend({ tokens: 10, tokenMs: 20 });
    const gateway = await startTestGateway({
      backends: { only: { adapter: "openai", baseURL: `${backend.url}/v1`, models: [MODEL] } },
    });
    const [streaming, asking, idle] = [
      await connectRaw(gateway.url),
      await connectRaw(gateway.url),
      await connectRaw(gateway.url),
    ];
    await idle.send(request({ max_tokens: 1 }));
    expect((await readReply(idle)).headers["connection"]).not.toBe("close");
    await streaming.send(request({ stream: true }));
    await asking.send(request());
    await waitFor("both calls", () => backend.requests.length === 3);
    const stopped = gateway.server.stop(60_000);
    await waitFor("the end of the idle connection", () => idle.ended);
    // Behind the request that runs on that connection.
    await asking.send(request({ max_tokens: 1 }));
    await expect(fetch(`${gateway.url}/livez`)).rejects.toThrow();

    const whole = await readReply(streaming);
    expect(whole.status).toBe(200);
    expect(String(whole.body)).toMatch(/data: \[DONE\]\n\n$/);
    expect((await readReply(asking)).status).toBe(200);
    const last = await readReply(asking);
    expect([last.status, last.headers["connection"]]).toEqual([200, "close"]);
    expect(await stopped).toBe(true);
    for (const client of [streaming, asking, idle]) client.destroy();
  });

  it("re-19: answers what it could not end with 503 `draining`, to be sent again in half a minute", async () => {
    const backend = await startBackend({ faults: [{ kind: "no_answer" }] });
    const gateway = await startTestGateway({
      backends: { only: { adapter: "openai", baseURL: `${backend.url}/v1`, models: [MODEL] } },
    });
    const asked = chat(gateway.url, false);
    await waitFor("the call", () => backend.requests.length === 1);
    expect(await gateway.server.stop(50)).toBe(false);
    const reply = await asked;
    expect([reply.status, reply.headers.get("retry-after")]).toEqual([503, "30"]);
    expect(await reply.json()).toMatchObject({ error: { type: "service_unavailable", code: "draining" } });
    await waitFor("the end of the upstream call", () => backend.requests[0]!.aborted);
  });
});
