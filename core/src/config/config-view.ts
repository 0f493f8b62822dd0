import { fillPattern } from "../models/name-pattern.ts";
import type { ConfigView, NameCheck } from "../plugin.ts";
import { AUTO } from "./auto-backends.ts";
import type { ModelNames } from "./resolve-models.ts";
import type { ResolvedBackend, ResolvedModel } from "./resolved.ts";

/** What is known of a config once its backends and models were looked at. */
interface KnownParts {
  /** Names of all backends, those with faults included. */
  readonly names: readonly string[];
  readonly backends: readonly ResolvedBackend[];
  readonly models: readonly ResolvedModel[];
  /** Absent where a backend tells its models itself. */
  readonly modelNames: ModelNames | undefined;
  readonly operations: ReadonlySet<string>;
  readonly knownVendors: readonly string[];
  /** A backend, model or adapter has a fault, which is told: names may be meant for what it lacks. */
  readonly incomplete: boolean;
}

/** The config as plugins hold their options against it. */
export function createConfigView(parts: KnownParts): ConfigView {
  const { names, modelNames, operations, incomplete } = parts;
  const backends = new Map(parts.backends.map((backend) => [backend.name, backend]));
  const ofBackends = new Set(names);
  const targets = new Set(targetIds(parts));
  const providers = new Set([
    ...names,
    ...parts.backends.flatMap(({ adapter }) => [adapter.name, adapter.provider]),
    ...parts.knownVendors,
  ]);
  // Of a server that could not be asked yet it is not known whose it is, nor what it has.
  const isAbsent = ({ adapter }: ResolvedBackend): boolean => adapter.name === AUTO;
  const anyAbsent = parts.backends.some(isAbsent);
  const mayHaveAny = (name: string): boolean => {
    const backend = backends.get(name);
    return backend !== undefined && (backend.discovers || isAbsent(backend));
  };

  return {
    backends,
    targets,
    checkBackend: checkFor("the name of a backend", names, (name) => ofBackends.has(name)),
    checkProvider: checkFor(
      "the name of a backend, an adapter or a provider",
      providers,
      (name) => incomplete || anyAbsent || providers.has(name),
    ),
    checkTarget: checkFor(
      "the name of a target, `backend/model`",
      targets,
      (id) => incomplete || targets.has(id) || mayHaveAny(id.slice(0, id.indexOf("/"))),
    ),
    checkModel: checkFor(
      "the name of a model",
      modelNames?.whole ?? [],
      (name) => incomplete || modelNames === undefined || modelNames.has(name),
    ),
    checkOperation: checkFor("the name of an operation", operations, (name) => operations.has(name)),
  };
}

function checkFor(expected: string, known: Iterable<string>, has: (name: string) => boolean): NameCheck {
  return (received, path) => (has(received) ? [] : [{ path, expected, received, known }]);
}

function targetIds({ backends, models }: KnownParts): string[] {
  const listed = backends.flatMap(({ name, models: own }) => own.map((model) => `${name}/${model}`));
  const named = models.flatMap(({ name, targets = [] }) =>
    targets.map(({ backend, model }) => `${backend}/${fillPattern(model, name)}`),
  );
  return [...listed, ...named];
}
