/** The breaker and the health of accounts in a whole gateway, over sockets. */
import { balancer } from "@gatewright/balancer";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { healthCheck } from "@gatewright/health-check";
import { retry } from "@gatewright/retry";
import type { Plugin } from "gatewright";
import { expect, it, onTestFinished } from "vitest";
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";
import type { SimulatedBackend, SimulatedBackendOptions } from "../../playground/src/simulated-backend.ts";
import { startTestGateway } from "../_support/gateway.ts";
import type { TestGateway } from "../_support/gateway.ts";

const MODEL = "gpt-4o-mini";

async function startBackend(options: Partial<SimulatedBackendOptions> = {}): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend({ dialect: "openai", ...options });
  onTestFinished(() => backend.close());
  return backend;
}

async function startGateway(
  backends: Record<string, { backend: SimulatedBackend; apiKey?: string }>,
  plugins: readonly Plugin[],
): Promise<TestGateway> {
  const gateway = await startTestGateway({
    backends: Object.fromEntries(
      Object.entries(backends).map(([name, { backend, apiKey }]) => [
        name,
        { adapter: "openai", baseURL: `${backend.url}/v1`, models: [MODEL], ...(apiKey && { apiKey }) },
      ]),
    ),
    plugins,
  });
  onTestFinished(() => gateway.close());
  return gateway;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

async function ask({ url }: TestGateway, stream = false): Promise<Answer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, stream, messages: [{ role: "user", content: "hello" }] }),
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

it("re-1, re-3: five streams that are cut open the breaker; the sixth request is answered here", async () => {
  const backend = await startBackend({ faults: () => ({ kind: "cut", afterEvents: 3 }) });
  const gateway = await startGateway({ one: { backend } }, [circuitBreaker()]);
  for (let count = 0; count < 5; count++) {
    const cut = await ask(gateway, true);
    expect(cut.status).toBe(200);
    expect(cut.text).toContain("upstream_interrupted");
  }
  const refused = await ask(gateway, true);
  expect(refused.status).toBe(503);
  expect(JSON.parse(refused.text)).toMatchObject({
    error: {
      type: "circuit_breaker_open",
      code: "circuit_breaker_open",
      message: "Circuit breaker is open",
      param: null,
    },
  });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(50);
  expect(backend.requests).toHaveLength(5);
});

it("re-3: clients' faults leave the breaker closed", async () => {
  const backend = await startBackend({ faults: () => ({ kind: "status", status: 400 }) });
  const gateway = await startGateway({ one: { backend } }, [circuitBreaker()]);
  for (let count = 0; count < 20; count++) expect((await ask(gateway)).status).toBe(400);
  expect(backend.requests).toHaveLength(20);
});

it("B15: a breaker is open after a reload", async () => {
  const backend = await startBackend({ faults: () => ({ kind: "status", status: 500 }) });
  const gateway = await startGateway({ one: { backend } }, [circuitBreaker()]);
  for (let count = 0; count < 5; count++) expect((await ask(gateway)).status).toBe(502);
  const process = gateway.server.gateway;
  await process.reload(process.config);
  expect((await ask(gateway)).status).toBe(503);
  expect(backend.requests).toHaveLength(5);
});

it("U11 re-11: an account whose key is refused is left alone; with none left the client gets 502", async () => {
  const backend = await startBackend({ requireKey: "sk-valid" });
  const chain = [retry(), healthCheck({ check: "off" }), balancer()];
  const accounts = { stale: { backend, apiKey: "sk-stale" }, good: { backend, apiKey: "sk-valid" } };
  const gateway = await startGateway(accounts, chain);
  for (let count = 0; count < 4; count++) expect((await ask(gateway)).status).toBe(200);
  const keys = backend.requests.map(({ headers }) => headers.authorization);
  expect(keys).toEqual(["Bearer sk-stale", ...Array.from({ length: 4 }, () => "Bearer sk-valid")]);
  expect(gateway.lines.join("")).toContain("auth_failed");
  expect(gateway.lines.join("")).not.toContain("sk-stale");

  backend.settings.requireKey = "sk-other";
  for (let count = 0; count < 3; count++) {
    const refused = await ask(gateway);
    expect(refused.status).toBe(502);
    expect(refused.text).toContain("upstream_auth_error");
  }
});
