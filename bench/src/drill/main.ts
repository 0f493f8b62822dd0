import { describeMachine, pinLoad } from "../machine.ts";
import { killProgramsOnExit } from "../process.ts";
import { missingRedis } from "../redis.ts";
import { buildGateway } from "../subjects.ts";
import { DRILL_USAGE, readDrillOptions } from "./options.ts";
import { drillRedis } from "./redis-drill.ts";
import { soak } from "./soak.ts";
import { renderVerdicts } from "./verdict.ts";

const PLUGINS = [
  "api-keys",
  "balancer",
  "cache",
  "circuit-breaker",
  "concurrency",
  "health-check",
  "rate-limit",
  "responses-store",
  "retry",
];
const PHASE_MS = { full: 8_000, quick: 4_000 };

async function main(): Promise<void> {
  const options = readDrillOptions(process.argv.slice(2));
  if (options === null) {
    process.stdout.write(DRILL_USAGE);
    return;
  }
  const { drill, quick, redis } = options;
  const missing = (drill === "redis" || redis ? missingRedis() : null) ?? buildGateway(PLUGINS);
  if (missing !== null) throw new Error(missing);
  killProgramsOnExit();

  const cores = pinLoad();
  const { node, cpu, pinned } = describeMachine(cores);
  const { report, verdicts } =
    drill === "redis"
      ? await drillRedis(cores, PHASE_MS[quick ? "quick" : "full"])
      : await soak(cores, options);
  const machine = `Node ${node} (${cpu}), ${pinned ? "one core each for the gateway and the load" : "not pinned"}`;
  process.stdout.write(`${machine}\n\n${report}\n\n${renderVerdicts(verdicts)}\n`);
  if (verdicts.some(({ isMet }) => isMet === false)) process.exitCode = 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`drill: ${(error as Error).message}\n`);
  process.exitCode = 1;
});
