import { brand, hasBrand } from "../brand.ts";

const INSPECT = Symbol.for("nodejs.util.inspect.custom");
const REVEAL = Symbol.for("gatewright.secret.reveal");
const MASK = "[secret]";

/** A value that logs, errors, JSON and templates cannot print. `revealSecret` is the only way to it. */
export interface Secret {
  /** The environment variable it came from, if any. */
  readonly source?: string;
  toString(): string;
  toJSON(): string;
}

export function createSecret(value: string, source?: string): Secret {
  const secret = Object.create(null, {
    source: { value: source, enumerable: true },
    toString: { value: () => MASK },
    toJSON: { value: () => MASK },
    [Symbol.toPrimitive]: { value: () => MASK },
    [INSPECT]: { value: () => MASK },
    [REVEAL]: { value: () => value },
  }) as Secret;
  return brand("secret", secret);
}

export function isSecret(value: unknown): value is Secret {
  return hasBrand("secret", value);
}

/** The clear text. Call it where the value is used, and keep the result in no object. */
export function revealSecret(secret: Secret): string {
  return (secret as unknown as Record<symbol, () => string>)[REVEAL]!();
}

/**
 * A secret from the environment, read when the config is loaded. A missing or empty variable is a fault of the
 * config, unless `fallback` is given; the text `undefined` or a placeholder is never used as a key.
 */
export function env(name: string, fallback?: string): Secret {
  const value = process.env[name];
  if (value !== undefined && value !== "") return createSecret(value, name);
  return fallback === undefined ? missingSecret(name) : createSecret(fallback, name);
}

const MISSING = Symbol.for("gatewright.secret.missing");

function missingSecret(name: string): Secret {
  const secret = createSecret("", name);
  Object.defineProperty(secret, MISSING, { value: true });
  return secret;
}

/** True for an `env()` whose variable is not set: the config check reports it with its path. */
export function isMissingSecret(secret: Secret): boolean {
  return (secret as unknown as Record<symbol, unknown>)[MISSING] === true;
}

/** The text of a secret without the newline that files which secrets are mounted as mostly end with. */
export function withoutNewline(secret: string): string {
  return secret.replace(/\r?\n$/, "");
}
