import { closeSync, openSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { createLogging } from "../../core/src/server/logging.ts";
import { ROOT, startProgram, type Program } from "../_support/program.ts";

const MODEL = "gpt-4o-mini";

async function startLogging(args: readonly string[], stdout: "pipe" | number = "pipe"): Promise<Program> {
  const backend = await startSimulatedBackend({ dialect: "openai", tokens: 2 });
  onTestFinished(() => backend.close());
  const dir = await mkdtemp(join(ROOT, "node_modules", ".cache-log-output-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, "gateway.config.json");
  await writeFile(
    file,
    JSON.stringify({
      log: { format: "json" },
      server: { preStopDelayMs: 0 },
      backends: { only: { adapter: "openai", baseURL: `${backend.url}/v1`, models: [MODEL] } },
    }),
  );
  const program = await startProgram("start", file, args, stdout);
  onTestFinished(async () => {
    if (program.child.exitCode === null) program.kill("SIGKILL");
    await program.exited;
  });
  return program;
}

/** The line of a request is written at most 100 ms later: a request a round, over several of them. */
async function chatOverRounds(url: string): Promise<number[]> {
  const statuses: number[] = [];
  for (let round = 0; round < 5; round++) {
    const reply = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "hello" }] }),
    });
    await reply.arrayBuffer();
    statuses.push(reply.status);
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
  return statuses;
}

const FIVE = [200, 200, 200, 200, 200];

describe("a log that cannot be written", () => {
  it.each([
    ["one process", []],
    ["two workers", ["--workers", "2"]],
  ])("O7: keeps nobody from serving, nor from ending well, when its reader leaves (%s)", async (_, args) => {
    const program = await startLogging(args);
    program.child.stdout!.destroy();
    expect(await chatOverRounds(program.url)).toEqual(FIVE);
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
  });

  // The device takes nothing, as a disk that is full.
  it.runIf(process.platform === "linux")("O13: keeps nobody from serving on a full disk", async () => {
    const full = openSync("/dev/full", "w");
    onTestFinished(() => closeSync(full));
    const program = await startLogging([], full);
    expect(await chatOverRounds(program.url)).toEqual(FIVE);
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
  });

  it("O13: is told of with the number of its lines once it can be written again", () => {
    const texts: string[] = [];
    let full = true;
    const { log, flush } = createLogging(
      { level: "info", format: "json", requests: true },
      { write: (text, onLost) => void (full ? onLost!() : texts.push(text)) },
    );
    for (const message of ["a", "b", "c"]) {
      log.info(message);
      flush();
    }
    full = false;
    log.info("d");
    flush();
    const lines = texts.join("").trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual([
      "d",
      "log lines were dropped",
    ]);
    expect(JSON.parse(lines[1]!)).toMatchObject({ level: "warn", count: 3 });
  });
});
