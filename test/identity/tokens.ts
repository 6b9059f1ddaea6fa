import { createHmac, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { scan } from "../../src/decision/scan.js";
import { JwtIdentity, type IdentityOptions } from "../../src/identity/jwt.js";
import type { Clock } from "../../src/system/index.js";

export const ISSUER = "https://issuer.example";
export const AUDIENCE = "remit";
export const NOW_S = 1_772_532_000; // 2026-03-03T10:00:00Z

export const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
export const otherEc = generateKeyPairSync("ec", { namedCurve: "P-256" });
export const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

export class MovableClock implements Clock {
  wall_ms = NOW_S * 1000;
  monotonic_ms = 5000;
  wall(): number {
    return this.wall_ms;
  }
  monotonic(): number {
    return this.monotonic_ms;
  }
}

/** @param Build the class, perhaps of another build */
export function identity(
  changes: Partial<IdentityOptions> = {},
  clock: Clock = new MovableClock(),
  Build: typeof JwtIdentity = JwtIdentity,
): JwtIdentity {
  return new Build(
    {
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: [
        { kid: "ec-1", algorithm: "ES256", key: ec.publicKey },
        { kid: "rsa-1", algorithm: "RS256", key: rsa.publicKey },
      ],
      leeway_s: 5,
      token_bytes_max: 4096,
      token_lifetime_max_s: 86_400,
      cached_tokens_max: 100,
      readJson: (bytes): unknown => JSON.parse(scan(bytes, { depth_max: 8, members_max: 64 })),
      ...changes,
    },
    clock,
  );
}

export const claims = {
  iss: ISSUER,
  sub: "gateway-1",
  aud: AUDIENCE,
  iat: NOW_S - 10,
  exp: NOW_S + 600,
  scope: "remit:decide remit:register",
};
export const header = { alg: "ES256", typ: "JWT", kid: "ec-1" };

type Json = Record<string, unknown>;
const encode = (value: string | Buffer): string => Buffer.from(value).toString("base64url");

export function signed(signingInput: string, key: KeyObject = ec.privateKey): string {
  const signature = sign("sha256", Buffer.from(signingInput), { key, dsaEncoding: "ieee-p1363" });
  return `${signingInput}.${encode(signature)}`;
}

/** A token with these claims and header members changed; undefined leaves one out. */
export function token(changed: Json = {}, changedHeader: Json = {}, key: KeyObject = ec.privateKey): string {
  return tokenOf(JSON.stringify({ ...claims, ...changed }), JSON.stringify({ ...header, ...changedHeader }), key);
}

/** A token of any payload and header text, signed all the same. */
export function tokenOf(
  payload: string | Buffer,
  headerText: string = JSON.stringify(header),
  key: KeyObject = ec.privateKey,
): string {
  return signed(`${encode(headerText)}.${encode(payload)}`, key);
}

export function hmacToken(algorithm: "sha256" | "sha512", secret: string | Buffer, changedHeader: Json): string {
  const input = `${encode(JSON.stringify({ ...header, ...changedHeader }))}.${encode(JSON.stringify(claims))}`;
  return `${input}.${encode(createHmac(algorithm, secret).update(input).digest())}`;
}
