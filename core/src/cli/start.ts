import { defineCommand } from "citty";
import { COMMON_FLAGS, readCommonFlags } from "./flags.ts";
import { checkUsage, toWorkers } from "./usage.ts";

const args = {
  ...COMMON_FLAGS,
  workers: { type: "string", alias: "w", description: "Processes that share the port", valueHint: "count" },
} as const;

export const start = defineCommand({
  meta: { name: "start", alias: "serve", description: "Serve in production" },
  args,
  async run({ args: given, rawArgs }) {
    checkUsage(rawArgs, args);
    const options = { cwd: process.cwd(), ...readCommonFlags(given), workers: toWorkers(given.workers) };
    const { runStart } = await import("../server/run.ts");
    return runStart(options);
  },
});
