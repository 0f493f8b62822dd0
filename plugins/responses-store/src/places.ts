import type { OperationMapping, Target } from "gatewright";

/** How the backend takes responses itself; undefined where chat stands in for this model. */
function responsesOf({ backend, model }: Target): OperationMapping | undefined {
  const { operations } = backend.adapter;
  const mapping = Object.hasOwn(operations, "responses") ? operations.responses : undefined;
  return mapping?.serves?.(model, backend.options) === false ? undefined : mapping;
}

/** The backend takes responses itself. */
export function speaksResponses(target: Target): boolean {
  return responsesOf(target) !== undefined;
}

/**
 * Tells where the response of a target is kept: at its backend, or here, where the backend has chat alone, its adapter
 * says that it keeps nothing, or it is one of `stateless`.
 */
export function createKeeper(stateless: readonly string[]): (target: Target) => "there" | "here" {
  const forgetful = new Set(stateless);
  return (target) => {
    const mapping = responsesOf(target);
    if (!mapping || mapping.stateless || forgetful.has(target.backend.name)) return "here";
    // Made of another dialect, it has ids that the backend never saw.
    return mapping.toRequest ? "here" : "there";
  };
}

/** A model behind one dialect: what it thought it can read itself, whichever of its backends is asked. */
export function makerOf({ backend, model }: Target): string {
  return `${backend.adapter.name}/${model}`;
}
