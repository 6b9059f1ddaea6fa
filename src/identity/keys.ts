/** Public keys of the issuer, each pinned to one algorithm. Made into key objects once: PEM text costs three times as much a token. */
import { createPublicKey, type KeyObject } from "node:crypto";
import type { Algorithm } from "jsonwebtoken";
import { Type, type Static } from "../contract/type.js";
import { schemas } from "../system/schemas.js";

export interface TokenKey {
  kid: string;
  algorithm: Algorithm;
  key: KeyObject;
}

/** A key that must not be trusted, or is none. Its message names the key by its id. */
export class KeyRefused extends Error {
  override readonly name = "KeyRefused";
}

const RSA_BITS_MIN = 2048;
const CURVES: Readonly<Record<string, string>> = { ES256: "prime256v1", ES384: "secp384r1", ES512: "secp521r1" };
const RSA = /^[RP]S(256|384|512)$/;

/** @throws KeyRefused for a private key, a weak one, or one that its algorithm isn't for */
export function pemKey(kid: string, algorithm: Algorithm, pem: string): TokenKey {
  if (pem.includes("PRIVATE KEY")) throw new KeyRefused(`key \`${kid}\`: a private key has no place here`);
  if (pem.includes("CERTIFICATE")) throw new KeyRefused(`key \`${kid}\`: give the public key, not a certificate`);
  return checked(kid, algorithm, () => createPublicKey(pem));
}

const Jwks = Type.Object({
  keys: Type.Array(
    Type.Object({
      kty: Type.String(),
      kid: Type.String({ minLength: 1, maxLength: 256 }),
      alg: Type.String(),
      use: Type.Optional(Type.Literal("sig")),
      d: Type.Optional(Type.Never()),
      k: Type.Optional(Type.Never()),
    }),
    { minItems: 1, maxItems: 64 },
  ),
});
const isJwks = schemas().compile<Static<typeof Jwks>>(Jwks);

/**
 * The keys of a JWK set (RFC 7517).
 * @throws KeyRefused as `pemKey` does, and where a key has no `kid` or `alg`
 */
export function jwksKeys(text: string): TokenKey[] {
  let jwks: unknown;
  try {
    jwks = JSON.parse(text);
  } catch (cause) {
    throw new KeyRefused("the JWK set is not JSON", { cause });
  }
  if (!isJwks(jwks)) {
    throw new KeyRefused("the JWK set must have public keys, each with `kty`, `kid` and `alg`, for signatures");
  }
  const kids = new Set(jwks.keys.map(({ kid }) => kid));
  if (kids.size !== jwks.keys.length) throw new KeyRefused("the JWK set has a `kid` twice");
  return jwks.keys.map((jwk) =>
    checked(jwk.kid, jwk.alg as Algorithm, () => createPublicKey({ key: { ...jwk }, format: "jwk" })),
  );
}

function checked(kid: string, algorithm: Algorithm, read: () => KeyObject): TokenKey {
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
      throw new KeyRefused(
        `key \`${kid}\`: an RSA key of ${modulusLength} bits is weak, at least ${RSA_BITS_MIN} are needed`,
      );
    }
  } else {
    const curve = Object.hasOwn(CURVES, algorithm) ? CURVES[algorithm] : undefined;
    if (curve === undefined) throw new KeyRefused(`key \`${kid}\`: algorithm \`${algorithm}\` is not used here`);
    if (namedCurve !== curve) throw new KeyRefused(`key \`${kid}\`: ${algorithm} needs a key on ${curve}`);
  }
  return { kid, algorithm, key };
}
