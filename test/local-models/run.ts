import { startTestGateway } from "../_support/gateway.ts";
import type { KindOfServer, Subject } from "./kinds-of-server.ts";
import { KINDS_OF_SERVER } from "./kinds-of-server.ts";
import { TRIALS } from "./trials.ts";

/** Longer than any trial waits, so that no limit of the gateway ends what a slow machine would have answered. */
const PATIENT_MS = 600_000;

/**
 * Asks the model servers of this machine through a gateway, one line for each trial, and one for all that is not there.
 * @returns the exit code: 1 when something failed, 0 also when there was nothing to ask.
 */
export async function runLocalModels(env: NodeJS.ProcessEnv, print: (line: string) => void): Promise<0 | 1> {
  const absent: string[] = [];
  let failures = 0;
  for (const kind of KINDS_OF_SERVER) {
    const missing = kind.missing(env);
    if (missing !== undefined) {
      absent.push(missing);
      continue;
    }
    const subject = await startOrTell(kind, env, print);
    if (subject === undefined) failures++;
    else if (typeof subject === "string") absent.push(subject);
    else failures += await tryAll(kind.name, subject, print);
  }
  if (absent.length > 0) print(`Not found, so not tested: ${absent.join("; ")}.`);
  return failures > 0 ? 1 : 0;
}

async function startOrTell(
  kind: KindOfServer,
  env: NodeJS.ProcessEnv,
  print: (line: string) => void,
): Promise<Subject | string | undefined> {
  try {
    return await kind.start(env);
  } catch (error) {
    print(`FAILED ${kind.name} > start: ${messageOf(error)}`);
    return undefined;
  }
}

/** @returns how many trials failed. */
async function tryAll(name: string, subject: Subject, print: (line: string) => void): Promise<number> {
  await using running = subject;
  await using gateway = await startTestGateway({
    log: { level: "silent" },
    timeouts: { firstByteMs: PATIENT_MS, idleMs: PATIENT_MS, totalMs: PATIENT_MS },
    backends: running.backends,
    plugins: [],
  });
  let failures = 0;
  for (const { title, run } of TRIALS) {
    try {
      const unshown = await run(gateway.url, running);
      print(
        `${unshown === undefined ? "ok" : "not shown"} ${name} > ${title}${unshown ? `: ${unshown}` : ""}`,
      );
    } catch (error) {
      failures++;
      print(`FAILED ${name} > ${title}: ${messageOf(error)}`);
    }
  }
  return failures;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
