import { defineCommand } from "citty";
import { formatFaults } from "../config/fault.ts";
import { loadGatewayConfig } from "../config/load.ts";
import { SETTLE_MS, tellingAfter } from "../wait.ts";
import { COMMON_FLAGS, readCommonFlags } from "./flags.ts";
import { checkTypes, type TypeCheck } from "./type-check.ts";
import { checkUsage } from "./usage.ts";

const args = {
  ...COMMON_FLAGS,
  json: { type: "boolean", description: "Print the outcome as JSON" },
} as const;

export const check = defineCommand({
  meta: { name: "check", description: "Check the config, its types included, without starting" },
  args,
  async run({ args: given, rawArgs }) {
    checkUsage(rawArgs, args);
    const { configFile: file, host, port } = readCommonFlags(given);
    const wait = tellingAfter(SETTLE_MS, console.error);
    const result = await loadGatewayConfig({ file, overrides: { host, port }, wait });
    const faults = result.ok ? [] : result.faults;
    const checked = result.ok ? result.config.file : undefined;
    const types: TypeCheck =
      checked === undefined ? { skipped: "the config has faults", errors: [] } : await checkTypes(checked);
    const ok = faults.length === 0 && types.errors.length === 0;
    const { warnings } = result;
    if (given.json) console.log(JSON.stringify({ ok, file: checked, faults, warnings, types }));
    else {
      for (const warning of warnings) console.warn(`warning: ${warning}`);
      if (faults.length > 0) console.error(formatFaults(faults));
      for (const error of types.errors) console.error(error);
      if (ok)
        console.log(
          `${checked} is valid${types.skipped ? `; types were not checked: ${types.skipped}` : ""}.`,
        );
    }
    return ok ? 0 : 1;
  },
});
