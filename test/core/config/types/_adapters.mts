import * as v from "valibot";
import { defineAdapter, type Adapter, type Requiring } from "../../../../core/src/adapter.ts";
import type { Secret } from "../../../../core/src/config/secret.ts";
import { defineGatewayPlugin } from "../../../../core/src/plugin.ts";

const rest = { auth: () => ({}), operations: {} };

const plain = defineAdapter({ ...rest, name: "plain", provider: "plain" });
const regional = defineAdapter({
  ...rest,
  name: "regional",
  provider: "regional",
  options: v.strictObject({
    region: v.picklist(["eu", "us"]),
    project: v.optional(v.string()),
    zones: v.optional(v.array(v.string())),
  }),
});

const PlacedOptions = v.strictObject({ account: v.optional(v.string()) });
const placed: Requiring<
  Adapter<typeof PlacedOptions>,
  { account: string } | { baseURL: string }
> = defineAdapter({
  ...rest,
  name: "placed",
  provider: "placed",
  options: PlacedOptions,
  baseURL: ({ account }) => account ?? "",
});

declare module "../../../../core/src/adapter.ts" {
  interface AdapterRegistry {
    plain: typeof plain;
    regional: typeof regional;
    placed: typeof placed;
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

/** Lists within lists, beside what is no list. */
export const keyed = defineGatewayPlugin({
  name: "keyed",
  options: v.strictObject({
    keys: v.array(
      v.strictObject({
        id: v.string(),
        key: v.custom<string | Secret>(() => true),
        scopes: v.optional(v.array(v.picklist(["read", "write"]))),
      }),
    ),
    groups: v.optional(v.record(v.string(), v.array(v.array(v.string())))),
    pair: v.optional(v.tuple([v.string(), v.number()])),
    onUse: v.optional(v.custom<(ids: string[]) => void>(() => true)),
    rest: v.optional(v.unknown()),
  }),
  setup: () => ({}),
});
