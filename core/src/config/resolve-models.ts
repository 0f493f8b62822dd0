import { addUnknownName, checkValue, type FaultList } from "./check.ts";
import { describeValue } from "./fault.ts";
import { createPattern, fillPattern, isPattern } from "../models/name-pattern.ts";
import { NO_FACTS, pickFacts, type ModelFacts } from "../models/model-facts.ts";
import { isPlainObject } from "./plain-object.ts";
import type { ResolvedBackend, ResolvedModel, ResolvedTarget } from "./resolved.ts";
import { ModelSchema } from "./schema.ts";

/** What models refer to: the raw backends, so that a fault in one is not told again at each use of it. */
export type RawBackends = Readonly<Record<string, unknown>>;

export async function resolveModels(
  raw: unknown,
  backends: RawBackends,
  list: FaultList,
  warn: (warning: string) => void,
): Promise<ResolvedModel[]> {
  if (raw !== undefined && !isPlainObject(raw)) {
    list.add(["models"], { expected: "an object of models by name", received: describeValue(raw) });
  }
  const resolved: ResolvedModel[] = [];
  for (const [name, value] of Object.entries(isPlainObject(raw) ? raw : {})) {
    const path = ["models", name];
    const model = await checkValue(ModelSchema, value, path, list);
    checkTargets(value, path, backends, list);
    if (!model) continue;
    const { aliases, canonicalName } = model;
    checkPattern(name, { aliases, canonicalName }, list);
    const targets = model.targets?.map((target): ResolvedTarget => {
      const { backend } = target;
      const upstream = target.model ?? "*";
      const isFilled = !isPattern(name);
      const asked = isFilled ? fillPattern(upstream, name) : upstream;
      if (isFilled && !isServed(asked, backends[backend]))
        warn(`models[${JSON.stringify(name)}]: backend \`${backend}\` does not list the model \`${asked}\``);
      const weight = target.weight ?? weightOf(backends[backend]);
      return { backend, model: asked, weight, ...withFacts(target) };
    });
    resolved.push({
      name,
      aliases,
      ...(canonicalName !== undefined && { canonicalName }),
      ...(targets && { targets }),
      ...withFacts(model),
    });
  }
  checkUniqueNames(resolved, list);
  warnOfShadows(resolved, backends, warn);
  return resolved;
}

function withFacts(stated: Parameters<typeof pickFacts>[0]): { facts?: ModelFacts } {
  const facts = pickFacts(stated);
  return facts === NO_FACTS ? {} : { facts };
}

/** A pattern has no further names, since it is none itself. */
function checkPattern(
  name: string,
  { aliases, canonicalName }: Pick<ResolvedModel, "aliases" | "canonicalName">,
  list: FaultList,
): void {
  const given = { aliases: aliases.length > 0, canonicalName: canonicalName !== undefined };
  for (const key of ["aliases", "canonicalName"] as const) {
    if (!isPattern(name) || !given[key]) continue;
    const at = ["models", name, key];
    list.add(at, {
      expected: "nothing",
      received: describeValue(key === "aliases" ? aliases : canonicalName),
      message: `${list.place(at)}: a name with \`*\` has no further names`,
    });
  }
}

/** A backend that is asked for its models may turn out to have any. */
function isServed(model: string, backend: unknown): boolean {
  const served = modelsOf(backend);
  return served === undefined || served.some((name) => createPattern(name).matches(model));
}

/** A whole name comes before an alias. */
function warnOfShadows(
  models: readonly ResolvedModel[],
  backends: RawBackends,
  warn: (warning: string) => void,
): void {
  const listed = new Map(
    Object.entries(backends).flatMap(([name, backend]) =>
      (modelsOf(backend) ?? []).map((model) => [model, name]),
    ),
  );
  for (const { name, aliases } of models)
    for (const alias of aliases)
      if (listed.has(alias))
        warn(
          `models[${JSON.stringify(name)}]: the alias \`${alias}\` is the name of a model of backend \`${listed.get(alias)}\`, which is taken first`,
        );
}

function checkTargets(value: unknown, path: readonly string[], backends: RawBackends, list: FaultList): void {
  const targets = isPlainObject(value) && Array.isArray(value["targets"]) ? value["targets"] : [];
  targets.forEach((target: unknown, index) => {
    const backend = isPlainObject(target) ? target["backend"] : undefined;
    if (typeof backend !== "string" || backend === "" || Object.hasOwn(backends, backend)) return;
    const at = [...path, "targets", index, "backend"];
    addUnknownName(at, backend, { kind: "backend", known: Object.keys(backends) }, list);
  });
}

/** Every name that a client may use means one model. */
function checkUniqueNames(models: readonly ResolvedModel[], list: FaultList): void {
  const owners = new Map(models.map(({ name }) => [name, list.place(["models", name])]));
  for (const { name, aliases, canonicalName } of models) {
    const others = [
      ...aliases.map((alias, index) => ({ alias, at: ["models", name, "aliases", index] })),
      ...(canonicalName === undefined
        ? []
        : [{ alias: canonicalName, at: ["models", name, "canonicalName"] }]),
    ];
    others.forEach(({ alias, at }) => {
      const owner = owners.get(alias);
      if (owner === undefined) owners.set(alias, list.place(at));
      else {
        const received = describeValue(alias, true);
        list.add(at, {
          expected: "a name that no other model has",
          received,
          message: `${list.place(at)}: ${received} is taken by ${owner}`,
        });
      }
    });
  }
}

/** Every name of a model that some request could use. */
export interface ModelNames {
  /** Those without `*`, for spelling. */
  readonly whole: ReadonlySet<string>;
  has(name: string): boolean;
}

/** The names of a config; undefined when a backend tells its models itself, which are not known here. */
export function modelNames(known: {
  readonly models: readonly ResolvedModel[];
  readonly backends: readonly ResolvedBackend[];
  readonly raw: RawBackends;
  readonly sameModels: readonly (readonly string[])[];
  readonly knownVendors: readonly string[];
}): ModelNames | undefined {
  const lists = Object.values(known.raw).map(modelsOf);
  if (lists.includes(undefined)) return undefined;
  const own = known.models.flatMap(({ name, aliases, canonicalName = name }) => [
    name,
    ...aliases,
    canonicalName,
  ]);
  const names = [...own, ...lists.flatMap((models) => models ?? []), ...known.sameModels.flat()];
  const whole = new Set(names.filter((name) => !isPattern(name)));
  const prefixes = [...known.backends.flatMap(({ vendorPrefixes }) => vendorPrefixes), ...known.knownVendors];
  const patterns = [...names.filter(isPattern), ...prefixes.map((prefix) => `${prefix}:*`)].map(
    createPattern,
  );
  return { whole, has: (name) => whole.has(name) || patterns.some((pattern) => pattern.matches(name)) };
}

function modelsOf(backend: unknown): readonly string[] | undefined {
  const models = isPlainObject(backend) ? backend["models"] : undefined;
  return Array.isArray(models) ? models.filter((model) => typeof model === "string") : undefined;
}

function weightOf(backend: unknown): number {
  const weight = isPlainObject(backend) ? backend["weight"] : undefined;
  return typeof weight === "number" ? weight : 1;
}
