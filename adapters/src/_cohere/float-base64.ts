/** Floats as OpenAI's SDK reads them from `encoding_format: "base64"`: float32, little-endian. */
export function toFloatBase64(numbers: readonly number[]): string {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [index, number] of numbers.entries()) bytes.writeFloatLE(number, index * 4);
  return bytes.toString("base64");
}
