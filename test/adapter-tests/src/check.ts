import { AssertionError } from "node:assert";
import { isDeepStrictEqual } from "node:util";
import type { JsonObject } from "gatewright";

/** One thing that must hold of an adapter. */
export interface Check {
  /** What it is about: an exchange by its title, fields of an operation, or the adapter as a whole. */
  readonly group: string;
  /** What must hold. */
  readonly title: string;
  /** The faults that were found; none: it holds. What a mapping throws is one too. */
  find(): readonly string[] | Promise<readonly string[]>;
}

/** A check that does not hold. */
export interface Finding {
  readonly group: string;
  readonly title: string;
  readonly message: string;
}

/** Runs the checks one after another. */
export async function runChecks(checks: readonly Check[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { group, title, find } of checks) {
    for (const message of await faultsOf(find)) findings.push({ group, title, message });
  }
  return findings;
}

async function faultsOf(find: Check["find"]): Promise<readonly string[]> {
  try {
    return await find();
  } catch (error) {
    return [`threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  }
}

/** How the two differ as JSON that travels; nothing when they do not. */
export function difference(what: string, actual: unknown, expected: unknown): string[] {
  const [a, b] = [travelled(actual), travelled(expected)];
  if (isDeepStrictEqual(a, b)) return [];
  const { message } = new AssertionError({ actual: a, expected: b, operator: "deepStrictEqual" });
  return [`${what}: ${message}`];
}

/** The same, but `actual` may have more members than `expected` names. */
export function differenceWithin(what: string, actual: JsonObject, expected: JsonObject): string[] {
  const named = Object.keys(expected).map((name) => [name, actual[name]] as const);
  return difference(what, Object.fromEntries(named), expected);
}

/** Members that are undefined do not travel. */
export function travelled(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}

/** The message as a finding, unless the condition holds. */
export function unless(condition: boolean, message: string): string[] {
  return condition ? [] : [message];
}
