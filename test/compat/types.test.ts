import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);
const DEADLINE_MS = 120_000;

/** Here, since only here the SDKs are sure to be installed. */
it("type-checks against the types of the SDKs", { timeout: DEADLINE_MS }, async () => {
  const tsc = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));
  const { stdout } = await run(process.execPath, [tsc, "-p", import.meta.dirname]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe("");
});
