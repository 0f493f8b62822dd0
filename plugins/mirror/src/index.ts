import { defineGatewayPlugin } from "gatewright";
import type {
  AttemptScope,
  ConfigView,
  Context,
  Finished,
  GatewayHost,
  GatewayPluginFactory,
  Next,
  UnknownName,
} from "gatewright";
import { resultOfRequest } from "./comparison.ts";
import type { Comparison } from "./comparison.ts";
import { Copies } from "./copies.ts";
import { MirrorOptions } from "./options.ts";
import type { MirrorPlace } from "./options.ts";

export type { Comparison, MirrorResult } from "./comparison.ts";
export type { MirrorOptions, MirrorPlace } from "./options.ts";

declare module "gatewright" {
  interface ContextVars {
    mirror?: MirrorVars;
  }
}

/** What the mirror tells the other plugins of a request that it copies. */
export interface MirrorVars {
  /** Settles after the request and its copy; undefined when no copy was sent in the end. Never rejects. */
  readonly compared: Promise<Comparison | undefined>;
}

/**
 * Copies a share of the requests to another model and compares. A copy starts when its request is over, so that nothing
 * of it delays, changes or counts for the client. Listed after limits, before `retry`.
 */
export const mirror: GatewayPluginFactory<typeof MirrorOptions> = defineGatewayPlugin({
  name: "mirror",
  options: MirrorOptions,
  needs: ["body", "candidates"],
  check: findUnknownNames,
  setup({ to, share, operations, maxInFlight, timeoutMs, maxBytes, onCompared }, gateway) {
    const scope = scopeOf(to, gateway);
    const copies = new Copies({ timeoutMs, maxBytes }, () => gateway.now());
    const chosen = operations && new Set<string>(operations);
    let closed = false;

    function isCopied({ operation, body, vars }: Context): boolean {
      if (!operation.replaySafe || body.kind !== "json" || !body.replayable || vars.mirror) return false;
      return (chosen?.has(operation.name) ?? true) && gateway.random() < share;
    }

    async function compare(ctx: Context, next: Next, finished: Finished): Promise<Comparison | undefined> {
      if (closed || ctx.aborted || copies.size >= maxInFlight) return undefined;
      // Read now: later the copy is among the attempts.
      const real = resultOfRequest(finished);
      const copy = await copies.send(next, scope);
      if (closed) return undefined;
      const { id: requestId, operation, requestedModel: model } = ctx;
      const comparison = { requestId, operation: operation.name, model, real, copy };
      gateway.log.debug("a request was mirrored", { ...comparison });
      try {
        await onCompared?.(comparison);
      } catch (error) {
        gateway.log.error("onCompared failed", { requestId, error: String(error) });
      }
      return comparison;
    }

    return {
      middleware: function mirror(ctx, next) {
        if (!isCopied(ctx)) return next();
        ctx.vars.mirror = {
          compared: new Promise((resolve) =>
            ctx.onFinished((finished) => setImmediate(() => resolve(compare(ctx, next, finished)))),
          ),
        };
        return next();
      },
      close() {
        closed = true;
        copies.abort();
      },
    };
  },
});

function scopeOf({ backend, model }: MirrorPlace, { catalog }: GatewayHost): AttemptScope {
  if (backend === undefined) return { model };
  const target = catalog.target(backend, model);
  return { candidates: [target], target };
}

function findUnknownNames(
  { to: { backend, model }, operations = [] }: MirrorOptions,
  config: ConfigView,
): readonly UnknownName[] {
  const ofOperations = operations.flatMap((name, index) =>
    config.checkOperation(name, ["operations", index]),
  );
  if (backend === undefined) return [...config.checkModel(model, ["to", "model"]), ...ofOperations];
  const ofBackend = config.checkBackend(backend, ["to", "backend"]);
  const ofTarget = ofBackend.length > 0 ? [] : config.checkTarget(`${backend}/${model}`, ["to"]);
  return [...ofBackend, ...ofTarget, ...ofOperations];
}
