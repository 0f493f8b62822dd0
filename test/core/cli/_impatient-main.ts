import { runDev, runStart } from "../../../core/src/server/run.ts";

/** `gatewright start` and `dev` in the working folder, for whom a quarter of a second is long. */
const options = { cwd: process.cwd(), settleMs: 250 };

process.exit(process.argv[2] === "dev" ? await runDev(options) : await runStart(options));
