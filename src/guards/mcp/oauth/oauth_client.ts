/** The guard as a client of an authorization server: one that it knows, one whose document it can read, or one that it registers. */
import * as oauth from "oauth4webapi";
import { readSecret } from "../../../system/read_file.js";
import type { GuardConfig } from "../config.js";
import { isObject } from "../../../mapping/call_mapping.js";
import { ServerLoginError } from "./login_error.js";
import { isDocument } from "./oauth_faults.js";
import type { KeptLogin } from "./login_file.js";
import type { OAuthFetch } from "./oauth_fetch.js";

export type OAuthConfig = NonNullable<GuardConfig["server"]["oauth"]>;
export type RegisteredClient = KeptLogin["client"];

const NAME = "Remit MCP guard";
const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

/**
 * Returns the client that the guard is at a server, in the order of MCP: known beforehand, by its document, by registration.
 * @throws ServerLoginError `client_refused`
 */
export async function clientAt(
  server: oauth.AuthorizationServer,
  { client_id, issuer }: OAuthConfig,
  redirect: string | null,
  fetching: OAuthFetch,
): Promise<RegisteredClient> {
  const refused = (message: string, cause?: unknown): ServerLoginError => new ServerLoginError("client_refused", message, { cause });
  if (client_id !== undefined) {
    // Named with its issuer, a document may be known there without the server's saying so.
    if (isDocument(client_id) && issuer === undefined && server["client_id_metadata_document_supported"] !== true)
      throw refused(`\`${server.issuer}\` reads no metadata documents of clients: ask it for a \`server.oauth.client_id\``);
    return { id: client_id };
  }
  if (server.registration_endpoint === undefined)
    throw refused(`\`${server.issuer}\` registers no clients by itself: name one in \`server.oauth.client_id\``);
  const method = methodAt(server);
  const grants = redirect === null ? [DEVICE_GRANT] : ["authorization_code"];
  const metadata = {
    ...{ client_name: NAME, application_type: "native", token_endpoint_auth_method: method },
    ...{ grant_types: [...grants, "refresh_token"], response_types: redirect === null ? [] : ["code"] },
    redirect_uris: redirect === null ? [] : [redirect],
  };
  try {
    const response = await oauth.dynamicClientRegistrationRequest(server, metadata, optionsFor(server.issuer, fetching));
    const registered = await oauth.processDynamicClientRegistrationResponse(await withExpiry(response));
    const { client_id: id, client_secret, token_endpoint_auth_method } = registered;
    // Some servers give each client a secret, and want it of none.
    const isPublic = (token_endpoint_auth_method ?? method) === "none" && server.token_endpoint_auth_methods_supported !== undefined;
    return { id, ...(!isPublic && typeof client_secret === "string" && { secret: client_secret }) };
  } catch (cause) {
    if (cause instanceof ServerLoginError) throw cause;
    throw refused(`\`${server.issuer}\` doesn't register the guard as a client`, cause);
  }
}

/** Returns an answer with the end of its secret, which RFC 7591, section 3.2.1, wants, and some servers leave out: with 0 it has no end. */
async function withExpiry(response: Response): Promise<Response> {
  const { status, headers } = response;
  if (status !== 201 && status !== 200) return response;
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => null);
  if (!isObject(body) || typeof body["client_secret"] !== "string" || body["client_secret_expires_at"] !== undefined) return response;
  return new Response(JSON.stringify({ ...body, client_secret_expires_at: 0 }), { status, headers });
}

/** Returns the way in which a client that registers itself shows who it is: none of its own, where that is taken. */
function methodAt({ token_endpoint_auth_methods_supported: methods }: oauth.AuthorizationServer): string {
  return methods === undefined
    ? "none"
    : (["none", "client_secret_basic", "client_secret_post"].find((one) => methods.includes(one)) ?? "none");
}

/**
 * Returns the proof by which a client shows that it is the one.
 * @throws ServerLoginError `client_refused`
 */
export function proofOf(
  { issuer, token_endpoint_auth_methods_supported: methods }: oauth.AuthorizationServer,
  { secret }: RegisteredClient,
  { client_secret_file }: OAuthConfig,
): oauth.ClientAuth {
  const proof = client_secret_file === undefined ? secret : secretIn(client_secret_file);
  if (proof === undefined) return oauth.None();
  // Left out, it is this one (RFC 8414, section 2).
  if (methods?.includes("client_secret_basic") ?? true) return basic(proof);
  if (methods?.includes("client_secret_post") === true) return oauth.ClientSecretPost(proof);
  throw new ServerLoginError("client_refused", `\`${issuer}\` takes no secret of a client, neither in a header nor in the body`);
}

/**
 * Returns a secret's proof in the header, encoded as RFC 6749, section 2.3.1, has it. The library also encodes `-` and its like, which a form
 * doesn't, and some servers compare what they got.
 */
function basic(secret: string): oauth.ClientAuth {
  const form = (text: string): string => new URLSearchParams({ "": text }).toString().slice(1);
  return (_server, { client_id }, _body, headers) => {
    headers.set("authorization", `Basic ${btoa(`${form(client_id)}:${form(secret)}`)}`);
  };
}

function secretIn(file: string): string {
  try {
    return readSecret(file);
  } catch (cause) {
    throw new ServerLoginError("client_refused", "`server.oauth.client_secret_file` can't be read, or is empty", { cause });
  }
}

/* eslint-disable @typescript-eslint/no-deprecated -- marked so to stand out; nothing else lets a server on loopback be asked */
/** Returns options of the library's requests; that plain HTTP is for servers on this machine alone, `fetching` sees to. */
export function optionsFor(
  issuer: string,
  fetching: OAuthFetch,
): { [oauth.allowInsecureRequests]: boolean; [oauth.customFetch]: OAuthFetch } {
  return { [oauth.allowInsecureRequests]: issuer.startsWith("http:"), [oauth.customFetch]: fetching };
}
/* eslint-enable @typescript-eslint/no-deprecated */
