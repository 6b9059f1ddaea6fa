import { expect } from "chai";
import { generateKeyPairSync } from "node:crypto";
import type { Algorithm } from "jsonwebtoken";
import { KeyRefused, jwksKeys, pemKey } from "../../src/identity/keys.js";
import { ec, identity, rsa, token } from "./tokens.js";

const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const ed = generateKeyPairSync("ed25519");
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
const publicPem = (pair: { publicKey: typeof ec.publicKey }): string =>
  pair.publicKey.export({ type: "spki", format: "pem" }) as string;
const jwk = (pair: { publicKey: typeof ec.publicKey }): object => pair.publicKey.export({ format: "jwk" });
const set = (...keys: object[]): string => JSON.stringify({ keys });

describe("the issuer's keys", () => {
  it("are read from PEM and from a JWK set, and verify tokens", () => {
    for (const key of [
      pemKey("ec-1", "ES256", publicPem(ec)),
      ...jwksKeys(set({ ...jwk(ec), kid: "ec-1", alg: "ES256", use: "sig" })),
    ]) {
      expect(identity({ keys: [key] }).authenticate(`Bearer ${token()}`, "remit:decide").id).to.equal("gateway-1");
    }
  });

  it("keep the order and algorithm of a set", () => {
    const keys = jwksKeys(set({ ...jwk(rsa), kid: "r", alg: "PS256" }, { ...jwk(p384), kid: "e", alg: "ES384" }));
    expect(keys.map(({ kid, algorithm }) => `${kid} ${algorithm}`)).to.deep.equal(["r PS256", "e ES384"]);
  });

  const refused: [string, string, () => unknown][] = [
    ["no PEM", "not a public key", () => pemKey("k", "ES256", "hello")],
    ["a private key", "private key", () => pemKey("k", "ES256", ec.privateKey.export({ type: "pkcs8", format: "pem" }) as string)],
    ["a certificate", "certificate", () => pemKey("k", "ES256", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")],
    ["a weak RSA key", "1024 bits is weak", () => pemKey("k", "RS256", publicPem(weak))],
    ["an EC key for RS256", "needs an RSA key", () => pemKey("k", "RS256", publicPem(ec))],
    ["an RSA key for ES256", "needs a key on prime256v1", () => pemKey("k", "ES256", publicPem(rsa))],
    ["a key on another curve", "needs a key on prime256v1", () => pemKey("k", "ES256", publicPem(p384))],
    ["an Ed25519 key", "needs a key on prime256v1", () => pemKey("k", "ES256", publicPem(ed))],
    ["the algorithm none", "is not used here", () => pemKey("k", "none", publicPem(ec))],
    ["the algorithm HS256", "is not used here", () => pemKey("k", "HS256", publicPem(ec))],
    ["the algorithm constructor", "is not used here", () => pemKey("k", "constructor" as Algorithm, publicPem(ec))],
    ["a set that is no JSON", "not JSON", () => jwksKeys("{")],
    ["a set without keys", "public keys", () => jwksKeys("{}")],
    ["an empty set", "public keys", () => jwksKeys(set())],
    ["a key without kid", "public keys", () => jwksKeys(set({ ...jwk(ec), alg: "ES256" }))],
    ["a key without alg", "public keys", () => jwksKeys(set({ ...jwk(ec), kid: "k" }))],
    ["a key for encryption", "public keys", () => jwksKeys(set({ ...jwk(ec), kid: "k", alg: "ES256", use: "enc" }))],
    ["a private key in a set", "public keys", () => jwksKeys(set({ ...ec.privateKey.export({ format: "jwk" }), kid: "k", alg: "ES256" }))],
    ["a shared secret in a set", "public keys", () => jwksKeys(set({ kty: "oct", k: "c2VjcmV0", kid: "k", alg: "HS256" }))],
    ["a kid twice", "twice", () => jwksKeys(set({ ...jwk(ec), kid: "k", alg: "ES256" }, { ...jwk(rsa), kid: "k", alg: "RS256" }))],
    ["a point that isn't on the curve", "not a public key", () => jwksKeys(set({ ...jwk(ec), y: "AAAA", kid: "k", alg: "ES256" }))],
    ["a weak key in a set", "is weak", () => jwksKeys(set({ ...jwk(weak), kid: "k", alg: "RS256" }))],
  ]; // prettier-ignore
  for (const [what, wanted, read] of refused) {
    it(`refuse ${what}`, () => {
      expect(read).to.throw(KeyRefused, wanted);
    });
  }
});
