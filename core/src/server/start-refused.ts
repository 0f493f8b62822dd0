import { inspect } from "node:util";
import { formatFaults, type ConfigFault } from "../config/fault.ts";
import type { ServerConfig } from "../config/resolved.ts";
import { StateUnavailable } from "../state/state.ts";

/** A mistake of the user's that stops a start or a reload: told as it is, without a stack. */
export class StartRefused extends Error {
  /** What is wrong with the config; empty where the config is not at fault. */
  readonly faults: readonly ConfigFault[];

  constructor(reason: string | readonly ConfigFault[], options?: ErrorOptions) {
    super(typeof reason === "string" ? reason : formatFaults(reason), options);
    this.faults = typeof reason === "string" ? [] : reason;
  }
}

/** The words of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is told of an error that ended a start: of a mistake its words, of anything else the stack too. */
export function tellError(error: unknown): string {
  if (error instanceof StartRefused) return error.message;
  return error instanceof Error ? inspect(error) : String(error);
}

/**
 * What a plugin threw when it was set up, with its place. A plain `Error` is the plugin's own word on what it was given;
 * one of the language's, such as `TypeError`, is a bug.
 */
export function setupRefusal(
  error: unknown,
  { file, path }: { file: string | undefined; path: string },
): Error {
  const reason = messageOf(error);
  const message = `${path}: ${reason}`;
  const isOwnWord = error instanceof StateUnavailable || (error as Error | undefined)?.name === "Error";
  if (!isOwnWord) return new Error(message, { cause: error });
  const fault = { file: file ?? "config", path, expected: "what the plugin can work with", received: reason };
  return new StartRefused([{ ...fault, message }], { cause: error });
}

/** What an error of opening state or port says of the user's machine, if that is what it is about. */
export function refusalOf(error: unknown, { host, port }: ServerConfig): StartRefused | undefined {
  if (error instanceof StateUnavailable) return new StartRefused(error.message, { cause: error });
  const { code } = error as Partial<NodeJS.ErrnoException>;
  const words = code === undefined ? undefined : REFUSALS[code];
  return words && new StartRefused(words(host, port), { cause: error });
}

const noAddress = (host: string): string => `This machine has no address ${host}.`;

const REFUSALS: Readonly<Record<string, (host: string, port: number) => string>> = {
  EADDRINUSE: (_, port) => `Port ${port} is in use. Stop what listens there, or choose another with --port.`,
  EACCES: (_, port) => `Port ${port} needs privileges. Choose one above 1023 with --port.`,
  EADDRNOTAVAIL: noAddress,
  ENOTFOUND: noAddress,
  EAI_AGAIN: (host) => `The address of ${host} could not be found out.`,
};
