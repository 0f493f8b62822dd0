import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { startSimulatedBackend } from "../../../playground/src/simulated-backend.ts";
import { createProject } from "../config/_project.ts";

const PROGRAM = fileURLToPath(new URL("../../_support/program-main.ts", import.meta.url));
const TSX = new URL("../../../node_modules/tsx/dist/loader.mjs", import.meta.url).href;
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

function explain(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--conditions=gatewright-source", "--import", TSX, PROGRAM, "explain", ...args],
      { cwd: ROOT, env: { ...process.env, NO_COLOR: "1" } },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

async function createConfig(): Promise<string> {
  const backend = await startSimulatedBackend({ dialect: "ollama", models: ["told", "other"] });
  onTestFinished(() => backend.close());
  const project = await createProject({
    "gateway.config.json": JSON.stringify({
      backends: {
        cloud: {
          adapter: "openai",
          baseURL: "http://127.0.0.1:1/v1",
          models: ["gpt-4.1", "o-*"],
          weight: 3,
          price: { prompt: 2e-6, completion: 8e-6 },
        },
        asked: { adapter: "ollama", baseURL: backend.url },
        silent: { adapter: "ollama", baseURL: "http://127.0.0.1:1" },
      },
      models: {
        best: {
          aliases: ["finest"],
          targets: [
            { backend: "asked", model: "told" },
            { backend: "cloud", model: "gpt-4.1" },
          ],
        },
      },
    }),
  });
  return project.path("gateway.config.json");
}

describe("mo-1: gatewright explain", () => {
  it("tells how a name is understood and where it leads, asking backends for their models", async () => {
    const file = await createConfig();
    const run = await explain("finest", "--config", file);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.stdout).toBe(
      [
        "finest: another name of best",
        "  chat: 2 targets",
        "  - asked as told, weight 1, ollama, translated",
        "  - cloud as gpt-4.1, weight 3, openai, 0.000002 and 0.000008 USD a token",
        "  silent did not tell its models",
        "",
      ].join("\n"),
    );
    const json = await explain("o-1", "--json", "--config", file);
    expect(JSON.parse(json.stdout)).toMatchObject({
      model: "o-1",
      operation: "chat",
      via: "pattern",
      of: "o-*",
      targets: [{ id: "cloud/o-*", backend: "cloud", model: "o-1", weight: 3, dialect: "same" }],
      silent: ["silent"],
    });
  });

  it("exits 1 with the error that a client would get, 2 for an operation that is none", async () => {
    const file = await createConfig();
    const unknown = await explain("foo:gpt-4.1", "--config", file);
    expect(unknown.code).toBe(1);
    expect(unknown.stdout).toContain("chat: 400 unknown_provider: There is no provider `foo`");
    const unable = await explain("told", "speech", "--config", file);
    expect([unable.code, unable.stdout]).toEqual([
      1,
      expect.stringContaining("speech: 501 unsupported_operation"),
    ]);
    const wrong = await explain("told", "chatt", "--config", file);
    expect([wrong.code, wrong.stderr.split("\n")[0]]).toEqual([
      2,
      "Core has no operation chatt. Did you mean chat?",
    ]);
    expect((await explain("--config", file)).code).toBe(2);
    expect((await explain("a", "chat", "b", "--config", file)).stderr).toContain("Unexpected argument b.");
  });
});
