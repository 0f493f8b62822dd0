import type { Backend } from "./backend.ts";

/** One place a request can go: a backend and the name the model has there. Stable for the life of a snapshot. */
export interface Target {
  /** `backend/model`: unique, stable over reloads, fit for keys and logs. */
  readonly id: string;
  readonly backend: Backend;
  /** The model's name at the backend. */
  readonly model: string;
  /** 0 gets nothing; the target's own weight wins over the backend's. */
  readonly weight: number;
  /** Attempts running now, from dispatch to the last byte. Kept by core. */
  inFlight: number;
}
