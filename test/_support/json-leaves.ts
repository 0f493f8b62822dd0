import type { JsonObject } from "gatewright";

/** Where a value stands within another: names of members and positions in lists. */
export type Path = readonly (string | number)[];

/** Every value that holds no others, with its place. Empty lists and objects have none. */
export function leavesOf(value: unknown, path: Path = []): { path: Path; leaf: unknown }[] {
  if (typeof value !== "object" || value === null) return [{ path, leaf: value }];
  return Object.entries(value).flatMap(([key, member]) =>
    leavesOf(member, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

/** The same value with another leaf at the path. */
export function replaceAt(value: unknown, [key, ...rest]: Path, leaf: unknown): unknown {
  if (key === undefined) return leaf;
  if (Array.isArray(value)) return value.with(Number(key), replaceAt(value[Number(key)], rest, leaf));
  // By entries, as `__proto__` is a possible name.
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([name, member]) => [
      name,
      name === key ? replaceAt(member, rest, leaf) : member,
    ]),
  );
}

/** `messages[].content[].text`, as reports of dropped fields name them. */
export function nameOf(path: Path): string {
  return path
    .map((key) => (typeof key === "number" ? "[]" : `.${key}`))
    .join("")
    .slice(1);
}

/** `name` is `field` or a part of it. */
export function isAtOrBelow(name: string, field: string): boolean {
  return name.startsWith(field) && ["", ".", "["].includes(name.charAt(field.length));
}
