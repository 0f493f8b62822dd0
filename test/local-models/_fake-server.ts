/** Stands in for `ollama` and `llama-server`: the same command lines, real HTTP, and a simulated backend for a model. */
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";

const [name, ...args] = process.argv.slice(2);
const after = (flag: string) => args[args.indexOf(flag) + 1]!;

if (name === "ollama") {
  const [host, port] = process.env["OLLAMA_HOST"]!.split(":") as [string, string];
  const models = process.env["FAKE_PULLED"]?.split(",").filter(Boolean);
  const faults = ({ path }: { path: string }) =>
    process.env["FAKE_ENDLESS"] && path === "/api/chat" ? ({ kind: "missing_finish" } as const) : undefined;
  await startSimulatedBackend({
    dialect: "ollama",
    host,
    port: Number(port),
    faults,
    ...(models && { models }),
  });
} else if (process.env["FAKE_CRASH"]) {
  console.error("error: failed to load model");
  process.exit(1);
} else {
  const [host, port, model] = [after("--host"), Number(after("--port")), after("--alias")];
  await startSimulatedBackend({ dialect: "openai", host, port, models: [model] });
}
