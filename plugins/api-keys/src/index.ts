import { createAddressMatcher, createPattern, defineGatewayPlugin, GatewayError } from "gatewright";
import type { GatewayPluginFactory, Principal } from "gatewright";
import { readCredential, readQueryCredential } from "./credential.ts";
import { KeyRing } from "./key-ring.ts";
import { ApiKeysOptions, keyHash, keyLength } from "./options.ts";
import type { ApiKey } from "./options.ts";
import { expandScopes, scopeReader } from "./scope.ts";
import type { Scope } from "./scope.ts";

export { hashKey } from "./key-ring.ts";
export type { ApiKey, ApiKeysOptions } from "./options.ts";
export type { Scope } from "./scope.ts";

/** Shorter keys can be guessed by who tries for long. */
const STRONG_KEY_LENGTH = 24;

/** A key with all that is to be checked, made ready once. */
interface Grant {
  readonly principal: Principal;
  readonly scopes: ReadonlySet<Scope>;
  readonly allowsIp: ((address: string) => boolean) | undefined;
  /** Since the epoch. */
  readonly expiresAtMs: number | undefined;
}

/**
 * Lets in who holds one of the configured keys and names them to the plugins after it. Listed first, it refuses before
 * a byte of the body is read.
 */
export const apiKeys: GatewayPluginFactory<typeof ApiKeysOptions> = defineGatewayPlugin({
  name: "api-keys",
  options: ApiKeysOptions,
  gives: ["principal"],
  headersOnly: true,
  check: ({ keys, operationScopes }, { checkModel, checkOperation }) => [
    ...keys.flatMap(({ models = [] }, index) =>
      models.flatMap((name, at) =>
        checkModel(name, ["keys", index, "models", at]).filter(({ known }) => !fitsAny(name, known)),
      ),
    ),
    ...Object.keys(operationScopes).flatMap((name) => checkOperation(name, ["operationScopes", name])),
  ],
  setup({ keys, operationScopes, queryKeys }, gateway) {
    const ring = new KeyRing<Grant>();
    const scopeOf = scopeReader(operationScopes);
    if (keys.length === 0) gateway.log.warn("apiKeys: no keys are configured, so every request is refused");
    for (const key of keys) {
      if ((keyLength(key) ?? Infinity) < STRONG_KEY_LENGTH)
        gateway.log.warn(`apiKeys: key \`${key.id}\` has fewer than ${STRONG_KEY_LENGTH} characters`);
      if (!key.disabled) ring.add(keyHash(key), toGrant(key));
    }
    return {
      middleware: function apiKeys(ctx, next) {
        const { headers, query } = ctx.request;
        const sent = readCredential(headers) || (queryKeys ? readQueryCredential(query) : "");
        const grant = ring.find(sent);
        if (grant === undefined || isExpired(grant)) return Promise.reject(invalidKey());
        if (grant.allowsIp?.(ctx.request.clientAddress) === false) return Promise.reject(ipNotAllowed());
        const scope = scopeOf(ctx.operation);
        if (scope !== undefined && !grant.scopes.has(scope)) return Promise.reject(lacksScope(scope));
        ctx.principal = grant.principal;
        return next();
      },
    };
  },
});

function toGrant(key: ApiKey): Grant {
  return {
    principal: toPrincipal(key),
    scopes: expandScopes(key.scopes),
    allowsIp: key.allowedIps && createAddressMatcher(key.allowedIps),
    expiresAtMs: key.expiresAt === undefined ? undefined : Date.parse(key.expiresAt),
  };
}

function toPrincipal({ id, name, tenant, models }: ApiKey): Principal {
  // Requests share it.
  if (models === undefined) return Object.freeze({ id, name, tenant });
  const names = new Set(models);
  const patterns = models.filter((text) => text.includes("*")).map(createPattern);
  const allowsModel = (model: string): boolean =>
    names.has(model) || patterns.some((pattern) => pattern.matches(model));
  return Object.freeze({ id, name, tenant, allowsModel });
}

/** A pattern need not be a name itself: it is enough that it fits one. */
function fitsAny(text: string, names: Iterable<string>): boolean {
  const pattern = createPattern(text);
  return text.includes("*") && [...names].some((name) => pattern.matches(name));
}

function isExpired({ expiresAtMs }: Grant): boolean {
  return expiresAtMs !== undefined && Date.now() >= expiresAtMs;
}

/** The same for all causes, so that a refusal does not tell which keys exist. */
function invalidKey(): GatewayError {
  return new GatewayError("invalid_api_key", { headers: { "www-authenticate": "Bearer" } });
}

function ipNotAllowed(): GatewayError {
  return new GatewayError("ip_not_allowed", {
    status: 403,
    type: "permission_error",
    message: "The key may not be used from this address",
  });
}

function lacksScope(scope: Scope): GatewayError {
  return new GatewayError("insufficient_permissions", { message: `The key lacks the scope \`${scope}\`` });
}
