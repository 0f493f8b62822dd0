import { defineGatewayPlugin, isGatewayError } from "gatewright";
import type { Backend, GatewayHost, GatewayPluginFactory } from "gatewright";
import { Checker } from "./checker.ts";
import { Guard } from "./guard.ts";
import type { ExcludedTarget } from "./guard.ts";
import type { HealthChange } from "./health.ts";
import { HealthCheckOptions } from "./options.ts";
import { createProbe } from "./probe.ts";

export type { ExcludedTarget } from "./guard.ts";
export type { Exclusion, HealthChange } from "./health.ts";
export type { HealthCheckOptions } from "./options.ts";

declare module "gatewright" {
  interface ContextVars {
    /** Set once a request was kept from a target: those, the last time it came by. */
    healthCheck?: { excluded: readonly ExcludedTarget[] };
  }
}

/**
 * Leaves out backends that are down by checks of their own, or ejected for what live requests show, and lets them back
 * in slowly. Listed after `retry` and before the balancer.
 */
export const healthCheck: GatewayPluginFactory<typeof HealthCheckOptions> = defineGatewayPlugin({
  name: "health-check",
  options: HealthCheckOptions,
  needs: ["candidates"],
  check: ({ backends }, { checkBackend }) =>
    Object.keys(backends).flatMap((name) => checkBackend(name, ["backends", name])),
  setup(options, gateway) {
    const guard = new Guard(options, gateway, (change) => tell(change, options, gateway));
    const checkers = [...gateway.backends.values()].flatMap((backend) =>
      createChecker(backend, options, gateway, guard),
    );
    return {
      middleware: async function healthCheck(ctx, next) {
        if (!guard.isCalm) guard.narrow(ctx);
        try {
          const reply = await next();
          guard.observe(ctx, reply.attempt);
          return reply;
        } catch (error) {
          if (isGatewayError(error)) guard.observe(ctx, error.attempt);
          throw error;
        }
      },
      async close() {
        await Promise.all(checkers.map((checker) => checker.close()));
      },
    };
  },
});

function createChecker(
  backend: Backend,
  options: HealthCheckOptions,
  gateway: GatewayHost,
  guard: Guard,
): Checker[] {
  const own = Object.hasOwn(options.backends, backend.name) ? options.backends[backend.name] : undefined;
  const kind = own?.check ?? options.check;
  if (kind === "off") return [];
  const { timeoutMs, intervalMs } = options;
  const probe = createProbe(backend, { kind, path: own?.path ?? options.path, timeoutMs });
  if (probe === undefined) {
    gateway.log.info("healthCheck: the adapter has nothing that could be asked for free", {
      backend: backend.name,
      adapter: backend.adapter.name,
    });
    return [];
  }
  const health = guard.of(backend);
  return [
    new Checker(probe, {
      intervalMs,
      random: () => gateway.random(),
      onResult(result) {
        if (result.passed) health.checkPassed(gateway.now());
        else health.checkMissed(result.cause, result.loading === true);
      },
    }),
  ];
}

function tell(change: HealthChange, { onChange }: HealthCheckOptions, { log }: GatewayHost): void {
  const { backend, to, cause } = change;
  const level = to === "auth_failed" ? "error" : to === "up" || to === "returned" ? "info" : "warn";
  log[level]("a backend's health changed", { backend, to, ...(cause !== undefined && { cause }) });
  try {
    onChange?.(change);
  } catch (error) {
    log.error("healthCheck: `onChange` threw", { error: String(error) });
  }
}
