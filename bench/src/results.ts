import type { Machine } from "./machine.ts";
import type { ColdStart } from "./measure/cold-start.ts";
import type { GrowthPoint } from "./measure/growth.ts";
import type { Latency } from "./measure/latency.ts";
import type { Memory } from "./measure/memory.ts";
import type { Paced } from "./measure/paced.ts";
import type { Rate } from "./measure/rate.ts";
import type { Translated } from "./measure/translated.ts";
import type { Requirement } from "./requirements.ts";
import type { BySubject, Failure } from "./rounds.ts";

/** Figures by measure and subject; a measure that did not run is absent. `direct` is the upstream itself. */
export interface Measures {
  throughput?: BySubject<Rate>;
  latency?: BySubject<Latency[]>;
  growth?: BySubject<GrowthPoint[]>;
  streamRate?: BySubject<Rate>;
  firstToken?: BySubject<Latency[]>;
  paced?: BySubject<Paced[]>;
  /** By dialect of the backend, of one subject. */
  translated?: BySubject<Translated>;
  memory?: BySubject<Memory>;
  coldStart?: BySubject<ColdStart>;
}

/** One run, as written to JSON. NaN becomes null there: not measured, or nothing to compare with. */
export interface Results {
  readonly date: string;
  readonly seconds: number;
  readonly quick: boolean;
  readonly machine: Machine;
  readonly subjects: readonly SubjectFact[];
  readonly measures: Measures;
  readonly failures: readonly Failure[];
  readonly requirements: readonly Requirement[];
}

export interface SubjectFact {
  readonly name: string;
  readonly title: string;
  /** Why it was left out; null when it was measured. */
  readonly skipped: string | null;
}
