/** Checks every request before anything else sees it: a page of another origin, or under another name, gets nothing. */
import type { IncomingMessage } from "node:http";
import { ConsoleProblem } from "./problems.js";
import { isSame, type SignedInSession } from "./sessions.js";

/** OwnOrigins that the console answers for. */
export interface OwnOrigins {
  /** Exact values of `Host`, lower case. */
  hosts: ReadonlySet<string>;
  /** Exact values of `Origin`. */
  origins: ReadonlySet<string>;
}

const CSRF_HEADER = "x-remit-csrf";
const ONCE: readonly string[] = ["host", "origin", "cookie", "content-type", "content-length", CSRF_HEADER, "sec-fetch-site"];

/** Returns the origins of these addresses, such as `http://127.0.0.1:8190`. */
export function originsOf(addresses: readonly string[]): OwnOrigins {
  const urls = addresses.map((address) => new URL(address));
  return { hosts: new Set(urls.map(({ host }) => host)), origins: new Set(urls.map(({ origin }) => origin)) };
}

/**
 * A name that isn't the console's own may be anybody's (DNS rebinding), whatever address it leads to.
 * @throws ConsoleProblem `host_refused`, `cross_origin`
 */
export function checkHost({ headers, rawHeaders, url = "" }: IncomingMessage, { hosts }: OwnOrigins): void {
  const seen = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    if (ONCE.includes(name) && seen.has(name)) throw new ConsoleProblem("cross_origin", `the header ${name} once`);
    seen.add(name);
  }
  if (!hosts.has((headers.host ?? "").toLowerCase())) throw new ConsoleProblem("host_refused");
  if (!url.startsWith("/") || url.startsWith("//")) throw new ConsoleProblem("not_found");
}

/**
 * Reading the console's data is for its own pages: a browser says where a request comes from (Fetch Metadata), and another page can't alter
 * that.
 * @throws ConsoleProblem `cross_origin`
 */
export function checkReads({ headers }: IncomingMessage, { origins }: OwnOrigins): void {
  const { origin } = headers;
  const site = headers["sec-fetch-site"];
  if (site !== "same-origin" || (origin !== undefined && !origins.has(origin)))
    throw new ConsoleProblem("cross_origin", "`Sec-Fetch-Site: same-origin`");
}

/**
 * Four things hold at once for whatever changes anything, so that losing one of them opens nothing.
 * @throws ConsoleProblem `cross_origin`, `csrf_refused`, `content_type_unsupported`
 */
export function checkChanges(request: IncomingMessage, origins: OwnOrigins, session: SignedInSession, types: readonly string[]): void {
  const { headers } = request;
  checkReads(request, origins);
  if (headers.origin === undefined) throw new ConsoleProblem("cross_origin", "an `Origin`");
  const given = headers[CSRF_HEADER];
  if (typeof given !== "string" || !isSame(given, session.csrf)) throw new ConsoleProblem("csrf_refused");
  // A form can send neither.
  if (!types.includes((headers["content-type"] ?? "").split(";")[0]?.trim() ?? ""))
    throw new ConsoleProblem("content_type_unsupported", types.join(" or "));
}

/** Returns a cookie's value; null unless there is exactly one of the name: a subdomain may have set the other. */
export function cookieOf({ headers }: IncomingMessage, name: string): string | null {
  const found = (headers.cookie ?? "").split(/; ?/).filter((pair) => pair.startsWith(`${name}=`));
  return found.length === 1 ? (found[0] ?? "").slice(name.length + 1) : null;
}

/** Parts of the policy of every page that nothing widens. */
const CLOSED =
  "style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'";

/** The policy of pages that evaluate a bundle, and of nothing else: WebAssembly, and workers of the page's own scripts. */
export const EVALUATING_POLICY = `default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; ${CLOSED}; trusted-types remit-worker`;
/** The policy of a worker's script, which is its own: it compiles what it is given, and asks its own origin. */
export const WORKER_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

/** Headers of every answer. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": `default-src 'none'; script-src 'self'; ${CLOSED}; trusted-types 'none'`,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
