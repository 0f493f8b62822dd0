/** How long one kind of closed-loop load runs. */
export interface Timing {
  readonly rounds: number;
  readonly warmupMs: number;
  readonly durationMs: number;
}

/** Streams that get a frame every `intervalMs`, started evenly over `rampMs`. */
export interface PacedCase {
  readonly streams: number;
  readonly intervalMs: number;
  readonly frames: number;
  readonly rampMs: number;
  readonly rounds: number;
}

export interface Plan {
  /** The whole run is ended after this. */
  readonly limitMs: number;
  /** Once for each subject and for replies and streams each, so that every later figure is of compiled code. */
  readonly warmupMs: number;
  readonly coldStart: { readonly starts: number };
  readonly memory: { readonly settleMs: number; readonly loadMs: number; readonly transferBytes: number };
  readonly throughput: Timing;
  readonly latency: Timing;
  readonly growth: Timing & { readonly levels: readonly number[] };
  readonly streamRate: Timing;
  readonly firstToken: Timing;
  readonly paced: readonly PacedCase[];
}

const TRANSFER_BYTES = 100_000_000;

/** What README figures come from: some fourteen minutes. */
export const FULL: Plan = {
  limitMs: 18 * 60_000,
  warmupMs: 2_000,
  coldStart: { starts: 5 },
  memory: { settleMs: 1_000, loadMs: 3_000, transferBytes: TRANSFER_BYTES },
  throughput: { rounds: 5, warmupMs: 300, durationMs: 2_500 },
  latency: { rounds: 3, warmupMs: 200, durationMs: 1_500 },
  growth: { levels: [1, 4, 16, 64, 256, 1_000], rounds: 1, warmupMs: 300, durationMs: 1_500 },
  streamRate: { rounds: 5, warmupMs: 300, durationMs: 1_500 },
  firstToken: { rounds: 2, warmupMs: 200, durationMs: 1_000 },
  paced: [
    // Its p99 hangs on single collections of garbage, in the reference as well: few rounds would be a game of dice.
    { streams: 256, intervalMs: 20, frames: 150, rampMs: 1_000, rounds: 9 },
    { streams: 1_000, intervalMs: 100, frames: 50, rampMs: 1_000, rounds: 1 },
    { streams: 2_000, intervalMs: 100, frames: 50, rampMs: 1_000, rounds: 1 },
  ],
};

/** Every measure, as short as tells a fault from noise: about a minute. */
export const QUICK: Plan = {
  limitMs: 3 * 60_000,
  warmupMs: 500,
  coldStart: { starts: 1 },
  memory: { settleMs: 300, loadMs: 800, transferBytes: TRANSFER_BYTES },
  throughput: { rounds: 2, warmupMs: 150, durationMs: 600 },
  latency: { rounds: 1, warmupMs: 100, durationMs: 400 },
  growth: { levels: [1, 1_000], rounds: 1, warmupMs: 100, durationMs: 500 },
  streamRate: { rounds: 1, warmupMs: 150, durationMs: 600 },
  firstToken: { rounds: 1, warmupMs: 50, durationMs: 300 },
  paced: [
    { streams: 256, intervalMs: 20, frames: 50, rampMs: 500, rounds: 1 },
    { streams: 1_000, intervalMs: 100, frames: 10, rampMs: 500, rounds: 1 },
    { streams: 2_000, intervalMs: 100, frames: 10, rampMs: 500, rounds: 1 },
  ],
};
