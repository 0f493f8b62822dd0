import { GatewayError } from "../errors.ts";
import type { Operation } from "../operation.ts";

export interface UnresolvedName {
  /** Before and after the first colon; both empty where there is none. */
  readonly prefix: string;
  readonly rest: string;
  /** The name is known, but none of its backends is online. */
  readonly isKnown: boolean;
  readonly isVendor: boolean;
  readonly isVendorWithoutAccount: boolean;
  readonly isRestKnown: boolean;
  /** Some backend is online and says what it has. */
  readonly isAnyOnline: boolean;
}

/** Why a name leads nowhere. */
export function refusalOf(name: string, facts: UnresolvedName): GatewayError {
  const { prefix, rest } = facts;
  if (facts.isKnown) return new GatewayError("no_nodes");
  if (facts.isVendorWithoutAccount && rest !== "")
    return new GatewayError("provider_key_missing", {
      message: `There is no account of \`${prefix}\` here`,
    });
  if (!facts.isVendor && prefix !== "" && facts.isRestKnown)
    return new GatewayError("unknown_provider", {
      param: "model",
      message: `There is no provider \`${prefix}\`; the model is called \`${rest}\``,
    });
  if (isMalformed(name, facts))
    return new GatewayError("invalid_request", {
      param: "model",
      message: "`model` may hold one colon, neither first nor last",
    });
  if (!facts.isAnyOnline) return new GatewayError("no_nodes");
  return modelNotFound(name);
}

/** `near` is a name that may have been meant. */
export function modelNotFound(name: string, near?: string): GatewayError {
  const advice = near === undefined ? "`GET /v1/models` lists those that do" : `did you mean \`${near}\`?`;
  return new GatewayError("model_not_found", {
    param: "model",
    message: `The model \`${name}\` does not exist; ${advice}`,
  });
}

/** After a vendor prefix the rest is the vendor's business. */
function isMalformed(name: string, { rest, isVendor }: UnresolvedName): boolean {
  if (!name.includes(":")) return false;
  return rest === "" || name.startsWith(":") || (!isVendor && rest.includes(":"));
}

/** `name` is the model's, where the operation is about one. */
export function unsupportedOperation(name: string | undefined, operation: Operation): GatewayError {
  const backend = name === undefined ? "backend" : `backend of the model \`${name}\``;
  return new GatewayError("unsupported_operation", {
    message: `No ${backend} has the operation \`${operation.name}\``,
    headers: { "x-should-retry": "false" },
  });
}
