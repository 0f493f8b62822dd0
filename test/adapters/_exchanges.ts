import { existsSync } from "node:fs";
import { readExchanges } from "@gatewright/adapter-tests";
import type { Exchange } from "@gatewright/adapter-tests";
import { encodeFrame } from "./_amazon-frames.ts";
import { familyExchanges } from "./_family.ts";

/** All exchanges of an adapter: its files by name, then what it shares with the family that it belongs to. */
export function exchangesOf(adapter: string): Exchange[] {
  return [...ownExchangesOf(adapter), ...familyExchanges(adapter)];
}

/** Its files by name: what its vendor's own pages, code or recorded answers say. */
export function ownExchangesOf(adapter: string): Exchange[] {
  const folder = new URL(`fixtures/${adapter}/`, import.meta.url);
  return existsSync(folder) ? readExchanges(folder, { encodeFrame }) : [];
}
