import { defineGatewayPlugin } from "gatewright";
import type { ChainFact, GatewayHost, GatewayPluginFactory, PluginInstance, InputOf } from "gatewright";
import { Admission } from "./admission.ts";
import { ConcurrencyOptions } from "./options.ts";
import { SharedSlots } from "./shared-slots.ts";
import { LocalSlots } from "./slots.ts";
import { limitBackends } from "./target-slots.ts";

export type { ConcurrencyOptions, QueueOptions } from "./options.ts";

/** A cap on requests decides on headers alone, one on backends once a target is chosen. */
const define = (place: {
  headersOnly?: boolean;
  needs?: readonly ChainFact[];
}): GatewayPluginFactory<typeof ConcurrencyOptions> =>
  defineGatewayPlugin({
    name: "concurrency",
    options: ConcurrencyOptions,
    ...place,
    exact: ({ shared }) => shared,
    setup: (options, gateway) => createConcurrency(options, gateway, place.headersOnly === true),
  });

const ofRequests = define({ headersOnly: true });
const ofBackends = define({ needs: ["target"] });

/**
 * Bounds the requests in flight; those above wait in a fair queue, or are refused. With `slots` it bounds the attempts
 * at each backend instead, and is listed after the balancer.
 */
export const concurrency: GatewayPluginFactory<typeof ConcurrencyOptions> = Object.assign(
  (options: InputOf<typeof ConcurrencyOptions> = {}) =>
    options.slots === undefined ? ofRequests(options) : ofBackends(options),
  ofRequests,
);

function createConcurrency(
  options: ConcurrencyOptions,
  gateway: GatewayHost,
  isOfRequests: boolean,
): PluginInstance {
  const { maxConcurrent: max = 100, queue, slots, shared } = options;
  if (isOfRequests !== (slots === undefined))
    throw new Error("concurrency: set `slots` in the config: it decides where the entry stands in the chain");
  if (slots !== undefined) return { middleware: limitBackends(slots) };
  const { name = "requests", expectedProcesses = gateway.workers, leaseMs, onStoreFailure } = options;
  const pool = shared
    ? new SharedSlots({ name, max, leaseMs, onStoreFailure, expectedProcesses }, gateway)
    : new LocalSlots(max);
  const admission = new Admission(pool, max, queue, gateway.now);
  return {
    middleware: function concurrency(ctx, next) {
      return admission.enter(ctx, next);
    },
    close: () => admission.close(),
  };
}
