import type { Secret } from "./config/secret.ts";

/**
 * The Standard Schema interface (https://standardschema.dev, version 1), which valibot, zod and arktype implement.
 * Options are typed by it, so that plugins may use any of them; core's own generated reference needs valibot.
 */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (
      value: unknown,
    ) => StandardSchemaV1.Result<Output> | Promise<StandardSchemaV1.Result<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

// oxlint-disable-next-line typescript/no-namespace -- the specification's own form, types only
export declare namespace StandardSchemaV1 {
  export type Result<Output> =
    | { readonly value: Output; readonly issues?: undefined }
    | { readonly issues: readonly Issue[] };
  export interface Issue {
    readonly message: string;
    readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
  }
  export type InferInput<Schema extends StandardSchemaV1> = NonNullable<
    Schema["~standard"]["types"]
  >["input"];
  export type InferOutput<Schema extends StandardSchemaV1> = NonNullable<
    Schema["~standard"]["types"]
  >["output"];
}

/** What may be written where a schema is asked for: its input, of which any list may be a readonly one. */
export type InputOf<Schema extends StandardSchemaV1> = WithReadonlyLists<StandardSchemaV1.InferInput<Schema>>;

/** Mapped member by member, so that docstrings and optional members stay. */
type WithReadonlyLists<T> = T extends Whole
  ? T
  : T extends readonly unknown[]
    ? { readonly [Index in keyof T]: WithReadonlyLists<T[Index]> }
    : T extends object
      ? { [Key in keyof T]: WithReadonlyLists<T[Key]> }
      : T;

/** Has no lists of its own to be written. */
type Whole = string | Secret | ((...args: never[]) => unknown);
