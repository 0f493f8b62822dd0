import { isAddressRange, isSecret, revealSecret } from "gatewright";
import type { Secret } from "gatewright";
import * as v from "valibot";
import { isToken, MAX_KEY_LENGTH } from "./credential.ts";
import { hashKey } from "./key-ring.ts";
import { SCOPES } from "./scope.ts";

const MIN_KEY_LENGTH = 10;
/** What an unset variable hashes to. It would let in everybody who sends no key. */
const EMPTY_HASH = hashKey("");

const Name = v.pipe(v.string(), v.nonEmpty());

const KeyText = v.pipe(
  v.custom<string | Secret>(
    (input) => typeof input === "string" || isSecret(input),
    "Expected a text or `env(…)`",
  ),
  v.check((key) => keyText(key).length >= MIN_KEY_LENGTH, `A key has at least ${MIN_KEY_LENGTH} characters`),
  v.check(
    (key) => isToken(keyText(key)),
    `A key is one word of visible ASCII characters, ${MAX_KEY_LENGTH} at most`,
  ),
  v.metadata({ secret: true }),
);

const Timestamp = v.pipe(v.string(), v.isoTimestamp());

/** Not all of ISO 8601 is read by `Date.parse`, such as a zone of hours alone; what is not would never come. */
const Instant = v.pipe(
  v.string(),
  v.check(
    (text) => v.is(Timestamp, text) && !Number.isNaN(Date.parse(text)),
    "Expected ISO 8601 with a zone, such as `Z` or `+02:00`",
  ),
);

export const ApiKey = v.pipe(
  v.strictObject(
    {
      /** Stable name of the key in logs, limits and usage. Never the key itself. */
      id: Name,
      /** The key, as `env("NAME")` or text. Either this or `hash`. */
      key: v.optional(KeyText),
      /** Its digest instead, as `hashKey` makes it: `sha256:` and 64 hex digits. */
      hash: v.optional(
        v.pipe(
          v.string("Expected a text"),
          v.toLowerCase(),
          v.regex(/^sha256:[0-9a-f]{64}$/, "Expected `sha256:` and 64 hex digits"),
          v.check((digest) => digest !== EMPTY_HASH, "This is the digest of an empty text"),
        ),
      ),
      /** For people. */
      name: v.optional(Name),
      /** What the key may do. @default ["inference"] */
      scopes: v.optional(v.pipe(v.array(v.picklist(SCOPES)), v.minLength(1)), ["inference"]),
      /**
       * Models it may use, by the names that clients ask for, with `*` for any run of characters; absent: all. Holds for
       * fallbacks too.
       */
      models: v.optional(v.array(Name)),
      /** Addresses and CIDR ranges it may be used from; absent: all. */
      allowedIps: v.optional(
        v.array(
          v.pipe(v.string(), v.check(isAddressRange, "Expected an address or a range such as `10.0.0.0/8`")),
        ),
      ),
      /** From this instant on the key is refused: ISO 8601 with a zone, such as `2030-01-31T00:00:00Z`. */
      expiresAt: v.optional(Instant),
      /** Refuses the key without removing it. @default false */
      disabled: v.optional(v.boolean(), false),
      /** Whom the key belongs to, where several parties share the gateway. */
      tenant: v.optional(Name),
    },
    // The message of its own would quote what was received, and that may be a key.
    (issue) =>
      issue.expected === "Object" ? "Expected an object with `id` and `key` or `hash`" : issue.message,
  ),
  v.check(({ key, hash }) => (key === undefined) !== (hash === undefined), "Give either `key` or `hash`"),
);

export const ApiKeysOptions = v.strictObject({
  /** The keys. Without any, every request is refused. @default [] */
  keys: v.optional(
    v.pipe(
      v.array(ApiKey),
      v.rawCheck(({ dataset, addIssue }) => {
        if (!dataset.typed) return;
        const input = dataset.value;
        for (const { index, field, message } of findTwins(input)) {
          const key = input[index]!;
          addIssue({
            message,
            path: [
              { type: "array", origin: "value", input, key: index, value: key },
              { type: "object", origin: "value", input: key, key: field, value: undefined },
            ],
          });
        }
      }),
    ),
    [],
  ),
  /**
   * Scope of operations that other plugins add, by operation name, such as `{ forecast: "chat" }`. One that
   * stands nowhere needs `inference`.
   */
  operationScopes: v.optional(v.record(v.string(), v.picklist(SCOPES)), {}),
  /**
   * Takes keys from the query as well, as `?key=`, where no header has one. Some clients of Google's API send them so;
   * but queries end up in the logs of every proxy on the way. @default false
   */
  queryKeys: v.optional(v.boolean(), false),
});

export type ApiKey = v.InferOutput<typeof ApiKey>;
export type ApiKeysOptions = v.InferOutput<typeof ApiKeysOptions>;

/** The digest of a configured key, in whichever form it was given. */
export function keyHash({ key, hash }: ApiKey): string {
  return hash ?? hashKey(keyText(key ?? ""));
}

/** Length of the key; undefined when only its digest is known. */
export function keyLength({ key }: ApiKey): number | undefined {
  return key === undefined ? undefined : keyText(key).length;
}

function keyText(key: string | Secret): string {
  return typeof key === "string" ? key : revealSecret(key);
}

interface Twin {
  readonly index: number;
  readonly field: "id" | "key" | "hash";
  readonly message: string;
}

/** Entries with the id or the key of an earlier one. */
function findTwins(keys: readonly ApiKey[]): Twin[] {
  const ids = new Map<string, number>();
  const hashes = new Map<string, number>();
  return keys.flatMap((key, index): Twin[] => {
    const digest = keyHash(key);
    const twins: Twin[] = [];
    if (ids.has(key.id)) {
      twins.push({ index, field: "id", message: `The id is taken by \`keys.${ids.get(key.id)}\`` });
    }
    // An entry without any key is reported as such already.
    if (hashes.has(digest) && digest !== EMPTY_HASH) {
      const field = key.hash === undefined ? "key" : "hash";
      twins.push({ index, field, message: `The same key as \`keys.${hashes.get(digest)}\`` });
    }
    ids.set(key.id, ids.get(key.id) ?? index);
    hashes.set(digest, hashes.get(digest) ?? index);
    return twins;
  });
}
