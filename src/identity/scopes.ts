/** Scopes of a caller, as its issuer writes them and as the configuration bounds them. */
import { SCOPES, type Scope } from "../contract/index.js";
import type { TokenClaims } from "./claims.js";

/** Form in which an issuer's tokens say scopes. */
export interface ScopeRules {
  /** Claims that hold scopes; a dot steps into an object, as in `realm_access.roles`. */
  claims: readonly string[];
  /** Stands in tokens in place of `remit:`. */
  prefix?: string | undefined;
  /** The most that its callers may have; left out: every scope. */
  max?: readonly Scope[] | undefined;
}

export const SCOPE_CLAIM: ScopeRules = { claims: ["scope"] };

const OWN_PREFIX = "remit:";

/** Scopes that a token's claims name, words that are no scope left out; null if a claim is neither a text nor a list of texts. */
export function namedScopes(claims: TokenClaims, { claims: paths, prefix }: ScopeRules): Set<Scope> | null {
  const words: string[] = [];
  for (const path of paths) {
    const found = wordsAt(claims, path);
    if (found === null) return null;
    words.push(...found);
  }
  return new Set(words.map((word) => ownName(word, prefix)).filter((name): name is Scope => Object.hasOwn(SCOPES, name)));
}

/** Scopes that are at most those which an issuer may give. */
export function capped(scopes: Iterable<Scope>, { max }: ScopeRules): Set<Scope> {
  return new Set([...scopes].filter((scope) => max?.includes(scope) ?? true));
}

function wordsAt(claims: TokenClaims, path: string): string[] | null {
  let at: unknown = claims;
  for (const step of path.split(".")) {
    if (typeof at !== "object" || at === null || Array.isArray(at)) return null;
    if (!Object.hasOwn(at, step)) return [];
    at = (at as Record<string, unknown>)[step];
  }
  if (typeof at === "string") return at.split(" ");
  return Array.isArray(at) && at.every((word) => typeof word === "string") ? at : null;
}

function ownName(word: string, prefix: string | undefined): string {
  // The names of SSF are that standard's own.
  if (prefix === undefined || word.startsWith("ssf.")) return word;
  return word.startsWith(prefix) ? OWN_PREFIX + word.slice(prefix.length) : "";
}
