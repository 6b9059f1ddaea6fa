/** Signs what is told to others, with a key that does nothing else. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { DEVELOPMENT_MARK, KeyRefused } from "../../identity/keys.js";

const RSA_BITS_MIN = 2048;

export interface SetSigner {
  /** The public key, for whoever verifies. */
  readonly jwks: { keys: readonly object[] };
  readonly publicKey: KeyObject;
  /** A token in compact form. */
  sign: (claims: object) => string;
}

/**
 * RS256, as the interoperability profile of CAEP wants it, or ES256, by what the key is.
 * @param production refuses keys made for development
 * @throws KeyRefused for a weak key, and one of another kind
 */
export function setSigner(kid: string, pem: string, production: boolean): SetSigner {
  if (production && (pem.includes(DEVELOPMENT_MARK) || kid.startsWith(DEVELOPMENT_MARK)))
    throw new KeyRefused(`key \`${kid}\`: made for development, refused in production`);
  const key = privateKey(kid, pem);
  const algorithm = algorithmOf(kid, key);
  const publicKey = createPublicKey(key);
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg: algorithm, use: "sig" };
  return {
    jwks: { keys: [jwk] },
    publicKey,
    sign: (claims) => jwt.sign(claims, key, { algorithm, header: { alg: algorithm, typ: "secevent+jwt", kid } }),
  };
}

function privateKey(kid: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new KeyRefused(`key \`${kid}\`: not a private key`, { cause });
  }
}

function algorithmOf(kid: string, { asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): "RS256" | "ES256" {
  const { modulusLength = 0, namedCurve } = asymmetricKeyDetails;
  if (asymmetricKeyType === "rsa") {
    if (modulusLength >= RSA_BITS_MIN) return "RS256";
    throw new KeyRefused(`key \`${kid}\`: an RSA key of ${modulusLength} bits is weak, at least ${RSA_BITS_MIN} are needed`);
  }
  if (asymmetricKeyType === "ec" && namedCurve === "prime256v1") return "ES256";
  throw new KeyRefused(`key \`${kid}\`: events are signed with an RSA key (RS256) or one on P-256 (ES256)`);
}
