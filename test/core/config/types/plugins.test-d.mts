import * as v from "valibot";
import { defineGatewayPlugin } from "../../../../core/src/plugin.ts";
import type { GatewayPluginFactory, PluginInstance } from "../../../../core/src/plugin.ts";

const Options = v.strictObject({ limit: v.optional(v.number(), 100) });
const options = Options;
const name = "mine";

// What must compile.

export const mine: GatewayPluginFactory<typeof Options> = defineGatewayPlugin({
  name,
  options,
  needs: ["body"],
  check: ({ limit }, { checkModel }) => checkModel(String(limit), []),
  setup({ limit }, gateway) {
    gateway.log.info(limit.toFixed());
    return {
      middleware: async function mine(ctx, next) {
        const { messages } = ctx.body.json;
        return messages === undefined ? next() : next({ model: "m" });
      },
      routes: (app) => void app.get("/x", () => "y"),
      close: async () => {},
    };
  },
});
defineGatewayPlugin({ name, options, setup: () => ({}) });
defineGatewayPlugin({ name, options, setup: async () => ({ middleware: (_, next) => next() }) });
defineGatewayPlugin({ name, options, setup: ({ limit }) => (limit > 1 ? { close() {} } : {}) });
defineGatewayPlugin({
  name,
  options,
  setup({ limit }) {
    if (limit > 1) return {};
    return { middleware: (ctx, next) => next({ target: ctx.target }) };
  },
});
class Kept {
  isClosed = false;
  close(): void {
    this.isClosed = true;
  }
}
defineGatewayPlugin({ name, options, setup: () => new Kept() });

// What must not.

// @ts-expect-error -- nothing is returned
defineGatewayPlugin({ name, options, setup() {} });
// @ts-expect-error -- no object is returned
defineGatewayPlugin({ name, options, setup: () => 5 });
// @ts-expect-error -- a misspelt member alone
defineGatewayPlugin({ name, options, setup: () => ({ middlewares: () => {} }) });
// @ts-expect-error -- the same, later
defineGatewayPlugin({ name, options, setup: async () => ({ middlewares: () => {} }) });
// @ts-expect-error -- a misspelt member beside another, of an instance that is called one
defineGatewayPlugin({ name, options, setup: (): PluginInstance => ({ close() {}, middlewares: () => {} }) });
// @ts-expect-error -- a member of another type
defineGatewayPlugin({ name, options, setup: () => ({ middleware: 5 }) });
// @ts-expect-error -- a middleware that returns nothing
defineGatewayPlugin({ name, options, setup: () => ({ middleware: () => {} }) });
// @ts-expect-error -- a misspelt member of the definition
defineGatewayPlugin({ name, options, chek: () => [], setup: () => ({}) });
// @ts-expect-error -- no schema
defineGatewayPlugin({ name, options: {}, setup: () => ({}) });
// @ts-expect-error -- no setup
defineGatewayPlugin({ name, options });
// @ts-expect-error -- an unknown fact
defineGatewayPlugin({ name, options, needs: ["tarket"], setup: () => ({}) });
// @ts-expect-error -- a check without a list
defineGatewayPlugin({ name, options, check: () => 7, setup: () => ({}) });
// @ts-expect-error -- an unknown part of a contribution
defineGatewayPlugin({ name, options, contribute: () => ({ backend: {} }), setup: () => ({}) });
