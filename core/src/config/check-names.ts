import type { OperationName } from "../operation.ts";
import { coreOperations } from "../operations/index.ts";
import { addUnknownName, type FaultList } from "./check.ts";
import type { Path } from "./fault.ts";
import type { ModelNames } from "./resolve-models.ts";
import { conditionsIn, type PlacedPlugin } from "./resolve-plugins.ts";

interface Uses {
  /** As the config has it. */
  readonly plugins: unknown;
  readonly operations: ReadonlySet<string>;
  readonly defaultModels: Readonly<Partial<Record<OperationName, string>>>;
}

/**
 * Refuses names of operations and models that nothing here has: such a condition would never hold, such a default never
 * be asked for. Without `models` backends tell theirs themselves, and any name may be one.
 */
export function checkNames(
  { plugins, operations, defaultModels }: Uses,
  models: ModelNames | undefined,
  list: FaultList,
): void {
  const checkOperation = (name: string, path: Path): void => {
    if (!operations.has(name)) addUnknownName(path, name, { kind: "operation", known: operations }, list);
  };
  const checkModel = (name: string, path: Path): void => {
    if (models && !models.has(name)) addUnknownName(path, name, { kind: "model", known: models.whole }, list);
  };

  for (const { condition, path } of conditionsIn(plugins)) {
    namesAt(condition?.operations).forEach((name, at) => checkOperation(name, [...path, "operations", at]));
    namesAt(condition?.models).forEach((name, at) => checkModel(name, [...path, "models", at]));
  }
  for (const [operation, model] of Object.entries(defaultModels)) {
    checkOperation(operation, ["defaultModels", operation]);
    checkModel(model, ["defaultModels", operation]);
  }
}

/** Those of core and those that plugins add. */
export function operationNames(placed: readonly PlacedPlugin[]): Set<string> {
  return new Set([
    ...coreOperations.map(({ name }) => name),
    ...placed.flatMap(({ plugin }) => plugin.definition.operations ?? []),
  ]);
}

/** What is no list of names is a fault that was told already. */
function namesAt(value: unknown): readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string") ? value : [];
}
