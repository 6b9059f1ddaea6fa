/** Scopes as servers name them (RFC 6749, section 3.3). */

const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/;
/** Scopes of one login. */
const SCOPES_MAX = 64;

export const SCOPE_PATTERN = SCOPE.source;

/** Returns the scopes of a text with blanks between them; what isn't a scope is left out. */
export function scopesIn(text: string | undefined): string[] {
  return unionOf((text ?? "").split(" "));
}

/** Returns each scope of these lists once, in their order, as many as a login may have. */
export function unionOf(...lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].filter((scope) => SCOPE.test(scope)).slice(0, SCOPES_MAX);
}
