import { isJsonObject, revealSecret } from "gatewright";
import type { Secret } from "gatewright";
import { createTokenSource } from "../_token-source.ts";
import type { FetchedToken, TokenSource } from "../_token-source.ts";

export interface WenxinAccount {
  /** The API key of the application. */
  clientId: string;
  clientSecret: string | Secret;
  tokenURL: string;
}

/** Access tokens of applications, good for thirty days (https://cloud.baidu.com/doc/WENXINWORKSHOP/s/Ilkkrb0i5). */
export function createAccessTokens(): TokenSource<WenxinAccount> {
  return createTokenSource({
    keyOf: (account) => JSON.stringify([account.clientId, secretOf(account), account.tokenURL]),
    fetchToken,
  });
}

async function fetchToken(account: WenxinAccount, signal: AbortSignal): Promise<FetchedToken> {
  const url = new URL(account.tokenURL);
  url.searchParams.set("grant_type", "client_credentials");
  url.searchParams.set("client_id", account.clientId);
  url.searchParams.set("client_secret", secretOf(account));
  const response = await fetch(url, { method: "POST", signal, redirect: "error" });
  const reply: unknown = await response.json();
  const { access_token, expires_in } = isJsonObject(reply) ? reply : {};
  // What came instead may repeat the secret: it is not quoted.
  if (typeof access_token !== "string" || typeof expires_in !== "number")
    throw new Error(`Baidu gave no access token (status ${response.status})`);
  return { token: access_token, expiresInMs: expires_in * 1000 };
}

function secretOf({ clientSecret }: WenxinAccount): string {
  return typeof clientSecret === "string" ? clientSecret : revealSecret(clientSecret);
}
