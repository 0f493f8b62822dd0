import { env } from "./secret.ts";
import { isPlainObject } from "./plain-object.ts";
import type { EnvironmentVariables } from "./environment.ts";

const PLACEHOLDER = /\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g;

/** The name in `${NAME}`, when a text holds such a placeholder. */
export function placeholderName(text: string): string | undefined {
  return new RegExp(PLACEHOLDER.source).exec(text)?.[1];
}

/**
 * Fills `${NAME}` and `${NAME:-default}` in the texts of a JSON, YAML or TOML config, which have no `env()`. Where a
 * variable is not set, a missing secret takes the text's place, and the check reports it with its path.
 */
export function fillPlaceholders(value: unknown, variables: EnvironmentVariables): unknown {
  if (typeof value === "string") return fillText(value, variables);
  if (Array.isArray(value)) return value.map((item) => fillPlaceholders(item, variables));
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, fillPlaceholders(item, variables)]),
  );
}

function fillText(text: string, variables: EnvironmentVariables): unknown {
  let missing: string | undefined;
  const filled = text.replace(PLACEHOLDER, (_, name: string, fallback: string | undefined) => {
    const found = variables[name] || fallback;
    if (found === undefined) missing = name;
    return found ?? "";
  });
  return missing === undefined ? filled : env(missing);
}
