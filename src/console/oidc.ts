/** Sign-in by OpenID Connect: authorization code with PKCE (RFC 7636), `state` and `nonce`. */
import { createCipheriv, createDecipheriv } from "node:crypto";
import * as oauth from "oauth4webapi";
import { isCanonicalId, type Scope } from "../contract/index.js";
import { isLoopback } from "../system/config/urls.js";
import { backOffMs } from "../system/attempts.js";
import type { System } from "../system/index.js";
import { readText } from "../system/read_file.js";
import type { ConsoleConfig } from "./config.js";
import { ConsoleProblem } from "./problems.js";
import { secret, type Person } from "./sessions.js";

type OidcConfig = NonNullable<ConsoleConfig["oidc"]>;

/** Parts of a sign-in that are remembered until the person comes back; sealed, in a cookie. */
interface PendingLogin {
  state: string;
  nonce: string;
  verifier: string;
  /** Path to go to afterwards. */
  to: string;
  until_ms: number;
}

export const LOGIN_LASTS_MS = 600_000;
const METADATA_LASTS_MS = 600_000;
/** Milliseconds to wait after a failed request for metadata. */
const RETRIES = { retry_ms: 1000, retry_max_ms: 30_000 };
const PROVIDER_SILENT = "the identity provider to answer";
const CIPHER = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Path below the console itself: no scheme, no other host, nothing that a browser takes for a slash. */
const OWN_PATH = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,1024}$/;

export class Oidc {
  readonly #config: OidcConfig;
  readonly #redirect: string;
  readonly #system: Pick<System, "clock" | "random">;
  readonly #client: oauth.Client;
  readonly #auth: oauth.ClientAuth;
  readonly #key = new Uint8Array(32);
  #metadata: { server: oauth.AuthorizationServer; until_ms: number } | null = null;
  #asking: Promise<oauth.AuthorizationServer> | null = null;
  /** Failures since the last answer, and the monotonic time before which the provider isn't asked again. */
  #failures = 0;
  #restsUntil = -Infinity;

  /**
   * @param origin by which browsers reach the console
   * @throws the file system's error
   */
  constructor(config: OidcConfig, origin: string, system: Pick<System, "clock" | "random">) {
    this.#config = config;
    this.#redirect = `${origin}/login/callback`;
    this.#system = system;
    this.#client = { client_id: config.client_id };
    this.#auth = config.client_secret === undefined ? oauth.None() : oauth.ClientSecretBasic(readText(config.client_secret).trim());
    system.random.fill(this.#key);
  }

  /**
   * Begins a sign-in.
   * @param to path to go to afterwards; another address than the console's own becomes `/`
   * @param fresh true: the provider asks the person again
   * @throws ConsoleProblem `service_unreachable` if the provider doesn't answer
   */
  async begin(to: string, fresh: boolean): Promise<{ url: string; cookie: string }> {
    const server = await this.#server();
    if (server.authorization_endpoint === undefined)
      throw new ConsoleProblem("login_refused", "an `authorization_endpoint` of the provider");
    const verifier = oauth.generateRandomCodeVerifier();
    const [state, nonce] = [secret(this.#system.random), secret(this.#system.random)];
    const url = new URL(server.authorization_endpoint);
    const parameters = {
      ...{ client_id: this.#config.client_id, redirect_uri: this.#redirect, response_type: "code", scope: "openid email profile" },
      ...{ code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256", state, nonce },
      ...(fresh && { prompt: "login" }),
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    const begun: PendingLogin = {
      state,
      nonce,
      verifier,
      to: OWN_PATH.test(to) ? to : "/",
      until_ms: this.#system.clock.wall() + LOGIN_LASTS_MS,
    };
    return { url: url.href, cookie: this.#seal(begun) };
  }

  /**
   * Ends a sign-in.
   * @param query as the provider sent the person back
   * @throws ConsoleProblem `login_refused`
   */
  async end(query: URLSearchParams, cookie: string | null): Promise<{ person: Person; to: string }> {
    const begun = cookie === null ? null : this.#open(cookie);
    if (begun === null || begun.until_ms < this.#system.clock.wall())
      throw new ConsoleProblem("login_refused", "a sign-in that was begun in this browser");
    try {
      const server = await this.#server();
      const options = this.#options(server.issuer);
      const parameters = oauth.validateAuthResponse(server, this.#client, query, begun.state);
      const response = await oauth.authorizationCodeGrantRequest(
        ...([server, this.#client, this.#auth, parameters, this.#redirect, begun.verifier, options] as const),
      );
      const result = await oauth.processAuthorizationCodeResponse(server, this.#client, response, {
        expectedNonce: begun.nonce,
        requireIdToken: true,
      });
      // TLS to the provider would do (OpenID Connect Core 1.0, section 3.1.3.7); a proxy on the way is no provider.
      await oauth.validateApplicationLevelSignature(server, response, options);
      const claims = oauth.getValidatedIdTokenClaims(result);
      if (claims === undefined) throw new Error("no id token");
      return { person: this.#personOf(claims), to: begun.to };
    } catch (cause) {
      if (cause instanceof ConsoleProblem) throw cause;
      throw new ConsoleProblem("login_refused", null, { cause });
    }
  }

  /** @throws ConsoleProblem `login_refused` */
  #personOf(claims: oauth.IDToken): Person {
    const { person_claim, groups_claim, groups } = this.#config;
    const id = claims[person_claim];
    if (typeof id !== "string" || id.length > 200 || !isCanonicalId(id))
      throw new ConsoleProblem("login_refused", `a claim \`${person_claim}\``);
    if (person_claim === "email" && claims["email_verified"] !== true)
      throw new ConsoleProblem("login_refused", "an address that the provider has verified");
    const listed = claims[groups_claim];
    const of = (Array.isArray(listed) ? listed : [listed]).filter((one): one is string => typeof one === "string");
    const scopes = new Set<Scope>(of.flatMap((group) => (Object.hasOwn(groups, group) ? (groups[group] ?? []) : [])));
    if (scopes.size === 0) throw new ConsoleProblem("login_refused", "a member of one of the groups of `oidc.groups`");
    const signed_in_ms = typeof claims.auth_time === "number" ? claims.auth_time * 1000 : this.#system.clock.wall();
    return { id, scopes, signed_in_ms };
  }

  /** Asks the provider for its metadata: once for all who wait, and after a failure not before its rest is over. */
  async #server(): Promise<oauth.AuthorizationServer> {
    const { clock } = this.#system;
    if (this.#metadata !== null && this.#metadata.until_ms > clock.wall()) return this.#metadata.server;
    if (clock.monotonic() < this.#restsUntil) throw new ConsoleProblem("login_refused", PROVIDER_SILENT);
    this.#asking ??= this.#discover().finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** @throws ConsoleProblem `login_refused` */
  async #discover(): Promise<oauth.AuthorizationServer> {
    const { clock } = this.#system;
    const issuer = new URL(this.#config.issuer);
    try {
      const response = await oauth.discoveryRequest(issuer, { algorithm: "oidc", ...this.#options(issuer.href) });
      const server = await oauth.processDiscoveryResponse(issuer, response);
      this.#metadata = { server, until_ms: clock.wall() + METADATA_LASTS_MS };
      this.#failures = 0;
      return server;
    } catch (cause) {
      this.#restsUntil = clock.monotonic() + backOffMs(RETRIES, ++this.#failures);
      throw new ConsoleProblem("login_refused", PROVIDER_SILENT, { cause });
    }
  }

  /* eslint-disable @typescript-eslint/no-deprecated -- marked so to stand out; nothing else lets a provider on loopback be asked */
  /** Returns options that allow plain HTTP to a provider on this machine alone. */
  #options(issuer: string): { [oauth.allowInsecureRequests]: boolean } {
    const { protocol, hostname } = new URL(issuer);
    return { [oauth.allowInsecureRequests]: protocol === "http:" && isLoopback(hostname) };
  }
  /* eslint-enable @typescript-eslint/no-deprecated */

  #seal(begun: PendingLogin): string {
    const iv = new Uint8Array(IV_BYTES);
    this.#system.random.fill(iv);
    const cipher = createCipheriv(CIPHER, this.#key, iv);
    return Buffer.concat([iv, cipher.update(JSON.stringify(begun)), cipher.final(), cipher.getAuthTag()]).toString("base64url");
  }

  #open(sealed: string): PendingLogin | null {
    const bytes = Buffer.from(sealed, "base64url");
    if (bytes.length <= IV_BYTES + TAG_BYTES) return null;
    try {
      const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, IV_BYTES));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      return JSON.parse(
        `${decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)).toString()}${decipher.final().toString()}`,
      ) as PendingLogin;
    } catch {
      return null;
    }
  }
}
