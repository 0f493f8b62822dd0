import { readParameter } from "gatewright";
import type { Context, Target } from "gatewright";

/** US dollars for a million tokens; for one in the prices that stand on targets. */
export interface Price {
  readonly prompt: number;
  readonly completion: number;
}

/** The most that a request may come to. */
export interface TokenBounds {
  readonly prompt: number;
  readonly completion: number;
}

/**
 * A token is at least one byte, so the body's length bounds the prompt. A request that sets no limit to its answer
 * gets `defaultOutput`; one for embeddings and the like has no tokens for an answer.
 */
export function boundTokens({ body, operation }: Context, defaultOutput: number): TokenBounds {
  const prompt = body.bytes?.length ?? 0;
  const places = operation.parameters?.outputLimit ?? [];
  if (places.length === 0) return { prompt, completion: 0 };
  const given = readParameter(body, places);
  const perAnswer = given.length > 0 ? Math.max(...given) : defaultOutput;
  return { prompt, completion: perAnswer * (operation.answers?.(body) ?? 1) };
}

/** By the prices given here, else by the target's own. Infinity for a target without a price. */
export function costOf(target: Target, bounds: TokenBounds, prices: Readonly<Record<string, Price>>): number {
  if (Object.hasOwn(prices, target.id)) return priceOf(bounds, prices[target.id]!);
  return target.price ? priceOf(bounds, target.price) * 1e6 : Infinity;
}

function priceOf(bounds: TokenBounds, price: Price): number {
  return bounds.prompt * price.prompt + bounds.completion * price.completion;
}

/** All of the lowest cost that have weight. */
export function findCheapest(candidates: readonly Target[], cost: (target: Target) => number): Target[] {
  let least = Infinity;
  let cheapest: Target[] = [];
  for (const target of candidates) {
    if (target.weight === 0) continue;
    const own = cost(target);
    if (own < least) {
      least = own;
      cheapest = [target];
    } else if (own === least) cheapest.push(target);
  }
  return cheapest;
}
