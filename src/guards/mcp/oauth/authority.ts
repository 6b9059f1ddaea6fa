/**
 * The authorization server of a guarded server: found by the server's protected resource metadata (RFC 9728) and its own metadata (RFC 8414, or
 * OpenID Connect Discovery 1.0), each held to be what it was asked for. A server of before RFC 9728 (MCP 2025-03-26) is its own authorization server.
 */
import * as oauth from "oauth4webapi";
import { extractWWWAuthenticateParams } from "@modelcontextprotocol/sdk/client/auth.js";
import { isOutgoingUrl } from "../../../system/config/urls.js";
import { ServerLoginError } from "./login_error.js";
import type { OAuthFetch } from "./oauth_fetch.js";
import { scopesIn } from "./scopes.js";
import { errorMessage } from "../../../system/error_message.js";

/** Challenge of a server in `WWW-Authenticate` (RFC 6750, section 3, and RFC 9728, section 5.1). */
export interface ServerChallenge {
  error: string | null;
  scopes: readonly string[];
  metadata: URL | null;
}

/** Authorization server to ask for tokens, and the resource that they are for. */
export interface Authority {
  /** Resource as its metadata names it: tokens are asked for it. */
  resource: string;
  /** Scopes that the resource needs for what is basic (MCP, scope selection strategy). */
  scopes: readonly string[];
  server: oauth.AuthorizationServer;
}

const RESOURCE_PLACE = "/.well-known/oauth-protected-resource";
/** Endpoints to which a login goes. */
const ENDPOINTS = ["authorization_endpoint", "token_endpoint", "registration_endpoint", "device_authorization_endpoint"] as const;
const ACCEPT = { accept: "application/json" };
const METHOD = "S256";

/** Reads a challenge; a header that isn't one says nothing. */
export function challengeIn(header: string | null): ServerChallenge {
  const headers = new Headers(header === null ? {} : { "www-authenticate": header });
  const { resourceMetadataUrl, scope, error } = extractWWWAuthenticateParams(new Response(null, { status: 401, headers }));
  return { error: error ?? null, scopes: scopesIn(scope), metadata: resourceMetadataUrl ?? null };
}

/**
 * Finds the authorization server that a server names.
 * @param issuer the only one that may be named; undefined: whichever it names, if it is one
 * @throws ServerLoginError
 */
export async function findAuthority(
  url: URL,
  challenge: ServerChallenge,
  issuer: string | undefined,
  fetching: OAuthFetch,
): Promise<Authority> {
  const metadata = await resourceMetadata(url, challenge, fetching);
  if (metadata === null) return { resource: url.href, scopes: [], server: await ownMetadata(url, issuer, fetching) };
  const { resource, authorization_servers: named = [], scopes_supported: scopes = [] } = metadata;
  const [only] = named;
  if (only === undefined) throw invalid(`\`${url.href}\` names no authorization server`);
  if (issuer === undefined && named.length > 1)
    throw invalid(`\`${url.href}\` names several authorization servers: name one in \`server.oauth.issuer\` (${named.join(", ")})`);
  if (issuer !== undefined && !named.includes(issuer))
    throw invalid(`\`${url.href}\` doesn't name the authorization server \`${issuer}\` of \`server.oauth.issuer\``);
  const server = await issuerMetadata(issuer ?? only, fetching);
  return { resource, scopes: scopes.flatMap((scope) => scopesIn(scope)), server };
}

/** Returns true if a resource is this server, or all of its origin. */
export function isResourceOf(resource: string, server: URL): boolean {
  if (!URL.canParse(resource)) return false;
  const { href } = new URL(resource);
  return href === server.href || href === new URL(server.origin).href;
}

/** Returns null if the server has none: it names none, and both well-known places are empty. @throws ServerLoginError */
async function resourceMetadata(url: URL, { metadata }: ServerChallenge, fetching: OAuthFetch): Promise<oauth.ResourceServer | null> {
  const path = url.pathname === "/" ? "" : url.pathname;
  const byPath = new URL(`${RESOURCE_PLACE}${path}${url.search}`, url);
  const atRoot = new URL(RESOURCE_PLACE, url);
  // Metadata elsewhere could only be about another server.
  if (metadata !== null && metadata.origin !== url.origin)
    throw invalid(`\`${url.href}\` has its metadata at another origin, \`${metadata.origin}\``);
  let isEmpty = true;
  for (const place of metadata === null ? [byPath, atRoot] : [metadata]) {
    const response = await fetching(place.href, { method: "GET", headers: ACCEPT });
    if (metadata === null && response.status !== 200) {
      isEmpty &&= response.status === 404;
      continue;
    }
    return checked(`the metadata of \`${url.href}\``, async () => {
      const { resource } = (await response.clone().json()) as { resource?: unknown };
      // At the root of its origin it is about the server, or about all of the origin.
      const isWhole = place.href === atRoot.href && typeof resource === "string" && isResourceOf(resource, url);
      return oauth.processResourceDiscoveryResponse(isWhole ? new URL(resource) : url, response);
    });
  }
  if (isEmpty) return null;
  throw invalid(`\`${url.href}\` doesn't give its protected resource metadata (RFC 9728), so nobody says where to sign in`);
}

/**
 * Returns the metadata of a server that is its own authorization server: MCP 2025-03-26, section 2.3.2, without the endpoints that it supposes where
 * there is no metadata, which say nothing of PKCE. Every endpoint has to be on the server's own origin, so that no code or token of another server
 * can come into it.
 */
async function ownMetadata(url: URL, issuer: string | undefined, fetching: OAuthFetch): Promise<oauth.AuthorizationServer> {
  // Both spellings have one well-known place.
  const spellings = [url.origin, `${url.origin}/`];
  if (issuer !== undefined && !spellings.includes(issuer))
    throw invalid(
      `\`${url.href}\` has no protected resource metadata (RFC 9728), and doesn't name \`${issuer}\` of \`server.oauth.issuer\``,
    );
  const server = await metadataOf(issuer ?? url.origin, fetching, issuer === undefined ? spellings : [issuer]);
  if (server === null)
    throw invalid(
      `\`${url.href}\` has neither protected resource metadata (RFC 9728) nor an authorization server's, so nobody says where to sign in`,
    );
  for (const name of ENDPOINTS) {
    const endpoint = server[name];
    if (endpoint !== undefined && (!URL.canParse(endpoint) || new URL(endpoint).origin !== url.origin))
      throw invalid(`\`${url.href}\` has no protected resource metadata (RFC 9728), and its own \`${name}\` is at another origin`);
  }
  return server;
}

/**
 * Returns the metadata of an authorization server.
 * @throws ServerLoginError
 */
export async function issuerMetadata(issuer: string, fetching: OAuthFetch): Promise<oauth.AuthorizationServer> {
  const server = await metadataOf(issuer, fetching, [issuer]);
  if (server === null) throw invalid(`\`${issuer}\` has no metadata (RFC 8414, OpenID Connect Discovery)`);
  return server;
}

/**
 * Returns null if an authorization server has no metadata.
 * @param spellings identifiers that it may have
 */
async function metadataOf(issuer: string, fetching: OAuthFetch, spellings: readonly string[]): Promise<oauth.AuthorizationServer | null> {
  if (!isOutgoingUrl(issuer))
    throw new ServerLoginError("address_refused", `the authorization server \`${issuer}\` isn't at an \`https\` address`);
  const url = new URL(issuer);
  const path = url.pathname.replace(/\/$/, "");
  const places = [
    `/.well-known/oauth-authorization-server${path}`,
    `/.well-known/openid-configuration${path}`,
    ...(path === "" ? [] : [`${path}/.well-known/openid-configuration`]),
  ];
  for (const place of places) {
    const response = await fetching(new URL(place, url).href, { method: "GET", headers: ACCEPT });
    if (response.status !== 200) continue;
    const server = await checked(`the metadata of \`${issuer}\``, () => oauth.processDiscoveryResponse(url, response));
    // Exactly: the library also accepts another spelling of the same address (RFC 8414, section 3.3).
    if (!spellings.includes(server.issuer)) throw invalid(`the metadata of \`${issuer}\` is of another issuer`);
    return server;
  }
  return null;
}

/** Checks that codes can be asked for safely: a server without PKCE can't tell whose a code is. @throws ServerLoginError */
export function checkCodes({ issuer, code_challenge_methods_supported: methods, authorization_endpoint }: oauth.AuthorizationServer): URL {
  if (methods?.includes(METHOD) !== true) throw invalid(`\`${issuer}\` doesn't say that it has PKCE with ${METHOD} (RFC 7636)`);
  if (authorization_endpoint === undefined || !isOutgoingUrl(authorization_endpoint))
    throw invalid(`\`${issuer}\` has no \`authorization_endpoint\` at an \`https\` address`);
  return new URL(authorization_endpoint);
}

async function checked<T>(what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw invalid(`${what} can't be used: ${errorMessage(cause)}`, cause);
  }
}

function invalid(message: string, cause?: unknown): ServerLoginError {
  return new ServerLoginError("metadata_invalid", message, { cause });
}
