import type { ArgsDef } from "citty";
import { nearest } from "../config/nearest.ts";

/** Wrong usage of the program: told with the usage text, exit code 2. */
export class UsageError extends Error {}

/** citty takes any flag and any further word: here they are refused, with the nearest right spelling. */
export function refuseUnknown(args: Readonly<Record<string, unknown>>, known: ArgsDef): void {
  const names = new Set(Object.keys(known));
  for (const definition of Object.values(known)) {
    if ("alias" in definition) for (const alias of [definition.alias ?? []].flat()) names.add(alias);
  }
  for (const name of Object.keys(args)) {
    if (name === "_" || names.has(name)) continue;
    const near = nearest(name, Object.keys(known));
    throw new UsageError(`Unknown flag --${name}.${near ? ` Did you mean --${near}?` : ""}`);
  }
  const [word] = args["_"] as string[];
  if (word !== undefined) throw new UsageError(`Unexpected argument ${word}.`);
}

export function toPort(text: string | undefined): number | undefined {
  return toInteger("port", text, 0, 65_535);
}

export function toWorkers(text: string | undefined): number | undefined {
  return toInteger("workers", text, 1, 1024);
}

/** A flag that was given without its value is wrong usage, not a default. */
export function toText(flag: string, text: string | undefined): string | undefined {
  if (text === "") throw new UsageError(`--${flag} needs a value.`);
  return text;
}

function toInteger(flag: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`--${flag} must be a whole number from ${least} to ${most}.`);
}
