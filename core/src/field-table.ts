import { UnsupportedField, type RefusalWords } from "./adapter.ts";
import type { JsonObject } from "./operation.ts";

/**
 * What becomes of a field on its way to a backend that speaks another dialect: it arrives as it is, arrives in
 * another shape, is left out and reported, or makes the request a 400.
 */
export type Fate = "forward" | "translate" | "drop" | "refuse";

/** The stated fate of one field. */
export interface FieldRule {
  readonly fate: Fate;
  /** Where the field goes, or why it cannot. */
  readonly note: string;
  /** True for a value that says no more than the field's absence: it is left out without a word. */
  isDefault?(value: unknown): boolean;
  /** How clients know the refusal. */
  readonly words?: RefusalWords;
}

/** Fates by field name. A field that is not listed is forwarded. */
export type FieldTable = Readonly<Record<string, FieldRule>>;

type IsDefault = FieldRule["isDefault"];

export const forward = (note: string): FieldRule => ({ fate: "forward", note });
export const translate = (note: string, isDefault?: IsDefault): FieldRule => ({
  fate: "translate",
  note,
  isDefault,
});
export const drop = (note: string, isDefault?: IsDefault): FieldRule => ({ fate: "drop", note, isDefault });
export const refuse = (note: string, isDefault?: IsDefault, words?: RefusalWords): FieldRule => ({
  fate: "refuse",
  note,
  isDefault,
  words,
});

/** Matches the given values. */
export const is =
  (...values: readonly unknown[]) =>
  (value: unknown): boolean =>
    values.includes(value);

/** Matches `""`, `[]` and `{}`. */
export function isEmpty(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === "";
}

/** The fields of an object, parted by fate. */
export interface SortedFields {
  forwarded: JsonObject;
  /** Left to the mapping, which has to carry each of them. */
  translated: JsonObject;
}

/**
 * Parts the fields of `object` by their fates. Null counts as absent. Reports into `dropped`, and throws
 * `UnsupportedField` for a field that the table refuses. `at` is the place of the object, e.g. `messages[2].`.
 */
export function sortFields(
  object: JsonObject,
  table: FieldTable,
  dropped: Set<string>,
  at = "",
): SortedFields {
  const forwarded: [string, unknown][] = [];
  const translated: [string, unknown][] = [];
  for (const [name, value] of Object.entries(object)) {
    if (value === null || value === undefined) continue;
    const rule = Object.hasOwn(table, name) ? table[name] : undefined;
    if (rule?.isDefault?.(value)) continue;
    if (rule === undefined || rule.fate === "forward") forwarded.push([name, value]);
    else if (rule.fate === "translate") translated.push([name, value]);
    else if (rule.fate === "drop") report(dropped, at + name);
    else
      throw new UnsupportedField(at + name, `\`${at}${name}\` cannot be carried: ${rule.note}`, rule.words);
  }
  // Not by assignment: `__proto__` is a possible name of a field.
  return { forwarded: Object.fromEntries(forwarded), translated: Object.fromEntries(translated) };
}

/** Reports a field as dropped. Indices are left out, so that a long history does not make a long header. */
export function report(dropped: Set<string>, field: string): void {
  dropped.add(field.replaceAll(/\[\d+\]/g, "[]"));
}

/** A name that may be reported as it is: one that a backend or a client made up goes into a header only if it is a word. */
export function isFieldName(name: unknown): name is string {
  return typeof name === "string" && /^\w{1,64}$/.test(name);
}

/** Reports all members of an object that has no counterpart to carry them. */
export function reportRest(dropped: Set<string>, rest: JsonObject, at: string): void {
  for (const [name, value] of Object.entries(rest)) {
    if (value !== null && value !== undefined) report(dropped, at + name);
  }
}
