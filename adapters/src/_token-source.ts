import { BoundedMap } from "gatewright";

/** A token as its issuer gave it. */
export interface FetchedToken {
  token: string;
  /** How long it is good for, counted from now. */
  expiresInMs: number;
}

export interface TokenSourceOptions<Account> {
  /** Tells accounts apart: everything that the token depends on. Kept in memory alone. */
  keyOf(account: Account): string;
  /** Asks the issuer. The signal ends the call after `timeoutMs`; it belongs to nobody's request. */
  fetchToken(account: Account, signal: AbortSignal): Promise<FetchedToken>;
  /** A token is renewed so long before its end, or after half of a shorter life. @default 300_000 */
  renewBeforeMs?: number;
  /** Most that the issuer may take. @default 10_000 */
  timeoutMs?: number;
  /** The clock, in milliseconds. @default Date.now */
  nowMs?(): number;
}

export interface TokenSource<Account> {
  /**
   * The account's token, out of memory while it is good. `refused` is a token that the backend did not take: it is
   * forgotten, unless another one took its place already. Rejects with the issuer's error, or the signal's reason.
   */
  token(account: Account, call: { signal: AbortSignal; refused?: string }): Promise<string>;
}

interface Entry {
  /** Present once the issuer gave one. */
  token?: string;
  expiresAtMs: number;
  renewAtMs: number;
  /** The one renewal under way, whoever asked for it. */
  renewal?: Promise<string>;
}

/** Accounts held at once: each is one in a config, so that only a program gone wrong has more. */
const MAX_ACCOUNTS = 1_000;
/** After a renewal that failed while the old token is still good. */
const RETRY_MS = 10_000;

/**
 * Tokens that an issuer gives for a time: kept by account, renewed before they end while requests go on with the old
 * one, and fetched once however many requests wait. A request that is given up leaves the renewal to the others.
 */
export function createTokenSource<Account>({
  keyOf,
  fetchToken,
  renewBeforeMs = 300_000,
  timeoutMs = 10_000,
  nowMs = Date.now,
}: TokenSourceOptions<Account>): TokenSource<Account> {
  const entries = new BoundedMap<string, Entry>(MAX_ACCOUNTS);

  function entryOf(account: Account): Entry {
    const key = keyOf(account);
    let entry = entries.get(key);
    if (entry) return entry;
    entries.set(key, (entry = { expiresAtMs: 0, renewAtMs: 0 }));
    return entry;
  }

  async function renew(account: Account, entry: Entry): Promise<string> {
    try {
      const { token, expiresInMs } = await fetchToken(account, AbortSignal.timeout(timeoutMs));
      const now = nowMs();
      entry.token = token;
      entry.expiresAtMs = now + expiresInMs;
      entry.renewAtMs = entry.expiresAtMs - Math.min(renewBeforeMs, expiresInMs / 2);
      return token;
    } catch (error) {
      entry.renewAtMs = nowMs() + RETRY_MS;
      throw error;
    } finally {
      delete entry.renewal;
    }
  }

  return {
    async token(account, { signal, refused }) {
      signal.throwIfAborted();
      const entry = entryOf(account);
      if (refused !== undefined && entry.token === refused) delete entry.token;
      const now = nowMs();
      const good = entry.token !== undefined && now < entry.expiresAtMs ? entry.token : undefined;
      if (good !== undefined && now < entry.renewAtMs) return good;

      const renewal = (entry.renewal ??= renew(account, entry));
      if (good === undefined) return unlessAborted(renewal, signal);
      // The old one still serves: should this fail, a later request tries again, and the last one hears of it.
      renewal.catch(() => undefined);
      return good;
    },
  };
}

/** What the promise comes to, unless the request is given up first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", give, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", give));
  });
}
