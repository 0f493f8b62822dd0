import { defineAdapter, type Adapter } from "../adapter.ts";
import { pickFacts } from "../models/model-facts.ts";
import { AUTO } from "./auto-backends.ts";
import { addUnknownKey, addUnknownName, checkValue, didYouMean, type FaultList } from "./check.ts";
import type { EnvironmentOverrides } from "./environment.ts";
import { describeValue, type Path } from "./fault.ts";
import { isPlainObject } from "./plain-object.ts";
import { placeholderName } from "./placeholders.ts";
import type { ResolvedBackend } from "./resolved.ts";
import { BackendSchema } from "./schema.ts";
import { knownKeys, toSchemaNode } from "./schema-walk.ts";
import {
  createSecret,
  isMissingSecret,
  isSecret,
  revealSecret,
  withoutNewline,
  type Secret,
} from "./secret.ts";
import type { Timeouts } from "../backend.ts";

const COMMON_KEYS: readonly string[] = Object.keys(BackendSchema.entries);

export interface BackendScope {
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** All adapters there are, for spelling. */
  readonly adapterNames: readonly string[];
  readonly timeouts: Timeouts;
  readonly environment: EnvironmentOverrides;
  /** Those whose servers could not be asked what they are: they take no part until they can be. */
  readonly absent: ReadonlySet<string>;
}

/** In place of that of a server that could not be asked. */
const UNKNOWN_ADAPTER: Adapter = defineAdapter({
  name: AUTO,
  provider: AUTO,
  auth: () => ({}),
  operations: {},
});

/** Names of the adapters that the backends of a raw config ask for. */
export function usedAdapters(backends: unknown): Set<string> {
  const values = isPlainObject(backends) ? Object.values(backends) : [];
  const names = values.map((backend) => (isPlainObject(backend) ? backend["adapter"] : undefined));
  return new Set(names.filter((name) => typeof name === "string"));
}

export async function resolveBackends(
  raw: unknown,
  scope: BackendScope,
  list: FaultList,
): Promise<ResolvedBackend[]> {
  if (!isPlainObject(raw)) {
    const required = raw === undefined;
    list.add(["backends"], {
      expected: "an object of backends by name",
      received: describeValue(raw),
      ...(required && { message: "backends is required: an object of backends by name" }),
    });
    return [];
  }
  const resolved: ResolvedBackend[] = [];
  for (const [name, value] of Object.entries(raw)) {
    const backend = await resolveBackend(name, value, scope, list);
    if (backend) resolved.push(backend);
  }
  return resolved;
}

async function resolveBackend(
  name: string,
  value: unknown,
  scope: BackendScope,
  list: FaultList,
): Promise<ResolvedBackend | undefined> {
  const path = ["backends", name];
  const before = list.faults.length;
  if (!/^[\w.-]+$/.test(name)) {
    list.add(path, {
      expected: "a name of letters, digits, `.`, `_` and `-`",
      received: describeValue(name, true),
    });
  }
  const common = await checkValue(BackendSchema, value, path, list);
  if (!isPlainObject(value)) return undefined;
  const isAbsent = scope.absent.has(name);
  const adapter = isAbsent ? UNKNOWN_ADAPTER : findAdapter(value["adapter"], path, scope, list);
  const options = isAbsent
    ? {}
    : adapter && (await resolveOptions(value, adapter, path, scope.environment, list));
  const address = value["baseURL"] ?? ownBaseURL(adapter, options);
  // Without its options an adapter cannot say.
  if (address === undefined && adapter && (options || typeof adapter.baseURL !== "function"))
    addMissingAddress(adapter, [...path, "baseURL"], list);
  const baseURL = resolveBaseURL(address, path, list);
  const apiKey = resolveKey(value["apiKey"], [...path, "apiKey"], list);
  const discovers = !isAbsent && (value["models"] === undefined || value["models"] === "discover");
  const models = common && Array.isArray(common.models) ? common.models : [];
  checkModelList(models, path, list);
  if (discovers && adapter) checkDiscovery(adapter, path, list);
  if (!common || !adapter || !options || !baseURL || list.faults.length > before) return undefined;
  return {
    name,
    adapter,
    options,
    baseURL,
    ...(apiKey && { apiKey }),
    weight: common.weight,
    models,
    discovers,
    vendorPrefixes: common.vendorPrefixes ?? adapter.vendorPrefixes ?? [],
    enabled: common.enabled && !isAbsent,
    facts: pickFacts(common),
    timeouts: { ...scope.timeouts, ...withoutUndefined(common.timeouts) },
    connections: common.connections,
  };
}

function findAdapter(name: unknown, path: Path, scope: BackendScope, list: FaultList): Adapter | undefined {
  // A server that could not be recognised was told of already.
  if (typeof name !== "string" || name === "" || name === AUTO) return undefined;
  const adapter = scope.adapters.get(name);
  if (adapter) return adapter;
  const known = scope.adapterNames;
  const hint =
    known.length === 0
      ? "No adapters are installed: npm install @gatewright/adapters, or add a file to adapters/ beside the config."
      : (didYouMean(name, known) ?? `Known are ${known.join(", ")}.`);
  addUnknownName([...path, "adapter"], name, { kind: "adapter", known, hint }, list);
  return undefined;
}

/** What stands beside the common fields belongs to the adapter. */
async function resolveOptions(
  value: Record<string, unknown>,
  adapter: Adapter,
  path: Path,
  environment: EnvironmentOverrides,
  list: FaultList,
): Promise<Record<string, unknown> | undefined> {
  const own = Object.fromEntries(Object.entries(value).filter(([key]) => !COMMON_KEYS.includes(key)));
  const node = toSchemaNode(adapter.options);
  const known = knownKeys(node, own);
  if (adapter.options === undefined || known.length > 0) {
    for (const key of Object.keys(own).filter((key) => !known.includes(key))) {
      addUnknownKey([...path, key], own[key], [...COMMON_KEYS, ...known], list);
      delete own[key];
    }
  }
  if (adapter.options === undefined) return {};
  const given = environment.apply(own, node, path);
  return (await checkValue(adapter.options, given, path, list)) as Record<string, unknown> | undefined;
}

function ownBaseURL(
  adapter: Adapter | undefined,
  options: Record<string, unknown> | undefined,
): string | undefined {
  const own = adapter?.baseURL;
  if (typeof own !== "function") return own;
  return options && (own(options) || undefined);
}

const ADDRESS = "an http:// or https:// URL";

function addMissingAddress({ name, baseURL }: Adapter, at: Path, list: FaultList): void {
  const own = baseURL === undefined ? "of its own" : "without further options";
  list.add(at, {
    expected: ADDRESS,
    received: "nothing",
    message: `${list.place(at)} is required: ${ADDRESS}, since the adapter \`${name}\` has none ${own}`,
  });
}

function resolveBaseURL(value: unknown, path: Path, list: FaultList): URL | undefined {
  const at = [...path, "baseURL"];
  if (typeof value !== "string") return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    const bare = /^[\w.-]+(?::\d+)?(?:\/|$)/.test(value) && !/^[a-z]+:\D/i.test(value);
    list.add(at, {
      expected: ADDRESS,
      received: describeValue(value, true),
      hint: bare ? "Put `http://` before it." : undefined,
    });
    return undefined;
  }
  if (url.hash !== "") list.add(at, { expected: "a URL without `#`", received: "one with it" });
  if (url.username === "" && url.password === "") return url;
  list.add(at, {
    expected: "a URL without user name and password",
    received: "one with them",
    hint: "Use `apiKey`.",
  });
  return undefined;
}

/** What undici puts into a header: RFC 9110, section 5.5. */
const NOT_IN_HEADERS = /[^\t\x20-\x7e\x80-\xff]/;

/** The credential of a backend, which goes out in a header. */
function resolveKey(value: unknown, path: Path, list: FaultList): Secret | undefined {
  const secret = resolveSecret(value, path, list);
  if (secret === undefined || isMissingSecret(secret)) return secret;
  const text = revealSecret(secret);
  const key = withoutNewline(text);
  if (key !== "" && !NOT_IN_HEADERS.test(key))
    return key === text ? secret : createSecret(key, secret.source);
  list.add(path, {
    expected: "a key that a header can carry",
    received:
      key === ""
        ? "none"
        : /[\r\n]/.test(key)
          ? "one with a line break"
          : "one with a character that none can",
  });
  return undefined;
}

/** A credential, kept from sight; placeholders that nobody filled are no keys. */
export function resolveSecret(value: unknown, path: Path, list: FaultList): Secret | undefined {
  if (isSecret(value)) return value;
  if (typeof value !== "string" || value === "") return undefined;
  const name = placeholderName(value);
  if (name === undefined && !/^(?:undefined|null)$/.test(value)) return createSecret(value);
  list.add(path, {
    expected: "a secret from env(), or a string",
    received: name === undefined ? `the word "${value}"` : "a placeholder that nothing fills",
    hint: `Write \`env("${name ?? "NAME"}")\`.`,
  });
  return undefined;
}

function checkModelList(models: readonly string[], path: Path, list: FaultList): void {
  models.forEach((model, index) => {
    if (models.indexOf(model) === index) return;
    const received = describeValue(model, true);
    const at = [...path, "models", index];
    list.add(at, {
      expected: "each model once",
      received,
      message: `${list.place(at)}: ${received} is listed twice`,
    });
  });
}

/** Without a list of models the adapter has to know where to ask, or which names are its vendor's. */
function checkDiscovery({ name, models, modelPatterns }: Adapter, path: Path, list: FaultList): void {
  if (models || modelPatterns) return;
  const at = [...path, "models"];
  const expected = "a list of names";
  list.add(at, {
    expected,
    received: "nothing",
    message: `${list.place(at)} is required: ${expected}, since the adapter \`${name}\` cannot ask for models`,
  });
}

function withoutUndefined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const set = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as { [K in keyof T]: Exclude<T[K], undefined> };
}
