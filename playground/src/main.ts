import { fileURLToPath } from "node:url";
import { startGateway } from "gatewright";
import { PLAYGROUND_BACKENDS } from "./backends.ts";
import { curlCommands } from "./curl-commands.ts";
import { startSimulatedBackend, type SimulatedBackendOptions } from "./simulated-backend.ts";

const CONFIG_FILE = fileURLToPath(new URL("../../gateway.config.ts", import.meta.url));

/** What runs, in the order of its start; stopped in reverse. */
const running: { close(): Promise<void> }[] = [];

try {
  for (const options of PLAYGROUND_BACKENDS) {
    const backend = await startBackend(options);
    running.push(backend);
    console.log(`${options.name}: ${options.dialect} at ${backend.url} with ${options.models?.join(", ")}`);
  }
  const gateway = await startGateway({ configFile: CONFIG_FILE, host: "127.0.0.1", dev: true });
  running.push(gateway);
  console.log(`gateway: ${gateway.url}, from ${CONFIG_FILE}\n`);
  for (const { title, command } of curlCommands(gateway.url)) console.log(`# ${title}\n${command}\n`);
  console.log("Ctrl-C stops everything.");
  await nextSignal();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
for (const part of running.reverse()) await part.close();

async function startBackend(options: SimulatedBackendOptions) {
  try {
    return await startSimulatedBackend(options);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
    throw new Error(
      `Port ${options.port} of ${options.name} is in use. Stop what listens there, or change the port in ` +
        "playground/src/backends.ts and gateway.config.ts.",
      { cause },
    );
  }
}

function nextSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
}
