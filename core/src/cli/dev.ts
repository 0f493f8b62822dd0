import { defineCommand } from "citty";
import { COMMON_FLAGS, readCommonFlags } from "./flags.ts";
import { checkUsage } from "./usage.ts";

export const dev = defineCommand({
  meta: { name: "dev", description: "Serve on this machine and take every change of the config" },
  args: COMMON_FLAGS,
  async run({ args: given, rawArgs }) {
    checkUsage(rawArgs, COMMON_FLAGS);
    const options = { cwd: process.cwd(), ...readCommonFlags(given) };
    const { runDev } = await import("../server/run.ts");
    return runDev(options);
  },
});
