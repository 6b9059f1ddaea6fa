/** Signing in at a guarded server, by a person: in a browser on this machine, or on any other by a code (RFC 8628). */
import * as oauth from "oauth4webapi";
import { errorMessage } from "../../../system/error_message.js";
import { sleep, type System } from "../../../system/index.js";
import { isOutgoingUrl } from "../../../system/config/urls.js";
import { STATELESS } from "../stateless.js";
import type { GuardConfig } from "../config.js";
import { challengeIn, checkCodes, findAuthority, type Authority, type ServerChallenge } from "./authority.js";
import { ServerLoginError } from "./login_error.js";
import { LoginFile, loginFolder, type KeptLogin } from "./login_file.js";
import { clientAt, optionsFor, proofOf, type OAuthConfig, type RegisteredClient } from "./oauth_client.js";
import { oauthFetch, type OAuthFetch } from "./oauth_fetch.js";
import { listenForRedirect } from "./redirect.js";
import { scopesIn, unionOf } from "./scopes.js";

export interface LoginOptions {
  /** True: by a code that the person enters elsewhere. */
  device: boolean;
  /** Shows the person where to go, with the code to enter there. */
  show: (prompt: LoginPrompt) => void;
}

export interface LoginPrompt {
  url: string;
  /** Null in a browser on this machine. */
  code: string | null;
  /** Scopes that are asked for; none: the server's own choice. */
  scopes: readonly string[];
}

export type FinishedLogin = Pick<KeptLogin, "issuer" | "resource" | "scopes" | "expires_ms"> & { file: string; renews: boolean };

type OAuthServer = GuardConfig["server"] & { url: string; oauth: OAuthConfig };

const OFFLINE = "offline_access";
/** RFC 8628, sections 3.2 and 3.5. */
const POLL_S = 5;
const SLOWER_S = 5;
const POLL_S_MAX = 60;
/** RFC 6749, section 4.1.2.1. */
const ERROR = /^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,64}$/;

/** Returns a server that is signed in to; null for another. */
export function oauthServer(server: GuardConfig["server"]): OAuthServer | null {
  const { url, oauth: config } = server;
  return url === undefined || config === undefined ? null : { ...server, url, oauth: config };
}

export function loginFileOf({ url, oauth: { logins, issuer, client_id } }: OAuthServer): LoginFile {
  return new LoginFile(logins ?? loginFolder(), { url, issuer, client_id });
}

export function fetchFor({ url, oauth: { issuer } }: OAuthServer, system: Pick<System, "timers">): OAuthFetch {
  return oauthFetch({ server: new URL(url), isIssuerNamed: issuer !== undefined }, system.timers);
}

/** Signs in and keeps what was given. @throws ServerLoginError */
export async function signIn(server: OAuthServer, options: LoginOptions, system: Pick<System, "clock" | "timers">): Promise<FinishedLogin> {
  const file = loginFileOf(server);
  const fetching = fetchFor(server, system);
  const before = file.read();
  const challenge = await challengeOf(server, fetching);
  const authority = await findAuthority(new URL(server.url), challenge, server.oauth.issuer, fetching);
  const { resource, server: at } = authority;
  const known = before?.issuer === at.issuer && before.resource === resource ? before : null;
  const scopes = scopesFor(server.oauth, challenge, authority, known);
  const asking: Asking = { authority, scopes, config: server.oauth, fetching };
  const { client, tokens } = options.device ? await byDevice(asking, options) : await byBrowser(asking, options, system);
  const kept: KeptLogin = {
    ...{ format: 1, resource, issuer: at.issuer, client, wanted: [] },
    scopes: unionOf(scopes, scopesIn(tokens.scope)),
    ...tokensOf(tokens, system.clock.wall()),
  };
  await file.locked(system.timers, () => {
    file.write(kept);
    return Promise.resolve();
  });
  return { ...kept, file: file.path, renews: kept.refresh_token !== null };
}

/** Returns the parts of an answer with tokens that are kept. */
export function tokensOf(
  { access_token, expires_in, refresh_token }: oauth.TokenEndpointResponse,
  now: number,
): Pick<KeptLogin, "access_token" | "expires_ms" | "refresh_token"> {
  return {
    access_token,
    expires_ms: expires_in === undefined ? null : now + expires_in * 1000,
    refresh_token: refresh_token ?? null,
  };
}

/** Asks the server without a token what it wants; some want one only for what comes after the beginning. */
async function challengeOf({ url, revision }: OAuthServer, fetching: OAuthFetch): Promise<ServerChallenge> {
  const isStateless = revision === STATELESS;
  const begin = isStateless ? "server/discover" : "initialize";
  const params = { protocolVersion: revision, capabilities: {}, clientInfo: { name: "remit", version: "1" } };
  for (const method of [begin, "tools/list"]) {
    const response = await fetching(url, {
      method: "POST",
      headers: {
        ...{ accept: "application/json, text/event-stream", "content-type": "application/json" },
        ...(isStateless && { "mcp-protocol-version": revision, "mcp-method": method }),
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: method === "initialize" ? params : {} }),
    });
    if (response.status === 401) return challengeIn(response.headers.get("www-authenticate"));
  }
  return challengeIn(null);
}

/** Returns the scopes to ask for: those of the configuration and no others, or those of before with what the server wants now. */
function scopesFor(
  config: OAuthConfig,
  challenge: ServerChallenge,
  { scopes: basic, server }: Authority,
  known: KeptLogin | null,
): string[] {
  if (config.scopes !== undefined) return unionOf(config.scopes);
  const wanted = challenge.scopes.length > 0 ? challenge.scopes : basic;
  const offline = server.scopes_supported?.includes(OFFLINE) === true ? [OFFLINE] : [];
  return unionOf(known?.scopes ?? [], known?.wanted ?? [], wanted, offline);
}

interface Asking {
  authority: Authority;
  scopes: readonly string[];
  config: OAuthConfig;
  fetching: OAuthFetch;
}

interface GivenTokens {
  client: RegisteredClient;
  tokens: oauth.TokenEndpointResponse;
}

async function byBrowser(asking: Asking, { show }: LoginOptions, { timers }: Pick<System, "timers">): Promise<GivenTokens> {
  const { authority, scopes, config, fetching } = asking;
  const { server, resource } = authority;
  const url = checkCodes(server);
  const redirect = await listenForRedirect(config.redirect_port ?? 0, timers);
  try {
    const client = await clientAt(server, config, redirect.url, fetching);
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const parameters = {
      ...{ client_id: client.id, redirect_uri: redirect.url, response_type: "code", state, resource },
      ...{ code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256" },
      ...(scopes.length > 0 && { scope: scopes.join(" ") }),
      // OpenID Connect Core 1.0, section 11.
      ...(scopes.includes(OFFLINE) && { prompt: "consent" }),
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    const answer = redirect.answer(state);
    show({ url: url.href, code: null, scopes });
    const query = await answer;
    return await refusing(server.issuer, async () => {
      const known: oauth.Client = { client_id: client.id };
      // `iss` is compared with the issuer whose metadata led here (RFC 9207), before the code goes anywhere.
      const given = oauth.validateAuthResponse(server, known, query, state);
      const response = await oauth.authorizationCodeGrantRequest(
        ...([server, known, proofOf(server, client, config), given, redirect.url, verifier] as const),
        { ...optionsFor(server.issuer, fetching), additionalParameters: { resource } },
      );
      return { client, tokens: await oauth.processAuthorizationCodeResponse(server, known, response) };
    });
  } finally {
    redirect.close();
  }
}

async function byDevice({ authority, scopes, config, fetching }: Asking, { show }: LoginOptions): Promise<GivenTokens> {
  const { server, resource } = authority;
  if (server.device_authorization_endpoint === undefined)
    throw new ServerLoginError("client_refused", `\`${server.issuer}\` has no logins by a code (RFC 8628): sign in with a browser`);
  const client = await clientAt(server, config, null, fetching);
  const options = optionsFor(server.issuer, fetching);
  const proof = proofOf(server, client, config);
  const known: oauth.Client = { client_id: client.id };
  return refusing(server.issuer, async () => {
    const wanted = { resource, ...(scopes.length > 0 && { scope: scopes.join(" ") }) };
    const begun = await oauth.deviceAuthorizationRequest(server, known, proof, wanted, options);
    const { device_code, user_code, interval, ...device } = await oauth.processDeviceAuthorizationResponse(server, known, begun);
    if (!isOutgoingUrl(device.verification_uri)) throw refused(`\`${server.issuer}\` sends people to an address that isn't \`https\``);
    show({ url: device.verification_uri, code: user_code, scopes });
    // A server that names no end is asked for ten minutes; one with `expired_token` ends it itself.
    const wait_s_max = Math.min(device.expires_in, 1800);
    for (let [waited_s, every_s] = [0, interval ?? POLL_S]; waited_s < wait_s_max; waited_s += every_s) {
      await sleep(every_s * 1000);
      const response = await oauth.deviceCodeGrantRequest(server, known, proof, device_code, {
        ...options,
        additionalParameters: { resource },
      });
      try {
        return { client, tokens: await oauth.processDeviceCodeResponse(server, known, response) };
      } catch (cause) {
        const error = cause instanceof oauth.ResponseBodyError ? cause.error : null;
        if (error === "slow_down") every_s = Math.min(every_s + SLOWER_S, POLL_S_MAX);
        else if (error !== "authorization_pending") throw cause;
      }
    }
    throw refused("nobody has entered the code in time");
  });
}

/** Does a step of a login; whatever ends it says no more than a code of the standard's. @throws ServerLoginError */
async function refusing<T>(issuer: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    if (cause instanceof ServerLoginError) throw cause;
    throw refused(`\`${issuer}\` gives no token: ${reasonOf(cause)}`, cause);
  }
}

/** Returns what may be shown of an error: codes and the library's own words, nothing that a stranger wrote. */
export function reasonOf(cause: unknown): string {
  const isAnswer = cause instanceof oauth.AuthorizationResponseError || cause instanceof oauth.ResponseBodyError;
  if (isAnswer) return ERROR.test(cause.error) ? cause.error : "an error without a code";
  return errorMessage(cause);
}

function refused(message: string, cause?: unknown): ServerLoginError {
  return new ServerLoginError("login_refused", message, { cause });
}
