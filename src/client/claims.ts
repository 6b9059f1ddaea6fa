/**
 * Returns the claims of a compact JWT (RFC 7519) without verifying it: the service verifies it, and an answer about anything other than
 * what the token proves is refused. Null if the token can't be read.
 */
export function unprovenClaims(token: string): Record<string, unknown> | null {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (unit) => unit.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" ? (claims as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}
