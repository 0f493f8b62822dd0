import { GatewayError, isOfProvider } from "gatewright";
import type { Backend, Context, Target } from "gatewright";
import type { RequestWish } from "./request-wish.ts";

/** Says which backends a client means by the name of a provider. */
export class Providers {
  readonly #backends: readonly Backend[];
  readonly #synonyms: Readonly<Record<string, string>>;

  constructor(backends: Iterable<Backend>, synonyms: Readonly<Record<string, string>>) {
    this.#backends = [...backends];
    this.#synonyms = synonyms;
  }

  /**
   * The candidates that a request wants, those of each provider together, in its order. Throws 400 for a provider that
   * nobody knows, 404 when none of those named has the model.
   */
  narrow(ctx: Context, { provider, providers }: RequestWish): Target[][] {
    const own =
      provider === undefined ? ctx.candidates : this.#targetsOf(provider, "provider", ctx.candidates);
    const groups = providers
      ? providers.map((name) => this.#targetsOf(name, "providers", own))
      : byBackend(own);
    const seen = new Set<Target>();
    const left = groups
      .map((group) => group.filter((target) => !seen.has(target) && seen.add(target)))
      .filter((group) => group.length > 0);
    if (left.length > 0) return left;
    throw new GatewayError("model_not_found", {
      param: "model",
      message: `${[provider, ...(providers ?? [])].filter(Boolean).join(", ")}: no model \`${ctx.model}\` there`,
    });
  }

  #targetsOf(name: string, param: string, candidates: readonly Target[]): Target[] {
    const meant = Object.hasOwn(this.#synonyms, name) ? this.#synonyms[name]! : name;
    const isMeant = (backend: Backend): boolean =>
      isOfProvider(backend, name) || isOfProvider(backend, meant);
    if (!this.#backends.some(isMeant))
      throw new GatewayError("invalid_request", { param, message: `There is no provider \`${name}\`` });
    return candidates.filter(({ backend }) => isMeant(backend));
  }
}

function byBackend(targets: readonly Target[]): Target[][] {
  const groups = new Map<Backend, Target[]>();
  for (const target of targets) {
    const group = groups.get(target.backend);
    if (group) group.push(target);
    else groups.set(target.backend, [target]);
  }
  return [...groups.values()];
}
