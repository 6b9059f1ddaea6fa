import { expect } from "chai";
import fc from "fast-check";
import type { ChangeAgent, CreateAgent } from "../../src/contract/index.js";
import type { Commands } from "../../src/facts/commands.js";
import { areSimilar } from "../../src/contract/similar.js";
import { SimilarIds } from "../../src/facts/similar.js";
import { World, drawing, outcome } from "./world.js";

const spiffe = { issuer: "https://idp.example", subject: "spiffe://example/support-7" };
const agent = (changes: Partial<CreateAgent> = {}): CreateAgent => ({
  id: "support-7",
  owner: "support@example.com",
  purposes: ["support"],
  ...changes,
});

describe("agents", () => {
  let world: World;
  let facts: Commands;
  beforeEach(async () => {
    world = new World();
    facts = await world.open();
    await facts.createAgent(agent({ credentials: [spiffe], attributes: { tier: 2 } }), "host");
  });

  it("are registered with what is said of them, and on record", () => {
    const { revision, ...known } = facts.registry.agent("support-7") ?? { revision: 0 };
    expect(known).to.deep.include({ id: "support-7", status: "active", token_required: false, registered_ms: world.clock.wall_ms });
    expect(facts.registry.agentOf(spiffe)).to.equal("support-7");
    expect([revision, facts.registry.revision]).to.deep.equal([1, 1]);
    expect(world.records).to.have.length(1);
    expect(world.records[0]).to.deep.include({ kind: "facts", change: "agent_created", caller: "host", facts_revision: 1 });
  });

  it("are the same after a repeated request, which changes nothing", async () => {
    const again = await facts.createAgent(agent({ credentials: [spiffe], attributes: { tier: 2 } }), "host");
    expect([again.created, facts.registry.revision]).to.deep.equal([false, 1]);
  });

  describe("that are stopped", () => {
    const other = { issuer: spiffe.issuer, subject: "spiffe://example/other" };
    const elsewhere = { issuer: "https://other.example", subject: spiffe.subject };
    const STOPS: Record<string, () => Promise<unknown>> = {
      "by a revocation of its owner": () => facts.revoke({ scope: { owner: "support@example.com" }, reason: "r" }, "ops"),
      "by its own revocation": () => facts.revoke({ scope: { agent: "support-7" }, reason: "r" }, "ops"),
      "by a suspension": () => facts.changeAgent("support-7", { status: "suspended", reason: "r" }, null, "ops"),
    };
    const LOST: [what: string, credentials: CreateAgent["credentials"]][] = [
      ["all", []],
      ["it for another of the same issuer", [other]],
      ["it for the same of another issuer", [elsewhere]],
    ];
    const change = (asked: ChangeAgent): Promise<string> =>
      outcome(facts.changeAgent("support-7", asked, facts.registry.agent("support-7")?.revision ?? 0, "host"));

    for (const [how, stop] of Object.entries(STOPS)) {
      for (const [what, credentials = []] of LOST)
        it(`${how} lose no credential: ${what}`, async () => {
          await stop();
          expect(await change({ credentials })).to.equal("fact_invalid /credentials");
        });
      it(`${how} may have another credential, name and purpose beside what they have`, async () => {
        await stop();
        expect(await change({ credentials: [other, spiffe], name: "Support", purposes: ["support", "audit"] })).to.equal("done");
      });
    }

    it("lose their credentials as others do once they are no longer", async () => {
      await STOPS["by a suspension"]?.();
      await facts.changeAgent("support-7", { status: "active", reason: "r" }, null, "ops");
      expect(await change({ credentials: [] })).to.equal("done");
    });

    it("keep a revoked owner, by name, and change another", async () => {
      await STOPS["by its own revocation"]?.();
      expect(await change({ owner: "new@example.com" })).to.equal("done");
      await facts.revoke({ scope: { owner: "new@example.com" }, reason: "r" }, "ops");
      expect(await change({ owner: "newer@example.com" })).to.equal("fact_invalid /owner");
      expect(await change({ owner: "new@example.com", version: "9" })).to.equal("done");
    });
  });

  const bad: [what: string, asked: CreateAgent, refused: string][] = [
    ["an id that is another's, but for its members", agent({ owner: "eve@example.com" }), "agent_exists /id"],
    ["an id that differs by case alone", agent({ id: "Support-7" }), "agent_id_similar /id"],
    ["an id with `I` for `l`", agent({ id: "biII-1" }), "agent_id_similar /id"],
    ["an id with `0` for `o`", agent({ id: "supp0rt-7" }), "agent_id_similar /id"],
    ["an id with `rn` for `m`", agent({ id: "rnailer" }), "agent_id_similar /id"],
    ["a purpose the bundle doesn't know", agent({ id: "a", purposes: ["support", "suport"] }), "fact_invalid /purposes/1"],
    ["a purpose to hand on that the bundle doesn't know", agent({ id: "a", delegates: ["x"] }), "fact_invalid /delegates/0"],
    ["a purpose named as every object has it", agent({ id: "a", purposes: ["constructor"] }), "fact_invalid /purposes/0"],
    ["an attribute the vocabulary doesn't name", agent({ id: "a", attributes: { teir: 1 } }), "fact_invalid /attributes/teir"],
    ["an attribute of another type", agent({ id: "a", attributes: { tier: "2" } }), "fact_invalid /attributes/tier"],
    ["another's credential", agent({ id: "a", credentials: [spiffe] }), "credential_taken /credentials/0"],
    [
      "a credential twice",
      agent({
        id: "a",
        credentials: [
          { issuer: "i", subject: "s" },
          { issuer: "i", subject: "s" },
        ],
      }),
      "fact_invalid /credentials/1",
    ],
    ["an owner with a hidden character", agent({ id: "a", owner: "eve\u200b" }), "identifier_not_canonical /owner"],
    [
      "a credential with a line break",
      agent({ id: "a", credentials: [{ issuer: "i", subject: "a\nb" }] }),
      "identifier_not_canonical /credentials/0/subject",
    ],
  ];
  for (const [what, asked, refused] of bad) {
    it(`are refused ${what}`, async () => {
      await facts.createAgent(agent({ id: "bill-1" }), "host");
      await facts.createAgent(agent({ id: "mailer" }), "host");
      expect(await outcome(facts.createAgent(asked, "host"))).to.equal(refused);
      expect([facts.registry.revision, world.store.revision]).to.deep.equal([3, 3]);
    });
  }

  const badChanges: [what: string, id: string, asked: ChangeAgent, expected: number | null, refused: string][] = [
    ["of an agent that isn't there", "nobody", { owner: "x" }, 1, "agent_not_found"],
    ["that doesn't say what it changes", "support-7", { owner: "x" }, null, "revision_required"],
    ["of what has changed since", "support-7", { owner: "x" }, 7, "revision_stale"],
    ["to a purpose the bundle doesn't know", "support-7", { purposes: ["x"] }, 1, "fact_invalid /purposes/0"],
    ["to another's credential", "other", { credentials: [spiffe] }, 2, "credential_taken /credentials/0"],
    ["of the status and something else", "support-7", { status: "suspended", owner: "x", reason: "r" }, 1, "fact_invalid /status"],
    ["of the status without a reason", "support-7", { status: "suspended" }, 1, "field_missing /reason"],
    ["of the status of what has changed since", "support-7", { status: "suspended", reason: "r" }, 7, "revision_stale"],
  ];
  for (const [what, id, asked, expected, refused] of badChanges) {
    it(`refuse a change ${what}`, async () => {
      await facts.createAgent(agent({ id: "other" }), "host");
      expect(await outcome(facts.changeAgent(id, asked, expected, "host"))).to.equal(refused);
      expect(facts.registry.revision).to.equal(2);
    });
  }

  it("can't be registered or changed to anything while no bundle is active, and can be suspended", async () => {
    world.policy = null;
    expect(await outcome(facts.createAgent(agent({ id: "a" }), "host"))).to.equal("bundle_missing");
    expect(await outcome(facts.changeAgent("support-7", { owner: "x" }, 1, "host"))).to.equal("bundle_missing");
    await facts.changeAgent("support-7", { status: "suspended", reason: "odd" }, null, "ops");
    expect(facts.registry.agent("support-7")?.status).to.equal("suspended");
  });

  it("keep a purpose that a newer bundle no longer knows, and get no other such", async () => {
    world.policy = { vocabulary: (world.policy as never as { vocabulary: never }).vocabulary, purposes: new Map([["audit", 1]]) };
    await facts.changeAgent("support-7", { owner: "new@example.com", purposes: ["support", "audit"] }, 1, "host");
    expect(await outcome(facts.changeAgent("support-7", { purposes: ["billing"] }, 2, "host"))).to.equal("fact_invalid /purposes/0");
  });

  it("are suspended at once and restored, each with its reason", async () => {
    const suspending = facts.changeAgent("support-7", { status: "suspended", reason: "odd" }, null, "ops");
    expect(facts.registry.agent("support-7")?.status).to.equal("suspended");
    const { in_force } = await suspending;
    expect(in_force).to.deep.equal({ in_force: "node", revision: 2, durable: true, problem: null, told: 0, waited_ms: 0 });
    await facts.changeAgent("support-7", { status: "active", reason: "explained" }, null, "ops");
    expect(facts.registry.agent("support-7")?.status).to.equal("active");
    expect(world.records.map(({ change, reason, caller }) => [change, reason, caller])).to.deep.equal([
      ["agent_created", null, "host"],
      ["agent_suspended", "odd", "ops"],
      ["agent_restored", "explained", "ops"],
    ]);
  });

  it("are restored only as they were read, though they change while it is their turn", async () => {
    await facts.changeAgent("support-7", { status: "suspended", reason: "odd" }, null, "ops");
    const changing = facts.changeAgent("support-7", { purposes: ["support", "billing"] }, 2, "host");
    const restoring = facts.changeAgent("support-7", { status: "active", reason: "looked at" }, 2, "ops");
    expect(await outcome(changing)).to.equal("done");
    expect(await outcome(restoring)).to.equal("revision_stale");
    expect(facts.registry.agent("support-7")?.status).to.equal("suspended");
  });

  it("are no more once revoked: nothing changes them, and their credentials may be another's", async () => {
    await facts.changeAgent("support-7", { status: "revoked", reason: "gone" }, null, "ops");
    for (const asked of [{ owner: "x" }, { status: "active", reason: "r" }] as const)
      expect(await outcome(facts.changeAgent("support-7", asked, 2, "ops"))).to.match(/^fact_invalid/);
    await facts.changeAgent("support-7", { status: "suspended", reason: "less" }, null, "ops");
    expect([facts.registry.agent("support-7")?.status, facts.registry.agentOf(spiffe)]).to.deep.equal(["revoked", "support-7"]);
    expect(await outcome(facts.createAgent(agent(), "host"))).to.equal("agent_id_used /id");
    expect(await outcome(facts.createAgent(agent({ id: "SUPPORT-7" }), "host"))).to.equal("agent_id_similar /id");
    world.clock.wall_ms += 1000;
    await facts.createAgent(agent({ id: "support-8", credentials: [spiffe] }), "host");
    expect(facts.registry.agentOf(spiffe)).to.equal("support-8");
    expect(facts.registry.agent("support-8")?.registered_ms).to.equal(world.clock.wall_ms);
  });

  it("are still known by their credentials once they are no more, until another agent has these", async () => {
    const [next, after] = [agent({ id: "a-8", credentials: [spiffe] }), agent({ id: "a-9", credentials: [spiffe] })];
    const retire = (id: string): Promise<unknown> => facts.changeAgent(id, { status: "revoked", reason: "r" }, null, "ops");
    const holders: (string | undefined)[] = [];
    for (const act of [
      () => retire("support-7"),
      () => facts.createAgent(next, "host"),
      () => retire("a-8"),
      () => facts.createAgent(after, "host"),
      () => facts.changeAgent("a-9", { credentials: [] }, 5, "host"),
    ]) {
      await act();
      holders.push(facts.registry.agentOf(spiffe));
    }
    expect(holders).to.deep.equal(["support-7", "a-8", "a-8", "a-9", "a-8"]);
    expect((await world.reopened()).registry.agentOf(spiffe)).to.equal("a-8");
    expect((await world.reopened()).registry.dump()).to.deep.equal(facts.registry.dump());
  });

  it("take no tokens from before a credential was given to them", async () => {
    world.clock.wall_ms += 1000;
    await facts.changeAgent("support-7", { version: "2" }, 1, "host");
    expect(facts.registry.agent("support-7")?.registered_ms).to.equal(world.clock.wall_ms - 1000);
    await facts.changeAgent("support-7", { credentials: [{ issuer: "i", subject: "s" }] }, 2, "host");
    expect(facts.registry.agent("support-7")?.registered_ms).to.equal(world.clock.wall_ms);
    expect(facts.registry.agentOf(spiffe)).to.be.undefined;
  });

  it("never come back under an id that was used, in 10,000 steps of registering and revoking", async () => {
    const draw = drawing(7);
    const ids = Array.from({ length: 40 }, (_, i) => `agent-${i}`);
    const [used, revoked] = [new Set<string>(), new Set<string>()];
    let [refusals, returned] = [0, 0];
    for (let step = 0; step < 10_000; step++) {
      const id = ids[draw(ids.length)] ?? "";
      const asked = draw(4) === 0 ? id.toUpperCase() : id;
      const act = draw(3);
      if (act < 2) {
        const result = await outcome(facts.createAgent(agent({ id: asked, owner: `o${draw(3)}` }), "host"));
        if (result !== "done") refusals++;
        else if (revoked.has(asked) || used.has(asked === id ? id.toUpperCase() : id)) returned++;
        else used.add(asked);
      } else {
        if ((await outcome(facts.changeAgent(asked, { status: "revoked", reason: "r" }, null, "ops"))) === "done") revoked.add(asked);
      }
      if (step % 2000 === 0) facts = await world.reopened();
    }
    for (const id of revoked) expect(facts.registry.agent(id)?.status).to.equal("revoked");
    expect([returned, revoked.size]).to.deep.equal([0, ids.length]);
    expect(refusals).to.be.above(1000);
  });
});

describe("ids that look alike", () => {
  const name = fc.stringMatching(/^[iIlL1oO0mMrnRNvVwW.a-]{1,12}$/);

  it("are found whatever else is known, and no others are", () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 20 }), name, (known, id) => {
        const ids = new SimilarIds();
        for (const one of new Set(known)) ids.add(one);
        const wanted = known.filter((one) => one !== id && areSimilar(one, id));
        const found = ids.find(id);
        if (wanted.length === 0) expect(found).to.be.undefined;
        else expect(wanted).to.include(found);
      }),
      { numRuns: 2000 },
    );
  });

  const pairs: [string, string, boolean][] = [
    ["agent-1", "Agent-1", true],
    ["agent-1", "agent-l", true],
    ["agent-1", "agent-I", true],
    ["agent-1", "agent-i", false],
    ["agent-I", "agent-i", true],
    ["bot-0", "bot-O", true],
    ["bot-0", "bot-8", false],
    ["modern", "modem", true],
    ["vvire", "wire", true],
    ["a-1", "a_1", false],
    ["ada", "\u0430d\u0430", true],
    ["Eve", "\u0415v\u0435", true],
    ["ada", "\uff41\uff44\uff41", true],
    ["ada", "\u0431d\u0430", false],
    ["agent-10", "agent-11", false],
  ];
  for (const [a, b, similar] of pairs) {
    it(`${similar ? "are" : "are not"} ${a} and ${b}`, () => {
      expect([areSimilar(a, b), areSimilar(b, a)]).to.deep.equal([similar, similar]);
    });
  }
});
