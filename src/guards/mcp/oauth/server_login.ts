/**
 * The login of a guard at its server while it runs: each request has the token of now, one that is refused or about to end is renewed once for all who wait,
 * and what only a person can mend is refused until somebody has signed in. The guard's own clients never see a token.
 */
import * as oauth from "oauth4webapi";
import { backOffMs } from "../../../system/attempts.js";
import type { System } from "../../../system/index.js";
import type { GuardConfig } from "../config.js";
import { challengeIn, isResourceOf, issuerMetadata } from "./authority.js";
import { fetchFor, loginFileOf, oauthServer, reasonOf, tokensOf } from "./login.js";
import { ServerLoginError } from "./login_error.js";
import type { KeptLogin, LoginFile } from "./login_file.js";
import { optionsFor, proofOf, type OAuthConfig } from "./oauth_client.js";
import type { OAuthFetch } from "./oauth_fetch.js";
import { scopesIn, unionOf } from "./scopes.js";

/** Part of an answer that says whether its token was good. */
export interface TokenJudgement {
  status: number;
  fields: readonly [name: string, value: string][];
  body: { cancel: () => Promise<void> } | null;
}

/** Called once for each login that a person has to mend. */
export type LoginNeeded = (detail: { reason: string; scopes: readonly string[] }) => void;

/** Milliseconds before its end from which a token is renewed. */
const EARLY_MS = 30_000;
/** Waits after a renewal that failed, and after a new token that the server refuses. */
const RETRIES = { retry_ms: 1000, retry_max_ms: 60_000 };

/** Returns the login of a server; null for one that isn't signed in to. */
export function openLogin(
  server: GuardConfig["server"],
  system: Pick<System, "clock" | "timers">,
  needed: LoginNeeded = () => undefined,
): ServerLogin | null {
  const signed = oauthServer(server);
  if (signed === null) return null;
  return new ServerLogin({
    url: new URL(signed.url),
    config: signed.oauth,
    file: loginFileOf(signed),
    fetching: fetchFor(signed, system),
    system,
    needed,
  });
}

interface ServerLoginOptions {
  url: URL;
  config: OAuthConfig;
  file: LoginFile;
  fetching: OAuthFetch;
  system: Pick<System, "clock" | "timers">;
  needed: LoginNeeded;
}

export class ServerLogin {
  readonly #options: ServerLoginOptions;
  #renewing: Promise<string> | null = null;
  /** Failures of renewals since the last that went well, and the monotonic time before which there is no other. */
  #failures = 0;
  #restsUntil = -Infinity;
  /** Token that was refused as soon as it was given. */
  #refused: string | null = null;
  /** Token that calls have now. */
  #current: string | null = null;
  /** Reason that was told last, with the token that it was about. */
  #told: string | null = null;

  constructor(options: ServerLoginOptions) {
    this.#options = options;
  }

  /** Checks that somebody has signed in. @throws ServerLoginError */
  check(): void {
    const { access_token, refresh_token } = this.#kept();
    if (access_token === null && refresh_token === null) throw this.#needs("the login has ended");
  }

  /**
   * Sends a request with the token, and once more with a new one where the server refuses the first.
   * @param url has to be on the server's origin
   * @throws ServerLoginError
   */
  async send<A extends TokenJudgement>(url: URL, send: (authorization: string) => Promise<A>): Promise<A> {
    if (url.origin !== this.#options.url.origin) throw new ServerLoginError("address_refused", "a token goes to its own server alone");
    const token = await this.#token();
    const answer = await this.#judged(await send(`Bearer ${token}`));
    if (answer !== null) return answer;
    const renewed = await this.#renewed(token);
    const again = await this.#judged(await send(`Bearer ${renewed}`));
    if (again !== null) return again;
    this.#refused = renewed;
    throw this.#needs("the server refuses a token that is new");
  }

  /** Returns an answer that the token was good for; null: it wasn't. @throws ServerLoginError `login_needed` for scopes that it lacks */
  async #judged<A extends TokenJudgement>(answer: A): Promise<A | null> {
    if (answer.status !== 401 && answer.status !== 403) return answer;
    const [, header = null] = answer.fields.find(([name]) => name.toLowerCase() === "www-authenticate") ?? [];
    const { error, scopes } = challengeIn(header);
    if (answer.status === 403 && error !== "insufficient_scope") return answer;
    await answer.body?.cancel();
    if (answer.status === 401) return null;
    await this.#want(scopes);
    throw this.#needs("the server wants more scopes", scopes);
  }

  /** Keeps the scopes that a call has lacked, for the next login; a configuration that names its scopes has no others. */
  async #want(scopes: readonly string[]): Promise<void> {
    const { config, file, system } = this.#options;
    if (config.scopes !== undefined) return;
    await file.locked(system.timers, () => {
      const kept = this.#kept();
      const wanted = unionOf(kept.wanted, scopes);
      if (wanted.length > kept.wanted.length) file.write({ ...kept, wanted });
      return Promise.resolve();
    });
  }

  async #token(): Promise<string> {
    const { access_token: token, expires_ms, refresh_token } = this.#kept();
    if (token !== null && token === this.#refused) throw this.#needs("the server refuses a token that is new");
    const now = this.#options.system.clock.wall();
    if (token !== null && (expires_ms === null || expires_ms - EARLY_MS > now)) return token;
    if (token === null || expires_ms === null || expires_ms <= now) return this.#renewed(token);
    // It still holds for a moment, whether it can be renewed or not.
    return refresh_token === null ? token : this.#renewed(token).catch(() => token);
  }

  /** @throws ServerLoginError `login_needed`, `login_file_unsafe` */
  #kept(): KeptLogin {
    const { config, file } = this.#options;
    const kept = file.read();
    if (kept === null) throw this.#needs("nobody has signed in");
    if (config.issuer !== undefined && kept.issuer !== config.issuer) throw this.#needs("the login is at another authorization server");
    if (!isResourceOf(kept.resource, this.#options.url)) throw this.#needs("the login is for another server");
    this.#current = kept.access_token;
    return kept;
  }

  /** Returns a token that isn't this one, asked for once for all who wait. @throws ServerLoginError */
  #renewed(stale: string | null): Promise<string> {
    this.#renewing ??= this.#renew(stale).finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renew(stale: string | null): Promise<string> {
    const { file, system } = this.#options;
    return file.locked(system.timers, async () => {
      // Another process may have renewed it, or a person have signed in.
      const kept = this.#kept();
      if (kept.access_token !== null && kept.access_token !== stale) return kept.access_token;
      if (kept.refresh_token === null) throw this.#needs("the login has ended");
      const now = system.clock.monotonic();
      if (now < this.#restsUntil) throw new ServerLoginError("authorization_unavailable", `\`${kept.issuer}\` gave no token a moment ago`);
      try {
        const token = await this.#exchange(kept, kept.refresh_token);
        this.#failures = 0;
        return token;
      } catch (cause) {
        this.#restsUntil = system.clock.monotonic() + backOffMs(RETRIES, ++this.#failures);
        throw cause;
      }
    });
  }

  /** Exchanges a refresh token at the server that gave it, and at no other (RFC 6749, section 6). */
  async #exchange(kept: KeptLogin, refresh_token: string): Promise<string> {
    const { config, file, fetching, system } = this.#options;
    const server = await issuerMetadata(kept.issuer, fetching);
    const client: oauth.Client = { client_id: kept.client.id };
    try {
      const response = await oauth.refreshTokenGrantRequest(server, client, proofOf(server, kept.client, config), refresh_token, {
        ...optionsFor(kept.issuer, fetching),
        additionalParameters: { resource: kept.resource },
      });
      const tokens = await oauth.processRefreshTokenResponse(server, client, response);
      const given = tokensOf(tokens, system.clock.wall());
      // A server that doesn't rotate it leaves it out.
      file.write({
        ...kept,
        ...given,
        refresh_token: given.refresh_token ?? refresh_token,
        scopes: unionOf(kept.scopes, scopesIn(tokens.scope)),
      });
      this.#current = tokens.access_token;
      return tokens.access_token;
    } catch (cause) {
      if (cause instanceof ServerLoginError) throw cause;
      if (cause instanceof oauth.ResponseBodyError && cause.error === "invalid_grant") {
        // Used twice, taken back or too old: it is good for nothing more, whoever used it.
        file.write({ ...kept, access_token: null, expires_ms: null, refresh_token: null });
        this.#current = null;
        throw this.#needs("the login has ended");
      }
      throw new ServerLoginError("authorization_unavailable", `\`${kept.issuer}\` gives no new token: ${reasonOf(cause)}`, { cause });
    }
  }

  /** Returns the error of a login that a person has to mend, and tells of it once. */
  #needs(reason: string, scopes: readonly string[] = []): ServerLoginError {
    const key = JSON.stringify([reason, scopes, this.#current]);
    if (this.#told !== key) this.#options.needed({ reason, scopes });
    this.#told = key;
    return new ServerLoginError("login_needed", `${reason}: sign in with \`remit guard mcp login\``);
  }
}
