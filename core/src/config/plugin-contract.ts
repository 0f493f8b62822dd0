import type { Operation } from "../operation.ts";
import type { Contribution, PluginDefinition, PluginInstance, UnknownName } from "../plugin.ts";
import type { StandardSchemaV1 } from "../standard-schema.ts";
import { didYouMean, type FaultList, type FaultText } from "./check.ts";
import { describeValue, type Path } from "./fault.ts";
import { isPlainObject } from "./plain-object.ts";
import { describeThrown } from "./read-error.ts";

/**
 * What plugins hand to core, checked: types cannot see a misspelt member of what `setup` returns, and plugins in
 * JavaScript have none. What core would not look at, or fail over later, is a fault that names the plugin.
 */

/** What a member has to be, in the words of a fault. */
interface Rule {
  readonly expected: string;
  fits(value: unknown): boolean;
  readonly required?: true;
}

type Rules<Members> = Readonly<Record<keyof Members, Rule>>;

const FUNCTION: Rule = { expected: "a function", fits: (value) => typeof value === "function" };
const BOOLEAN: Rule = { expected: "true or false", fits: (value) => typeof value === "boolean" };
const OBJECT: Rule = { expected: "an object", fits: isPlainObject };
const NAME: Rule = { expected: "a name", fits: (value) => typeof value === "string" && value !== "" };
const NAMES: Rule = listOf("names", NAME.fits);
const SCHEMA: Rule = {
  expected: "a schema, such as `v.strictObject({ … })`",
  fits: (value) => typeof (value as StandardSchemaV1 | null)?.["~standard"]?.validate === "function",
};

const DEFINITION: Rules<PluginDefinition<StandardSchemaV1>> = {
  name: { ...NAME, required: true },
  options: { ...SCHEMA, required: true },
  needs: NAMES,
  gives: NAMES,
  headersOnly: BOOLEAN,
  operations: NAMES,
  exact: {
    expected: "true, false or a function",
    fits: (value) => BOOLEAN.fits(value) || FUNCTION.fits(value),
  },
  contribute: FUNCTION,
  check: FUNCTION,
  setup: { ...FUNCTION, required: true },
};

const INSTANCE: Rules<PluginInstance> = {
  middleware: FUNCTION,
  operations: listOf("operations, each made by defineOperation()", isOperation),
  routes: FUNCTION,
  close: FUNCTION,
};

const CONTRIBUTION: Rules<Contribution> = {
  backends: OBJECT,
  sameModels: listOf("lists of names", NAMES.fits),
  knownVendors: NAMES,
};

const UNKNOWN_NAMES: Rule = listOf("{ path, expected, received, known }", isUnknownName);

/** A plugin's definition. `false` when it has faults, which go to the list. */
export function checkDefinition(
  definition: unknown,
  path: Path,
  list: FaultList,
): definition is PluginDefinition<StandardSchemaV1> {
  return checkMembers(definition, DEFINITION, { subject: "its definition", path, list });
}

/** What `setup` returned; likewise. */
export function checkInstance(made: unknown, path: Path, list: FaultList): made is PluginInstance {
  return checkMembers(made, INSTANCE, { subject: "what `setup` returned", path, list });
}

/** What `contribute` returned; likewise. */
export function checkContribution(added: unknown, path: Path, list: FaultList): added is Contribution {
  return checkMembers(added, CONTRIBUTION, { subject: "what `contribute` returned", path, list });
}

/** What `check` returned; likewise. */
export function checkUnknownNames(
  names: unknown,
  path: Path,
  list: FaultList,
): names is readonly UnknownName[] {
  if (UNKNOWN_NAMES.fits(names)) return true;
  addMisfit(names, UNKNOWN_NAMES, { subject: "what `check` returned", path, list });
  return false;
}

/** Runs a function of a plugin's. What it throws is a fault, and then the answer is undefined. */
export async function callPlugin<T>(
  hook: "options" | "contribute" | "check" | "exact",
  call: () => T | Promise<T>,
  path: Path,
  list: FaultList,
): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    list.add(path, thrownBy(hook, error, list.place(path)));
    return undefined;
  }
}

/** A plain `Error` is the plugin's own word; any other is a bug, and the hint says where. */
function thrownBy(hook: string, error: unknown, place: string): FaultText {
  const isOwnWord = error instanceof Error && error.name === "Error";
  const reason = isOwnWord ? error.message : error instanceof Error ? String(error) : describeThrown(error);
  const frame = error instanceof Error ? /^\s+(at .+)$/m.exec(error.stack ?? "")?.[1] : undefined;
  return {
    expected: `\`${hook}\` not to throw`,
    received: reason,
    message: `${place}: \`${hook}\` failed: ${reason}`,
    hint: isOwnWord ? undefined : `This is a bug of the plugin${frame === undefined ? "" : `, ${frame}`}.`,
  };
}

/** What is looked at, in the words of a fault, and where its faults go. */
interface Subject {
  readonly subject: string;
  readonly path: Path;
  readonly list: FaultList;
}

function checkMembers<Members>(value: unknown, rules: Rules<Members>, at: Subject): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Promise) {
    addMisfit(value, OBJECT, at);
    return false;
  }
  const before = at.list.faults.length;
  const members = value as Record<string, unknown>;
  for (const [name, rule] of Object.entries<Rule>(rules)) {
    const member = members[name];
    if (member === undefined ? rule.required : !rule.fits(member))
      addMisfit(member, rule, { ...at, subject: `\`${name}\` of ${at.subject}` });
  }
  // An object with a class of its own has its own affairs beside.
  const names = isPlainObject(value) ? Object.keys(value) : [];
  for (const name of names.filter((each) => !Object.hasOwn(rules, each)))
    addUnknownMember(name, members[name], Object.keys(rules), at);
  return at.list.faults.length === before;
}

function addMisfit(value: unknown, { expected }: Rule, { subject, path, list }: Subject): void {
  const received = describeValue(value);
  list.add(path, {
    expected,
    received,
    message: `${list.place(path)}: ${subject} must be ${expected}, got ${received}`,
  });
}

function addUnknownMember(
  name: string,
  value: unknown,
  known: readonly string[],
  { subject, path, list }: Subject,
): void {
  list.add(path, {
    expected: `one of ${known.join(", ")}`,
    received: describeValue(value),
    message: `${list.place(path)}: core knows no \`${name}\` of ${subject}`,
    hint: didYouMean(name, known),
  });
}

function listOf(what: string, fits: (item: unknown) => boolean): Rule {
  return { expected: `a list of ${what}`, fits: (value) => Array.isArray(value) && value.every(fits) };
}

/** What core reads of every operation before there is a request. */
function isOperation(value: unknown): boolean {
  const { name, method, paths, dialect } = (value ?? {}) as Partial<Operation>;
  const isPath = (path: unknown): boolean => typeof path === "string" && path.startsWith("/");
  return (
    NAME.fits(name) &&
    ["GET", "POST", "DELETE"].includes(method!) &&
    Array.isArray(paths) &&
    paths.every(isPath) &&
    typeof dialect?.errorBody === "function"
  );
}

function isUnknownName(value: unknown): boolean {
  const { path, expected, received, known } = (value ?? {}) as Partial<UnknownName>;
  const isKey = (key: unknown): boolean => typeof key === "string" || typeof key === "number";
  return (
    Array.isArray(path) &&
    path.every(isKey) &&
    typeof expected === "string" &&
    typeof received === "string" &&
    typeof (known as Partial<Iterable<string>> | undefined)?.[Symbol.iterator] === "function"
  );
}
