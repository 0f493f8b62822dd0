/** `modalities` that ask for text alone, which is what a chat model answers anyway. */
export function isTextOnly(modalities: unknown): boolean {
  return Array.isArray(modalities) && modalities.every((modality) => modality === "text");
}
