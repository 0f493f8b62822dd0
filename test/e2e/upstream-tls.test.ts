/** Certificates of backends, seen by a gateway in a process that trusts one authority more. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ROOT, startProgram } from "../_support/program.ts";
import type { Program } from "../_support/program.ts";
import { AUTHORITY, EXPIRED, GOOD, SELF_SIGNED, WRONG_NAME } from "./_certificate.ts";
import { chatBody, CREDENTIAL, errorOf, post } from "./_stage.ts";

const CERTIFICATES = { good: GOOD, expired: EXPIRED, wrongName: WRONG_NAME, selfSigned: SELF_SIGNED };
type Name = keyof typeof CERTIFICATES;

interface Backend {
  readonly url: string;
  /** Requests that got through. */
  requests: number;
  close(): Promise<void>;
}

async function startBackend(name: Name): Promise<Backend> {
  const server = createServer(CERTIFICATES[name], (request, response) => {
    backend.requests++;
    request.resume();
    const choice = { index: 0, message: { role: "assistant", content: "Safe." }, finish_reason: "stop" };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ id: "c-1", object: "chat.completion", model: name, choices: [choice] }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const backend: Backend = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests: 0,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return backend;
}

describe("a backend's certificate", () => {
  const backends = new Map<Name, Backend>();
  let dir: string;
  let program: Program;

  beforeAll(async () => {
    dir = await mkdtemp(join(ROOT, "node_modules", ".cache-tls-"));
    await writeFile(join(dir, "authority.pem"), AUTHORITY);
    for (const name of Object.keys(CERTIFICATES) as Name[]) backends.set(name, await startBackend(name));
    const entries = [...backends].map(([name, { url }]) => {
      return [name, { adapter: "openai", baseURL: url, apiKey: CREDENTIAL, models: [name] }] as const;
    });
    await writeFile(
      join(dir, "gateway.config.json"),
      JSON.stringify({ server: { preStopDelayMs: 0 }, backends: Object.fromEntries(entries) }),
    );
    vi.stubEnv("NODE_EXTRA_CA_CERTS", join(dir, "authority.pem"));
    program = await startProgram("start", join(dir, "gateway.config.json"));
  }, 60_000);

  afterAll(async () => {
    vi.unstubAllEnvs();
    program.kill("SIGTERM");
    await program.exited;
    for (const backend of backends.values()) await backend.close();
    await rm(dir, { recursive: true });
  });

  const ask = (model: Name): Promise<Response> =>
    post(`${program.url}/v1/chat/completions`, chatBody({ model }));

  it("U2: of a known authority, in time and with the right name, is accepted", async () => {
    expect((await ask("good")).status).toBe(200);
    expect(backends.get("good")!.requests).toBe(1);
  });

  it.each(["expired", "wrongName", "selfSigned"] as const)(
    "U2: that is no good (%s) gives 502 `upstream_tls_error` each time, and the backend sees no request",
    async (name) => {
      for (let count = 0; count < 2; count++) {
        const response = await ask(name);
        expect(response.status).toBe(502);
        expect((await errorOf(response)).code).toBe("upstream_tls_error");
      }
      expect(backends.get(name)!.requests).toBe(0);
    },
  );
});
