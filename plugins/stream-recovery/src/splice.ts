/**
 * Joins a text that begins anew to one that has been sent: what was sent is expected once more, piece by piece however
 * the pieces are cut, and kept back. Pieces are compared in UTF-16 units, so that a character whose halves come in two
 * pieces is joined like any other.
 */
export class Splice {
  #expected: string;

  constructor(expected: string) {
    this.#expected = expected;
  }

  /** All that was sent has come again. */
  get joined(): boolean {
    return this.#expected === "";
  }

  /** The part of a piece that is new; `undefined` when it is another text. */
  take(piece: string): string | undefined {
    const expected = this.#expected;
    const known = Math.min(piece.length, expected.length);
    if (piece.slice(0, known) !== expected.slice(0, known)) return undefined;
    this.#expected = expected.slice(known);
    return piece.slice(known);
  }
}
