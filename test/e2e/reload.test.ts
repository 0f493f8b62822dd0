import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rateLimit } from "@gatewright/rate-limit";
import { defineGatewayPlugin, resolveConfig, startGateway, type Plugin } from "gatewright";
import * as v from "valibot";
import { describe, expect, it, onTestFinished } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway } from "../_support/gateway.ts";
import { ROOT, startProgram } from "../_support/program.ts";
import { waitFor } from "../_support/wait-for.ts";

const MODEL = "gpt-4o-mini";

async function startBackend(settings: Record<string, unknown> = {}): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend({ dialect: "openai", ...settings });
  onTestFinished(() => backend.close());
  return backend;
}

function configFor(backend: SimulatedBackend, name: string): Record<string, unknown> {
  return {
    server: { host: "127.0.0.1", port: 0 },
    log: { level: "silent" },
    backends: { [name]: { adapter: "openai", baseURL: `${backend.url}/v1`, models: [MODEL] } },
    plugins: [],
  };
}

function chat(url: string, stream: boolean): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, stream, messages: [{ role: "user", content: "hello" }] }),
  });
}

describe("reload", () => {
  it("G1: 200 reloads under load fail no request, and each request sees one whole snapshot", async () => {
    const first = await startBackend({ name: "first", tokens: 8, tokenMs: 1 });
    const second = await startBackend({ name: "second", tokens: 8, tokenMs: 1 });
    const gateway = await startTestGateway(configFor(first, "first"));
    onTestFinished(() => gateway.close());
    const faults: string[] = [];
    let running = true;
    let answered = 0;

    const client = async (stream: boolean): Promise<void> => {
      while (running) {
        const reply = await chat(gateway.url, stream);
        const text = await reply.text();
        answered++;
        if (reply.status !== 200) faults.push(`${reply.status} ${text}`);
        else if (stream && !text.endsWith("data: [DONE]\n\n")) faults.push(`cut: ${text.slice(-200)}`);
      }
    };
    const clients = Array.from({ length: 12 }, (_, n) => client(n % 2 === 0));
    for (let n = 0; n < 200; n++) {
      const [backend, name] = n % 2 === 0 ? [second, "second"] : [first, "first"];
      const resolved = await resolveConfig(configFor(backend, name), {
        dir: ROOT,
      });
      if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
      await gateway.server.gateway.reload(resolved.config);
    }
    running = false;
    await Promise.all(clients);

    expect(faults).toEqual([]);
    expect(answered).toBeGreaterThan(clients.length);
    expect(first.requests.length + second.requests.length).toBe(answered);
    expect(gateway.server.gateway.active).toBe(0);
  }, 60_000);

  it("a stream that runs over a reload ends whole on the backend it began with", async () => {
    const first = await startBackend({ tokens: 6, tokenMs: 20 });
    const second = await startBackend();
    const gateway = await startTestGateway(configFor(first, "first"));
    onTestFinished(() => gateway.close());

    const reply = await chat(gateway.url, true);
    const resolved = await resolveConfig(configFor(second, "second"), { dir: ROOT });
    if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
    await gateway.server.gateway.reload(resolved.config);
    const next = await chat(gateway.url, false);

    expect(reply.headers.get("x-gatewright-backend")).toBe("first");
    expect(await reply.text()).toMatch(/data: \[DONE\]\n\n$/);
    expect(next.headers.get("x-gatewright-backend")).toBe("second");
    await next.text();
  });

  it("a plugin's close runs after the last request of its snapshot, and once", async () => {
    const backend = await startBackend({ tokens: 4, tokenMs: 20 });
    const events: string[] = [];
    const witness = defineGatewayPlugin({
      name: "witness",
      options: v.strictObject({}),
      setup: () => ({
        middleware: async (ctx, next) => {
          ctx.onFinished(({ outcome }) => events.push(outcome));
          return next();
        },
        close: () => void events.push("closed"),
      }),
    });
    const gateway = await startTestGateway({ ...configFor(backend, "first"), plugins: [witness()] });
    onTestFinished(() => gateway.close());
    const reply = await chat(gateway.url, true);
    const resolved = await resolveConfig(configFor(backend, "first"), { dir: ROOT });
    if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
    await gateway.server.gateway.reload(resolved.config);
    expect(events).toEqual([]);
    await reply.text();
    await waitFor("the old snapshot is closed", () => events.includes("closed"));

    expect(events).toEqual(["complete", "closed"]);
  });

  it("G2: `gatewright dev` takes a changed file into use, and keeps the old config when the change is broken", async () => {
    const first = await startBackend();
    const second = await startBackend();
    const dir = await mkdtemp(join(ROOT, "node_modules", ".cache-reload-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const file = join(dir, "gateway.config.ts");
    const source = (backend: SimulatedBackend, name: string): string =>
      `export default ${JSON.stringify({ ...configFor(backend, name), log: { level: "info", format: "json" } })};\n`;
    await writeFile(file, source(first, "first"));
    const program = await startProgram("dev", file);
    onTestFinished(async () => {
      program.kill("SIGTERM");
      program.kill("SIGTERM");
      await program.exited;
    });
    const backendOf = async (): Promise<string | null> => {
      const reply = await chat(program.url, false);
      await reply.text();
      expect(reply.status).toBe(200);
      return reply.headers.get("x-gatewright-backend");
    };

    expect(await backendOf()).toBe("first");
    await writeFile(file, "export default { backends: { first: { adapter: 'opnai', models: [] } } };\n");
    await waitFor("the fault is told", () => program.output().includes("the old one serves on"));
    expect(program.output()).toContain("opnai");
    expect(await backendOf()).toBe("first");
    await writeFile(file, source(second, "second"));
    await waitFor("the new config is in use", async () => (await backendOf()) === "second");
  }, 60_000);

  it("watches what a load imports that came right after the start", async () => {
    const backend = await startBackend();
    const dir = await mkdtemp(join(ROOT, "node_modules", ".cache-reload-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const file = join(dir, "gateway.config.ts");
    const later = join(dir, "later", "models.ts");
    await mkdir(join(dir, "later"));
    await writeFile(join(dir, "models.ts"), `export default ["early"];\n`);
    await writeFile(later, `export default ["later"];\n`);
    const config = (from: string): string => `
      import models from "${from}";
      export default {
        ...${JSON.stringify({ ...configFor(backend, "only"), backends: {} })},
        backends: { only: { adapter: "openai", baseURL: "${backend.url}/v1", models } },
      };`;
    // Saved again while it is loaded for the first time.
    const save = `writeFileSync(${JSON.stringify(file)}, ${JSON.stringify(config("./later/models.ts"))});`;
    await writeFile(file, `import { writeFileSync } from "node:fs";${config("./models.ts")}\n${save}`);
    const gateway = await startGateway({ cwd: dir, configFile: file, dev: true });
    onTestFinished(() => gateway.close());
    const models = async (): Promise<string> => (await fetch(`${gateway.url}/v1/models`)).text();

    expect(await models()).toContain('"later"');
    await writeFile(later, `export default ["latest"];\n`);
    await waitFor("the change of what only the second load imports", async () =>
      (await models()).includes('"latest"'),
    );
  });

  it("G2: follows a config and its imports by links, whose targets go and come back", async () => {
    const backend = await startBackend();
    const dir = await mkdtemp(join(ROOT, "node_modules", ".cache-reload-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const [config, list] = [join(dir, "real", "c.ts"), join(dir, "lists", "models.json")];
    await mkdir(join(dir, "real"));
    await mkdir(join(dir, "lists"));
    await writeFile(list, `["first"]`);
    await writeFile(
      config,
      `import models from "./models.json" with { type: "json" };
      export default {
        ...${JSON.stringify(configFor(backend, "only"))},
        backends: { only: { adapter: "openai", baseURL: "${backend.url}/v1", models } },
      };`,
    );
    await symlink("real/c.ts", join(dir, "gateway.config.ts"));
    await symlink("lists/models.json", join(dir, "models.json"));
    const gateway = await startGateway({ cwd: dir, dev: true });
    onTestFinished(() => gateway.close());
    const lists = (name: string) => async (): Promise<boolean> =>
      (await (await fetch(`${gateway.url}/v1/models`)).text()).includes(`"${name}"`);

    expect(await lists("first")()).toBe(true);
    await writeFile(list, `["second"]`);
    await waitFor("the change of an import behind a link", lists("second"));
    await rename(config, `${config}.away`);
    expect(await gateway.reload()).toBe(false);
    await writeFile(list, `["third"]`);
    await rename(`${config}.away`, config);
    await waitFor("the config that came back", lists("third"));
    await writeFile(list, `["fourth"]`);
    await waitFor("the change after it", lists("fourth"));
  });

  it("G2: keeps the old config when the new one's plugins cannot be set up, and closes what it had built", async () => {
    const backend = await startBackend();
    const events: string[] = [];
    const part = (name: string, fault?: Error) =>
      defineGatewayPlugin({
        name,
        options: v.strictObject({}),
        setup() {
          if (fault) throw fault;
          events.push(`${name} set up`);
          return { close: () => void events.push(`${name} closed`) };
        },
      })();
    const gateway = await startTestGateway({ ...configFor(backend, "first"), plugins: [part("kept")] });
    onTestFinished(() => gateway.close());
    const takeUp = async (plugins: readonly Plugin[]): Promise<void> => {
      const resolved = await resolveConfig({ ...configFor(backend, "second"), plugins }, { dir: ROOT });
      if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
      await gateway.server.gateway.reload(resolved.config);
    };

    await expect(takeUp([part("sound"), part("shy", new Error("nobody is there"))])).rejects.toMatchObject({
      faults: [{ path: "plugins[1].shy", message: "plugins[1].shy: nobody is there" }],
    });
    const routes = defineGatewayPlugin({
      name: "routes",
      options: v.strictObject({}),
      setup: () => ({
        routes() {
          throw new Error("no such route");
        },
      }),
    });
    await expect(takeUp([part("second"), routes()])).rejects.toThrow("no such route");

    const reply = await chat(gateway.url, false);
    expect([reply.status, reply.headers.get("x-gatewright-backend")]).toEqual([200, "first"]);
    await reply.text();
    const ofTheNew = ["sound set up", "sound closed", "second set up", "second closed"];
    expect(events).toEqual(["kept set up", ...ofTheNew]);
  });

  it("forgets nothing that was counted: a limit that is used up stays so", async () => {
    const backend = await startBackend();
    const config = {
      ...configFor(backend, "first"),
      plugins: [rateLimit({ scope: "global", capacity: 1, rate: 1, per: "day" })],
    };
    const gateway = await startTestGateway(config);
    onTestFinished(() => gateway.close());
    const ask = async (): Promise<number> => {
      const reply = await chat(gateway.url, false);
      await reply.text();
      return reply.status;
    };
    expect([await ask(), await ask()]).toEqual([200, 429]);
    const resolved = await resolveConfig(config, { dir: ROOT });
    if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
    await gateway.server.gateway.reload(resolved.config);
    expect(await ask()).toBe(429);
  });

  it("an idle `gatewright dev` ends with the first signal, whatever delay production has", async () => {
    const backend = await startBackend();
    const dir = await mkdtemp(join(ROOT, "node_modules", ".cache-reload-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const file = join(dir, "gateway.config.json");
    const config = configFor(backend, "first");
    await writeFile(
      file,
      JSON.stringify({ ...config, server: { preStopDelayMs: 600_000 }, log: { level: "info" } }),
    );
    const program = await startProgram("dev", file);
    await waitFor("the start is over", () => program.output().includes("Chain: "));
    program.kill("SIGINT");
    expect(await program.exited).toBe(0);
  }, 60_000);
});
