import {
  DEFAULT_FOLDER,
  DEFAULT_REDIS_URL,
  defaultBackends,
  defaultModel,
  STORES,
  type GivenAnswers,
  type Store,
} from "./answers.ts";
import { BACKENDS } from "./backends.ts";
import { checkFolder } from "./folder.ts";
import { PLUGINS } from "./plugins.ts";
import type { Choice, Prompts } from "./prompts.ts";
import { CreationRefused, UsageError } from "./refusal.ts";
import { toModel, toRedisURL, toServerURL } from "./values.ts";

/** Asks for what no flag said. Port and example are left to flags: few want others. */
export async function ask(
  given: GivenAnswers,
  prompts: Prompts,
  environment: NodeJS.ProcessEnv,
): Promise<GivenAnswers> {
  const folder =
    given.folder ?? (await askText(prompts, "Folder of the gateway", DEFAULT_FOLDER, checkFolder));
  const backends = given.backends ?? (await askBackends(prompts, environment));
  const urls = { ...given.urls };
  for (const { id, label, server } of backends) {
    if (!server || urls[id] !== undefined) continue;
    const question = `${label}: its URL, ${server.hint}`;
    urls[id] = await askText(prompts, question, server.url ?? "http://", (text) =>
      toServerURL(`${id}-url`, text),
    );
  }
  const model =
    given.model ??
    (await askText(prompts, "Model of the example call", defaultModel(backends) ?? "", toModel));
  const state = given.state ?? (await prompts.select("Where does state live?", STORE_CHOICES));
  const redisURL =
    state === "redis"
      ? (given.redisURL ?? (await askText(prompts, "Where is Redis?", DEFAULT_REDIS_URL, toRedisURL)))
      : given.redisURL;
  const plugins = given.plugins ?? (await askPlugins(prompts));
  return { ...given, folder, backends, urls, model, state, redisURL, plugins };
}

const STORE_CHOICES: readonly Choice<Store>[] = STORES.map((value) => ({
  value,
  label: value,
  hint: { memory: "gone with the process", file: "one process", redis: "any number of processes" }[value],
}));

async function askBackends(
  prompts: Prompts,
  environment: NodeJS.ProcessEnv,
): Promise<NonNullable<GivenAnswers["backends"]>> {
  const choices = BACKENDS.map(({ id, label }) => ({ value: id, label }));
  const initial = defaultBackends(environment).map(({ id }) => id);
  const chosen = await prompts.selectMany("Which backends?", choices, initial, true);
  return BACKENDS.filter(({ id }) => chosen.includes(id));
}

async function askPlugins(prompts: Prompts): Promise<ReadonlySet<string>> {
  const choices = PLUGINS.map(({ id, does }) => ({ value: id, label: id, hint: does }));
  const all = PLUGINS.map(({ id }) => id);
  return new Set(await prompts.selectMany("Which plugins?", choices, all, false));
}

/** Asks until the answer is one. */
async function askText(
  prompts: Prompts,
  question: string,
  initial: string,
  check: (text: string) => string,
): Promise<string> {
  for (;;) {
    const text = await prompts.text(question, initial);
    try {
      return check(text.trim());
    } catch (error) {
      if (!(error instanceof UsageError || error instanceof CreationRefused)) throw error;
      prompts.complain(error.message);
    }
  }
}
