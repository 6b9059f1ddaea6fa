/**
 * What a compact JWT says (RFC 7519), by its word alone: nobody here verifies it. It is the service that does, and an answer about
 * anything else than what the token proves is a refusal. Null for what is none.
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
