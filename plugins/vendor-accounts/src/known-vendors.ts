import type { Vendor } from "./options.ts";

/**
 * Vendors with the variables that their own SDKs read, and those that other gateways do. `ahtnorpic` is a misspelling
 * that found its way into published configurations of one of them.
 */
export const KNOWN_VENDORS: Readonly<Record<string, Vendor>> = {
  openai: {
    adapter: "openai",
    keyVariable: "OPENAI_API_KEY",
    addressVariables: ["OPENAI_BASE_URL"],
    basePath: "/v1",
  },
  google: {
    adapter: "gemini",
    keyVariable: "GOOGLE_API_KEY",
    addressVariables: ["GOOGLE_API_BASE_URL", "GOOGLE_BASE_URL"],
    basePath: "/v1beta",
  },
  anthropic: {
    adapter: "anthropic",
    keyVariable: "ANTHROPIC_API_KEY",
    addressVariables: ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE_URL"],
    basePath: "",
    prefixes: ["anthropic", "ahtnorpic"],
  },
};
