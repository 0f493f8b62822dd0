import { defineGatewayPlugin } from "gatewright";
import type { GatewayPluginFactory } from "gatewright";
import { KNOWN_VENDORS } from "./known-vendors.ts";
import { VendorAccountsOptions } from "./options.ts";
import type { Vendor } from "./options.ts";

export type { Vendor, VendorAccountsOptions } from "./options.ts";

/**
 * Makes a backend of each vendor whose API key is in the environment, to be asked for by a prefix such as
 * `openai:gpt-4.1`. It adds to the config and has no part in requests: its place in the list does not matter.
 */
export const vendorAccounts: GatewayPluginFactory<typeof VendorAccountsOptions> = defineGatewayPlugin({
  name: "vendor-accounts",
  options: VendorAccountsOptions,
  contribute({ vendors }, environment) {
    const all = Object.entries({ ...KNOWN_VENDORS, ...vendors });
    const accounts = all.filter(([, { keyVariable }]) => environment[keyVariable]);
    return {
      backends: Object.fromEntries(
        accounts.map(([name, vendor]) => [name, toBackend(name, vendor, environment)]),
      ),
      knownVendors: all.flatMap(([name, vendor]) => prefixesOf(name, vendor)),
    };
  },
  setup: () => ({}),
});

function prefixesOf(name: string, { prefixes = [name] }: Vendor): readonly string[] {
  return prefixes;
}

function toBackend(
  name: string,
  vendor: Vendor,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const address = vendor.addressVariables.map((variable) => environment[variable]).find(Boolean);
  return {
    adapter: vendor.adapter,
    apiKey: environment[vendor.keyVariable],
    vendorPrefixes: prefixesOf(name, vendor),
    ...(address && { baseURL: hasPath(address) ? address : address.replace(/\/+$/, "") + vendor.basePath }),
  };
}

/** What is no URL is told of when the backend is checked. */
function hasPath(address: string): boolean {
  return !URL.canParse(address) || new URL(address).pathname !== "/";
}
