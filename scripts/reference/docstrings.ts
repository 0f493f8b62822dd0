import { readFileSync } from "node:fs";
import { parseSync } from "oxc-parser";
import type { Comment, Expression, ObjectExpression, Statement } from "oxc-parser";

/** What a schema's source says in docstrings, in the shape of the schema. */
export interface Docs {
  readonly text?: string;
  /** Of an object, by field. */
  readonly entries?: Readonly<Record<string, Docs>>;
  /** Of a union or variant, by branch. */
  readonly options?: readonly Docs[];
  /** Of the items of a list or the values of a record. */
  readonly inner?: Docs;
}

/** Actions that wrap their first argument. */
const WRAPPERS: ReadonlySet<string> = new Set(["optional", "exactOptional", "nullable", "nullish", "pipe"]);
const OBJECTS: ReadonlySet<string> = new Set(["strictObject", "looseObject", "object"]);

/** Docstrings of every schema that a file names by a top-level `const`. */
export function readDocs(file: string): Map<string, Docs> {
  const source = readFileSync(file, "utf8");
  const { program, comments } = parseSync(file, source);
  const constants = new Map<string, Expression>();
  for (const statement of program.body) {
    for (const [name, value] of declaredBy(statement)) constants.set(name, value);
  }
  const docs = (expression: Expression): Docs => {
    if (expression.type === "TSAsExpression") return docs(expression.expression);
    if (expression.type === "ObjectExpression") return { entries: entriesOf(expression) };
    if (expression.type === "Identifier") {
      const constant = constants.get(expression.name);
      return constant ? docs(constant) : {};
    }
    if (expression.type !== "CallExpression" || expression.callee.type !== "MemberExpression") return {};
    const { property } = expression.callee;
    const name = property.type === "Identifier" ? property.name : "";
    const args = expression.arguments as Expression[];
    if (WRAPPERS.has(name) || OBJECTS.has(name)) return docs(args[0]!);
    if (name === "partial") return withoutDefaults(docs(args[0]!));
    if (name === "array") return { inner: docs(args[0]!) };
    if (name === "record") return { inner: docs(args[1]!) };
    const list = name === "union" ? args[0] : name === "variant" ? args[1] : undefined;
    return list?.type === "ArrayExpression"
      ? { options: list.elements.map((element) => docs(element as Expression)) }
      : {};
  };
  const entriesOf = ({ properties }: ObjectExpression): Record<string, Docs> => {
    const entries: Record<string, Docs> = {};
    for (const property of properties) {
      if (property.type === "SpreadElement") Object.assign(entries, docs(property.argument).entries);
      if (property.type !== "Property" || property.key.type !== "Identifier") continue;
      const text = docstringBefore(property.start, source, comments);
      entries[property.key.name] = { ...docs(property.value), ...(text && { text }) };
    }
    return entries;
  };
  return new Map([...constants].map(([name, value]) => [name, docs(value)]));
}

/** A partial object has the fields of another and leaves the defaults to it. */
function withoutDefaults({ entries = {} }: Docs): Docs {
  const bare = Object.entries(entries).map(([name, docs]) => [
    name,
    { ...docs, text: docs.text?.replace(/\s*@default.*/, "") },
  ]);
  return { entries: Object.fromEntries(bare) as Record<string, Docs> };
}

function declaredBy(statement: Statement): [name: string, value: Expression][] {
  const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
  if (declaration?.type !== "VariableDeclaration") return [];
  return declaration.declarations.flatMap(({ id, init }): [string, Expression][] =>
    id.type === "Identifier" && init ? [[id.name, init]] : [],
  );
}

/** The text of the docstring that ends right before a place, as one line. */
function docstringBefore(place: number, source: string, comments: readonly Comment[]): string | undefined {
  const comment = comments.findLast(({ end }) => end <= place);
  if (comment?.type !== "Block" || !comment.value.startsWith("*")) return undefined;
  if (source.slice(comment.end, place).trim() !== "") return undefined;
  return comment.value
    .slice(1)
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trim())
    .join(" ")
    .trim();
}
