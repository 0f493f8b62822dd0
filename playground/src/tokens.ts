import { hash, seededRandom } from "./random.ts";

const WORDS = (
  "the a gateway model answers every question with words that flow one after another through a quiet stream " +
  "of small pieces and no one waits because light travels far while rivers carry time toward open water"
).split(" ");

/** Characters of two, three and four UTF-8 bytes, joined sequences included. */
const WIDE_WORDS = ["café", "naïve", "Ωmega", "данные", "日本語", "한국어", "🙂", "🚀", "👩‍💻", "🇪🇺", "€", "—"];

/** Every so many tokens one is multi-byte, so that each text of some length puts readers to the test. */
const WIDE_EVERY = 5;

/** `count` tokens, always the same for the same seed: words with their leading space, but for the first. */
export function makeTokens(seed: string, count: number): string[] {
  const random = seededRandom(hash(seed));
  return Array.from({ length: count }, (_, index) => {
    const words = index % WIDE_EVERY === WIDE_EVERY - 2 ? WIDE_WORDS : WORDS;
    const word = words[Math.floor(random() * words.length)]!;
    return index === 0 ? word : ` ${word}`;
  });
}

/** Cuts a given text into words with their leading space; the pieces join to exactly the text. */
export function splitWords(text: string): string[] {
  return text.match(/\s*\S+(?:\s+$)?|^\s+$/gu) ?? [];
}

/** Cuts a text that has few spaces, such as JSON, into pieces of a few characters, never inside a character. */
export function splitPieces(text: string): string[] {
  return text.match(/.{1,6}/gsu) ?? [];
}

/** A rough count in the manner of tokenizers: one token for four characters, at least one for any text. */
export function countTokens(text: string): number {
  return Math.ceil(text.length / 4);
}
