import { hash } from "./random.ts";

/** What a vendor signs its model's thoughts with: whoever changes the text, or makes one up, is found out. */
export function sign(text: string): string {
  const parts = [text, `${text}+`, `${text}++`].map((part) => hash(part).toString(16).padStart(8, "0"));
  return Buffer.from(`signed ${parts.join("")}`).toString("base64");
}

export function isSigned(text: string, signature: unknown): boolean {
  return signature === sign(text);
}
