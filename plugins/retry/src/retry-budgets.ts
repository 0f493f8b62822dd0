import { BoundedMap } from "gatewright";
import type { RetryBudgetOptions } from "./options.ts";
import { RetryBudget } from "./retry-budget.ts";

/** Models with a budget; then the oldest goes. Names under a vendor prefix are the client's to invent. */
const MAX_MODELS = 1_000;

/** The budget of each model's pool. */
export class RetryBudgets {
  readonly #byModel = new BoundedMap<string, RetryBudget>(MAX_MODELS);
  readonly #options: RetryBudgetOptions;

  constructor(options: RetryBudgetOptions) {
    this.#options = options;
  }

  of(model: string): RetryBudget {
    const known = this.#byModel.get(model);
    if (known !== undefined) return known;
    const budget = new RetryBudget(this.#options);
    this.#byModel.set(model, budget);
    return budget;
  }
}
