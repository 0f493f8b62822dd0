import { checkValue, didYouMean, type FaultList } from "./check.ts";
import { describeValue, pathText } from "./fault.ts";
import { isPlainObject } from "./merge.ts";
import type { ResolvedModel } from "./resolved.ts";
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
    const targets = model.targets.map(({ backend, model: own, weight }) => {
      const upstream = own ?? name;
      const served = modelsOf(backends[backend]);
      if (served && !served.includes(upstream)) {
        warn(
          `models[${JSON.stringify(name)}]: backend \`${backend}\` does not list the model \`${upstream}\``,
        );
      }
      return { backend, model: upstream, weight: weight ?? weightOf(backends[backend]) };
    });
    resolved.push({ name, aliases: model.aliases, targets });
  }
  checkNames(resolved, list);
  return resolved;
}

function checkTargets(value: unknown, path: readonly string[], backends: RawBackends, list: FaultList): void {
  const targets = isPlainObject(value) && Array.isArray(value["targets"]) ? value["targets"] : [];
  targets.forEach((target: unknown, index) => {
    const backend = isPlainObject(target) ? target["backend"] : undefined;
    if (typeof backend !== "string" || backend === "" || Object.hasOwn(backends, backend)) return;
    const at = [...path, "targets", index, "backend"];
    const received = describeValue(backend, true);
    list.add(at, {
      expected: "the name of a backend",
      received,
      message: `${pathText(at)}: there is no backend ${received}`,
      hint: didYouMean(backend, Object.keys(backends)),
    });
  });
}

/** Every name that a client may use means one model. */
function checkNames(models: readonly ResolvedModel[], list: FaultList): void {
  const owners = new Map(models.map(({ name }) => [name, pathText(["models", name])]));
  for (const { name, aliases } of models) {
    aliases.forEach((alias, index) => {
      const at = ["models", name, "aliases", index];
      const owner = owners.get(alias);
      if (owner === undefined) owners.set(alias, pathText(at));
      else {
        const received = describeValue(alias, true);
        list.add(at, {
          expected: "a name that no other model has",
          received,
          message: `${pathText(at)}: ${received} is taken by ${owner}`,
        });
      }
    });
  }
}

/** A default must be a name that some request could use. */
export function checkDefaultModels(
  defaults: Readonly<Record<string, string>>,
  models: readonly ResolvedModel[],
  backends: RawBackends,
  list: FaultList,
): void {
  const names = new Set(models.flatMap(({ name, aliases }) => [name, ...aliases]));
  for (const backend of Object.values(backends))
    for (const model of modelsOf(backend) ?? []) names.add(model);
  for (const [operation, model] of Object.entries(defaults)) {
    if (names.has(model)) continue;
    const at = ["defaultModels", operation];
    const received = describeValue(model, true);
    list.add(at, {
      expected: "the name of a model",
      received,
      message: `${pathText(at)}: there is no model ${received}`,
      hint: didYouMean(model, names),
    });
  }
}

function modelsOf(backend: unknown): readonly string[] | undefined {
  const models = isPlainObject(backend) ? backend["models"] : undefined;
  return Array.isArray(models) ? models.filter((model) => typeof model === "string") : undefined;
}

function weightOf(backend: unknown): number {
  const weight = isPlainObject(backend) ? backend["weight"] : undefined;
  return typeof weight === "number" ? weight : 1;
}
