/** Names of models with `*` for any run of characters, none included. Case counts, as it does in names. */
export interface NamePattern {
  readonly text: string;
  /** How many characters it fixes: the more, the closer it describes its names. */
  readonly fixedLength: number;
  matches(name: string): boolean;
}

export function isPattern(name: string): boolean {
  return name.includes("*");
}

/** Without `*` it matches itself alone. Takes time in proportion to the name, whatever the pattern: the parts are looked for from left to right. */
export function createPattern(text: string): NamePattern {
  const parts = text.split("*");
  const first = parts[0]!;
  const last = parts.at(-1)!;
  const between = parts.slice(1, -1).filter((part) => part !== "");
  const fixedLength = text.length - parts.length + 1;
  return {
    text,
    fixedLength,
    matches(name) {
      if (parts.length === 1) return name === text;
      if (name.length < fixedLength || !name.startsWith(first) || !name.endsWith(last)) return false;
      let at = first.length;
      for (const part of between) {
        const found = name.indexOf(part, at);
        if (found < 0) return false;
        at = found + part.length;
      }
      return at <= name.length - last.length;
    },
  };
}

/** `*` in a target's model stands for the name that was asked for. */
export function fillPattern(text: string, name: string): string {
  return text.replaceAll("*", () => name);
}

/** The closest description first; of two that are equally close the first listed. */
export function byCloseness<T extends { readonly pattern: NamePattern }>(patterns: readonly T[]): T[] {
  return patterns.toSorted((left, right) => right.pattern.fixedLength - left.pattern.fixedLength);
}
