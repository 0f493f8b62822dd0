import { stripVTControlCharacters } from "node:util";
import { renderUsage, runCommand, type CommandDef } from "citty";
import { nearest } from "../config/nearest.ts";
import { outliveOutputs } from "../server/standard-output.ts";
import { tuneHeap } from "../server/tune-heap.ts";
import { VERSION } from "../version.ts";
import { UsageError } from "./usage.ts";

/** Each command is loaded when it runs, so that none pays for another. */
const COMMANDS: Readonly<Record<string, () => Promise<CommandDef>>> = {
  dev: async () => (await import("./dev.ts")).dev as CommandDef,
  start: async () => {
    // Before the modules of the server fill it.
    tuneHeap();
    return (await import("./start.ts")).start as CommandDef;
  },
  check: async () => (await import("./check.ts")).check as CommandDef,
  explain: async () => (await import("./explain.ts")).explain as CommandDef,
};

const ALIASES: Readonly<Record<string, string>> = { serve: "start" };

const program: CommandDef = {
  meta: { name: "gatewright", version: VERSION, description: "A framework for AI API gateways" },
  subCommands: COMMANDS,
};

/** Runs the program. Resolves with the exit code: 0, 1 for a failure, 2 for wrong usage. */
export async function main(rawArgs: readonly string[]): Promise<number> {
  outliveOutputs();
  const [first, ...rest] = rawArgs;
  if (first === "--version" || first === "-v") return print(VERSION);
  if (first === undefined) return refuse("Which command?", program);
  if (first === "--help" || first === "-h" || first === "help") return print(await usageOf(program));
  const load = COMMANDS[ALIASES[first] ?? first];
  if (!load) {
    const near = nearest(first, Object.keys(COMMANDS));
    return refuse(`There is no command ${first}.${near ? ` Did you mean ${near}?` : ""}`, program);
  }
  const command = await load();
  if (rest.some((arg) => arg === "--help" || arg === "-h")) return print(await usageOf(command));
  if (!hasWorkingFolder()) {
    console.error("The working folder does not exist any more. Change to one that does.");
    return 1;
  }
  try {
    const { result } = await runCommand(command, { rawArgs: rest });
    return result as number;
  } catch (error) {
    if (error instanceof UsageError) return refuse(error.message, command);
    const { tellError } = await import("../server/start-refused.ts");
    console.error(tellError(error));
    return 1;
  }
}

function hasWorkingFolder(): boolean {
  try {
    process.cwd();
    return true;
  } catch {
    return false;
  }
}

function print(text: string): number {
  console.log(process.stdout.isTTY ? text : stripVTControlCharacters(text));
  return 0;
}

async function refuse(message: string, command: CommandDef): Promise<number> {
  const text = `${message}\n\n${await usageOf(command)}`;
  console.error(process.stderr.isTTY ? text : stripVTControlCharacters(text));
  return 2;
}

/** citty colours it, whoever reads it. */
function usageOf(command: CommandDef): Promise<string> {
  return renderUsage(command, command === program ? undefined : program);
}
