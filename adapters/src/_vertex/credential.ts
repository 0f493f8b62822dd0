import { createSign } from "node:crypto";
import { isJsonObject } from "gatewright";
import { createTokenSource } from "../_token-source.ts";
import type { FetchedToken, TokenSource } from "../_token-source.ts";
import type { VertexSettings } from "./options.ts";

type Credential = NonNullable<VertexSettings["credential"]>;

/** What a credential is, by the option or by its shape: JSON, a token's `ya29.`, or anything else. */
export function credentialKind(
  apiKey: string,
  { credential }: Pick<VertexSettings, "credential">,
): Credential {
  if (credential) return credential;
  if (apiKey.trimStart().startsWith("{")) return "serviceAccount";
  return apiKey.startsWith("ya29.") ? "accessToken" : "apiKey";
}

/**
 * Access tokens of service accounts, by the JSON that their keys come in. The issuer is the JSON's own `token_uri`:
 * https://developers.google.com/identity/protocols/oauth2/service-account#httprest.
 */
export const accessTokens: TokenSource<string> = createTokenSource({
  keyOf: (json: string) => json,
  fetchToken: fetchAccessToken,
});

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/** The longest life that Google gives to an assertion. */
const ASSERTION_SECONDS = 3_600;

interface ServiceAccount {
  email: string;
  privateKey: string;
  keyId: string | undefined;
  tokenURL: string;
}

async function fetchAccessToken(json: string, signal: AbortSignal): Promise<FetchedToken> {
  const account = readServiceAccount(json);
  const response = await fetch(account.tokenURL, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: GRANT,
      assertion: signAssertion(account, Math.floor(Date.now() / 1000)),
    }),
    redirect: "error",
    signal,
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`vertex: the token endpoint answered ${response.status}${reasonIn(text)}`);
  const { access_token: token, expires_in: seconds } = parseObject(text) ?? {};
  if (typeof token !== "string" || typeof seconds !== "number")
    throw new Error("vertex: the token endpoint answered without a token");
  return { token, expiresInMs: seconds * 1000 };
}

function readServiceAccount(json: string): ServiceAccount {
  const {
    client_email: email,
    private_key: privateKey,
    private_key_id: keyId,
    token_uri: tokenURL = "https://oauth2.googleapis.com/token",
  } = parseObject(json) ?? {};
  if (typeof email !== "string" || typeof privateKey !== "string" || typeof tokenURL !== "string")
    throw new Error("vertex: `apiKey` is not the JSON of a service account's key");
  return { email, privateKey, keyId: typeof keyId === "string" ? keyId : undefined, tokenURL };
}

/** A JSON Web Token by RS256 (RFC 7515, section 3.1; RFC 7523, section 2.1). */
function signAssertion({ email, privateKey, keyId, tokenURL }: ServiceAccount, nowSeconds: number): string {
  const head = { alg: "RS256", typ: "JWT", ...(keyId !== undefined && { kid: keyId }) };
  const claims = {
    iss: email,
    scope: SCOPE,
    aud: tokenURL,
    iat: nowSeconds,
    exp: nowSeconds + ASSERTION_SECONDS,
  };
  const signed = [head, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url")}`;
}

/** `error` of an OAuth error (RFC 6749, section 5.2), which is one of few words. */
function reasonIn(text: string): string {
  const error = parseObject(text)?.["error"];
  return typeof error === "string" && /^\w+$/.test(error) ? `: ${error}` : "";
}

/** Undefined for what is no object: a parser's message would quote it. */
function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isJsonObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
