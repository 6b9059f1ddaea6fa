/** SPIFFE ids and the rules of JWT-SVIDs (SPIFFE-ID, section 2; JWT-SVID, sections 2 and 3). */
import type { TokenHeader } from "./compact.js";

/** An id in the one spelling that it is compared in: scheme and trust domain in lower case. A workload's has a path. */
const SPIFFE_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/;

/** The trust domain of a SPIFFE id in canonical form; null of anything else. */
export function trustDomainOf(id: string): string | null {
  const [, domain, path] = SPIFFE_ID.exec(id) ?? [];
  if (domain === undefined || path === undefined) return null;
  return path.split("/").some((segment) => segment === "." || segment === "..") ? null : domain;
}

/** Returns whether someone could take it for a SPIFFE id. */
export function looksLikeSpiffe(id: string): boolean {
  return /^spiffe:/i.test(id);
}

const HEADER_MEMBERS = new Set(["alg", "kid", "typ"]);

/** JWT-SVID, section 2: these members and no others, `typ` one of two where it is there. */
export function isSvidHeader(header: TokenHeader): boolean {
  return (
    Object.keys(header).every((name) => HEADER_MEMBERS.has(name)) &&
    (header.typ === undefined || header.typ === "JWT" || header.typ === "JOSE")
  );
}
