/** Public keys, each pinned to one algorithm. Made into key objects once: PEM text costs three times as much a token. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import type { Algorithm } from "jsonwebtoken";
import { Type, type Static } from "../contract/type.js";
import { schemas } from "../system/schemas.js";

export interface TokenKey {
  kid: string;
  algorithm: Algorithm;
  key: KeyObject;
  /** Made for development: whoever reads the machine it was made on has it. */
  development: boolean;
}

/** Set of an issuer's keys, as verification looks them up. */
export interface KeySet {
  /** The keys that are known from the start. */
  readonly fixed: readonly TokenKey[];
  /**
   * The key that a token names; a promise where it has to be asked for.
   * @throws Problem `keys_unavailable` where it can't be known whether there is one
   */
  find(kid: string | undefined): TokenKey | undefined | Promise<TokenKey | undefined>;
  /** Returns true if a key that it gave may still be used. */
  trusts(key: TokenKey): boolean;
}

/** Keys from files: they change with the configuration only. */
export class FixedKeys implements KeySet {
  readonly fixed: readonly TokenKey[];
  readonly #byKid: ReadonlyMap<string, TokenKey>;

  /** @throws KeyRefused for none, and for two of one `kid` */
  constructor(keys: readonly TokenKey[]) {
    if (keys.length === 0) throw new KeyRefused("an issuer has no key");
    this.fixed = keys;
    this.#byKid = new Map(keys.map((key) => [key.kid, key]));
    if (this.#byKid.size !== keys.length) throw new KeyRefused("two keys of an issuer have the same `kid`");
  }

  find(kid: string | undefined): TokenKey | undefined {
    if (kid !== undefined) return this.#byKid.get(kid);
    return this.fixed.length === 1 ? this.fixed[0] : undefined;
  }

  trusts(): boolean {
    return true;
  }
}

/** Error for a key that must not be trusted, or isn't a key. Its message names the key by its id. */
export class KeyRefused extends Error {
  override readonly name = "KeyRefused";
}

/** Begins the `kid` of a key made for development, and stands in its PEM file before the key, where it survives another `kid`. */
export const DEVELOPMENT_MARK = "remit-development";

const RSA_BITS_MIN = 2048;
const CURVES: Readonly<Record<string, string>> = { ES256: "prime256v1", ES384: "secp384r1", ES512: "secp521r1" };
const RSA = /^[RP]S(256|384|512)$/;

/** @throws KeyRefused for a private key, a weak one, or one that its algorithm isn't for */
export function pemKey(kid: string, algorithm: Algorithm, pem: string): TokenKey {
  if (pem.includes("PRIVATE KEY")) throw new KeyRefused(`key \`${kid}\`: a private key has no place here`);
  if (pem.includes("CERTIFICATE")) throw new KeyRefused(`key \`${kid}\`: give the public key, not a certificate`);
  return checked(kid, algorithm, () => createPublicKey(pem), pem.includes(DEVELOPMENT_MARK));
}

/**
 * The pair that signs and verifies ES256, of a private key.
 * @throws KeyRefused for anything else
 */
export function pemKeyPair(kid: string, pem: string): { sign: KeyObject; verify: TokenKey } {
  let sign: KeyObject;
  try {
    sign = createPrivateKey(pem);
  } catch (cause) {
    throw new KeyRefused(`key \`${kid}\`: not a private key`, { cause });
  }
  return { sign, verify: checked(kid, "ES256", () => createPublicKey(sign), pem.includes(DEVELOPMENT_MARK)) };
}

/** A key in a set must be for this: `sig`, or `jwt-svid` in a SPIFFE trust domain's bundle. */
export type KeyUse = "sig" | "jwt-svid";

/** `use` of a key may be left out. SPIRE's OpenID Connect provider writes `sig` for keys of JWT-SVIDs. */
function isFor(wanted: KeyUse, given: string = wanted): boolean {
  return given === wanted || (wanted === "jwt-svid" && given === "sig");
}

const NoSecret = { d: Type.Optional(Type.Never()), k: Type.Optional(Type.Never()) };
const kid = () => Type.String({ minLength: 1, maxLength: 256 });
const keys = <T extends object>(items: T) => Type.Object({ keys: Type.Array(items, { maxItems: 64 }) });

const StrictKey = Type.Object({
  kty: Type.String(),
  kid: kid(),
  alg: Type.String(),
  use: Type.Optional(Type.String()),
  ...NoSecret,
});
const UsableKey = Type.Object({
  kty: Type.Enum(["EC", "RSA"]),
  kid: kid(),
  alg: Type.Optional(Type.String()),
  use: Type.Optional(Type.String()),
  ...NoSecret,
});
const ajv = schemas();
const isStrictSet = ajv.compile<{ keys: Static<typeof StrictKey>[] }>(keys(StrictKey));
const isSet = ajv.compile<{ keys: object[] }>(keys(Type.Object({})));
const isUsable = ajv.compile<Static<typeof UsableKey>>(UsableKey);

/**
 * The keys of a JWK set (RFC 7517) in a file, each of which has to be good.
 * @throws KeyRefused as `pemKey` does, and where a key has no `kid` or `alg` or is for something else
 */
export function jwksKeys(text: string, use: KeyUse = "sig"): TokenKey[] {
  let jwks: unknown;
  try {
    jwks = JSON.parse(text);
  } catch (cause) {
    throw new KeyRefused("the JWK set is not JSON", { cause });
  }
  if (!isStrictSet(jwks) || jwks.keys.length === 0 || !jwks.keys.every((key) => isFor(use, key.use))) {
    throw new KeyRefused("the JWK set must have public keys, each with `kty`, `kid` and `alg`, for signatures");
  }
  checkKidsDiffer(jwks.keys);
  return jwks.keys.map((jwk) => jwkKey(jwk.kid, jwk.alg as Algorithm, jwk));
}

/**
 * The keys of a published JWK set that are for these algorithms and this use; others, which it may have for others, are passed
 * over, as RFC 7517, section 5, wants.
 * @throws KeyRefused for what isn't a JWK set, and for a `kid` twice
 */
export function publishedKeys(jwks: unknown, algorithms: readonly Algorithm[], use: KeyUse): TokenKey[] {
  if (!isSet(jwks)) throw new KeyRefused("not a JWK set (RFC 7517, section 5)");
  const usable = jwks.keys.filter((key) => isUsable(key)).filter((key) => isFor(use, key.use));
  checkKidsDiffer(usable);
  return usable.flatMap((jwk) => {
    const fit = algorithms
      .filter((algorithm) => (jwk.alg ?? algorithm) === algorithm)
      .flatMap((algorithm) => {
        try {
          return [jwkKey(jwk.kid, algorithm, jwk)];
        } catch {
          return [];
        }
      });
    // One that would do for several says by itself too little of what it is for.
    return fit.length === 1 ? fit : [];
  });
}

function jwkKey(kid: string, algorithm: Algorithm, jwk: object): TokenKey {
  return checked(kid, algorithm, () => createPublicKey({ key: { ...jwk }, format: "jwk" }), false);
}

function checkKidsDiffer(keys: readonly { kid: string }[]): void {
  if (new Set(keys.map(({ kid }) => kid)).size !== keys.length) throw new KeyRefused("the JWK set has a `kid` twice");
}

function checked(kid: string, algorithm: Algorithm, read: () => KeyObject, marked: boolean): TokenKey {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new KeyRefused(`key \`${kid}\`: not a public key`, { cause });
  }
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (RSA.test(algorithm)) {
    if (key.asymmetricKeyType !== "rsa") throw new KeyRefused(`key \`${kid}\`: ${algorithm} needs an RSA key`);
    if (modulusLength < RSA_BITS_MIN) {
      throw new KeyRefused(`key \`${kid}\`: an RSA key of ${modulusLength} bits is weak, at least ${RSA_BITS_MIN} are needed`);
    }
  } else {
    const curve = Object.hasOwn(CURVES, algorithm) ? CURVES[algorithm] : undefined;
    if (curve === undefined) throw new KeyRefused(`key \`${kid}\`: algorithm \`${algorithm}\` is not used here`);
    if (namedCurve !== curve) throw new KeyRefused(`key \`${kid}\`: ${algorithm} needs a key on ${curve}`);
  }
  return { kid, algorithm, key, development: marked || kid.startsWith(DEVELOPMENT_MARK) };
}
