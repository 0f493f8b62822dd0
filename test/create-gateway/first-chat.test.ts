/** Projects as their users have them: packed packages, the program as it is published, no source of this repository. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { freePort } from "../_support/program.ts";
import { waitFor } from "../_support/wait-for.ts";
import { packAndInstall, type Installed } from "./_installed.ts";
import { cleanEnvironment, createFolder, runNode, type Run } from "./_program.ts";

let installed: Installed;
beforeAll(async () => {
  installed = await packAndInstall();
}, 180_000);
afterAll(() => installed.remove());

/** A project that is made by the published program, and installed. */
async function makeProject(...args: string[]): Promise<string> {
  const dir = await createFolder();
  const made = await runNode([installed.program, "my-gateway", "--yes", ...args], dir);
  expect(made).toMatchObject({ code: 0, stderr: "" });
  const project = join(dir, "my-gateway");
  await installed.installInto(project);
  return project;
}

function gatewright(project: string, ...args: string[]): Promise<Run> {
  return runNode([join(project, "node_modules/gatewright/bin/gatewright.js"), ...args], project);
}

/** Runs `gatewright dev` in the project until the test is over. */
async function startDev(project: string, url: string): Promise<void> {
  const program = join(project, "node_modules/gatewright/bin/gatewright.js");
  const child = spawn(process.execPath, [program, "dev"], {
    cwd: project,
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output += data.toString()));
  await waitFor(
    `the gateway answers on ${url}`,
    () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}:\n${output}`);
      return fetch(`${url}/livez`).then(
        ({ ok }) => ok,
        () => false,
      );
    },
    60_000,
  );
}

/** The shell blocks of the project's README, in their order. */
async function readmeBlocks(project: string): Promise<string[]> {
  const text = await readFile(join(project, "README.md"), "utf8");
  return [...text.matchAll(/^```sh\n(.*?)\n```$/gms)].map(([, block]) => block!);
}

/** As somebody pastes it into a shell. */
function paste(block: string, cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile("sh", ["-c", block], { cwd, env: cleanEnvironment() }, (error, stdout, stderr) =>
      error ? reject(new Error(stderr || error.message)) : resolve(stdout),
    );
  });
}

async function startBackend(
  dialect: "ollama" | "openai" | "anthropic" | "gemini",
  options: { models?: string[]; requireKey?: string } = {},
): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend({ dialect, ...options });
  onTestFinished(() => backend.close());
  return backend;
}

/** Pairs of store and backend, of backend and plugins, and the extremes. */
const CHECKED = [
  "--yes",
  "--example",
  "--backends ollama,openai,anthropic,gemini,vllm --state file",
  "--backends openai --state redis --plugins none",
  "--backends anthropic --state memory --plugins balancer",
  "--backends gemini,vllm --state redis --plugins api-keys,rate-limit,retry --example",
  "--backends openai-compatible --openai-compatible-url https://h.example/v1 --model m --state file --plugins retry",
];

describe("to-10: a new project", { timeout: 120_000 }, () => {
  it.each(CHECKED)("passes its own check, types included: %s", async (flags) => {
    const project = await makeProject(...flags.split(" "));
    const file = join(project, "gateway.config.ts");
    expect(await gatewright(project, "check")).toEqual({
      code: 0,
      stdout: `${file} is valid.\n`,
      stderr: "",
    });
  });

  it("has type hints by its own tsconfig.json: slips in options and names are found", async () => {
    const project = await makeProject("--example");
    const file = join(project, "gateway.config.ts");
    const text = await readFile(file, "utf8");
    const compile = () =>
      runNode([join(project, "node_modules/typescript/bin/tsc"), "-p", ".", "--pretty", "false"], project);
    expect(await compile()).toEqual({ code: 0, stdout: "", stderr: "" });
    await writeFile(file, text.replace("maxAttempts: 3", 'maxAttempts: "3"'));
    expect((await compile()).stdout).toContain("Type 'string' is not assignable to type 'number'");
    await writeFile(file, text.replace('adapter: "ollama"', 'adapter: "olama"'));
    expect((await compile()).stdout).toContain("Type '\"olama\"' is not assignable to type");
  });

  it("answers the calls of its README, by Ollama's own models", async () => {
    const backend = await startBackend("ollama", { models: ["qwen2.5:7b", "llama3.2:1b"] });
    const port = await freePort();
    const project = await makeProject("--ollama-url", backend.url, "--port", String(port));
    await startDev(project, `http://127.0.0.1:${port}`);
    const [commands, models, chat] = await readmeBlocks(project);
    expect(commands).toBe("npm install\nnpm run dev");
    const { data } = JSON.parse(await paste(models!, project)) as { data: { id: string }[] };
    expect(data.map(({ id }) => id).sort()).toEqual(["llama3.2:1b", "qwen2.5:7b"]);
    expectChat(await paste(chat!, project), "qwen2.5:7b");
    expect(backend.requestsTo("/api/chat")).toHaveLength(1);
  });

  it("lets nobody in without the key that it made", async () => {
    const backend = await startBackend("ollama");
    const port = await freePort();
    const project = await makeProject("--ollama-url", backend.url, "--port", String(port));
    const url = `http://127.0.0.1:${port}`;
    await startDev(project, url);
    expect((await fetch(`${url}/v1/models`)).status).toBe(401);
    const [, models] = await readmeBlocks(project);
    const other = models!.replace(/^KEY=.*$/m, "KEY=sk-gateway-of-somebody-else-entirely");
    expect(await paste(other, project)).toContain("invalid_api_key");
  });

  it.each([
    ["openai", "OPENAI_API_KEY", "/v1", "gpt-4.1-mini"],
    ["anthropic", "ANTHROPIC_API_KEY", "", "claude-sonnet-4-6"],
    ["gemini", "GEMINI_API_KEY", "/v1beta", "gemini-3-flash-preview"],
  ] as const)("answers by %s once its key is in .env", async (dialect, variable, path, model) => {
    const backend = await startBackend(dialect, { requireKey: "the-key", models: [model] });
    const port = await freePort();
    const project = await makeProject("--backends", dialect, "--state", "file", "--port", String(port));
    // The vendor itself cannot be had here: only its address is another.
    const address = `GATEWRIGHT_BACKENDS_${dialect.toUpperCase()}_BASE_URL=${backend.url}${path}\n`;
    const file = join(project, ".env");
    const filled = (await readFile(file, "utf8")).replace(
      new RegExp(`^${variable}=.*$`, "m"),
      `${variable}=the-key`,
    );
    await writeFile(file, filled);
    await appendFile(file, address);
    await startDev(project, `http://127.0.0.1:${port}`);
    const [, , chat] = await readmeBlocks(project);
    expectChat(await paste(chat!, project), model);
  });

  it("answers by vLLM without a key, and by its own adapter and plugin of the example", async () => {
    const backend = await startBackend("openai", { models: ["team-model"] });
    const port = await freePort();
    const flags = `--backends vllm --vllm-url ${backend.url}/v1 --model team-model --plugins none --example`;
    const project = await makeProject(...flags.split(" "), "--port", String(port));
    const file = join(project, "gateway.config.ts");
    const text = await readFile(file, "utf8");
    const team = `team: { adapter: "team-server", baseURL: "${backend.url}/v1", apiKey: "k", models: ["own"] },`;
    await writeFile(
      file,
      text.replace("backends: {", `backends: {\n    ${team}`).replace("limit: 200", "limit: 2"),
    );
    expect(await gatewright(project, "check")).toMatchObject({ code: 0, stderr: "" });
    const url = `http://127.0.0.1:${port}`;
    await startDev(project, url);
    const [, , chat] = await readmeBlocks(project);
    expectChat(await paste(chat!, project), "team-model");

    const message = { role: "user", content: "Hello!" };
    const ask = (model: string, count: number) =>
      fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model, messages: Array.from({ length: count }, () => message) }),
      });
    // The backend lacks this model; what counts is that it was asked, and how.
    await (await ask("own", 1)).text();
    expect(backend.requestsTo("/v1/chat/completions").at(-1)!.headers["x-team-key"]).toBe("k");
    const refused = await ask("team-model", 3);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { code: "too_many_messages", param: "messages" } });
  });
});

function expectChat(text: string, model: string): void {
  expect(JSON.parse(text), text).toMatchObject({
    object: "chat.completion",
    model,
    choices: [{ message: { role: "assistant", content: expect.stringMatching(/./) as string } }],
  });
}
