/**
 * Prints the outcome of a test run as the last line, `N passed, N failed`, from the JSON file of vitest's reporter.
 * Fails when a test failed or was skipped, when a file could not be loaded, or when nothing ran.
 */
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { readIfThere } from "./read-if-there.ts";

/** The part of the report that is read here. */
interface TestReport {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

export interface TestSummary {
  /** Everything that is to be told, the closing line last. */
  readonly lines: readonly string[];
  readonly ok: boolean;
}

export function summarizeTests({ success, testResults }: TestReport): TestSummary {
  const lines: string[] = [];
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const { name, status, message, assertionResults } of testResults) {
    for (const test of assertionResults) {
      if (test.status === "passed") passed++;
      else if (test.status === "failed") failed++;
      else {
        skipped++;
        lines.push(`not run (${test.status}): ${test.fullName}`);
      }
    }
    // A file that could not be loaded, or whose hooks failed, may have no failed test to show for it.
    if (status === "failed" && !assertionResults.some((test) => test.status === "failed")) {
      failed++;
      lines.push(`failed as a whole: ${name}${message ? `: ${message}` : ""}`);
    }
  }
  if (passed + failed === 0) lines.push("no test ran");
  const ok = success && passed > 0 && failed === 0 && skipped === 0;
  if (!ok && failed === 0 && passed > 0 && skipped === 0) lines.push("the run failed outside of its tests");
  return { lines: [...lines, `${passed} passed, ${failed} failed`], ok };
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const report = readIfThere(argv[2]!);
  const { lines, ok } = summarizeTests(
    report === undefined ? { success: false, testResults: [] } : (JSON.parse(report) as TestReport),
  );
  for (const line of lines) console.log(line);
  process.exitCode = ok ? 0 : 1;
}
