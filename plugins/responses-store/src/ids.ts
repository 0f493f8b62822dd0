/** Ids as clients may send them: what is longer or of other characters was never given. */
const ID = /^[\w-]{1,128}$/;

export function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}

/** For an item of the input that has none; it leads to the response as ids of the output do. */
export function toInputItemId(responseId: string, index: number): string {
  return `in_${responseId.replace(/^resp_/, "")}_${index}`;
}
