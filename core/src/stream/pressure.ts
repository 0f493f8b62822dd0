/** Held back until the consumer starts; beyond, the feeder is asked to pause. */
const HIGH_WATER_BYTES = 256 * 1024;

/** Whoever feeds a stream: told `true` where it is to wait, `false` where it may go on. */
export interface Feeder {
  onPressure(pause: boolean): void;
}

/** When the feeder of a stream is to wait: while too much is held back before its start, and while the sink is full. */
export class Pressure {
  readonly #feeder: Feeder;
  #offered: boolean;
  #heldBytes = 0;
  #holding = false;
  #sinkPaused = false;

  /**
   * Nobody could start a stream before it is offered, and so nobody would ever tell the feeder to go on: until then it is
   * not made to wait.
   */
  constructor(feeder: Feeder, offered = true) {
    this.#feeder = feeder;
    this.#offered = offered;
  }

  /** What waits for the start, in bytes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** So many more bytes wait for the start. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#holdBack();
  }

  /** Somebody is about to start it. */
  offer(): void {
    this.#offered = true;
    this.#holdBack();
  }

  #holdBack(): void {
    if (!this.#offered || this.#holding || this.#heldBytes <= HIGH_WATER_BYTES) return;
    this.#holding = true;
    this.#feeder.onPressure(true);
  }

  /** What was held has gone out. */
  release(): void {
    this.#heldBytes = 0;
    if (!this.#holding) return;
    this.#holding = false;
    if (!this.#sinkPaused) this.#feeder.onPressure(false);
  }

  pause(): void {
    this.#sinkPaused = true;
    this.#feeder.onPressure(true);
  }

  resume(): void {
    this.#sinkPaused = false;
    this.#feeder.onPressure(false);
  }
}
