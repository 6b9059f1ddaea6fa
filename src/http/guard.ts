/** Checks every request before a route sees it. */
import type { IncomingMessage } from "node:http";
import { Problem } from "../contract/index.js";

/** Given twice, Node keeps the first of these and a proxy before it may have read the second. */
const ONCE = new Set(["host", "authorization", "content-type", "content-length", "content-encoding", "origin"]);

/**
 * @param hosts names that the Host header may give, lower case, without port; null: any
 * @throws Problem `http_invalid`, `host_refused`, `origin_refused`, `not_found`
 */
export function guard(request: IncomingMessage, hosts: ReadonlySet<string> | null): void {
  const { rawHeaders, headers, httpVersion, url = "" } = request;
  let seen = "";
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    if (!ONCE.has(name)) continue;
    if (seen.includes(`${name};`)) throw new Problem("http_invalid", { field: name, expected: "the header once" });
    seen += `${name};`;
  }
  // RFC 9112, section 6.1: whoever speaks HTTP/1.0 has passed chunks on without reading them.
  if (headers["transfer-encoding"] !== undefined && httpVersion !== "1.1")
    throw new Problem("http_invalid", { field: "transfer-encoding", expected: "HTTP/1.1" });
  // A coding that isn't undone here may have been undone before, by whoever passed it on.
  if (headers["transfer-encoding"] !== undefined && headers["transfer-encoding"].toLowerCase() !== "chunked")
    throw new Problem("http_invalid", { field: "transfer-encoding", expected: "`chunked` alone" });
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== "100-continue")
    throw new Problem("http_invalid", { field: "expect", expected: "`100-continue`" });
  // A page in a browser can reach a loopback address, under its own name (DNS rebinding) or under ours (CSRF).
  if (hosts?.has(hostName(headers.host ?? "")) === false) throw new Problem("host_refused", { field: "host" });
  if (headers.origin !== undefined) throw new Problem("origin_refused", { field: "origin" });
  // An absolute address names a host of its own, and Express would go by its path; `#` never belongs in a request.
  if (!url.startsWith("/") || url.includes("#")) throw new Problem("not_found");
}

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/;

function hostName(host: string): string {
  return HOST.exec(host.toLowerCase())?.[1] ?? "";
}
