/**
 * Pages in browsers that may call the guard, by the Fetch standard's CORS protocol: exactly those whose origins the configuration lists. A browser
 * shows no other page an answer, and the guard serves none: what a page may not read, it might still have done.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { TASK_HEADER } from "./wire.js";
import { isLoopback } from "../../system/config/urls.js";

const METHODS: ReadonlySet<string> = new Set(["GET", "POST", "DELETE"]);
/** Headers of a client's requests, in any revision. */
const ASKED: ReadonlySet<string> = new Set([
  ...["accept", "authorization", "content-type", "last-event-id", TASK_HEADER],
  ...["mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name"],
]);
/** Headers by which a call says its arguments again. */
const MIRRORED = /^mcp-param-[!#$%&'*+\-.^_`|~0-9a-z]{1,128}$/;
const EXPOSED = "mcp-session-id, mcp-protocol-version";

/**
 * Returns why a page of this origin can't be let in; null if it can be.
 * @param hasToken whether clients must send a token: without one, only a page of this machine may act as the agent
 */
export function originFault(origin: string, hasToken: boolean): string | null {
  const url = URL.canParse(origin) ? new URL(origin) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || origin.includes("*"))
    return "expected scheme, host and port of a page: `http://localhost:5173`";
  if (url.origin !== origin) return `a browser would say \`${url.origin}\``;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return hasToken || isLoopback(host) ? null : "a page of another host needs `token_file`: whoever wrote it acts as the agent";
}

export class AllowedOrigins {
  readonly #allowed: ReadonlySet<string>;

  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed);
  }

  /** Returns true for a request that no page makes, or one that may. */
  allows({ headers: { origin } }: IncomingMessage): boolean {
    return origin === undefined || this.#allowed.has(origin);
  }

  /** Lets the page that sent an allowed request read its answer, whatever that will be. */
  expose({ headers: { origin } }: IncomingMessage, response: ServerResponse): void {
    if (this.#allowed.size === 0) return;
    response.setHeader("vary", "origin");
    if (origin === undefined) return;
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-expose-headers", EXPOSED);
  }

  /** Answers a browser that asks before its page's request is sent. @returns false if the request isn't that question */
  preflight({ method, headers }: IncomingMessage, response: ServerResponse): boolean {
    const { origin, "access-control-request-method": asked, "access-control-request-headers": names = "" } = headers;
    if (method !== "OPTIONS" || origin === undefined || asked === undefined) return false;
    const wanted = names
      .split(",")
      .map((name) => name.trim().toLowerCase())
      .filter((name) => ASKED.has(name) || MIRRORED.test(name));
    if (METHODS.has(asked)) response.setHeader("access-control-allow-methods", asked);
    if (wanted.length > 0) response.setHeader("access-control-allow-headers", wanted.join(", "));
    response.writeHead(204).end();
    return true;
  }
}
