import type { Target } from "gatewright";

/** The backend takes responses itself. */
export function speaksResponses({ backend }: Target): boolean {
  const { operations } = backend.adapter;
  return Object.hasOwn(operations, "responses") && operations.responses?.toRequest === undefined;
}

/**
 * Tells where the response of a target is kept: at its backend, or here, where the backend has chat alone, its adapter
 * says that it keeps nothing, or it is one of `stateless`.
 */
export function createKeeper(stateless: readonly string[]): (target: Target) => "there" | "here" {
  const forgetful = new Set(stateless);
  return (target) => {
    const { name, adapter } = target.backend;
    const keeps = !forgetful.has(name) && adapter.operations.responses?.stateless !== true;
    return keeps && speaksResponses(target) ? "there" : "here";
  };
}
