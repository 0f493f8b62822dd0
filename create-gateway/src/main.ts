import { randomBytes } from "node:crypto";
import { parseArgs, renderUsage, type CommandDef } from "citty";
import { completeAnswers, DEFAULT_FOLDER, type Answers } from "./answers.ts";
import { ask } from "./ask.ts";
import { missingKeys } from "./files/variables.ts";
import { VERSION } from "./files/manifest.ts";
import { FLAGS, readFlags } from "./flags.ts";
import { checkFolder, writeProject } from "./folder.ts";
import { detectPackageManager, type PackageManager } from "./package-manager.ts";
import { renderProject } from "./project.ts";
import { toProjectName } from "./project-name.ts";
import { Cancelled, terminalPrompts } from "./prompts.ts";
import { CreationRefused, UsageError } from "./refusal.ts";

const program = {
  meta: {
    name: "create-gateway",
    version: VERSION,
    description: "Makes the folder of a new Gatewright gateway",
  },
  args: FLAGS,
} satisfies CommandDef<typeof FLAGS>;

/** Runs the program. Resolves with the exit code: 0, 1 for a failure, 2 for wrong usage. */
export async function main(rawArgs: readonly string[]): Promise<number> {
  if (rawArgs.includes("--version") || rawArgs.includes("-v")) return print(VERSION);
  if (rawArgs.includes("--help") || rawArgs.includes("-h")) return print(await renderUsage(program));
  try {
    await create([...rawArgs]);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${await renderUsage(program)}`);
      return 2;
    }
    if (error instanceof Cancelled) console.error("Nothing was made.");
    else console.error(error instanceof CreationRefused ? error.message : error);
    return 1;
  }
}

async function create(rawArgs: string[]): Promise<void> {
  const { env: environment } = process;
  const args = parseArgs<typeof FLAGS>(rawArgs, FLAGS);
  const flags = readFlags(args);
  const asks = !args.yes && process.stdin.isTTY && process.stdout.isTTY;
  // Before any question: whoever cannot have the folder need not answer.
  if (flags.folder !== undefined || !asks) checkFolder(flags.folder ?? DEFAULT_FOLDER);
  const given = asks ? await ask(flags, terminalPrompts, environment) : flags;
  const answers = completeAnswers(given, environment);
  const manager = detectPackageManager(environment);
  const gatewayKey = `sk-gateway-${randomBytes(32).toString("base64url")}`;
  writeProject(answers.folder, renderProject(answers, { environment, manager, gatewayKey }));
  console.log(renderNextSteps(answers, manager, missingKeys(answers, environment)));
}

function renderNextSteps({ folder }: Answers, manager: PackageManager, keys: readonly string[]): string {
  const steps = [
    ...(folder === "." ? [] : [`cd ${/^[\w./~@+-]+$/.test(folder) ? folder : JSON.stringify(folder)}`]),
    manager.install,
    manager.run("dev"),
  ];
  const fill = keys.length === 0 ? [] : [`Put your keys into its .env: ${keys.join(", ")}.`];
  return [
    `Made ${toProjectName(folder)}.`,
    ...fill,
    "Next:",
    ...steps.map((step) => `  ${step}`),
    "A first call to paste is in its README.md.",
  ].join("\n");
}

function print(text: string): number {
  console.log(text);
  return 0;
}
