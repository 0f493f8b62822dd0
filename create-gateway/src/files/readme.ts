import type { Answers } from "../answers.ts";
import type { PackageManager } from "../package-manager.ts";
import { PLUGINS } from "../plugins.ts";
import { GATEWAY_KEY, missingKeys } from "./variables.ts";

/** The calls that the README shows, to be pasted into a shell in the project's folder. */
interface Calls {
  readonly models: string;
  readonly chat: string;
}

/** `README.md`. */
export function renderReadme(
  name: string,
  answers: Answers,
  manager: PackageManager,
  environment: NodeJS.ProcessEnv,
): string {
  const keys = missingKeys(answers, environment);
  const { models, chat } = renderCalls(answers);
  return [
    `# ${name}`,
    "An AI API gateway, made with Gatewright. Its clients speak the OpenAI API.",
    ...(keys.length > 0 ? [`Put your keys into \`.env\`: ${keys.map(code).join(", ")}. Then:`] : []),
    block("sh", `${manager.install}\n${manager.run("dev")}`),
    "Ask it which models there are, and then one of them:",
    block("sh", models),
    block("sh", chat),
    ...(usesOllama(answers) ? [`Ollama has a model after \`ollama pull ${answers.model}\`.`] : []),
    "## What is here",
    table(
      ["file", "what it holds"],
      [
        [
          "`gateway.config.ts`",
          "backends, state, and the chain of plugins in its order; editors complete it",
        ],
        ["`.env`", "keys; it is not committed. `.env.example` says which there are"],
        ...(answers.example
          ? [
              ["`adapters/`", "dialects of backends, found by being there"],
              ["`plugins/`", "plugins of your own, imported by the config"],
            ]
          : []),
      ],
    ),
    ...renderChain(answers),
    "## Commands",
    table(
      ["command", "what it does"],
      [
        [code(manager.run("dev")), "serves on this machine and takes every change of the config"],
        [code(manager.run("start")), "serves in production, on all addresses of the machine"],
        [code(manager.run("check")), "checks the config, its types included, without starting"],
      ],
    ),
  ]
    .join("\n\n")
    .concat("\n");
}

function renderChain({ plugins }: Answers): string[] {
  const rows = PLUGINS.filter(({ id }) => plugins.has(id)).map(({ id, does }) => [code(id), does]);
  return rows.length === 0 ? [] : [table(["plugin", "what it does"], rows)];
}

function renderCalls({ port, model, plugins }: Answers): Calls {
  const base = `http://127.0.0.1:${port}/v1`;
  const keyed = plugins.has("api-keys");
  // The README is committed, so the key stays in `.env`.
  const first = keyed ? `KEY=$(sed -n 's/^${GATEWAY_KEY}=//p' .env)\n` : "";
  const key = keyed ? ` \\\n  -H "authorization: Bearer $KEY"` : "";
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Hello!" }] });
  return {
    models: `${first}curl -s ${base}/models${key}`,
    chat: `${first}curl -s ${base}/chat/completions${key} \\\n  -H 'content-type: application/json' \\\n  -d '${body}'`,
  };
}

function usesOllama({ backends, model }: Answers): boolean {
  return backends.some(({ kind }) => kind.id === "ollama" && kind.model === model);
}

function code(text: string): string {
  return `\`${text}\``;
}

function block(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
