/** The questions themselves, on a terminal: Python has one to lend. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { waitFor } from "../_support/wait-for.ts";
import { cleanEnvironment, createFolder, FROM_SOURCE } from "./_program.ts";

/** A new terminal has no width, and questions would be broken at every letter. */
const PYTHON = `
import os, pty, sys
status = pty.spawn(["sh", "-c", 'stty rows 40 cols 120; exec "$@"', "sh", *sys.argv[1:]])
sys.exit(os.waitstatus_to_exitcode(status))
`;
const ENTER = "\r";
const SPACE = " ";
const DOWN = "\u001b[B";
const CTRL_C = "\u0003";

/** `create-gateway` on a terminal. Its `see` waits for a text that comes after what was seen last. */
function startOnTerminal(cwd: string, args: readonly string[] = []) {
  const child = spawn("python3", ["-c", PYTHON, process.execPath, ...FROM_SOURCE, ...args], {
    cwd,
    env: cleanEnvironment({ TERM: "xterm" }),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const exited = once(child, "exit") as Promise<[code: number | null]>;
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  let output = "";
  let seen = 0;
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output += data.toString()));
  return {
    async see(text: string): Promise<void> {
      const at = await waitFor(
        `${JSON.stringify(text)} on the terminal`,
        () => {
          const found = stripVTControlCharacters(output).indexOf(text, seen);
          if (found === -1 && child.exitCode !== null) throw new Error(`it ended with:\n${output}`);
          return found + 1;
        },
        30_000,
      );
      seen = at - 1 + text.length;
    },
    type: (keys: string) => void child.stdin.write(keys),
    exited,
  };
}

describe("to-10: create-gateway on a terminal", { timeout: 60_000 }, () => {
  it("asks, and makes what was answered", async () => {
    const dir = await createFolder();
    const terminal = startOnTerminal(dir, ["--port", "9000"]);
    await terminal.see("Folder of the gateway");
    terminal.type(ENTER);
    await terminal.see("Which backends?");
    terminal.type(SPACE + DOWN + SPACE + ENTER); // not Ollama, but OpenAI
    await terminal.see("Model of the example call");
    terminal.type(ENTER);
    await terminal.see("Where does state live?");
    terminal.type(DOWN + ENTER); // in files
    await terminal.see("Which plugins?");
    terminal.type(SPACE + ENTER); // without keys
    await terminal.see("Put your keys into its .env: OPENAI_API_KEY.");
    expect(await terminal.exited).toEqual([0, null]);
    const config = readFileSync(join(dir, "my-gateway/gateway.config.ts"), "utf8");
    expect(config).toContain("port: 9000");
    expect(config).toContain('state: { driver: "file", dir: ".gatewright" }');
    expect(config).toMatch(/backends: \{\n.*\n {4}openai: .*\n {2}\}/);
    expect(config).not.toContain("apiKeys");
    expect(config).toContain("balancer(");
  });

  it("makes nothing when the person leaves: exit 1", async () => {
    const dir = await createFolder();
    const terminal = startOnTerminal(dir, ["x"]);
    await terminal.see("Which backends?");
    terminal.type(CTRL_C);
    await terminal.see("Nothing was made.");
    expect(await terminal.exited).toEqual([1, null]);
    expect(existsSync(join(dir, "x"))).toBe(false);
  });

  it("asks nothing with --yes", async () => {
    const dir = await createFolder();
    const terminal = startOnTerminal(dir, ["x", "--yes"]);
    await terminal.see("Made x.");
    expect(await terminal.exited).toEqual([0, null]);
  });

  it("refuses a folder that is not empty before the first question", async () => {
    const dir = await createFolder();
    const first = startOnTerminal(dir, ["x", "--yes"]);
    expect(await first.exited).toEqual([0, null]);
    const second = startOnTerminal(dir, ["x"]);
    await second.see("The folder x is not empty");
    expect(await second.exited).toEqual([1, null]);
  });
});
