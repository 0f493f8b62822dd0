/** The script that asks model servers of this machine, held against stand-ins for them on a PATH of its own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { runLocalModels } from "./run.ts";

const FAKE = fileURLToPath(new URL("_fake-server.ts", import.meta.url));
const TSX = new URL("../../node_modules/tsx/dist/loader.mjs", import.meta.url).href;
const TITLES = ["chat", "stream", "tools", "streamed tools", "embeddings"];

/** Runs the script on a machine that has these programs. */
async function runWith(programs: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const folder = mkdtempSync(join(tmpdir(), "local-models-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of programs) {
    const script = `#!/bin/sh\nexec '${process.execPath}' --conditions=gatewright-source --import '${TSX}' '${FAKE}' ${name} "$@"\n`;
    writeFileSync(join(folder, name), script, { mode: 0o755 });
  }
  const lines: string[] = [];
  const code = await runLocalModels({ PATH: folder, ...env }, (line) => lines.push(line));
  return { code, lines };
}

const TIMEOUT = { timeout: 60_000 };

it("says in one line what it did not find, and succeeds", async () => {
  expect(await runWith([])).toEqual({
    code: 0,
    lines: ["Not found, so not tested: `ollama` on PATH; `llama-server` on PATH."],
  });
});

it("takes no file for a program that may not be run", async () => {
  const folder = mkdtempSync(join(tmpdir(), "local-models-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "ollama"), "", { mode: 0o644 });
  const { code, lines } = await runWith([], { PATH: folder });
  expect([code, lines]).toEqual([0, ["Not found, so not tested: `ollama` on PATH; `llama-server` on PATH."]]);
});

it("asks Ollama with a pulled model everything", TIMEOUT, async () => {
  const { code, lines } = await runWith(["ollama"]);
  expect(lines).toEqual([
    ...TITLES.map((title) => `ok ollama > ${title}`),
    "Not found, so not tested: `llama-server` on PATH.",
  ]);
  expect(code).toBe(0);
});

it("tells of an Ollama without a model, and succeeds", TIMEOUT, async () => {
  const { code, lines } = await runWith(["ollama"], { FAKE_PULLED: "" });
  expect(lines).toEqual([
    "Not found, so not tested: a model that chats among those that `ollama` has pulled; `llama-server` on PATH.",
  ]);
  expect(code).toBe(0);
});

it("asks llama.cpp with a model file everything", TIMEOUT, async () => {
  const { code, lines } = await runWith(["llama-server"], { LOCAL_GGUF: FAKE });
  expect(lines).toEqual([
    ...TITLES.map((title) => `ok llama-server > ${title}`),
    "Not found, so not tested: `ollama` on PATH.",
  ]);
  expect(code).toBe(0);
});

it.each([
  [{}, "a model for `llama-server` in LOCAL_GGUF"],
  [{ LOCAL_GGUF: "/nowhere/model.gguf" }, "the file /nowhere/model.gguf of LOCAL_GGUF"],
])("with %j tells which model it did not find", async (env, missing) => {
  const { code, lines } = await runWith(["llama-server"], env);
  expect(lines).toEqual([`Not found, so not tested: \`ollama\` on PATH; ${missing}.`]);
  expect(code).toBe(0);
});

it("fails on a server that ends before it answers, and shows what it printed", TIMEOUT, async () => {
  const { code, lines } = await runWith(["llama-server"], { LOCAL_GGUF: FAKE, FAKE_CRASH: "1" });
  expect(lines[0]).toContain("FAILED llama-server > start");
  expect(lines[0]).toContain("failed to load model");
  expect(code).toBe(1);
});

it("fails where a trial does not hold, and goes on with the others", TIMEOUT, async () => {
  const { code, lines } = await runWith(["ollama"], { FAKE_ENDLESS: "1" });
  expect(lines.map((line) => line.split(":")[0])).toEqual([
    "ok ollama > chat",
    "FAILED ollama > stream",
    "ok ollama > tools",
    "FAILED ollama > streamed tools",
    "ok ollama > embeddings",
    "Not found, so not tested",
  ]);
  expect(code).toBe(1);
});
