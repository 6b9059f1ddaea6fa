import { expect } from "chai";
import { generateKeyPairSync } from "node:crypto";
import jwt from "jsonwebtoken";
import { Problem, type Scope } from "../../src/contract/index.js";
import type { Caller } from "../../src/decision/ports.js";
import type { JwtIdentity } from "../../src/identity/jwt.js";
import {
  AUDIENCE,
  ISSUER,
  MovableClock,
  NOW_S,
  claims,
  ec,
  header,
  hmacToken,
  identity,
  otherEc,
  rsa,
  signed,
  token,
  tokenOf,
} from "./tokens.js";

const ask = (who: JwtIdentity, given: string, scope: Scope = "remit:decide"): Caller =>
  who.authenticate(`Bearer ${given}`, scope);

function codeOf(call: () => unknown): string {
  try {
    call();
    return "accepted";
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    return cause.code;
  }
}

const b64 = (text: string): string => Buffer.from(text).toString("base64url");
const pem = ec.publicKey.export({ type: "spki", format: "pem" });
const rsaPem = rsa.publicKey.export({ type: "spki", format: "pem" });
const good = token();
const [goodHeader = "", goodPayload = "", goodSignature = ""] = good.split(".");
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
const payloadText = JSON.stringify(claims);

describe("a caller's token", () => {
  const accepted: [string, () => string][] = [
    ["of an EC key", () => token()],
    ["of an RSA key", () => tokenOf(payloadText, JSON.stringify({ alg: "RS256", kid: "rsa-1" }), rsa.privateKey)],
    ["as jsonwebtoken signs it", () => jwt.sign({ ...claims }, ec.privateKey, { algorithm: "ES256", keyid: "ec-1" })],
    ["with the audience in a list", () => token({ aud: ["other", AUDIENCE] })],
    ["with the type `at+jwt` (RFC 9068)", () => token({}, { typ: "at+jwt" })],
    ["without a type", () => token({}, { typ: undefined })],
    ["without `iat`", () => token({ iat: undefined })],
    ["with claims of others", () => token({ azp: "x", roles: ["a"] })],
    ["with a subject in other letters", () => token({ sub: "gateway-é" })],
    ["at the leeway of `exp`", () => token({ exp: NOW_S - 4 })],
    ["at the leeway of `iat`", () => token({ iat: NOW_S + 5 })],
    ["at the longest lifetime", () => token({ exp: NOW_S + 86_400 })],
    ["with scopes of others", () => token({ scope: "openid remit:decide" })],
  ];
  for (const [what, make] of accepted) {
    it(`is taken ${what}`, () => {
      expect(ask(identity(), make()).scopes.has("remit:decide")).to.be.true;
    });
  }

  it("says who the caller is and what it may do", () => {
    const caller = ask(identity(), good);
    expect(caller.id).to.equal("gateway-1");
    expect([...caller.scopes]).to.deep.equal(["remit:decide", "remit:register"]);
  });

  it("is taken by any case of the scheme", () => {
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      expect(identity().authenticate(`${scheme} ${good}`, "remit:decide").id).to.equal("gateway-1");
    }
  });

  it("may leave out its key's id where there is only one key", () => {
    const only = identity({ keys: [{ kid: "ec-1", algorithm: "ES256", key: ec.publicKey }] });
    expect(ask(only, token({}, { kid: undefined })).id).to.equal("gateway-1");
  });

  const refused: [string, string, () => string][] = [
    // the algorithm
    ["none, unsigned", "token_invalid", () => `${b64(JSON.stringify({ alg: "none" }))}.${goodPayload}.`],
    ["none, with a key's id", "token_invalid", () => `${b64(JSON.stringify({ ...header, alg: "none" }))}.${goodPayload}.`],
    ["none, with the signature left on", "token_invalid", () => `${b64(JSON.stringify({ ...header, alg: "none" }))}.${goodPayload}.${goodSignature}`],
    ["None", "token_invalid", () => signed(`${b64(JSON.stringify({ ...header, alg: "None" }))}.${goodPayload}`)],
    ["HS256 with the public key's PEM", "token_invalid", () => hmacToken("sha256", pem, { alg: "HS256" })],
    ["HS256 with the RSA key's PEM", "token_invalid", () => hmacToken("sha256", rsaPem, { alg: "HS256", kid: "rsa-1" })],
    ["HS512 with the public key's PEM", "token_invalid", () => hmacToken("sha512", pem, { alg: "HS512" })],
    ["HS256 signed, ES256 claimed", "token_invalid", () => hmacToken("sha256", pem, {})],
    ["HS256 with an empty secret", "token_invalid", () => hmacToken("sha256", "", { alg: "HS256" })],
    ["an algorithm that isn't the key's", "token_invalid", () => token({}, { alg: "RS256" })],
    ["the other key's algorithm with this key", "token_invalid", () => tokenOf(payloadText, JSON.stringify({ alg: "RS256", kid: "ec-1" }), rsa.privateKey)],
    ["PS256 of an RS256 key", "token_invalid", () => jwt.sign({ ...claims }, rsa.privateKey, { algorithm: "PS256", keyid: "rsa-1" })],
    ["RS512 of an RS256 key", "token_invalid", () => jwt.sign({ ...claims }, rsa.privateKey, { algorithm: "RS512", keyid: "rsa-1" })],
    ["es256", "token_invalid", () => token({}, { alg: "es256" })],
    ["no algorithm", "token_invalid", () => token({}, { alg: undefined })],
    ["an algorithm that is a list", "token_invalid", () => token({}, { alg: ["ES256"] })],
    // the key
    ["another key", "token_invalid", () => token({}, {}, otherEc.privateKey)],
    ["a weak key", "token_invalid", () => tokenOf(payloadText, JSON.stringify({ alg: "RS256", kid: "rsa-1" }), weak.privateKey)],
    ["an unknown key id", "token_invalid", () => token({}, { kid: "ec-2" })],
    ["no key id where there are several", "token_invalid", () => token({}, { kid: undefined })],
    ["a key id that is a path", "token_invalid", () => token({}, { kid: "../../../dev/null" })],
    ["a key id that is a URL", "token_invalid", () => token({}, { kid: "https://evil.example/key" })],
    ["a key id with SQL", "token_invalid", () => token({}, { kid: "' UNION SELECT 'x" })],
    ["the key id __proto__", "token_invalid", () => tokenOf(payloadText, '{"alg":"ES256","kid":"__proto__"}')],
    ["the key id constructor", "token_invalid", () => token({}, { kid: "constructor" })],
    ["a key id that is a number", "token_invalid", () => token({}, { kid: 1 })],
    ["a key id that is null", "token_invalid", () => token({}, { kid: null })],
    ["an endless key id", "token_invalid", () => token({}, { kid: "k".repeat(300) })],
    ["its own key", "token_invalid", () => token({}, { jwk: otherEc.publicKey.export({ format: "jwk" }) }, otherEc.privateKey)],
    ["its own key beside a good signature", "token_invalid", () => token({}, { jwk: {} })],
    ["an address of keys", "token_invalid", () => token({}, { jku: "https://evil.example/jwks" })],
    ["an address of certificates", "token_invalid", () => token({}, { x5u: "https://evil.example/c" })],
    ["its own certificates", "token_invalid", () => token({}, { x5c: ["MII="] })],
    // the header
    ["a critical extension", "token_invalid", () => token({}, { crit: ["exp"] })],
    ["an empty list of critical extensions", "token_invalid", () => token({}, { crit: [] })],
    ["an unencoded payload (RFC 7797)", "token_invalid", () => token({}, { b64: false })],
    ["another type", "token_invalid", () => token({}, { typ: "dpop+jwt" })],
    ["a header with a member twice", "token_invalid", () => tokenOf(payloadText, '{"alg":"none","alg":"ES256","kid":"ec-1"}')],
    ["a header that is a list", "token_invalid", () => tokenOf(payloadText, "[]")],
    ["a header that is no JSON", "token_invalid", () => tokenOf(payloadText, "{")],
    // the claims
    ["no expiry", "token_invalid", () => token({ exp: undefined })],
    ["an expiry as text", "token_invalid", () => token({ exp: String(NOW_S + 600) })],
    ["an expiry that is null", "token_invalid", () => token({ exp: null })],
    ["an expiry in milliseconds", "token_invalid", () => token({ exp: (NOW_S + 600) * 1000 })],
    ["an expiry beyond the longest lifetime", "token_invalid", () => token({ exp: NOW_S + 86_406 })],
    ["an expiry in ten years", "token_invalid", () => token({ exp: NOW_S + 315_360_000 })],
    ["an expiry of 1e308", "token_invalid", () => tokenOf(payloadText.replace(String(claims.exp), "1e308"))],
    ["an expiry of 1e400", "token_invalid", () => tokenOf(payloadText.replace(String(claims.exp), "1e400"))],
    ["an expiry below zero", "token_expired", () => token({ exp: -1 })],
    ["an expiry of now, less the leeway", "token_expired", () => token({ exp: NOW_S - 5 })],
    ["an expiry an hour ago", "token_expired", () => token({ exp: NOW_S - 3600 })],
    ["an expiry of zero", "token_expired", () => token({ exp: 0 })],
    ["a start in the future", "token_invalid", () => token({ nbf: NOW_S + 60 })],
    ["a start as text", "token_invalid", () => token({ nbf: "now" })],
    ["issued in the future", "token_invalid", () => token({ iat: NOW_S + 6 })],
    ["issued far in the future", "token_invalid", () => token({ iat: NOW_S + 400 })],
    ["an issue time as text", "token_invalid", () => token({ iat: "now" })],
    ["another issuer", "token_invalid", () => token({ iss: "https://evil.example" })],
    ["the issuer with a slash more", "token_invalid", () => token({ iss: `${ISSUER}/` })],
    ["an issuer in a list", "token_invalid", () => token({ iss: [ISSUER] })],
    ["no issuer", "token_invalid", () => token({ iss: undefined })],
    ["another audience", "token_invalid", () => token({ aud: "other" })],
    ["an audience that only begins alike", "token_invalid", () => token({ aud: "remit2" })],
    ["no audience", "token_invalid", () => token({ aud: undefined })],
    ["an empty list of audiences", "token_invalid", () => token({ aud: [] })],
    ["an audience that is an object", "token_invalid", () => token({ aud: { remit: true } })],
    ["no subject", "token_invalid", () => token({ sub: undefined })],
    ["an empty subject", "token_invalid", () => token({ sub: "" })],
    ["a subject that is a number", "token_invalid", () => token({ sub: 7 })],
    ["a subject with a line break", "token_invalid", () => token({ sub: "gateway\n1" })],
    ["a subject that reads backwards", "token_invalid", () => token({ sub: "gateway-\u202e1" })],
    ["an endless subject", "token_invalid", () => token({ sub: "s".repeat(300) })],
    ["scopes in a list", "token_invalid", () => token({ scope: ["remit:decide"] })],
    ["a claim twice", "token_invalid", () => tokenOf(payloadText.replace("{", '{"sub":"admin",'))],
    ["a claim twice, once escaped", "token_invalid", () => tokenOf(payloadText.replace("{", '{"\\u0073ub":"admin",'))],
    ["text as payload", "token_invalid", () => tokenOf('"hello"')],
    ["a list as payload", "token_invalid", () => tokenOf("[]")],
    ["null as payload", "token_invalid", () => tokenOf("null")],
    ["no JSON as payload", "token_invalid", () => tokenOf("hello")],
    ["invalid UTF-8 in its payload", "token_invalid", () => tokenOf(Buffer.concat([Buffer.from(payloadText.slice(0, -1)), Buffer.from([0x2c, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]))],
    // the form
    ["no text", "token_invalid", () => ""],
    ["two parts", "token_invalid", () => `${goodHeader}.${goodPayload}`],
    ["four parts", "token_invalid", () => `${good}.${goodSignature}`],
    ["an empty signature", "token_invalid", () => `${goodHeader}.${goodPayload}.`],
    ["the signature of another payload", "token_invalid", () => `${goodHeader}.${token({ sub: "admin" }).split(".")[1] ?? ""}.${goodSignature}`],
    ["a signature of zeros", "token_invalid", () => `${goodHeader}.${goodPayload}.${Buffer.alloc(64).toString("base64url")}`],
    ["a signature cut short", "token_invalid", () => good.slice(0, -4)],
    ["a signature in DER form", "token_invalid", () => `${goodHeader}.${goodPayload}.${b64("\u0030\u0006\u0002\u0001\u0001\u0002\u0001\u0001")}`],
    ["padding", "token_invalid", () => `${good}=`],
    ["the alphabet of plain base64", "token_invalid", () => `${goodHeader}.${goodPayload}.${Buffer.alloc(64, 0xff).toString("base64")}`],
    ["white space", "token_invalid", () => ` ${goodHeader} .${goodPayload}.${goodSignature}`],
    ["an encrypted token's form", "token_invalid", () => "a.b.c.d.e"],
    ["more bytes than the limit", "token_invalid", () => token({ pad: "x".repeat(4096) })],
  ]; // prettier-ignore
  for (const [what, code, make] of refused) {
    it(`is refused with ${code}: ${what}`, () => {
      const made = make();
      expect(codeOf(() => ask(identity(), made))).to.equal(code);
    });
  }

  const headers: [string, string | undefined][] = [
    ["no header", undefined],
    ["an empty header", ""],
    ["the scheme alone", "Bearer"],
    ["another scheme", `Basic ${b64("a:b")}`],
    ["no scheme", good],
    ["a scheme that only begins alike", `BearerX ${good}`],
  ];
  for (const [what, given] of headers) {
    it(`is missing with ${what}`, () => {
      expect(codeOf(() => identity().authenticate(given, "remit:decide"))).to.equal("token_missing");
    });
  }

  it("is refused with any one byte changed", () => {
    const who = identity();
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ~";
    let tried = 0;
    for (let at = 0; at < good.length; at++) {
      // The neighbour in the alphabet flips the lowest bit, which the last character of a part may not carry.
      const index = alphabet.indexOf(good.charAt(at));
      for (const other of [alphabet[index ^ 1], alphabet[(index + 31) % alphabet.length], "."]) {
        if (other === undefined || other === good[at]) continue;
        expect(
          codeOf(() => ask(who, good.slice(0, at) + other + good.slice(at + 1))),
          `byte ${at}`,
        ).to.equal("token_invalid");
        tried++;
      }
    }
    expect(tried).to.be.greaterThan(good.length * 2);
    expect(codeOf(() => ask(who, good))).to.equal("accepted");
  });

  it("needs the scope that is asked for, by its exact name", () => {
    for (const scope of [
      "",
      "remit",
      "remit:*",
      "REMIT:DECIDE",
      "remit:decide_all",
      "xremit:decide",
      "remit:decide,remit:audit",
      undefined,
    ]) {
      expect(
        codeOf(() => ask(identity(), token({ scope }))),
        String(scope),
      ).to.equal("scope_missing");
    }
    expect(codeOf(() => ask(identity(), good, "remit:publish"))).to.equal("scope_missing");
    expect(codeOf(() => ask(identity(), good, "remit:register"))).to.equal("accepted");
  });

  it("is never in the problem that refuses it", () => {
    for (const [, , make] of refused) {
      const made = make();
      try {
        ask(identity(), made);
      } catch (cause) {
        const shown = JSON.stringify(cause) + (cause as Error).message;
        for (const part of made.split(".")) if (part.length > 8) expect(shown).not.to.contain(part);
        expect(shown).not.to.contain("evil");
      }
    }
  });
});

describe("a token seen before", () => {
  it("expires when it says, though it is remembered", () => {
    const clock = new MovableClock();
    const who = identity({}, clock);
    ask(who, good);
    const lives = (claims.exp - NOW_S + 5) * 1000;
    clock.wall_ms += lives - 1;
    clock.monotonic_ms += lives - 1;
    expect(codeOf(() => ask(who, good))).to.equal("accepted");
    clock.wall_ms++;
    expect(codeOf(() => ask(who, good))).to.equal("token_expired");
  });

  it("does not come back to life when the wall clock is set back", () => {
    const clock = new MovableClock();
    const who = identity({}, clock);
    ask(who, good);
    clock.monotonic_ms += 3_600_000;
    clock.wall_ms -= 3_600_000;
    for (let again = 0; again < 3; again++) expect(codeOf(() => ask(who, good))).to.equal("token_expired");
  });

  it("expires at once when the wall clock jumps past its expiry", () => {
    const clock = new MovableClock();
    const who = identity({}, clock);
    ask(who, good);
    clock.wall_ms += 3_600_000;
    expect(codeOf(() => ask(who, good))).to.equal("token_expired");
  });

  it("is verified again after more tokens than are remembered", () => {
    const who = identity({ cached_tokens_max: 3 });
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 10; n++) expect(ask(who, token({ sub: `gateway-${n}` })).id).to.equal(`gateway-${n}`);
    }
  });
});

describe("a caller's rights", () => {
  const caller = (id: string): Caller => ({ id, scopes: new Set() });

  it("are everything where none are configured", () => {
    expect(identity().mayAskFor(caller("anyone"), "a1", "p1")).to.be.true;
  });

  const callers = { both: { agents: ["a1", "a2"], purposes: ["p1"] }, agents: { agents: ["a1"] }, purposes: { purposes: ["p2"] }, all: {}, none: { agents: [] } }; // prettier-ignore
  it("are exactly what is configured, for every pair", () => {
    const who = identity({ callers });
    const permitted: string[] = [];
    for (const id of ["both", "agents", "purposes", "all", "none", "other", "__proto__", "constructor"]) {
      for (const agent of ["a1", "a2", "a3"]) {
        for (const purpose of ["p1", "p2"]) {
          if (who.mayAskFor(caller(id), agent, purpose)) permitted.push(`${id} ${agent} ${purpose}`);
        }
      }
    }
    expect(permitted).to.deep.equal([
      "both a1 p1", "both a2 p1",
      "agents a1 p1", "agents a1 p2",
      "purposes a1 p2", "purposes a2 p2", "purposes a3 p2",
      "all a1 p1", "all a1 p2", "all a2 p1", "all a2 p2", "all a3 p1", "all a3 p2",
    ]); // prettier-ignore
  });
});

describe("an identity", () => {
  for (const [what, changes] of [
    ["issuer", { issuer: "" }],
    ["audience", { audience: "" }],
    ["keys", { keys: [] }],
    [
      "distinct keys",
      {
        keys: [
          { kid: "a", algorithm: "ES256", key: ec.publicKey },
          { kid: "a", algorithm: "ES256", key: otherEc.publicKey },
        ],
      },
    ],
  ] as const)
    // prettier-ignore
    it(`is not made without ${what}`, () => {
      expect(() => identity(changes)).to.throw(TypeError);
    });
});
