import { DEFAULT_REDIS_URL, type Answers } from "../answers.ts";
import type { ProjectFile } from "../folder.ts";

/** The key that clients of the gateway send. */
export const GATEWAY_KEY = "GATEWAY_KEY";
export const REDIS_URL = "REDIS_URL";

/** One variable that the config reads. */
interface Variable {
  readonly comment: string;
  readonly name: string;
  /** In `.env`; undefined: the environment has it, and wins over the file anyhow. */
  readonly value: string | undefined;
  /** In `.env.example`, which is committed. */
  readonly example: string;
}

/** `.env` with what is known and placeholders for the rest, `.env.example` without secrets. */
export function renderVariables(
  answers: Answers,
  gatewayKey: string,
  environment: NodeJS.ProcessEnv,
): ProjectFile[] {
  const variables = listVariables(answers, gatewayKey, environment);
  const text = (values: (variable: Variable) => string): string => variables.map(values).join("\n");
  return [
    { path: ".env", secret: true, text: text(({ comment, name, value }) => lines(comment, name, value)) },
    { path: ".env.example", text: text(({ comment, name, example }) => lines(comment, name, example)) },
  ];
}

function lines(comment: string, name: string, value: string | undefined): string {
  return value === undefined
    ? `# ${comment} Now set in the environment.\n# ${name}=\n`
    : `# ${comment}\n${name}=${value}\n`;
}

function listVariables(answers: Answers, gatewayKey: string, environment: NodeJS.ProcessEnv): Variable[] {
  const variables: Variable[] = [];
  if (answers.plugins.has("api-keys"))
    variables.push({
      comment: "The key that clients of this gateway send: a random word of at least 24 characters.",
      name: GATEWAY_KEY,
      value: gatewayKey,
      example: "",
    });
  for (const { kind } of answers.backends) {
    if (!kind.key) continue;
    const { variable: name, placeholder } = kind.key;
    variables.push({
      comment: `The key that ${kind.label} knows this gateway by.`,
      name,
      value: environment[name] ? undefined : placeholder,
      example: "",
    });
  }
  if (answers.state === "redis")
    variables.push({
      comment: "Where Redis or Valkey is.",
      name: REDIS_URL,
      value: answers.redisURL,
      example: DEFAULT_REDIS_URL,
    });
  return variables;
}

/** Variables whose keys are still to be filled in. */
export function missingKeys({ backends }: Answers, environment: NodeJS.ProcessEnv): string[] {
  return backends.flatMap(({ kind }) =>
    kind.key && !environment[kind.key.variable] ? [kind.key.variable] : [],
  );
}
