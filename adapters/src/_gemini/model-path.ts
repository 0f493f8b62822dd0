/**
 * The path of a call of a method, `/models/gemini-2.5-flash:generateContent`. A name with a folder, such as
 * `tunedModels/mine`, stands for itself.
 */
export function methodPath(model: string, method: string): string {
  return `/${resourceName(model).split("/").map(encodeSegment).join("/")}:${method}`;
}

/** The name as bodies have it: `models/gemini-2.5-flash`. */
export function resourceName(model: string): string {
  return model.includes("/") ? model : `models/${model}`;
}

/** `@`, which stands before a version, is allowed in a path as it is (RFC 3986, section 3.3). */
export function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replaceAll("%40", "@");
}

/** Without `alt=sse` a stream would be one JSON array in pieces. */
export function generateMethod(stream: boolean): string {
  return stream ? "streamGenerateContent?alt=sse" : "generateContent";
}

/** Models before the third generation budget their thoughts in tokens, and need no signatures of them. */
export function isBeforeGemini3(model: string): boolean {
  return /(?:^|\/)gemini-[12][.-]/.test(model);
}
