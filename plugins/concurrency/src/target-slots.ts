import { GatewayError } from "gatewright";
import type { Backend, Middleware } from "gatewright";

/** At most so many attempts at once at each backend; a target of a full one is refused, and the balancer picks another. */
export function limitBackends(slots: number): Middleware {
  const inFlight = new Map<Backend, number>();

  return function concurrency(ctx, next) {
    const { target } = ctx;
    if (target === undefined) return next();
    const { backend } = target;
    const taken = inFlight.get(backend) ?? 0;
    if (taken >= slots)
      return Promise.reject(new GatewayError("no_available_instances", { headers: { "retry-after": "1" } }));
    inFlight.set(backend, taken + 1);
    const give = (): void => void inFlight.set(backend, inFlight.get(backend)! - 1);
    return next().then(
      (reply) => {
        if (reply.attempt) reply.attempt.onSettled(give);
        else give();
        return reply;
      },
      (error: unknown) => {
        give();
        throw error;
      },
    );
  };
}
