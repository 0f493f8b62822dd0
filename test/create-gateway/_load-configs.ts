/** Loads the config of each folder that it is given, as a start would; prints the faults and warnings by folder. */
import { loadGatewayConfig } from "gatewright";

const outcomes: Record<string, unknown> = {};
for (const cwd of process.argv.slice(2)) {
  const loaded = await loadGatewayConfig({ cwd });
  outcomes[cwd] = { faults: loaded.ok ? [] : loaded.faults, warnings: loaded.warnings };
}
console.log(JSON.stringify(outcomes));
