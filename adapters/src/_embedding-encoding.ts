import { wrongShape } from "gatewright";

/** Refuses an `encoding_format` that OpenAI's API does not have. */
export function checkEncoding(format: unknown): void {
  if (format === undefined || format === "float" || format === "base64") return;
  throw wrongShape("encoding_format", "`float` or `base64`", format);
}

/** Floats as OpenAI's SDK reads them from `encoding_format: "base64"`: float32, little-endian. */
export function toFloatBase64(numbers: readonly number[]): string {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [index, number] of numbers.entries()) bytes.writeFloatLE(number, index * 4);
  return bytes.toString("base64");
}
