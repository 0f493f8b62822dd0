import { isWebOrigin } from "gatewright";
import * as v from "valibot";

const Origin = v.pipe(v.string(), v.check(isWebOrigin, "an origin, such as `https://app.example`"));

export const McpOptions = v.strictObject({
  /**
   * Origins of web pages that may call it, such as `https://app.example.com`. What is no browser sends none and is let
   * in. @default []
   */
  allowedOrigins: v.optional(v.array(Origin), []),
  /**
   * Least time between two notifications of a call's progress, in milliseconds: what comes sooner waits for the next.
   * 0: one for each piece of an answer. @default 100
   */
  progressMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 100),
});

export type McpOptions = v.InferOutput<typeof McpOptions>;
