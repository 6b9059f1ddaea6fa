import { expect } from "chai";
import fc from "fast-check";
import { Problem, type Answer, type PolicyInput, type PolicyReason } from "../../src/contract/index.js";
import type { Agent, AgentProof, Grant, Task, TokenUse } from "../../src/decision/ports.js";
import { AGENT, ALLOWED, CALLER, NOW, REQUEST, TASK, World, live, policyOf, problemOf, WAITING } from "./world.js";

const LEAD: Agent = { ...AGENT, id: "lead-1" };
const ROOT: Task = { ...TASK, id: "T-0", agent: "lead-1" };
const CHILD: Task = { ...TASK, parent: "T-0" };
const TOKEN: TokenUse = { jti: "j-1", issued_ms: NOW - 1000, expires_ms: NOW + 60_000 };
const PROOF: AgentProof = {
  actor: { issuer: "agents", subject: "s7" },
  principal: { issuer: "users", subject: "ada" },
  chain: [],
  token: TOKEN,
};

const deny: PolicyReason = { effect: "deny", code: "read_only", severity: "high", params: {} };
const flag = (proceed: boolean): PolicyReason => ({
  effect: "flag",
  code: "unrelated",
  severity: "high",
  params: {},
  proceed,
});
const RESULTS = {
  allow: ALLOWED,
  "flag, go on": { decision: "flag", proceed: true, reasons: [flag(true)], obligations: [] },
  "flag, wait": { decision: "flag", proceed: false, reasons: [flag(false)], obligations: [] },
  deny: { decision: "deny", proceed: false, reasons: [deny], obligations: [] },
} as const;
type Said = keyof typeof RESULTS;
/** From the most to the least lenient. */
const STRICTNESS: readonly Said[] = ["allow", "flag, go on", "flag, wait", "deny"];

/** `support-7` works on T-1, which `lead-1` has handed on from T-0; the policy says of each task what is given. */
function chained(says: (input: PolicyInput) => unknown = () => ALLOWED): World {
  const world = new World();
  world.agents.set(LEAD.id, LEAD);
  world.tasks.set(ROOT.id, ROOT).set(CHILD.id, CHILD);
  world.active = policyOf(says);
  return world;
}

type Read = Record<string, unknown>;

const codes = ({ reasons }: Answer): string[] => reasons.map(({ code }) => code);
const said = ({ decision, proceed }: Answer): Said => (decision === "flag" ? (proceed ? "flag, go on" : "flag, wait") : decision);

describe("decide: on a task that was handed on", () => {
  it("asks the policy of every task of the chain, each as its own agent's", async () => {
    const asked: unknown[] = [];
    const world = chained(({ request, facts }) => {
      asked.push([request.agent, request.task, facts.agent.id, facts.task.id, facts.task.depth, facts.task.root]);
      return ALLOWED;
    });
    await world.decide();
    expect(asked).to.deep.equal([
      ["support-7", "T-1", "support-7", "T-1", 1, "T-0"],
      ["lead-1", "T-0", "lead-1", "T-0", 0, "T-0"],
    ]);
  });

  for (const own of STRICTNESS) {
    for (const above of STRICTNESS) {
      it(`answers with the strictest: ${own} for itself, ${above} for the one above`, async () => {
        const world = chained(({ facts }) => RESULTS[facts.task.id === "T-1" ? own : above]);
        const { answer } = await world.decide();
        expect(said(answer)).to.equal(STRICTNESS[Math.max(STRICTNESS.indexOf(own), STRICTNESS.indexOf(above))]);
      });
    }
  }

  it("says whose a reason is that the task itself did not give", async () => {
    const world = chained(({ facts }) => RESULTS[facts.task.id === "T-1" ? "allow" : "deny"]);
    const { answer } = await world.decide();
    expect(answer.reasons.map(({ code, of }) => [code, of])).to.deep.equal([
      ["read_only", "T-0"],
      ["read_own", undefined],
    ]);
  });

  it("is denied where what two tasks oblige to contradicts", async () => {
    const world = chained(({ facts }) => ({
      ...ALLOWED,
      obligations: [{ type: "modify", argument: "limit", value: facts.task.id === "T-1" ? 1 : 2 }],
    }));
    const { answer } = await world.decide();
    expect([answer.proceed, codes(answer)]).to.deep.equal([false, ["result_invalid"]]);
  });

  it("is bound to what each task of the chain obliges to, once", async () => {
    const both = { type: "redact", fields: ["iban"] };
    const world = chained(({ facts }) => ({
      ...ALLOWED,
      obligations: [both, { type: "notify", channel: facts.task.id }],
    }));
    const { answer } = await world.decide();
    expect(answer.obligations).to.deep.equal([{ type: "notify", channel: "T-0" }, { type: "notify", channel: "T-1" }, both]);
  });

  // prettier-ignore
  const stopped: [name: string, code: string, stop: (world: World) => unknown][] = [
    ["that nobody knows", "task_unknown", (world) => world.tasks.delete("T-0")],
    ["that has ended", "task_ended", (world) => world.tasks.set("T-0", { ...ROOT, ended: true })],
    ["that has expired", "task_expired", (world) => world.tasks.set("T-0", { ...ROOT, expires_ms: NOW })],
    ["that is revoked", "task_revoked", (world) => world.revoked.add("task/T-0")],
    ["without this verb", "verb_not_in_task", (world) => world.tasks.set("T-0", { ...ROOT, verbs: new Set(["update"]) })],
    ["of another purpose", "task_of_another_purpose", (world) => world.tasks.set("T-0", { ...ROOT, purpose: "roaming" })],
    ["of an agent nobody knows", "agent_unknown", (world) => world.agents.delete("lead-1")],
    ["of a suspended agent", "agent_suspended", (world) => world.agents.set("lead-1", { ...LEAD, status: "suspended" })],
    ["of a retired agent", "agent_revoked", (world) => world.agents.set("lead-1", { ...LEAD, status: "revoked" })],
    ["of a revoked agent", "agent_revoked", (world) => world.revoked.add("agent/lead-1")],
    ["for somebody who is revoked", "principal_revoked", (world) => [world.tasks.set("T-0", { ...ROOT, principal: "eve" }), world.revoked.add("principal/eve")]],
    ["of a revoked owner's agent", "owner_revoked", (world) => [world.agents.set("lead-1", { ...LEAD, owner: "x" }), world.revoked.add("owner/x")]],
    ["of an agent not registered for the purpose", "purpose_not_registered", (world) => world.agents.set("lead-1", { ...LEAD, purposes: new Set(["roaming"]) })],
  ];
  for (const [name, code, stop] of stopped) {
    it(`is denied beneath a task ${name}: ${code}, and the policy is not asked`, async () => {
      let asked = false;
      const world = chained(() => {
        asked = true;
        return ALLOWED;
      });
      stop(world);
      const { answer } = await world.decide();
      expect([answer.decision, codes(answer), answer.reasons[0]?.of, asked]).to.deep.equal(["deny", [code], "T-0", false]);
    });
  }

  it("asks no proof of the agents above: they are not the ones that act", async () => {
    const world = chained();
    world.agents.set("lead-1", { ...LEAD, token_required: true });
    expect((await world.decide()).answer.decision).to.equal("allow");
  });

  it("ends at a cycle of parents, denied", async () => {
    const world = chained();
    world.tasks.set("T-0", { ...ROOT, parent: "T-1" });
    const { answer } = await world.decide();
    expect([answer.decision, codes(answer)]).to.deep.equal(["deny", ["task_unknown"]]);
  });

  it("is not valid for longer than any task of its chain", async () => {
    const world = chained();
    world.tasks.set("T-0", { ...ROOT, expires_ms: NOW + 7 });
    expect((await world.decide()).answer.valid_for_ms).to.equal(7);
  });

  it("keeps on record what was asked of every task, or of every task what the floor read", async () => {
    const world = chained();
    await world.decide();
    world.revoked.add("task/T-0");
    await world.decide();
    const [asked, refused] = world.records.map((text) => JSON.parse(text) as { floor: Read; ancestors: Read[] });
    expect(asked?.ancestors.map((input) => (input["request"] as Read)["task"])).to.deep.equal(["T-0"]);
    expect([refused?.floor, ...(refused?.ancestors ?? [])].map((read) => [read?.["task_id"], read?.["revoked"]])).to.deep.equal([
      ["T-1", null],
      ["T-0", "task"],
    ]);
  });

  it("never allows what any one of the chain is not, for any tree and any stops", async () => {
    const level = fc.record({
      says: fc.constantFrom(...STRICTNESS),
      ended: fc.boolean(),
      revoked: fc.boolean(),
      suspended: fc.boolean(),
      verbs: fc.constantFrom(null, ["read"], ["update"]),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(level, { minLength: 1, maxLength: 6 }), async (levels) => {
        const world = new World();
        for (const [i, { ended, revoked, suspended, verbs }] of levels.entries()) {
          const agent = i === 0 ? "support-7" : `a-${i}`;
          world.agents.set(agent, { ...AGENT, id: agent, status: suspended ? "suspended" : "active" });
          const parent = i + 1 < levels.length ? `L-${i + 1}` : null;
          world.tasks.set(`L-${i}`, { ...TASK, id: `L-${i}`, agent, parent, ended, verbs: verbs && new Set(verbs) });
          if (revoked) world.revoked.add(`task/L-${i}`);
        }
        world.active = policyOf(({ facts }) => RESULTS[levels[Number(facts.task.id?.slice(2))]?.says ?? "deny"]);
        const { answer } = await world.decide({ ...REQUEST, task: "L-0" });
        const live = levels.every((one) => !one.ended && !one.revoked && !one.suspended && one.verbs?.[0] !== "update");
        const strictest = Math.max(...levels.map(({ says }) => STRICTNESS.indexOf(says)));
        expect(said(answer)).to.equal(live ? STRICTNESS[strictest] : "deny");
      }),
      { numRuns: 300 },
    );
  });
});

describe("decide: what is proven by tokens", () => {
  const withToken = { ...REQUEST, agent_token: "agent-token" };

  function proving(proof: AgentProof = PROOF): World {
    const world = new World();
    world.agentProofs.set("agent-token", proof);
    world.credentials.set("agents s7", "support-7");
    return world;
  }

  it("takes the agent for proven, and keeps the proof on record without the token", async () => {
    const world = proving();
    const { answer } = await world.decide(withToken);
    expect(answer.decision).to.equal("allow");
    expect(JSON.parse(world.records[0] ?? ""))
      .to.have.property("proof")
      .that.deep.equals(PROOF);
    expect(world.records[0]).not.to.include("agent-token");
  });

  it("tells the policy whom the agent acts for where the task does not", async () => {
    let principal: string | null = null;
    const world = proving();
    world.tasks.set("T-1", { ...TASK, principal: null });
    world.active = policyOf(({ facts }) => {
      ({ principal } = facts);
      return ALLOWED;
    });
    await world.decide(withToken);
    expect(principal).to.equal("ada");
  });

  const named: [what: string, above: string | null, token: boolean, seen: (string | null)[]][] = [
    ["nobody above if the acting agent's token alone names one", null, true, ["ada", null]],
    ["the same one above if every task names one", "ada", true, ["ada", "ada"]],
    ["the task's one above if there is no token", "ada", false, ["ada", "ada"]],
    ["nobody if neither task nor token names one", null, false, [null, null]],
  ];
  for (const [what, person, token, seen] of named) {
    it(`tells the policy of a chain's tasks ${what}`, async () => {
      const principals: (string | null)[] = [];
      const world = chained(({ facts }) => {
        principals.push(facts.principal);
        return ALLOWED;
      });
      world.agentProofs.set("agent-token", PROOF);
      world.credentials.set("agents s7", "support-7");
      world.tasks.set("T-0", { ...ROOT, principal: person }).set("T-1", { ...CHILD, principal: person });
      await world.decide(token ? withToken : REQUEST);
      expect(principals).to.deep.equal(seen);
    });
  }

  const refused: [name: string, code: string, change: (world: World) => unknown][] = [
    ["of another agent", "agent_token_mismatch", (world) => world.credentials.set("agents s7", "support-8")],
    ["of nobody's credentials", "agent_token_mismatch", (world) => world.credentials.delete("agents s7")],
    [
      "of another issuer with this subject",
      "agent_token_mismatch",
      (world) => world.agentProofs.set("agent-token", { ...PROOF, actor: { issuer: "others", subject: "s7" } }),
    ],
    ["that is revoked", "token_revoked", (world) => world.revoked.add("token/j-1")],
    [
      "of an agent that acts for one that is revoked",
      "actor_stopped",
      (world) => {
        world.credentials.set("users ada", "lead-1");
        world.agents.set("lead-1", LEAD);
        world.revoked.add("agent/lead-1");
      },
    ],
    ["that acts for somebody who is revoked", "principal_revoked", (world) => world.revoked.add("principal/ada")],
    ["that acts for somebody whose tokens of then are revoked", "principal_revoked", (world) => world.cutTokens.set("ada", NOW - 999)],
    [
      "that acts for somebody whose tokens are revoked, and doesn't say when it was issued",
      "principal_revoked",
      (world) => {
        world.agentProofs.set("agent-token", { ...PROOF, token: { ...TOKEN, issued_ms: null } });
        world.cutTokens.set("ada", 0);
      },
    ],
    [
      "whose earlier actor is somebody who is revoked",
      "principal_revoked",
      (world) => {
        world.agentProofs.set("agent-token", { ...PROOF, chain: [{ issuer: "users", subject: "eve" }] });
        world.cutTokens.set("eve", NOW);
      },
    ],
    ["older than the registration", "agent_token_stale", (world) => world.agents.set("support-7", { ...AGENT, registered_ms: NOW })],
    ["that has run out", "agent_token_expired", (world) => (world.now_ms = NOW + 60_000)],
    [
      "of nobody, whose earlier actor is somebody who is revoked",
      "principal_revoked",
      (world) => {
        world.agentProofs.set("agent-token", { ...PROOF, principal: null, chain: [{ issuer: "users", subject: "eve" }] });
        world.revoked.add("principal/eve");
      },
    ],
    [
      "of nobody, whose earlier actor's owner is revoked",
      "actor_stopped",
      (world) => {
        world.agentProofs.set("agent-token", { ...PROOF, principal: null, chain: [{ issuer: "agents", subject: "lead" }] });
        world.credentials.set("agents lead", "lead-1");
        world.agents.set("lead-1", { ...LEAD, owner: "leads@example.com" });
        world.revoked.add("owner/leads@example.com");
      },
    ],
    ["for another person than the task's", "principal_mismatch", (world) => world.tasks.set("T-1", { ...TASK, principal: "bob" })],
    [
      "whose earlier actor is revoked",
      "actor_stopped",
      (world) => {
        world.agentProofs.set("agent-token", { ...PROOF, chain: [{ issuer: "agents", subject: "lead" }] });
        world.credentials.set("agents lead", "lead-1");
        world.agents.set("lead-1", LEAD);
        world.revoked.add("agent/lead-1");
      },
    ],
    ...(
      [
        ["is suspended", { status: "suspended" }],
        ["is no more", { status: "revoked" }],
        ["isn't registered for the purpose", { purposes: new Set(["roaming"]) }],
        ["was given its credential after it was issued", { registered_ms: NOW - 999 }],
      ] as const
    ).map(([how, changes]): [string, string, (world: World) => unknown] => [
      `whose earlier actor ${how}`,
      "actor_stopped",
      (world) => {
        world.agentProofs.set("agent-token", {
          ...PROOF,
          chain: [
            { issuer: "x", subject: "y" },
            { issuer: "agents", subject: "lead" },
          ],
        });
        world.credentials.set("agents lead", "lead-1");
        world.agents.set("lead-1", { ...LEAD, ...changes });
      },
    ]),
  ];
  for (const [name, code, change] of refused) {
    it(`denies with a token ${name}: ${code}`, async () => {
      const world = proving();
      change(world);
      const { answer } = await world.decide(withToken);
      expect([answer.decision, codes(answer)]).to.deep.equal(["deny", [code]]);
    });
  }

  it("takes earlier actors that are no agents here, or are well, for information", async () => {
    const world = proving({
      ...PROOF,
      chain: [
        { issuer: "agents", subject: "lead" },
        { issuer: "x", subject: "y" },
      ],
    });
    world.credentials.set("agents lead", "lead-1");
    world.agents.set("lead-1", LEAD);
    expect((await world.decide(withToken)).answer.decision).to.equal("allow");
  });

  it("takes an earlier actor that was given its credential in the millisecond in which the token was issued", async () => {
    const world = proving({ ...PROOF, principal: null, chain: [{ issuer: "agents", subject: "lead" }] });
    world.credentials.set("agents lead", "lead-1");
    world.agents.set("lead-1", { ...LEAD, registered_ms: NOW - 1000 });
    expect((await world.decide(withToken)).answer.decision).to.equal("allow");
    world.agents.set("lead-1", { ...LEAD, registered_ms: NOW - 999 });
    expect(codes((await world.decide(withToken)).answer)).to.deep.equal(["actor_stopped"]);
  });

  it("takes a token that was issued after those of whom it acts for were revoked, and tasks for others", async () => {
    const world = proving();
    world.cutTokens.set("ada", NOW - 1000).set("eve", NOW);
    world.revoked.add("principal/eve").add("principal/support-7").add("principal/s7");
    expect((await world.decide(withToken)).answer.decision).to.equal("allow");
    world.cutTokens.set("ada", NOW);
    expect((await world.decide()).answer.decision, "a task has no token").to.equal("allow");
  });

  it("denies an agent that has to prove itself and doesn't", async () => {
    const world = proving();
    world.agents.set("support-7", { ...AGENT, token_required: true });
    expect(codes((await world.decide()).answer)).to.deep.equal(["agent_token_required"]);
    expect((await world.decide(withToken)).answer.decision).to.equal("allow");
  });

  it("refuses a token that doesn't verify, and records nothing", async () => {
    const world = proving();
    const problem = await problemOf(world.decide({ ...REQUEST, agent_token: "forged" }));
    expect([problem.code, problem.detail.field, world.records]).to.deep.equal(["token_invalid", "/agent_token", []]);
  });

  it("is not valid for longer than the token", async () => {
    const world = proving({ ...PROOF, token: { ...TOKEN, expires_ms: NOW + 9 } });
    expect((await world.decide(withToken)).answer.valid_for_ms).to.equal(9);
  });

  it("denies a caller whose token is revoked while its decision waits for facts", async () => {
    const world = new World();
    world.authenticate = () => ({ ...CALLER, token: { ...TOKEN, jti: "caller-1" } });
    world.reached = () => {
      world.revoked.add("token/caller-1");
      return Promise.resolve(true);
    };
    const { answer } = await world.decide({ ...REQUEST, at_least: world.revision + 1 });
    expect(codes(answer)).to.deep.equal(["token_revoked"]);
  });

  describe("a task's token", () => {
    const TASK_PROOF = { task: "T-1", agent: "support-7", purpose: "support", token: TOKEN };

    it("names the task in its place, with the same digest", async () => {
      const world = new World();
      world.taskProofs.set("task-token", TASK_PROOF);
      const named = await world.decide();
      const proven = await world.decide({ ...REQUEST, task: undefined, task_token: "task-token" });
      expect(proven.answer.decision).to.equal("allow");
      expect(proven.answer.action_digest).to.equal(named.answer.action_digest);
    });

    for (const [name, proof, request] of [
      ["another task than the request", { ...TASK_PROOF, task: "T-2" }, { task: "T-1" }],
      ["another agent", { ...TASK_PROOF, agent: "support-8" }, {}],
      ["another purpose", { ...TASK_PROOF, purpose: "roaming" }, {}],
    ] as const) {
      it(`denies where it names ${name}`, async () => {
        const world = new World();
        world.taskProofs.set("task-token", proof);
        const { answer } = await world.decide({ ...REQUEST, ...request, task_token: "task-token" });
        expect(codes(answer)).to.deep.equal(["task_token_mismatch"]);
      });
    }

    it("denies where it is revoked, and where it has run out", async () => {
      const world = new World();
      world.taskProofs.set("task-token", TASK_PROOF);
      world.revoked.add("token/j-1");
      expect(codes((await world.decide({ ...REQUEST, task_token: "task-token" })).answer)).to.deep.equal(["token_revoked"]);
      world.revoked.clear();
      world.now_ms = NOW + 60_000;
      expect(codes((await world.decide({ ...REQUEST, task_token: "task-token" })).answer)).to.deep.equal(["task_token_expired"]);
    });
  });
});

describe("decide: grants", () => {
  const NOT_PERMITTED = {
    decision: "deny",
    proceed: false,
    reasons: [{ effect: "deny", code: "not_permitted", severity: "medium", params: {} }],
    obligations: [],
  };
  const grantedBy = (grant: string): object => ({
    ...ALLOWED,
    reasons: [{ effect: "allow", code: "granted", severity: "info", params: { grant, lifted: ["not_permitted"] } }],
  });

  /** A policy that permits by the first grant that it is shown. */
  function granting(grants: Grant[], uses: Record<string, number> = {}): World {
    const world = new World();
    world.grants = grants;
    world.uses = new Map(Object.entries(uses));
    world.active = policyOf(({ facts }) => (facts.grants[0] === undefined ? NOT_PERMITTED : grantedBy(facts.grants[0].id)));
    // As the registry does: a grant without a use left is not live.
    world.grantsOf = () =>
      grants.map((grant) => (grant.counted && (world.uses.get(grant.input.id) ?? 0) === 0 ? { ...grant, state: "used_up" } : grant));
    return world;
  }

  it("are seen by the policy while they are live, as the language knows them", async () => {
    const world = granting([live("G-1"), live("G-2", { state: "expired" })]);
    let seen: unknown;
    world.active = policyOf(({ facts }) => {
      seen = facts.grants;
      return ALLOWED;
    });
    await world.decide();
    expect(seen).to.deep.equal([{ id: "G-1", exact: false, about: "any", when: [] }]);
  });

  for (const state of ["expired", "used_up", "revoked", "not_yet_valid", "ended"] as const) {
    it(`that are ${state} permit nothing, and the reasons say so beside \`not_permitted\``, async () => {
      const { answer } = await granting([live("G-1", { state })]).decide();
      expect(answer.decision).to.equal("deny");
      expect(codes(answer)).to.deep.equal(["not_permitted", `grant_${state}`]);
      expect(answer.reasons[1]).to.deep.include({ effect: "deny", params: { grant: "G-1" } });
      expect(answer.reasons[1]?.message).to.include("G-1");
    });
  }

  it("that are not live are not spoken of where something else permits", async () => {
    expect(codes((await granting([live("G-1"), live("G-2", { state: "expired" })]).decide()).answer)).to.deep.equal(["granted"]);
  });

  it("are used once for each decision that they permit, and stand in its record", async () => {
    const world = granting([live("G-1", { counted: true })], { "G-1": 2 });
    const { answer } = await world.decide();
    expect([answer.decision, world.uses.get("G-1")]).to.deep.equal(["allow", 1]);
    expect(JSON.parse(world.records[0] ?? ""))
      .to.have.property("uses")
      .that.deep.equals(["G-1"]);
  });

  it("lose no use to a decision that something else permits", async () => {
    const world = granting([live("G-1", { counted: true })], { "G-1": 1 });
    world.active = policyOf(() => ALLOWED);
    await world.decide();
    expect(world.uses.get("G-1")).to.equal(1);
  });

  it("get back a use whose record never reached the disk", async () => {
    const world = granting([live("G-1", { counted: true })], { "G-1": 1 });
    world.append = () => Promise.reject(new Problem("log_unavailable"));
    await problemOf(world.decide());
    expect(world.uses.get("G-1")).to.equal(1);
  });

  for (const uses of [0, 1, 3]) {
    it(`with ${uses} uses permit exactly ${uses} of 20 that are asked at once`, async () => {
      const world = granting([live("G-1", { counted: true })], { "G-1": uses });
      const answers = await Promise.all(Array.from({ length: 20 }, () => world.decide()));
      const allowed = answers.filter(({ answer }) => answer.proceed);
      expect([allowed.length, world.uses.get("G-1")]).to.deep.equal([uses, 0]);
      expect(answers.filter(({ answer }) => codes(answer).includes("grant_used_up"))).to.have.lengthOf(20 - uses);
    });
  }

  describe("whose uses other nodes count too", () => {
    /** A cluster that gives this node one use, a turn after it asks. */
    function reserving(left: number): World & { asked: number } {
      const world = Object.assign(granting([live("G-1", { counted: true })]), { asked: 0 });
      world.grantsOf = () => [{ ...live("G-1", { counted: true }), state: left + (world.uses.get("G-1") ?? 0) > 0 ? "live" : "used_up" }];
      world.reserve = (ids) => {
        if ((world.uses.get("G-1") ?? 0) > 0) return null;
        world.asked++;
        return Promise.resolve().then(() => {
          expect(ids).to.deep.equal(["G-1"]);
          if (left === 0) return;
          left--;
          world.uses.set("G-1", (world.uses.get("G-1") ?? 0) + 1);
        });
      };
      return world;
    }

    it("are got before they are taken, and no more than there are", async () => {
      const world = reserving(2);
      const decisions: string[] = [];
      for (let i = 0; i < 3; i++) decisions.push((await world.decide()).answer.decision);
      expect([decisions, world.asked, world.records.length]).to.deep.equal([["allow", "allow", "deny"], 2, 3]);
    });

    it("permit nothing by facts that have changed while they were got", async () => {
      const world = reserving(1);
      const { reserve } = world;
      world.reserve = (ids) => reserve(ids)?.then(() => void world.revoked.add("agent/support-7")) ?? null;
      const { answer } = await world.decide();
      expect([answer.decision, world.uses.get("G-1")]).to.deep.equal(["deny", 1]);
    });

    it("leave no record of a decision whose use could not be got", async () => {
      const world = reserving(1);
      world.reserve = () => Promise.reject(new Problem("grant_uncounted"));
      expect((await problemOf(world.decide())).code).to.equal("grant_uncounted");
      expect(world.records).to.deep.equal([]);
    });

    it("are asked for so many times, where others of this service take what was got", async () => {
      const world = reserving(1);
      world.reserve = () => Promise.resolve();
      expect((await problemOf(world.decide())).code).to.equal("grant_uncounted");
      expect(world.records).to.deep.equal([]);
    });

    it("keep a batch in its order", async () => {
      const world = reserving(1);
      const asked = [REQUEST, { ...REQUEST, request_id: "second" }];
      const decided = await world.decider.decideBatch(Buffer.from(JSON.stringify({ actions: asked })), "x");
      expect(decided.map(({ answer }) => answer.decision)).to.deep.equal(["allow", "deny"]);
      expect(world.records.map((text) => (JSON.parse(text) as { answer: { decision: string } }).answer.decision)).to.deep.equal([
        "allow",
        "deny",
      ]);
    });
  });

  it("permit, within one batch too, only as many as they have uses", async () => {
    const world = granting([live("G-1", { counted: true })], { "G-1": 2 });
    const decided = await world.decider.decideBatch(Buffer.from(JSON.stringify({ actions: [REQUEST, REQUEST, REQUEST] })), "x");
    expect(decided.map(({ answer }) => answer.decision)).to.deep.equal(["allow", "allow", "deny"]);
  });

  it("bound how long an answer is valid", async () => {
    const { answer } = await granting([live("G-1", { expires_ms: NOW + 3 })]).decide();
    expect(answer.valid_for_ms).to.equal(3);
  });

  it("of the task itself lift nothing for the tasks above it", async () => {
    const world = granting([live("G-1")]);
    world.agents.set(LEAD.id, LEAD);
    world.tasks.set(ROOT.id, ROOT).set(CHILD.id, CHILD);
    world.grantsOf = (_agent, task) => (task === "T-1" ? [live("G-1")] : []);
    const { answer } = await world.decide();
    expect([answer.decision, answer.reasons.map(({ code, of }) => [code, of])]).to.deep.equal([
      "deny",
      [
        ["not_permitted", "T-0"],
        ["granted", undefined],
      ],
    ]);
  });
});

describe("decide: an approval", () => {
  const exact = live("approval-1", { counted: true, input: { id: "approval-1", exact: true, about: "any", when: [] } });
  const granted = { effect: "allow" as const, code: "granted", severity: "info" as const, params: { grant: "approval-1", lifted: [] } };

  it("counts for every task of the chain, and takes one use", async () => {
    const world = new World();
    world.agents.set(LEAD.id, LEAD);
    world.tasks.set(ROOT.id, ROOT).set(CHILD.id, CHILD);
    world.uses = new Map([["approval-1", 1]]);
    const seen: number[] = [];
    world.active = policyOf(({ facts }) => {
      seen.push(facts.grants.length);
      return facts.grants.length === 0 ? WAITING : { ...ALLOWED, reasons: [granted] };
    });
    const held = await world.decide();
    world.approvals.set(`${REQUEST.agent} ${held.answer.wait?.approval_digest ?? ""}`, [exact]);
    const { answer } = await world.decide();
    expect([held.answer.decision, answer.decision, seen]).to.deep.equal(["flag", "allow", [0, 0, 1, 1]]);
    expect([world.uses.get("approval-1"), (JSON.parse(world.records[1] ?? "") as { uses: string[] }).uses]).to.deep.equal([
      0,
      ["approval-1"],
    ]);
  });
});

describe("decide: on facts that must have been seen", () => {
  it("waits for them, and decides on them", async () => {
    const world = new World();
    world.reached = () => {
      world.revision = 9;
      world.agents.set(AGENT.id, { ...AGENT, status: "suspended" });
      return Promise.resolve(true);
    };
    const { answer } = await world.decide({ ...REQUEST, at_least: 9 });
    expect([answer.facts_revision, codes(answer)]).to.deep.equal([9, ["agent_suspended"]]);
  });

  it("gives up where they don't come, with nothing decided", async () => {
    const world = new World();
    const problem = await problemOf(world.decide({ ...REQUEST, at_least: 9 }));
    expect([problem.code, problem.detail.field, world.records]).to.deep.equal(["facts_behind", "/at_least", []]);
  });
});
