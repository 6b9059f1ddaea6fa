import { expect } from "chai";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import jwt from "jsonwebtoken";
import { Problem, type Scope } from "../../src/contract/index.js";
import type { AgentProof, Caller } from "../../src/decision/ports.js";
import { TOKEN_FAULTS } from "../../src/identity/faults.js";
import { FixedKeys, KeyRefused } from "../../src/identity/keys.js";
import type { IdentityOptions, JwtIdentity } from "../../src/identity/jwt.js";
import { SCOPE_CLAIM } from "../../src/identity/scopes.js";
import { asset } from "../../src/system/paths.js";
import { FORGED, TOKENS, altered, type Kind } from "./forged.js";
import {
  AGENT_AUDIENCE,
  AUDIENCE,
  ISSUER,
  MovableClock,
  NOW_S,
  OTHER_ISSUER,
  SPIFFE_ISSUER,
  agents,
  callers,
  ec,
  identity,
  issuer,
  keyOf,
  others,
  otherEc,
  rsa,
  svids,
  taskEc,
  taskTokens,
  tasks,
} from "./tokens.js";

function now<T>(given: T | Promise<T>): T {
  if (given instanceof Promise) throw new Error("had to wait");
  return given;
}
const ask = (who: JwtIdentity, token: string, scope: Scope = "remit:decide"): Caller => now(who.authenticate(`Bearer ${token}`, scope));
const agentOf = (who: JwtIdentity, token: string): AgentProof => now(who.agentProof(token));

/** Shows a token of this kind. */
const SHOW: Readonly<Record<Kind, (who: JwtIdentity, token: string) => unknown>> = {
  caller: ask,
  agent: agentOf,
  task: (who, token) => who.taskProof(token),
};

function problemOf(call: () => unknown): Problem | null {
  try {
    call();
    return null;
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    return cause;
  }
}
const codeOf = (call: () => unknown): string => problemOf(call)?.code ?? "accepted";

const b64 = (text: string): string => Buffer.from(text).toString("base64url");
const good = callers.token();

describe("a token of a caller, an agent or a task", () => {
  let who: JwtIdentity;
  before(() => (who = identity()));
  for (const { what, kinds, fault, make } of FORGED) {
    for (const kind of kinds) {
      it(`is refused for ${fault}: ${kind}'s, ${what}`, () => {
        const given = make(TOKENS[kind]);
        const problem = problemOf(() => SHOW[kind](who, given));
        const [code, reason] = fault === "expired" ? ["token_expired", undefined] : ["token_invalid", fault];
        expect(problem?.toJSON()).to.include({ code, status: 401 });
        expect(problem?.detail.reason).to.equal(reason);
        expect(problem?.detail.expected).to.equal(fault === "expired" ? undefined : TOKEN_FAULTS[fault]);
        // A second look, by whatever the first one left behind.
        expect(codeOf(() => SHOW[kind](who, given))).to.equal(code);
      });
    }
  }

  it("has rows for every fault, and more than sixty for each kind", () => {
    for (const kind of ["caller", "agent", "task"] as const)
      expect(FORGED.filter(({ kinds }) => kinds.includes(kind)).length, kind).to.be.above(60);
    expect([...new Set(FORGED.map(({ fault }) => fault))]).to.have.members([...Object.keys(TOKEN_FAULTS), "expired"]);
  });

  it("is never in the problem that refuses it", () => {
    for (const { kinds, make } of FORGED) {
      for (const kind of kinds) {
        const made = make(TOKENS[kind]);
        const problem = problemOf(() => SHOW[kind](who, made));
        const shown = JSON.stringify(problem) + (problem?.message ?? "");
        for (const part of made.split(".")) if (part.length > 8) expect(shown).not.to.contain(part);
        expect(shown).not.to.match(/evil|agent-7|gateway|ec-1|issuer\.example/);
      }
    }
  });

  for (const [kind, of] of Object.entries(TOKENS) as [Kind, (typeof TOKENS)[Kind]][]) {
    it(`is refused with any one byte changed: ${kind}'s`, () => {
      const token = of.token();
      let tried = 0;
      for (const [at, made] of altered(token)) {
        expect(
          codeOf(() => SHOW[kind](who, made)),
          `byte ${at}`,
        ).to.equal("token_invalid");
        tried++;
      }
      expect(tried).to.be.greaterThan(token.length * 2);
      expect(codeOf(() => SHOW[kind](who, token))).to.equal("accepted");
    });

    it(`is taken for nothing else, before and after it was taken for what it is: ${kind}'s`, () => {
      const fresh = identity();
      const token = of.token();
      for (const round of [1, 2])
        for (const other of Object.keys(SHOW) as Kind[])
          expect(
            codeOf(() => SHOW[other](fresh, token)),
            `${other}, ${round}`,
          ).to.equal(other === kind ? "accepted" : "token_invalid");
    });
  }
});

describe("a caller's token", () => {
  const accepted: [string, () => string][] = [
    ["of an EC key", () => callers.token()],
    ["of an RSA key", () => callers.token({}, { alg: "RS256", kid: "rsa-1" }, rsa.privateKey)],
    ["as jsonwebtoken signs it", () => jwt.sign({ ...callers.claims }, ec.privateKey, { algorithm: "ES256", keyid: "ec-1" })],
    ["with the audience in a list", () => callers.token({ aud: ["other", AUDIENCE] })],
    ["with the type `at+jwt` (RFC 9068)", () => callers.token({}, { typ: "at+jwt" })],
    ["without a type", () => callers.token({}, { typ: undefined })],
    ["without `iat`", () => callers.token({ iat: undefined })],
    ["with claims of others", () => callers.token({ azp: "x", roles: ["a"] })],
    ["with a subject in other letters", () => callers.token({ sub: "gateway-é" })],
    ["at the leeway of `exp`", () => callers.token({ exp: NOW_S - 4 })],
    ["at the leeway of `nbf`", () => callers.token({ nbf: NOW_S + 5 })],
    ["at the leeway of `iat`", () => callers.token({ iat: NOW_S + 5 })],
    ["at the longest lifetime", () => callers.token({ exp: NOW_S + 86_400 })],
    ["with scopes of others", () => callers.token({ scope: "openid remit:decide" })],
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

  it("names its issuer where several have callers, so that no two callers share an id", () => {
    const two = identity({
      issuers: [
        issuer({ name: "a" }),
        issuer({
          issuer: OTHER_ISSUER,
          audience: { callers: AUDIENCE },
          name: "b",
          keys: new FixedKeys([keyOf("k", otherEc)]),
        }),
      ],
      callers: { "b:gateway-1": { agents: ["a1"] } },
    });
    const others = callers.token({ iss: OTHER_ISSUER }, { kid: "k" }, otherEc.privateKey);
    const [one, other] = [ask(two, good), ask(two, others)];
    expect([one.id, other.id]).to.deep.equal(["a:gateway-1", "b:gateway-1"]);
    expect([two.mayAskFor(one, "a1", "p"), two.mayAskFor(other, "a1", "p")]).to.deep.equal([false, true]);
  });

  it("is taken by any case of the scheme", () => {
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      expect(now(identity().authenticate(`${scheme} ${good}`, "remit:decide")).id).to.equal("gateway-1");
    }
  });

  it("may leave out its key's id where there is only one key", () => {
    const only = identity({ issuers: [issuer({ keys: new FixedKeys([keyOf("ec-1", ec)]) })] });
    expect(ask(only, callers.token({}, { kid: undefined })).id).to.equal("gateway-1");
  });

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

  it("names its caller without being proven again, however it is spelled, for as long as it holds", () => {
    const clock = new MovableClock();
    const who = identity({}, clock);
    const token = callers.token({ jti: "j-9" });
    const known = (authorization: string): string | null => who.knownCaller(authorization);
    expect(known(`Bearer ${token}`), "nobody has proven it").to.equal(null);
    ask(who, token);
    for (const scheme of ["Bearer ", "bearer ", "BEARER     "]) expect(known(`${scheme}${token}`), scheme).to.equal("gateway-1");
    for (const other of [
      token,
      `Basic ${token}`,
      "Bearer ",
      "",
      `Bearer ${token} `,
      `Bearer ${token}${" ".repeat(4096)}`,
      `x Bearer ${token}`,
    ])
      expect(known(other), other.slice(0, 9)).to.equal(null);
    who.forget("j-9");
    expect(known(`Bearer ${token}`), "revoked").to.equal(null);
    ask(who, token);
    clock.pass(604_999);
    expect(known(`Bearer ${token}`)).to.equal("gateway-1");
    clock.pass(1);
    expect(known(`Bearer ${token}`), "over").to.equal(null);
  });

  it("proves its caller whatever its scopes are, and nobody where it is none", async () => {
    const who = identity();
    expect(await who.provenCaller(`Bearer ${callers.token({ scope: "" })}`)).to.equal("gateway-1");
    for (const other of ["", "Bearer x", good, `Bearer ${agents.token()}`])
      expect(await who.provenCaller(other), other.slice(0, 9)).to.equal(null);
    const broken = identity({
      issuers: [
        issuer({
          keys: {
            fixed: [],
            find: () => {
              throw new RangeError("bug");
            },
            trusts: () => true,
          },
        }),
      ],
    });
    const error: unknown = await broken.provenCaller(`Bearer ${good}`).catch((cause: unknown) => cause);
    expect((error as Error).message).to.equal("bug");
  });

  it("is verified with keys that have to be fetched as with those that are there", async () => {
    const key = keyOf("ec-1", ec);
    const keys = { fixed: [], find: () => Promise.resolve(key), trusts: () => true };
    const who = identity({ issuers: [issuer({ keys })] });
    expect((await who.authenticate(`Bearer ${good}`, "remit:decide")).id).to.equal("gateway-1");
    const fresh = identity({ issuers: [issuer({ keys })] });
    const refused = await Promise.resolve(fresh.authenticate(`Bearer ${good}`, "remit:publish")).catch((cause: unknown) => cause);
    expect((refused as Problem).code).to.equal("scope_missing");
  });

  it("is as long as it may be, and no longer", () => {
    expect(ask(identity({ token_bytes_max: good.length }), good).id).to.equal("gateway-1");
    expect(problemOf(() => ask(identity({ token_bytes_max: good.length - 1 }), good))?.detail.reason).to.equal("size");
  });

  it("is refused by a problem that says which field, what was expected, and who asked", () => {
    const problems = [
      problemOf(() => identity().authenticate(undefined, "remit:decide")),
      problemOf(() => ask(identity(), good, "remit:publish")),
      problemOf(() => ask(identity(), "x")),
      problemOf(() => agentOf(identity(), "x")),
      problemOf(() => agentOf(identity({ issuers: [issuer({ audience: { callers: AUDIENCE } })] }), "x")),
      problemOf(() => identity({ tasks: undefined }).taskProof("x")),
    ].map((problem) => [problem?.code, problem?.detail.field, problem?.detail.expected, problem?.caller]);
    expect(problems).to.deep.equal([
      ["token_missing", "authorization", "`Bearer <token>`", null],
      ["scope_missing", "authorization", "scope `remit:publish`", "gateway-1"],
      ["token_invalid", "authorization", TOKEN_FAULTS.form, null],
      ["token_invalid", "/agent_token", TOKEN_FAULTS.form, null],
      ["agent_token_unsupported", "/agent_token", undefined, null],
      ["task_token_unsupported", "/task_token", undefined, null],
    ]);
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
        codeOf(() => ask(identity(), callers.token({ scope }))),
        String(scope),
      ).to.equal("scope_missing");
    }
    expect(codeOf(() => ask(identity(), good, "remit:publish"))).to.equal("scope_missing");
    expect(codeOf(() => ask(identity(), good, "remit:register"))).to.equal("accepted");
  });
});

describe("an agent's token", () => {
  const use = { jti: "j-1", issued_ms: (NOW_S - 10) * 1000, expires_ms: (NOW_S + 600) * 1000 };
  const of = (subject: string, by = ISSUER) => ({ issuer: by, subject });
  const svidUse = { ...use, jti: null };
  const svid = of("spiffe://example.org/agents/support-7", SPIFFE_ISSUER);
  // prettier-ignore
  const proven: [string, string, AgentProof][] = [
    ["its subject, where no one acts for it", agents.token(), { actor: of("agent-7"), principal: null, chain: [], token: use }],
    ["its actor, and whom it acts for", agents.token({ sub: "ada", act: { sub: "agent-7" } }), { actor: of("agent-7"), principal: of("ada"), chain: [], token: use }],
    ["the outermost actor, with earlier ones in order", agents.token({ sub: "ada", act: { sub: "c", act: { sub: "b", act: { sub: "a" } } } }), { actor: of("c"), principal: of("ada"), chain: [of("b"), of("a")], token: use }],
    ["earlier actors of other issuers", agents.token({ sub: "ada", act: { sub: "c", iss: ISSUER, act: { sub: "b", iss: "https://elsewhere.example" } } }), { actor: of("c"), principal: of("ada"), chain: [of("b", "https://elsewhere.example")], token: use }],
    ["as many actors as may be", agents.token({ sub: "ada", act: { sub: "d", act: { sub: "c", act: { sub: "b", act: { sub: "a" } } } } }), { actor: of("d"), principal: of("ada"), chain: [of("c"), of("b"), of("a")], token: use }],
    ["actors with claims that aren't used", agents.token({ sub: "ada", act: { sub: "c", exp: 1, aud: "x", nbf: 9e9 } }), { actor: of("c"), principal: of("ada"), chain: [], token: use }],
    ["nothing of `may_act`, which is its issuer's", agents.token({ may_act: { sub: "b" } }), { actor: of("agent-7"), principal: null, chain: [], token: use }],
    ["the same subject of another issuer apart", others.token(), { actor: of("agent-7", OTHER_ISSUER), principal: null, chain: [], token: use }],
    ["no more than it says", agents.token({ jti: undefined, iat: undefined }), { actor: of("agent-7"), principal: null, chain: [], token: { ...use, jti: null, issued_ms: null } }],
    ["a workload by its SPIFFE id", svids.token(), { actor: svid, principal: null, chain: [], token: svidUse }],
    ["a workload whose token names its issuer", svids.token({ iss: SPIFFE_ISSUER }), { actor: svid, principal: null, chain: [], token: svidUse }],
    ["a workload whose token has the type JOSE", svids.token({}, { typ: "JOSE" }), { actor: svid, principal: null, chain: [], token: svidUse }],
    ["a workload whose token has neither type nor key id", svids.token({}, { typ: undefined, kid: undefined }), { actor: svid, principal: null, chain: [], token: svidUse }],
  ];
  for (const [what, token, proof] of proven) {
    it(`proves ${what}`, () => {
      expect(agentOf(identity(), token)).to.deep.include(proof);
    });
  }

  it("names actors as RFC 8693 does in its figures 5 and 6", () => {
    interface Case {
      name: string;
      claims: { iss: string; sub: string; aud: string };
      expect: { subject: string; actor: string; priorActors: string[] };
    }
    const vectors = JSON.parse(readFileSync(asset("test", "identity", "rfc8693_act.json"), "utf8")) as Case[];
    expect(vectors.map(({ name }) => name)).to.have.lengthOf(2);
    for (const { claims, expect: wanted } of vectors) {
      const { iss, sub, aud } = claims;
      const who = identity({
        issuers: [issuer(), issuer({ issuer: iss, audience: { agents: aud }, keys: new FixedKeys([keyOf("k", otherEc)]) })],
      });
      const token = agents.token({ ...claims, exp: NOW_S + 60, nbf: NOW_S }, { kid: "k" }, otherEc.privateKey);
      const proof = agentOf(who, token);
      expect(proof.principal).to.deep.equal({ issuer: iss, subject: wanted.subject });
      expect(proof.actor).to.deep.equal({ issuer: iss, subject: wanted.actor });
      expect(proof.chain.map(({ subject }) => subject)).to.deep.equal(wanted.priorActors);
      expect(sub).to.equal(wanted.subject);
    }
  });

  it("ends in the millisecond that it says, seen before or not", () => {
    const clock = new MovableClock();
    const who = identity({}, clock);
    agentOf(who, agents.token());
    clock.pass(600_000 - 1);
    expect(codeOf(() => agentOf(who, agents.token({ jti: "fresh" })))).to.equal("accepted");
    expect(codeOf(() => agentOf(who, agents.token({ exp: NOW_S + 599.9995 })))).to.equal("accepted");
    clock.pass(1);
    expect(codeOf(() => agentOf(who, agents.token({ jti: "fresh too" })))).to.equal("token_expired");
    expect(codeOf(() => agentOf(who, agents.token({ exp: NOW_S + 599.9995 })))).to.equal("token_expired");
  });

  it("is not read where no issuer has agents", () => {
    const none = identity({ issuers: [issuer({ audience: { callers: AUDIENCE } })] });
    expect(codeOf(() => agentOf(none, agents.token()))).to.equal("agent_token_unsupported");
  });
});

describe("a task token", () => {
  const work = { task: "T-1", agent: "agent-7", purpose: "support", expires_ms: (NOW_S + 1800) * 1000 };

  it("says which agent is on which task for what purpose, and ends with the task", () => {
    const clock = new MovableClock();
    const who = identity({}, clock);
    const token = who.issueTaskToken(work);
    const { token: use, ...proof } = who.taskProof(token);
    expect(proof).to.deep.equal({ task: "T-1", agent: "agent-7", purpose: "support" });
    expect(use).to.include({ issued_ms: NOW_S * 1000, expires_ms: work.expires_ms });
    expect(use.jti).to.match(/^[0-9a-f-]{36}$/);
    expect(who.taskProof(who.issueTaskToken(work)).token.jti).not.to.equal(use.jti);
    clock.pass(1_800_000 - 1);
    expect(who.taskProof(token).task).to.equal("T-1");
    clock.pass(1);
    expect(codeOf(() => who.taskProof(token))).to.equal("token_expired");
  });

  it("lives no longer than it may, whatever its task does", () => {
    const who = identity();
    for (const expires_ms of [null, (NOW_S + 1_000_000) * 1000])
      expect(who.taskProof(who.issueTaskToken({ ...work, expires_ms })).token.expires_ms).to.equal((NOW_S + 3600) * 1000);
  });

  it("ends in its task's millisecond", () => {
    const clock = new MovableClock();
    const who = identity({}, clock);
    const token = who.issueTaskToken({ ...work, expires_ms: clock.wall() + 1 });
    expect(who.taskProof(token).task).to.equal("T-1");
    clock.pass(1);
    expect(codeOf(() => who.taskProof(token))).to.equal("token_expired");
  });

  it("is not given for a task that has ended", () => {
    for (const expires_ms of [NOW_S * 1000, NOW_S * 1000 - 1, 0])
      expect(codeOf(() => identity().issueTaskToken({ ...work, expires_ms }))).to.equal("task_over");
  });

  it("of another service with the same key is taken, and with another key it isn't", () => {
    const token = identity().issueTaskToken(work);
    expect(identity().taskProof(token).task).to.equal("T-1");
    const stranger = identity({
      tasks: taskTokens({ keys: { sign: otherEc.privateKey, verify: keyOf("task-1", otherEc) } }),
      issuers: [issuer()],
    });
    expect(codeOf(() => stranger.taskProof(token))).to.equal("token_invalid");
  });

  it("is neither issued nor read where none are configured", () => {
    const none = identity({ tasks: undefined });
    expect(codeOf(() => none.issueTaskToken(work))).to.equal("task_token_unsupported");
    expect(codeOf(() => none.taskProof(tasks.token()))).to.equal("task_token_unsupported");
    expect([none.issuesTaskTokens, identity().issuesTaskTokens]).to.deep.equal([false, true]);
    none.forget("j-1");
  });
});

describe("a token seen before", () => {
  const kinds: [Kind, number][] = [
    ["caller", 5000],
    ["agent", 0],
    ["task", 0],
  ];
  for (const [kind, graceMs] of kinds) {
    const token = TOKENS[kind].token({ jti: "j-9" });
    const start = (): [MovableClock, JwtIdentity, () => string] => {
      const clock = new MovableClock();
      const who = identity({}, clock);
      SHOW[kind](who, token);
      return [clock, who, () => codeOf(() => SHOW[kind](who, token))];
    };

    it(`expires when it says, though it is remembered: ${kind}'s`, () => {
      const [clock, , show] = start();
      clock.pass(600_000 + graceMs - 1);
      expect(show()).to.equal("accepted");
      clock.wall_ms++;
      expect(show()).to.equal("token_expired");
    });

    it(`does not come back to life when the wall clock is set back: ${kind}'s`, () => {
      const [clock, , show] = start();
      clock.monotonic_ms += 3_600_000;
      clock.wall_ms -= 3_600_000;
      for (let again = 0; again < 3; again++) expect(show()).to.equal("token_expired");
    });

    it(`is remembered until its id is forgotten, and no longer: ${kind}'s`, () => {
      const [clock, who, show] = start();
      clock.monotonic_ms += 3_600_000;
      who.forget("j-8");
      expect(show()).to.equal("token_expired");
      who.forget("j-9");
      // Verified afresh, and the wall clock has stood still.
      expect(show()).to.equal("accepted");
    });

    it(`expires at once when the wall clock jumps past its expiry: ${kind}'s`, () => {
      const [clock, , show] = start();
      clock.wall_ms += 3_600_000;
      expect(show()).to.equal("token_expired");
    });
  }

  it("is verified again after more tokens than are remembered", () => {
    const who = identity({ cached_tokens_max: 3 });
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 10; n++) expect(ask(who, callers.token({ sub: `gateway-${n}` })).id).to.equal(`gateway-${n}`);
    }
  });

  it("is verified afresh once its id is forgotten, or its key is no longer trusted", () => {
    let looked = 0;
    const trusted = new Set([keyOf("ec-1", ec)]);
    const keys = {
      fixed: [],
      find: () => (looked++, [...trusted][0]),
      trusts: (key: object) => [...trusted].some((one) => one === key),
    };
    const who = identity({ issuers: [issuer({ keys })] });
    const token = agents.token();
    const looks = (): number => (agentOf(who, token), looked);
    expect([looks(), looks()]).to.deep.equal([1, 1]);
    who.forget("j-2");
    expect(looks()).to.equal(1);
    who.forget("j-1");
    expect([looks(), looks()]).to.deep.equal([2, 2]);
    trusted.clear();
    expect(codeOf(looks)).to.equal("token_invalid");
    trusted.add(keyOf("ec-1", ec));
    expect([looks(), looks()]).to.deep.equal([4, 4]);
  });
});

describe("a caller's rights", () => {
  const caller = (id: string): Caller => ({ ...ask(identity(), good), id });

  it("are everything where none are configured", () => {
    expect(identity().mayAskFor(caller("anyone"), "a1", "p1")).to.be.true;
  });

  const rights = {
    both: { agents: ["a1", "a2"], purposes: ["p1"] },
    agents: { agents: ["a1"] },
    purposes: { purposes: ["p2"] },
    all: {},
    none: { agents: [] },
  };
  it("are exactly what is configured, for every pair", () => {
    const who = identity({ callers: rights });
    const permitted: string[] = [];
    for (const id of ["both", "agents", "purposes", "all", "none", "other", "__proto__", "constructor"]) {
      for (const agent of ["a1", "a2", "a3"]) {
        for (const purpose of ["p1", "p2"]) {
          if (who.mayAskFor(caller(id), agent, purpose)) permitted.push(`${id} ${agent} ${purpose}`);
        }
      }
    }
    expect(permitted).to.deep.equal([
      "both a1 p1",
      "both a2 p1",
      "agents a1 p1",
      "agents a1 p2",
      "purposes a1 p2",
      "purposes a2 p2",
      "purposes a3 p2",
      "all a1 p1",
      "all a1 p2",
      "all a2 p1",
      "all a2 p2",
      "all a3 p1",
      "all a3 p2",
    ]);
  });
});

describe("the rights of all callers of an issuer", () => {
  const desk = issuer({ name: "desk" });
  const people = issuer({
    issuer: OTHER_ISSUER,
    audience: { callers: AUDIENCE },
    name: "console",
    keys: new FixedKeys([keyOf("k", otherEc)]),
    scopes: { ...SCOPE_CLAIM, max: ["remit:audit", "remit:review"] },
  });
  const entries: NonNullable<IdentityOptions["callers"]> = {
    "console:*": { agents: ["a1"], roles: ["reviewer"], scopes: ["remit:audit", "remit:publish"] },
    "console:eve": { agents: [] },
    "desk:gateway-1": { agents: ["a2"] },
  };
  const person = (sub: string): string => callers.token({ iss: OTHER_ISSUER, sub }, { kid: "k" }, otherEc.privateKey);
  const may = (who: JwtIdentity, of: Caller): string[] => ["a1", "a2"].filter((agent) => who.mayAskFor(of, agent, "p1"));

  it("are those of its name with `:*`, within its cap; whoever has an entry has that alone, and other issuers' have none of it", () => {
    const who = identity({ issuers: [desk, people], callers: entries });
    const ada = ask(who, person("ada"), "remit:audit");
    expect([ada.id, [...ada.scopes], may(who, ada), [...who.rolesOf(ada)]]).to.deep.equal([
      "console:ada",
      ["remit:audit"],
      ["a1"],
      ["reviewer"],
    ]);
    expect(codeOf(() => ask(who, person("eve"), "remit:audit"))).to.equal("scope_missing");
    const rights = (sub: string): string[] => may(who, { ...ada, id: sub });
    expect([rights("console:eve"), rights("desk:gateway-1"), rights("desk:gateway-2")]).to.deep.equal([[], ["a2"], []]);
    expect([rights("consoles:ada"), rights("console"), rights("ada"), rights("console:")]).to.deep.equal([[], [], [], ["a1"]]);
  });

  it("are nobody's where no issuer has a name, whatever a subject begins with", () => {
    const who = identity({ callers: { "console:*": { scopes: ["remit:audit"] } } });
    const token = callers.token({ sub: "console:ada" });
    expect(codeOf(() => ask(who, token, "remit:audit"))).to.equal("scope_missing");
    expect(who.mayAskFor(ask(who, token), "a1", "p1")).to.equal(false);
  });
});

describe("a sign-in that a caller's token comes from", () => {
  const signedIn = (auth_time: unknown): number | string | undefined => {
    try {
      return ask(identity(), callers.token({ auth_time })).signed_in_ms;
    } catch (cause) {
      return (cause as Problem).code;
    }
  };

  it("is told in milliseconds; what is no time counts as not said, and a time to come refuses the token", () => {
    expect([NOW_S - 60, 0, NOW_S + 5].map(signedIn)).to.deep.equal([(NOW_S - 60) * 1000, 0, (NOW_S + 5) * 1000]);
    expect([undefined, null, "1", -1, 1e12, [NOW_S]].map(signedIn)).to.deep.equal(Array.from({ length: 6 }, () => undefined));
    expect([NOW_S + 6, NOW_S + 1e6].map(signedIn)).to.deep.equal(["token_invalid", "token_invalid"]);
  });
});

describe("an identity", () => {
  const fixed = (pair: typeof ec, kid = "k"): FixedKeys => new FixedKeys([keyOf(kid, pair)]);
  const others = { issuer: OTHER_ISSUER, keys: fixed(otherEc) };
  const one = issuer({ keys: fixed(ec) });
  // prettier-ignore
  const refused: [string, object, typeof TypeError | typeof KeyRefused, string][] = [
    ["an issuer", { issuers: [] }, TypeError, "an issuer of callers' tokens"],
    ["an issuer's name", { issuers: [issuer({ issuer: "" })] }, TypeError, "an issuer must be given"],
    ["an audience", { issuers: [issuer({ audience: {} })] }, TypeError, "an audience for each use"],
    ["a callers' audience that is one", { issuers: [issuer({ audience: { callers: "" } })] }, TypeError, "an audience for each use"],
    ["an agents' audience that is one", { issuers: [issuer({ audience: { callers: AUDIENCE, agents: "" } })] }, TypeError, "an audience for each use"],
    ["callers", { issuers: [issuer({ audience: { agents: AGENT_AUDIENCE } })] }, TypeError, "an issuer of callers' tokens"],
    ["distinct issuers", { issuers: [one, { ...one, keys: fixed(otherEc), audience: { agents: "x" } }] }, TypeError, "twice"],
    ["another issuer than task tokens have", { issuers: [issuer({ issuer: "urn:remit:tasks" })] }, TypeError, "twice, or is"],
    ["distinct trust domains", { issuers: [{ ...one, trust_domain: "a" }, { ...others, trust_domain: "a", audience: { agents: "x" } }] }, TypeError, "trust domain"],
    ["names of several issuers with callers", { issuers: [one, { ...others, audience: { callers: AUDIENCE } }] }, TypeError, "a name of its own"],
    ["a name of each of several issuers with callers", { issuers: [{ ...one, name: "a" }, { ...others, audience: { callers: AUDIENCE } }] }, TypeError, "a name of its own"],
    ["distinct names", { issuers: [{ ...one, name: "a" }, { ...others, name: "a", audience: { callers: AUDIENCE } }] }, TypeError, "a name of its own"],
    ["an audience for each use", { issuers: [issuer({ audience: { callers: "x", agents: "x" } })] }, TypeError, "must differ"],
    ["audiences that differ across issuers", { issuers: [one, { ...others, audience: { agents: AUDIENCE } }] }, TypeError, "must differ"],
    ["an audience apart from task tokens'", { issuers: [issuer({ audience: { callers: "urn:remit:task" } })] }, TypeError, "must differ"],
    ["an agents' audience apart from task tokens'", { issuers: [issuer({ audience: { callers: "x", agents: "urn:remit:task" } })] }, TypeError, "must differ"],
    ["keys of their own for two issuers", { issuers: [one, { ...others, keys: fixed(ec, "other"), audience: { agents: "x" } }] }, KeyRefused, "share it"],
    ["a key of its own for task tokens", { issuers: [issuer({ keys: fixed(taskEc) })] }, KeyRefused, "share it"],
    ["an issuer's keys for production", { production: true, issuers: [issuer({ keys: new FixedKeys([keyOf("remit-development-1", ec, { development: true })]) })] }, KeyRefused, "refused in production"],
    ["a task key for production", { production: true, tasks: taskTokens({ keys: { sign: taskEc.privateKey, verify: keyOf("t", taskEc, { development: true }) } }) }, KeyRefused, "refused in production"],
  ];
  for (const [what, changes, error, wanted] of refused)
    it(`is not made without ${what}`, () => {
      expect(() => identity(changes)).to.throw(error, wanted);
    });

  it("is made with the same keys outside production", () => {
    const development = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const keys = new FixedKeys([keyOf("remit-development-1", development, { development: true })]);
    const token = callers.token({}, { kid: "remit-development-1" }, development.privateKey);
    expect(ask(identity({ issuers: [issuer({ keys })] }), token).id).to.equal("gateway-1");
  });
});
