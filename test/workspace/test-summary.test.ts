import { expect, it } from "vitest";
import { summarizeTests } from "../../scripts/summarize-tests.ts";

type Report = Parameters<typeof summarizeTests>[0];

function fileOf(statuses: readonly string[], status = "passed"): Report["testResults"][number] {
  const assertionResults = statuses.map((one, index) => ({ fullName: `test ${index}`, status: one }));
  return { name: "a.test.ts", status, assertionResults };
}

it("counts the tests of all files in the last line", () => {
  const testResults = [fileOf(["passed", "passed"]), fileOf(["passed"])];
  expect(summarizeTests({ success: true, testResults })).toEqual({ lines: ["3 passed, 0 failed"], ok: true });
});

it("fails when a test failed", () => {
  const testResults = [fileOf(["passed", "failed"], "failed")];
  expect(summarizeTests({ success: false, testResults })).toEqual({
    lines: ["1 passed, 1 failed"],
    ok: false,
  });
});

it.each(["skipped", "pending", "todo"])("fails on a %s test and names it", (status) => {
  const testResults = [fileOf(["passed", status])];
  expect(summarizeTests({ success: true, testResults })).toEqual({
    lines: [`not run (${status}): test 1`, "1 passed, 0 failed"],
    ok: false,
  });
});

it("counts a file that could not be loaded as a failure", () => {
  const testResults = [fileOf(["passed"]), { ...fileOf([], "failed"), message: "Unexpected token" }];
  expect(summarizeTests({ success: false, testResults })).toEqual({
    lines: ["failed as a whole: a.test.ts: Unexpected token", "1 passed, 1 failed"],
    ok: false,
  });
});

it("fails when nothing ran", () => {
  expect(summarizeTests({ success: true, testResults: [] })).toEqual({
    lines: ["no test ran", "0 passed, 0 failed"],
    ok: false,
  });
});

it("fails when the run failed though no test did", () => {
  const testResults = [fileOf(["passed"])];
  expect(summarizeTests({ success: false, testResults })).toMatchObject({ ok: false });
});
