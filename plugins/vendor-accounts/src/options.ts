import * as v from "valibot";

const Name = v.pipe(v.string(), v.nonEmpty());
const Variable = v.pipe(v.string(), v.regex(/^[A-Za-z_]\w*$/, "the name of an environment variable"));

export const Vendor = v.strictObject({
  /** Adapter of the vendor's API. */
  adapter: Name,
  /** Variable with the API key; without it there is no account. */
  keyVariable: Variable,
  /** Variables with another address of the API; the first that is set counts. @default [] */
  addressVariables: v.optional(v.array(Variable), []),
  /** Put behind an address that has no path. @default "" */
  basePath: v.optional(v.string(), ""),
  /** Prefixes that ask for the vendor. @default its name */
  prefixes: v.optional(v.array(Name)),
});

export const VendorAccountsOptions = v.strictObject({
  /** Further vendors, by name; one of a name that is known takes its place. @default {} */
  vendors: v.optional(v.record(v.string(), Vendor), {}),
});

export type Vendor = v.InferOutput<typeof Vendor>;
export type VendorAccountsOptions = v.InferOutput<typeof VendorAccountsOptions>;
