/** A slot that was taken, until it is given back, once. */
export type Slot = string;

/** Where slots are taken and given back. */
export interface SlotPool {
  /** Slots may come free without `give`, in another process. */
  readonly shared: boolean;
  /** Undefined: none is free. Without a promise where they are counted in this process. */
  take(): Slot | undefined | Promise<Slot | undefined>;
  give(slot: Slot): void;
  close(): void;
}

/** Slots of this process. */
export class LocalSlots implements SlotPool {
  readonly shared = false;
  readonly #max: number;
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  take(): Slot | undefined {
    if (this.#taken >= this.#max) return undefined;
    this.#taken++;
    return "local";
  }

  give(): void {
    this.#taken--;
  }

  close(): void {}
}
