import { expect } from "chai";
import { generateKeyPairSync } from "node:crypto";
import type { Algorithm } from "jsonwebtoken";
import { FixedKeys, KeyRefused, jwksKeys, pemKey, pemKeyPair, publishedKeys } from "../../src/identity/keys.js";
import { callers, ec, identity, issuer, rsa } from "./tokens.js";

const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const ed = generateKeyPairSync("ed25519");
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
const publicPem = (pair: { publicKey: typeof ec.publicKey }): string => pair.publicKey.export({ type: "spki", format: "pem" }) as string;
const privatePem = (pair: { privateKey: typeof ec.privateKey }): string =>
  pair.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
const jwk = (pair: { publicKey: typeof ec.publicKey }): object => pair.publicKey.export({ format: "jwk" });
const set = (...keys: object[]): string => JSON.stringify({ keys });

describe("the issuer's keys", () => {
  it("are read from PEM and from a JWK set, and verify tokens", async () => {
    for (const key of [pemKey("ec-1", "ES256", publicPem(ec)), ...jwksKeys(set({ ...jwk(ec), kid: "ec-1", alg: "ES256", use: "sig" }))]) {
      const who = identity({ issuers: [issuer({ keys: new FixedKeys([key]) })] });
      expect((await who.authenticate(`Bearer ${callers.token()}`, "remit:decide")).id).to.equal("gateway-1");
    }
  });

  it("keep the order and algorithm of a set", () => {
    const keys = jwksKeys(set({ ...jwk(rsa), kid: "r", alg: "PS256" }, { ...jwk(p384), kid: "e", alg: "ES384" }));
    expect(keys.map(({ kid, algorithm }) => `${kid} ${algorithm}`)).to.deep.equal(["r PS256", "e ES384"]);
  });

  it("know those made for development, by their id or by what stands before them in the file", () => {
    const text = publicPem(ec);
    expect(pemKey("k", "ES256", text).development).to.be.false;
    expect(pemKey("remit-development-k", "ES256", text).development).to.be.true;
    expect(pemKey("k", "ES256", `remit-development: tried out here\n${text}`).development).to.be.true;
    expect(jwksKeys(set({ ...jwk(ec), kid: "k", alg: "ES256" }))[0]?.development).to.be.false;
    expect(jwksKeys(set({ ...jwk(ec), kid: "remit-development", alg: "ES256" }))[0]?.development).to.be.true;
    const pair = pemKeyPair("k", `remit-development: tried out here\n${privatePem(ec)}`);
    expect(pair.verify.development).to.be.true;
  });

  it("are a pair where the service signs itself", () => {
    const { sign, verify } = pemKeyPair("t", privatePem(ec));
    expect(sign.type).to.equal("private");
    expect(verify).to.include({ kid: "t", algorithm: "ES256", development: false });
    expect(verify.key.equals(ec.publicKey)).to.be.true;
  });

  const published: [string, string, object[]][] = [
    [
      "those with an algorithm that is asked for",
      "a b",
      [
        { ...jwk(ec), kid: "a", alg: "ES256" },
        { ...jwk(rsa), kid: "b", alg: "RS256", use: "sig" },
      ],
    ],
    [
      "those that can be for one of the algorithms only",
      "a b",
      [
        { ...jwk(ec), kid: "a" },
        { ...jwk(rsa), kid: "b" },
      ],
    ],
    [
      "none of another algorithm",
      "",
      [
        { ...jwk(rsa), kid: "a", alg: "PS256" },
        { ...jwk(p384), kid: "b", alg: "ES384" },
        { ...jwk(p384), kid: "c" },
      ],
    ],
    [
      "none whose algorithm isn't its own",
      "",
      [
        { ...jwk(rsa), kid: "a", alg: "ES256" },
        { ...jwk(ec), kid: "b", alg: "RS256" },
      ],
    ],
    ["none for encryption", "", [{ ...jwk(ec), kid: "a", use: "enc" }]],
    ["none of a trust domain's workloads", "", [{ ...jwk(ec), kid: "a", use: "jwt-svid" }]],
    ["none without id", "", [jwk(ec), { ...jwk(ec), kid: "" }, { ...jwk(ec), kid: 7 }]],
    ["no weak one", "", [{ ...jwk(weak), kid: "a", alg: "RS256" }]],
    ["no private one", "", [{ ...ec.privateKey.export({ format: "jwk" }), kid: "a", alg: "ES256" }]],
    ["no shared secret", "", [{ kty: "oct", k: "c2VjcmV0", kid: "a", alg: "HS256" }]],
    [
      "none of other kinds",
      "",
      [
        { ...jwk(ed), kid: "a", alg: "EdDSA" },
        { kty: "AKP", kid: "b", alg: "ML-DSA-44", pub: "AA" },
      ],
    ],
    ["no point off the curve", "", [{ ...jwk(ec), y: "AAAA", kid: "a" }]],
    ["the good ones among others", "b", [{}, { ...jwk(ec), kid: "a", use: "enc" }, { ...jwk(ec), kid: "b" }, { kty: "OKP" }]],
    [
      "one id for two uses",
      "a",
      [
        { ...jwk(ec), kid: "a", use: "sig" },
        { ...jwk(rsa), kid: "a", use: "enc" },
      ],
    ],
    ["none at all", "", []],
  ];
  for (const [what, kids, keys] of published) {
    it(`are, of a published set, ${what}`, () => {
      const found = publishedKeys({ keys }, ["ES256", "RS256"], "sig");
      expect(found.map(({ kid }) => kid).join(" ")).to.equal(kids);
    });
  }

  it("are, of a trust domain's set, those for JWT-SVIDs", () => {
    const keys = [
      { ...jwk(ec), kid: "a", use: "jwt-svid" },
      { ...jwk(rsa), use: "x509-svid", x5c: ["MII="] },
      { ...jwk(rsa), kid: "b", use: "enc" },
      { ...jwk(rsa), kid: "c", use: "sig" },
    ];
    const found = publishedKeys({ keys, spiffe_sequence: 1, spiffe_refresh_hint: 60 }, ["ES256", "RS256"], "jwt-svid");
    expect(found.map(({ kid }) => kid)).to.deep.equal(["a", "c"]);
  });

  it("are none where two algorithms would do", () => {
    expect(publishedKeys({ keys: [{ ...jwk(rsa), kid: "a" }] }, ["RS256", "PS256"], "sig")).to.deep.equal([]);
  });

  // prettier-ignore
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
    ["a key for encryption beside a good one", "public keys", () => jwksKeys(set({ ...jwk(ec), kid: "e", alg: "ES256" }, { ...jwk(ec), kid: "k", alg: "ES256", use: "enc" }))],
    ["a private key in a set", "public keys", () => jwksKeys(set({ ...ec.privateKey.export({ format: "jwk" }), kid: "k", alg: "ES256" }))],
    ["a shared secret in a set", "public keys", () => jwksKeys(set({ kty: "oct", k: "c2VjcmV0", kid: "k", alg: "HS256" }))],
    ["a kid twice", "twice", () => jwksKeys(set({ ...jwk(ec), kid: "k", alg: "ES256" }, { ...jwk(rsa), kid: "k", alg: "RS256" }))],
    ["a point that isn't on the curve", "not a public key", () => jwksKeys(set({ ...jwk(ec), y: "AAAA", kid: "k", alg: "ES256" }))],
    ["a weak key in a set", "is weak", () => jwksKeys(set({ ...jwk(weak), kid: "k", alg: "RS256" }))],
    ["a key of a trust domain's in an issuer's set", "public keys", () => jwksKeys(set({ ...jwk(ec), kid: "k", alg: "ES256", use: "jwt-svid" }))],
    ["a certificate's key in a trust domain's set", "public keys", () => jwksKeys(set({ ...jwk(ec), kid: "k", alg: "ES256", use: "x509-svid" }), "jwt-svid")],
    ["a public key to sign with", "not a private key", () => pemKeyPair("k", publicPem(ec))],
    ["an RSA key to sign with", "needs a key on prime256v1", () => pemKeyPair("k", privatePem(rsa))],
    ["a key on another curve to sign with", "needs a key on prime256v1", () => pemKeyPair("k", privatePem(p384))],
    ["a published set that is a list", "not a JWK set", () => publishedKeys([], ["ES256"], "sig")],
    ["a published set without keys", "not a JWK set", () => publishedKeys({ error: "busy" }, ["ES256"], "sig")],
    ["a published set of other things", "not a JWK set", () => publishedKeys({ keys: ["k"] }, ["ES256"], "sig")],
    ["a published set without end", "not a JWK set", () => publishedKeys({ keys: Array.from({ length: 65 }, () => ({})) }, ["ES256"], "sig")],
    ["a published kid twice", "twice", () => publishedKeys({ keys: [{ ...jwk(ec), kid: "k" }, { ...jwk(rsa), kid: "k" }] }, ["ES256"], "sig")],
    ["no keys at all", "no key", () => new FixedKeys([])],
    ["two keys of one kid", "same `kid`", () => new FixedKeys([pemKey("k", "ES256", publicPem(ec)), pemKey("k", "RS256", publicPem(rsa))])],
  ];
  for (const [what, wanted, read] of refused) {
    it(`refuse ${what}`, () => {
      expect(read).to.throw(KeyRefused, wanted);
    });
  }
});
