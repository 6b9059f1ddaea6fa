import { expect } from "chai";
import jwt from "jsonwebtoken";
import { Problem, type Scope } from "../../src/contract/index.js";
import type { Caller } from "../../src/decision/ports.js";
import type { JwtIdentity } from "../../src/identity/jwt.js";
import { AUDIENCE, MovableClock, NOW_S, claims, ec, identity, otherEc, rsa, token, tokenOf } from "./tokens.js";
import { FORGED, altered, GOOD as good } from "./forged.js";

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

  for (const [what, code, make] of FORGED) {
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
    let tried = 0;
    for (const [at, made] of altered()) {
      expect(
        codeOf(() => ask(who, made)),
        `byte ${at}`,
      ).to.equal("token_invalid");
      tried++;
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
    for (const [, , make] of FORGED) {
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
