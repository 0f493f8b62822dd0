import type { Adapter } from "gatewright";
import { describe, expect, it } from "vitest";
import type { Check } from "./check.ts";
import { listChecks } from "./checks.ts";
import type { AdapterTests } from "./checks.ts";

/** Holds an adapter against the contract: a vitest test for each check, grouped by what it is about. */
export function testAdapter(adapter: Adapter, tests: AdapterTests): void {
  describe(`adapter ${adapter.name}`, () => {
    for (const [group, checks] of byGroup(listChecks(adapter, tests))) {
      describe(group, () => {
        for (const { title, find } of checks) {
          it(title, async () => {
            const findings = await find();
            expect(findings.join("\n")).toBe("");
          });
        }
      });
    }
  });
}

/** By exchange or subject, in the order in which they come first. */
function byGroup(checks: readonly Check[]): Map<string, Check[]> {
  const groups = new Map<string, Check[]>();
  for (const check of checks) {
    const group = groups.get(check.group);
    if (group) group.push(check);
    else groups.set(check.group, [check]);
  }
  return groups;
}
