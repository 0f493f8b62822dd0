import * as v from "valibot";
import { defineAdapter } from "../../../../core/src/adapter.ts";
import { defineGatewayPlugin } from "../../../../core/src/plugin.ts";

const rest = { auth: () => ({}), operations: {} };

const plain = defineAdapter({ ...rest, name: "plain", provider: "plain" });
const regional = defineAdapter({
  ...rest,
  name: "regional",
  provider: "regional",
  options: v.strictObject({ region: v.picklist(["eu", "us"]), project: v.optional(v.string()) }),
});

declare module "../../../../core/src/adapter.ts" {
  interface AdapterRegistry {
    plain: typeof plain;
    regional: typeof regional;
  }
}

/** All options may be left out. */
export const limit = defineGatewayPlugin({
  name: "limit",
  options: v.strictObject({
    capacity: v.optional(v.number(), 100),
    algorithm: v.optional(v.picklist(["a", "b"])),
  }),
  setup: () => ({}),
});

/** One option is required. */
export const locked = defineGatewayPlugin({
  name: "locked",
  options: v.strictObject({ ttlMs: v.number() }),
  setup: () => ({}),
});
