import { describeValue, type Path } from "./fault.ts";
import { isPlainObject } from "./plain-object.ts";

interface UnusablePart {
  readonly path: Path;
  readonly expected: string;
  readonly received: string;
  readonly hint?: string;
}

/**
 * Parts of a config that nothing can be made of: one that stands within itself, as a YAML alias can, and one by the name
 * `__proto__`, which is a key like any other in JSON and the prototype in objects; a promise that nobody awaited. Every value is read once: what a getter
 * throws is thrown here.
 */
export function unusableParts(config: unknown): UnusablePart[] {
  const found: UnusablePart[] = [];
  const visit = (value: unknown, path: Path, around: readonly unknown[]): void => {
    if (value instanceof Promise)
      found.push({ path, expected: "a value", received: "a promise", hint: "Await it." });
    if (!Array.isArray(value) && !isPlainObject(value)) return;
    if (around.includes(value)) {
      found.push({
        path,
        expected: "a value of its own",
        received: `${describeValue(value)} that it is part of`,
      });
      return;
    }
    const inner = [...around, value];
    if (Array.isArray(value)) value.forEach((item, index) => visit(item, [...path, index], inner));
    else for (const key of Object.keys(value)) visitMember(value, key, path, inner);
  };
  const visitMember = (
    object: Record<string, unknown>,
    key: string,
    path: Path,
    around: readonly unknown[],
  ): void => {
    const at = [...path, key];
    if (key !== "__proto__") visit(object[key], at, around);
    else found.push({ path: at, expected: "another name", received: "`__proto__`" });
  };
  visit(config, [], []);
  return found;
}
