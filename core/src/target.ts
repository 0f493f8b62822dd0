import type { Backend } from "./backend.ts";
import type { ModelFacts } from "./models/model-facts.ts";

/**
 * One place a request can go: a backend and the name the model has there. It stays the same object for as long as
 * nothing changes about it. What is known of the model there stands on it too.
 */
export interface Target extends ModelFacts {
  /**
   * `backend/model`: stable over reloads, fit for keys and logs. Where a pattern let the name in, it is `backend/` and
   * that pattern, so that names which clients invent do not make ids without number.
   */
  readonly id: string;
  readonly backend: Backend;
  /** The model's name at the backend. */
  readonly model: string;
  /** 0 gets nothing; the target's own weight wins over the backend's. */
  readonly weight: number;
  /** Attempts running now, from dispatch to the last byte. Kept by core. */
  inFlight: number;
}
