import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { ROOT, startProgram, type Program } from "../_support/program.ts";

const MODEL = "gpt-4o-mini";

/** The program, run on a config with a plugin of its own, and the file to change it by. */
export interface ProjectProgram extends Program {
  write(plugin: string): Promise<void>;
}

/**
 * Starts the program with one plugin, `name: "own"`, whose further members `plugin` has as code. It logs JSON, and is
 * killed at the end of the test if it still runs.
 */
export async function startProject(
  command: "start" | "dev",
  plugin: string,
  { backend, server = {}, args = [] }: { backend?: SimulatedBackend; server?: object; args?: string[] } = {},
): Promise<ProjectProgram> {
  const dir = await mkdtemp(join(ROOT, "node_modules", ".cache-project-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, "gateway.config.ts");
  const config = {
    server: { preStopDelayMs: 0, drainTimeoutMs: 60_000, ...server },
    log: { level: "info", format: "json" },
    backends: {
      only: { adapter: "openai", baseURL: `${backend?.url ?? "http://127.0.0.1:1"}/v1`, models: [MODEL] },
    },
  };
  const write = (members: string): Promise<void> => writeFile(file, source(config, members));
  await write(plugin);
  const program = await startProgram(command, file, args);
  onTestFinished(async () => {
    if (program.child.exitCode === null && program.child.signalCode === null) program.kill("SIGKILL");
    await program.exited;
  });
  return { ...program, write };
}

function source(config: object, members: string): string {
  return `
import { defineGatewayPlugin } from "gatewright";
const own = defineGatewayPlugin({
  name: "own",
  options: { "~standard": { version: 1, vendor: "none", validate: (value) => ({ value }) } },
  ${members}
});
export default { ...${JSON.stringify(config)}, plugins: [own()] };
`;
}

export async function startBackend(settings: Record<string, unknown> = {}): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend({ dialect: "openai", ...settings });
  onTestFinished(() => backend.close());
  return backend;
}

/** Asks for a chat completion; `fault` goes into a header that the plugin may look at. */
export function chat(
  url: string,
  { stream = false, fault = "none" }: { stream?: boolean; fault?: string } = {},
): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-fault": fault },
    body: JSON.stringify({ model: MODEL, stream, messages: [{ role: "user", content: "hello" }] }),
  });
}
