import { parseArgs } from "node:util";
import type { ArgsDef } from "citty";
import { nearest } from "../config/nearest.ts";

/** Wrong usage of the program: told with the usage text, exit code 2. */
export class UsageError extends Error {}

/**
 * citty takes any flag, any further word, `--no-…` of every flag, and a flag for the value of the one before it: all of
 * that is refused here, with the nearest right spelling.
 */
export function checkUsage(rawArgs: readonly string[], known: ArgsDef): void {
  const flags = Object.entries(known).filter(([, { type }]) => type !== "positional");
  const options: Options = Object.fromEntries(flags.map(([name, flag]) => [name, toOption(flag)]));
  let places = Object.keys(known).length - flags.length;

  const args = [...rawArgs];
  for (const token of parseArgs({ args, options, strict: false, tokens: true }).tokens) {
    if (token.kind === "option") checkFlag(token, options);
    else if (token.kind === "positional" && places-- <= 0)
      throw new UsageError(`Unexpected argument ${token.value}.`);
  }
}

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>["options"]>;

function toOption({ type, alias }: ArgsDef[string] & { alias?: string | string[] }): Options[string] {
  return { type: type === "boolean" ? "boolean" : "string", ...(alias && { short: [alias].flat()[0]! }) };
}

function checkFlag(
  {
    name,
    rawName,
    value,
    inlineValue,
  }: { name: string; rawName: string; value?: string; inlineValue?: boolean },
  options: Options,
): void {
  const negated = name.startsWith("no-") ? name.slice(3) : undefined;
  const known = Object.hasOwn(options, negated ?? name) ? options[negated ?? name] : undefined;
  if (!known) {
    const near = nearest(name, Object.keys(options));
    throw new UsageError(`Unknown flag ${rawName}.${near ? ` Did you mean --${near}?` : ""}`);
  }
  if (known.type === "string" && negated !== undefined)
    throw new UsageError(`There is no ${rawName}: --${negated} takes a value.`);
  if (known.type === "string" && (!value || (!inlineValue && /^--?[a-z]/i.test(value))))
    throw new UsageError(`--${name} needs a value.`);
  if (known.type === "boolean" && inlineValue) throw new UsageError(`--${name} takes no value.`);
}

export function toPort(text: string | undefined): number | undefined {
  return toInteger("port", text, 0, 65_535);
}

export function toWorkers(text: string | undefined): number | undefined {
  return toInteger("workers", text, 1, 1024);
}

function toInteger(flag: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`--${flag} must be a whole number from ${least} to ${most}.`);
}
