import { defineGatewayPlugin, ownerOf } from "gatewright";
import type { Context, GatewayPluginFactory, Next, Reply } from "gatewright";
import { keepReply, noteReply } from "./keep-reply.ts";
import { createOperations } from "./operations.ts";
import { ResponsesStoreOptions } from "./options.ts";
import { createKeeper } from "./places.ts";
import { Records } from "./records.ts";
import { followLinks } from "./request-links.ts";
import { answerStored } from "./stored-answers.ts";

export type { ResponsesStoreOptions } from "./options.ts";

/**
 * Keeps responses for backends that cannot, remembers where the others live, and follows `previous_response_id` to
 * either. Listed after authentication and after whatever makes further attempts, before the balancer.
 */
export const responsesStore: GatewayPluginFactory<typeof ResponsesStoreOptions> = defineGatewayPlugin({
  name: "responses-store",
  options: ResponsesStoreOptions,
  operations: ["responseRetrieval", "responseDeletion", "responseCancellation"],
  check: ({ stateless }, { checkBackend }) =>
    stateless.flatMap((name, index) => checkBackend(name, ["stateless", index])),
  setup({ ttlMs, maxBytes, stateless }, gateway) {
    const records = new Records(gateway.state, ttlMs, gateway.log);
    const keeper = createKeeper(stateless);
    const responses = gateway.operations.get("responses");
    const operations = responses ? createOperations(responses) : [];
    const stored = new Set<string>(operations.map(({ name }) => name));

    return {
      operations,
      middleware: async function responsesStore(ctx, next) {
        const { name } = ctx.operation;
        if (name === "responses") return create(ctx, next);
        if (stored.has(name)) return answerStored(ctx, next, { records, owner: ownerOf(ctx), gateway });
        return next();
      },
      close: () => records.close(),
    };

    async function create(ctx: Context, next: Next): Promise<Reply> {
      const owner = ownerOf(ctx);
      const links = await followLinks(ctx, { records, owner, keeper });
      const reply = await next();
      // Without an attempt it is some plugin's answer, which nobody is to go on from.
      const target = reply.attempt?.target;
      if (!target) return reply;
      const options = { records, owner, links, maxBytes };
      return keeper(target) === "there"
        ? noteReply(ctx, reply, target, options)
        : keepReply(ctx, reply, target, options);
    }
  },
});
