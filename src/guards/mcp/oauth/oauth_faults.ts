/** Rules for the login at a guarded server that its configuration's schema can't express. */
import { OWN_TOKEN, OWN_TOKEN_CODE, type ServerFault } from "../server_faults.js";
import { OUTGOING, isOutgoingUrl } from "../../../system/config/urls.js";

/** Part of the configuration of a server. */
interface SignedServer {
  url?: string;
  token_file?: string;
  headers?: Readonly<Record<string, unknown>>;
  oauth?: { client_id?: string; client_secret_file?: string; issuer?: string };
}

/**
 * Returns what is wrong with the login at a server; null if nothing is.
 * @param isOwn whether a file holds a token of the guard's own
 */
export function oauthFault({ url, token_file, headers = {}, oauth }: SignedServer, isOwn: (file: string) => boolean): ServerFault | null {
  if (oauth === undefined) return null;
  const fault = (problem: string, ...path: string[]): ServerFault => ({ path: ["oauth", ...path], problem });
  const { client_id, client_secret_file, issuer } = oauth;
  if (url === undefined) return fault("only a server that `url` names is signed in to");
  if (!isOutgoingUrl(url)) return { path: ["url"], problem: `${OUTGOING}: a token would go to it in plain text` };
  if (token_file !== undefined) return fault("`token_file` is its token already");
  if (Object.keys(headers).some((name) => name.toLowerCase() === "authorization")) return fault("`headers` has its authorization already");
  if (issuer !== undefined && !isIssuer(issuer)) return fault(`${OUTGOING}, without a query`, "issuer");
  if (client_id !== undefined && issuer === undefined && !isDocument(client_id))
    return fault("needs `issuer` beside it: the id is known at one authorization server only", "client_id");
  if (client_id !== undefined && isDocument(client_id) && !isDocumentUrl(client_id))
    return fault("the address of a client's metadata document is an `https` URL with a path, and without a query", "client_id");
  if (client_secret_file !== undefined && (client_id === undefined || issuer === undefined))
    return fault("is the secret of a `client_id` at an `issuer`", "client_secret_file");
  const isOwnSecret = client_secret_file !== undefined && isOwn(client_secret_file);
  return isOwnSecret ? { ...fault(OWN_TOKEN, "client_secret_file"), code: OWN_TOKEN_CODE } : null;
}

/** Returns true for a client's id that is the address of its metadata document. */
export function isDocument(client_id: string): boolean {
  return client_id.startsWith("https://");
}

/** RFC 8414, section 2. */
function isIssuer(text: string): boolean {
  return isOutgoingUrl(text) && !text.includes("?");
}

/** OAuth Client ID Metadata Document, section 3. */
function isDocumentUrl(text: string): boolean {
  if (!isOutgoingUrl(text)) return false;
  const { pathname, search } = new URL(text);
  return pathname !== "/" && search === "" && new URL(text).href === text;
}
