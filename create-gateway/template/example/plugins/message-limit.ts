import { defineGatewayPlugin, GatewayError } from "gatewright";
import type { GatewayPluginFactory } from "gatewright";
import * as v from "valibot";

const MessageLimitOptions = v.strictObject({
  /** Most messages in one chat. @default 100 */
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 100),
});

/** Refuses chats that are longer than anybody means. */
export const messageLimit: GatewayPluginFactory<typeof MessageLimitOptions> = defineGatewayPlugin({
  name: "message-limit",
  options: MessageLimitOptions,
  needs: ["body"],
  setup: ({ limit }) => ({
    async middleware(ctx, next) {
      if (ctx.operation.name === "chat") {
        const { messages } = ctx.body.json;
        if (Array.isArray(messages) && messages.length > limit)
          throw new GatewayError("too_many_messages", {
            status: 400,
            type: "invalid_request_error",
            param: "messages",
            message: `At most ${limit} messages, got ${messages.length}`,
          });
      }
      return next();
    },
  }),
});
