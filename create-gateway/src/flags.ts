import type { ArgsDef, ParsedArgs } from "citty";
import { DEFAULT_FOLDER, STORES, type GivenAnswers } from "./answers.ts";
import { BACKENDS } from "./backends.ts";
import { PLUGINS } from "./plugins.ts";
import { toProjectName } from "./project-name.ts";
import { UsageError } from "./refusal.ts";
import { toBackends, toModel, toPlugins, toPort, toRedisURL, toServerURL, toStore } from "./values.ts";

const ids = (kinds: readonly { id: string }[]): string => kinds.map(({ id }) => id).join(", ");

/** Every answer has a flag. */
export const FLAGS = {
  folder: { type: "positional", description: `Folder to make (${DEFAULT_FOLDER})`, required: false },
  backends: { type: "string", description: `Of ${ids(BACKENDS)}`, valueHint: "list" },
  "ollama-url": { type: "string", description: "Where Ollama is", valueHint: "url" },
  "vllm-url": { type: "string", description: "Where vLLM is, with its /v1", valueHint: "url" },
  "openai-compatible-url": {
    type: "string",
    description: "Where the other server is, with its /v1",
    valueHint: "url",
  },
  model: { type: "string", description: "Model of the example call in the README", valueHint: "name" },
  state: { type: "string", description: `Where state lives: ${STORES.join(", ")}`, valueHint: "store" },
  "redis-url": { type: "string", description: "Where Redis is; goes to .env", valueHint: "url" },
  plugins: { type: "string", description: `Of ${ids(PLUGINS)}; or none`, valueHint: "list" },
  port: { type: "string", alias: "p", description: "Port that the gateway listens on", valueHint: "port" },
  example: { type: "boolean", description: "With an adapter and a plugin to start from" },
  yes: { type: "boolean", alias: "y", description: "Ask nothing: defaults for what no flag says" },
} as const satisfies ArgsDef;

/** What the flags say, checked. @throws UsageError */
export function readFlags(args: ParsedArgs<typeof FLAGS>): GivenAnswers {
  refuseUnknown(args);
  const read = <T>(flag: string, to: (text: string) => T): T | undefined => {
    const text = args[flag] as string | undefined;
    if (text === "") throw new UsageError(`--${flag} needs a value.`);
    return text === undefined ? undefined : to(text);
  };
  const urls = BACKENDS.filter(({ server }) => server).flatMap(({ id }) => {
    const url = read(`${id}-url`, (text) => toServerURL(`${id}-url`, text));
    return url === undefined ? [] : [[id, url] as const];
  });
  if (args.folder !== undefined) toProjectName(args.folder);
  return {
    folder: args.folder,
    backends: read("backends", toBackends),
    urls: Object.fromEntries(urls),
    model: read("model", toModel),
    state: read("state", toStore),
    redisURL: read("redis-url", toRedisURL),
    plugins: read("plugins", toPlugins),
    port: read("port", toPort),
    example: args.example,
  };
}

/** citty takes any flag and any further word. */
function refuseUnknown(args: Readonly<Record<string, unknown>>): void {
  // It also gives `redis-url` as `redisUrl`.
  const plain = (name: string): string => name.replaceAll("-", "").toLowerCase();
  const known = new Set(Object.entries(FLAGS).flatMap(([name, flag]) => [name, ...aliasOf(flag)].map(plain)));
  const unknown = Object.keys(args).find((name) => name !== "_" && !known.has(plain(name)));
  if (unknown !== undefined) throw new UsageError(`Unknown flag --${unknown}.`);
  const [, word] = args["_"] as string[];
  if (word !== undefined) throw new UsageError(`Unexpected argument ${word}.`);
}

function aliasOf(flag: object): string[] {
  return "alias" in flag ? [flag.alias as string] : [];
}
