import { expect } from "chai";
import type { CreateGrant } from "../../src/contract/index.js";
import { CountedGrants, type Commands } from "../../src/facts/commands.js";
import type { ApproveAction } from "../../src/facts/grants.js";
import { HOUR_MS, NOW, POLICY, VOCABULARY, World, at, drawing, outcome, turns } from "./world.js";

const DIGEST = `sha256:${"a".repeat(64)}`;
const OTHER = `sha256:${"b".repeat(64)}`;

const grant = (changes: Partial<CreateGrant> = {}): CreateGrant => ({
  id: "G-1",
  agent: "a-1",
  entry: { read: "invoice", about: "task", when: { cents: { at_most: 5000 } } },
  reason: "the customer asked",
  requested_by: "support-7",
  approved_by: "lead@example.com",
  expires: at(HOUR_MS),
  ...changes,
});
const without = (key: keyof CreateGrant, changes: Partial<CreateGrant> = {}): CreateGrant =>
  Object.fromEntries(Object.entries(grant(changes)).filter(([name]) => name !== key)) as unknown as CreateGrant;

const APPROVE: ApproveAction = {
  ...{ agent: "a-1", decision: "d-1", action_digest: OTHER, approval_digest: DIGEST },
  ...{ quorum: 1, reason: "fine", expires_ms: NOW + HOUR_MS },
};
const OLDER = {
  ...{ id: "G-old", agent: "a-1", task: null, entry: null, action_digest: DIGEST, reason: "r", requested_by: "x", approved_by: "y" },
  ...{ not_before: at(0), expires: at(HOUR_MS), uses: 1, ended: null },
};

describe("grants", () => {
  let world: World;
  let facts: Commands;
  beforeEach(async () => {
    world = new World();
    facts = await world.open();
    await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
    await facts.createAgent({ id: "gone", owner: "ops", purposes: ["support"] }, "host");
    await facts.changeAgent("gone", { status: "revoked", reason: "r" }, null, "host");
    await facts.createTask({ id: "T-1", agent: "a-1", purpose: "support", expires: at(HOUR_MS) }, "host");
    await facts.createTask({ id: "ended", agent: "a-1", purpose: "support", expires: at(HOUR_MS) }, "host");
    await facts.changeTask("ended", { ended: true }, null, "host");
  });

  const found = (type = "invoice", verb = "read", task: string | null = null, now = world.clock.wall_ms) =>
    facts.registry.grants("a-1", task, type, verb, now);
  const states = (...args: Parameters<typeof found>): string[] => found(...args).map(({ state, input }) => `${input.id} ${state}`);

  it("are found by agent or task, type and verb, compiled as purposes are", async () => {
    await facts.createGrant(grant(), "host");
    await facts.createGrant(without("agent", { id: "G-2", task: "T-1", entry: { read: "ticket" }, uses: 2 }), "host");
    expect(found()).to.deep.equal([
      {
        state: "live",
        counted: false,
        expires_ms: NOW + HOUR_MS,
        input: {
          id: "G-1",
          exact: false,
          about: "task",
          when: [{ name: "cents", path: ["request", "resource", "attributes", "cents"], op: "at_most", value: 5000 }],
        },
      },
    ]);
    expect([states("invoice", "update"), states("ticket"), states("ticket", "read", "T-2")]).to.deep.equal([[], [], []]);
    expect(found("ticket", "read", "T-1")[0]).to.deep.include({ counted: true });
    expect(facts.registry.grants("a-2", null, "invoice", "read", NOW)).to.have.length(0);
  });

  it("are found again as the same object, as long as nothing about them changed", async () => {
    await facts.createGrant(grant(), "host");
    const [before] = found();
    await facts.createAgent({ id: "a-2", owner: "ops", purposes: [] }, "host");
    expect(found()[0]).to.equal(before);
    await facts.revoke({ scope: { grant: "G-1" }, reason: "r" }, "ops");
    expect(found()[0]).to.not.equal(before);
  });

  describe("that are approvals", () => {
    const approve = (changes: Partial<ApproveAction> = {}, by = "lead"): Promise<string> =>
      facts.approve({ ...APPROVE, ...changes }, by).then(({ created }) => String(created));
    const approvals = (digest = DIGEST, now = NOW): string[] =>
      facts.registry.approvals("a-1", now, () => digest).map(({ state, input }) => `${input.id} ${state} ${String(input.exact)}`);

    it("are found by their digest alone, and only while they are live", async () => {
      expect(await approve()).to.equal("true");
      expect(found("invoice", "read"), "as any grant").to.deep.equal([]);
      expect([approvals(), approvals(OTHER), approvals(DIGEST, NOW + HOUR_MS)]).to.deep.equal([["approval-d-1 live true"], [], []]);
      expect(facts.registry.take(["approval-d-1"])).to.equal(true);
      expect(approvals()).to.deep.equal([]);
    });

    it("have their digest asked for only if there are any", () => {
      const asked = (): string => {
        throw new Error("asked");
      };
      expect(facts.registry.approvals("a-1", NOW, asked)).to.deep.equal([]);
    });

    it("permit nothing before as many callers have approved as have to, each of them once", async () => {
      const two = { quorum: 2 };
      expect([await approve(two), await approve(two), approvals(), facts.registry.take(["approval-d-1"])]).to.deep.equal([
        "true",
        "false",
        [],
        false,
      ]);
      expect(facts.grant("approval-d-1").state).to.equal("unapproved");
      expect([await approve(two, "boss"), approvals()]).to.deep.equal(["true", ["approval-d-1 live true"]]);
      expect(facts.grant("approval-d-1").approval?.given.map(({ by }) => by)).to.deep.equal(["lead", "boss"]);
      const again = await world.reopened();
      expect(again.registry.approvals("a-1", NOW, () => DIGEST)).to.have.lengthOf(1);
    });

    it("are one for all decisions of an action while it waits for more, and another once it is live", async () => {
      const asked = { quorum: 2, approval_digest: OTHER };
      const tries: [decision: string, by: string, created: string, live: string[]][] = [
        ["d-11", "lead", "true", []],
        ["d-12", "lead", "false", []],
        ["d-12", "boss", "true", ["approval-d-11 live true"]],
        ["d-12", "boss", "false", ["approval-d-11 live true"]],
        ["d-13", "chief", "true", ["approval-d-11 live true"]],
      ];
      for (const [decision, by, created, live] of tries)
        expect([await approve({ ...asked, decision }, by), approvals(OTHER)], `${decision} by ${by}`).to.deep.equal([created, live]);
      expect(facts.registry.take(["approval-d-11"])).to.equal(true);
      expect([await approve({ ...asked, decision: "d-14" }, "lead"), approvals(OTHER)]).to.deep.equal([
        "true",
        ["approval-d-13 live true"],
      ]);
      await facts.createAgent({ id: "a-2", owner: "ops", purposes: [] }, "host");
      const another = { ...asked, approval_digest: `sha256:${"e".repeat(64)}` };
      await approve({ ...another, decision: "d-21", expires_ms: NOW + 1 }, "lead");
      await approve({ ...another, decision: "d-22", agent: "a-2" }, "boss");
      expect(approvals(another.approval_digest), "of another agent's").to.deep.equal([]);
    });

    it("don't count what was approved by a caller that is revoked, nor once that is lifted, until it approves again", async () => {
      const asked = { quorum: 2, approval_digest: OTHER, decision: "d-41" };
      const states: string[] = [];
      const note = (): number => states.push(`${facts.grant("approval-d-41").state} ${String(facts.registry.take(["approval-d-41"]))}`);
      await approve(asked, "lead");
      await approve(asked, "boss");
      expect(approvals(OTHER)).to.deep.equal(["approval-d-41 live true"]);
      await facts.revoke({ scope: { caller: "boss" }, reason: "its key leaked" }, "ops");
      expect(approvals(OTHER)).to.deep.equal([]);
      note();
      await facts.lift("caller/boss", { reason: "another key" }, null, "ops");
      note();
      world.clock.wall_ms++;
      await approve(asked, "boss");
      note();
      note();
      expect(states).to.deep.equal(["unapproved false", "unapproved false", "live true", "used_up false"]);
      await facts.revoke({ scope: { caller: "lead" }, reason: "its key leaked" }, "ops");
      expect(facts.grant("approval-d-41").state, "what was used stays so").to.equal("used_up");
    });

    it("are one when two approve at once", async () => {
      const asked = { quorum: 2, approval_digest: `sha256:${"f".repeat(64)}` };
      await Promise.all([approve({ ...asked, decision: "d-31" }, "lead"), approve({ ...asked, decision: "d-32" }, "boss")]);
      expect(approvals(asked.approval_digest)).to.deep.equal(["approval-d-31 live true"]);
    });

    it("permit nothing if an older version kept them by the action's digest alone", () => {
      const value = { ...facts.registry.grant("approval-d-1")?.value, ...OLDER };
      const revision = facts.registry.revision + 1;
      const change = { key: "grant/G-old", value, revision, by: "x", time: at(0), reason: null, change: "grant_created" };
      facts.registry.apply(change);
      expect([approvals(), found()]).to.deep.equal([[], []]);
    });

    it("wait for another voice until the millisecond of their expiry, and another is begun from then on", async () => {
      const asked = { quorum: 2, approval_digest: OTHER, expires_ms: NOW + 10 };
      await approve({ ...asked, decision: "d-51" }, "lead");
      const live = { ...asked, approval_digest: DIGEST, quorum: 1 };
      await approve({ ...live, decision: "d-61" }, "lead");
      world.clock.wall_ms += 9;
      expect([facts.registry.openApproval("a-1", OTHER, "boss", world.clock.wall()), approvals(DIGEST, NOW + 9)]).to.deep.equal([
        "approval-d-51",
        ["approval-d-61 live true"],
      ]);
      world.clock.wall_ms++;
      expect([facts.registry.openApproval("a-1", OTHER, "boss", world.clock.wall()), approvals(DIGEST, NOW + 10)]).to.deep.equal([
        undefined,
        [],
      ]);
      await approve({ ...asked, decision: "d-52", expires_ms: NOW + HOUR_MS }, "boss");
      expect(["d-51", "d-52"].map((id) => facts.grant(`approval-${id}`).approval?.given.map(({ by }) => by))).to.deep.equal([
        ["lead"],
        ["boss"],
      ]);
    });

    it("permit the action whatever the policy's conditions are, fit any vocabulary, and can be listed by agent", async () => {
      await facts.createGrant(grant(), "host");
      await approve();
      const [view] = facts.registry.approvals("a-1", NOW, () => DIGEST);
      expect(view).to.deep.equal({
        ...{ state: "live", counted: true, expires_ms: NOW + HOUR_MS },
        input: { id: "approval-d-1", exact: true, about: "any", when: [] },
      });
      expect(facts.grant("approval-d-1").fits).to.equal(true);
      expect(facts.registry.approvalsOf("a-1").map(({ value: { id } }) => id)).to.deep.equal(["approval-d-1"]);
      expect(facts.registry.approvalsOf("gone")).to.deep.equal([]);
      expect([facts.registry.approvals("a-1", NOW, () => OTHER), facts.registry.take(["approval-d-1", "nothing"])]).to.deep.equal([
        [],
        false,
      ]);
    });

    it("are nobody's to make in another way", async () => {
      expect(await outcome(facts.createGrant(grant({ id: "approval-d-2" }), "host"))).to.equal("fact_invalid /id");
      for (const [agent, counted, refused] of [
        ["gone", true, "/agent"],
        ["nobody", true, "/agent"],
        ["a-1", false, "/uses"],
      ] as const) {
        const other = new World(undefined, { counted_grants: counted });
        const registry = counted ? facts : await other.open();
        if (!counted) await registry.createAgent({ id: "a-1", owner: "ops", purposes: [] }, "host");
        expect(await outcome(registry.approve({ ...APPROVE, agent }, "lead"))).to.equal(`fact_invalid ${refused}`);
      }
    });
  });

  it("say what they are at each moment, and are forgotten long after", async () => {
    await facts.createGrant(grant({ not_before: at(1000), expires: at(2000), uses: 1 }), "host");
    const at_ms = (ms: number): string[] => states("invoice", "read", null, NOW + ms);
    expect([at_ms(999), at_ms(1000), at_ms(1999), at_ms(2000)]).to.deep.equal([
      ["G-1 not_yet_valid"],
      ["G-1 live"],
      ["G-1 live"],
      ["G-1 expired"],
    ]);
    expect([at_ms(2000 + HOUR_MS - 1), at_ms(2000 + HOUR_MS)]).to.deep.equal([["G-1 expired"], []]);
    expect([facts.registry.take(["G-1"]), at_ms(1000), at_ms(2000)]).to.deep.equal([true, ["G-1 used_up"], ["G-1 expired"]]);
    facts.registry.giveBack(["G-1"]);
    expect(at_ms(1000)).to.deep.equal(["G-1 live"]);
    await facts.endGrant("G-1", { ended: true, reason: "done" }, null, "ops");
    expect(at_ms(1000)).to.deep.equal(["G-1 ended"]);
    await facts.revoke({ scope: { grant: "G-1" }, reason: "r" }, "ops");
    expect([at_ms(1000), facts.grant("G-1").state]).to.deep.equal([["G-1 revoked"], "revoked"]);
    await facts.lift("grant/G-1", { reason: "r" }, null, "ops");
    expect(at_ms(1000)).to.deep.equal(["G-1 ended"]);
  });

  it("permit nothing under a vocabulary that no longer has what they name, and again under one that does", async () => {
    await facts.createGrant(grant(), "host");
    world.policy = { ...POLICY, vocabulary: { ...VOCABULARY, types: {} } };
    expect([states(), facts.grant("G-1").fits]).to.deep.equal([[], false]);
    world.policy = null;
    expect(states()).to.deep.equal([]);
    world.policy = POLICY;
    expect([states(), facts.grant("G-1").fits]).to.deep.equal([["G-1 live"], true]);
  });

  const good: [what: string, asked: CreateGrant][] = [
    ["with an expiry a millisecond from now", grant({ expires: at(1) })],
    ["with an expiry at the limit", grant({ expires: at(8 * HOUR_MS) })],
    ["that begins at the limit, and lasts as long", grant({ not_before: at(8 * HOUR_MS), expires: at(16 * HOUR_MS) })],
    ["that lasts a millisecond", grant({ not_before: at(HOUR_MS - 1) })],
    ["that began long ago", grant({ not_before: at(-HOUR_MS), expires: at(8 * HOUR_MS) })],
  ];
  for (const [what, asked] of good)
    it(`are given ${what}`, async () => {
      expect(await outcome(facts.createGrant(asked, "host"))).to.equal("done");
    });

  const bad: [what: string, asked: CreateGrant, refused: string][] = [
    ["for nobody", without("agent"), "fact_invalid /agent"],
    ["for an agent and a task", grant({ task: "T-1" }), "fact_invalid /agent"],
    ["for an agent that isn't there", grant({ agent: "nobody" }), "fact_invalid /agent"],
    ["for an agent that is no more", grant({ agent: "gone" }), "fact_invalid /agent"],
    ["for a task that isn't there", without("agent", { task: "T-0" }), "fact_invalid /task"],
    ["for a task that has ended", without("agent", { task: "ended" }), "fact_invalid /task"],
    ["of no verb", grant({ entry: { about: "task" } }), "fact_invalid /entry"],
    ["of a verb the vocabulary lacks", grant({ entry: { reed: "invoice" } }), "fact_invalid /entry"],
    ["of a type the vocabulary lacks", grant({ entry: { read: "invoce" } }), "fact_invalid /entry"],
    ["of an attribute the vocabulary lacks", grant({ entry: { read: "invoice", when: { cnts: 1 } } }), "fact_invalid /entry"],
    ["of a flag's key", grant({ entry: { read: "invoice", proceed: true } }), "fact_invalid /entry"],
    ["with an expiry in the past", grant({ expires: at(0) }), "fact_invalid /expires"],
    ["with an expiry that is no time", grant({ expires: "soon" }), "fact_invalid /expires"],
    ["with an expiry beyond the limit", grant({ expires: at(8 * HOUR_MS + 1) }), "fact_invalid /expires"],
    ["with an expiry before its beginning", grant({ not_before: at(2 * HOUR_MS) }), "fact_invalid /expires"],
    [
      "with a beginning that long ago makes no longer",
      grant({ not_before: at(-HOUR_MS), expires: at(8 * HOUR_MS + 1) }),
      "fact_invalid /expires",
    ],
    ["with a beginning beyond the limit", grant({ not_before: at(8 * HOUR_MS + 1), expires: at(9 * HOUR_MS) }), "fact_invalid /not_before"],
    ["with an expiry at its beginning", grant({ not_before: at(HOUR_MS) }), "fact_invalid /expires"],
    ["that end before now, and began before", grant({ not_before: at(-HOUR_MS), expires: at(-1) }), "fact_invalid /expires"],
    [
      "that last too long from a later beginning",
      grant({ not_before: at(HOUR_MS), expires: at(9 * HOUR_MS + 1) }),
      "fact_invalid /expires",
    ],
    ["with a beginning that is no time", grant({ not_before: "soon" }), "fact_invalid /not_before"],
    ["requested by a hidden character", grant({ requested_by: "lead\u200b" }), "identifier_not_canonical /requested_by"],
    ["approved by a hidden character", grant({ approved_by: "lead\u200b" }), "identifier_not_canonical /approved_by"],
    ["with an id of another", grant({ id: "G-0", uses: 3 }), "grant_exists /id"],
  ];
  for (const [what, asked, refused] of bad) {
    it(`are refused ${what}`, async () => {
      await facts.createGrant(grant({ id: "G-0" }), "host");
      const before = facts.registry.dump();
      expect(await outcome(facts.createGrant(asked, "host"))).to.equal(refused);
      expect(facts.registry.dump()).to.deep.equal(before);
    });
  }

  it("are the same after a repeated request, though its beginning was left to the moment", async () => {
    await facts.createGrant(grant(), "host");
    world.clock.wall_ms += 5;
    expect((await facts.createGrant(grant(), "host")).created).to.be.false;
  });

  it("are not counted where records may be lost after they were answered for, nor does a service start with one that is", async () => {
    const limits = { counted_grants: false };
    const relaxed = (): Promise<Commands> => new World(world.disk, limits).open(world.store.revision);
    await facts.createGrant(grant(), "host");
    expect(await outcome((await relaxed()).createGrant(grant({ id: "G-2", uses: 1 }), "host"))).to.equal("fact_invalid /uses");
    await facts.createGrant(grant({ id: "G-3", uses: 2 }), "host");
    const refusal: unknown = await relaxed().catch((cause: unknown) => cause);
    expect(refusal).to.be.instanceOf(CountedGrants).with.property("message").that.contains("G-3");
    await facts.endGrant("G-3", { ended: true, reason: "r" }, null, "ops");
    await relaxed();
  });

  it("are no more than their limits", async () => {
    world = new World(undefined, { grants_per_holder_max: 2 });
    facts = await world.open();
    await facts.createAgent({ id: "a-1", owner: "ops", purposes: [] }, "host");
    for (const id of ["G-1", "G-2"]) await facts.createGrant(grant({ id }), "host");
    expect(await outcome(facts.createGrant(grant({ id: "G-3" }), "host"))).to.equal("facts_full");
  });

  it("that are used up, ended or expired make room, and an approval finds its own", async () => {
    world = new World(undefined, { grants_per_holder_max: 2, grants_max: 5 });
    facts = await world.open();
    await facts.createAgent({ id: "a-1", owner: "ops", purposes: [] }, "host");
    await facts.createAgent({ id: "a-2", owner: "ops", purposes: [] }, "host");
    const approve = (decision: string, agent = "a-1"): ReturnType<typeof facts.approve> =>
      facts.approve({ ...APPROVE, agent, decision }, "ben");
    // Far more than a holder may have at once, and than all may.
    for (let i = 0; i < 40; i++) {
      await approve(String(i));
      expect(facts.registry.take([`approval-${i}`])).to.equal(true);
    }
    for (const id of ["G-1", "G-2"]) await facts.createGrant(grant({ id }), "host");
    expect(await outcome(facts.createGrant(grant({ id: "G-3" }), "host"))).to.equal("facts_full");
    await approve("last");
    await facts.endGrant("G-1", { ended: true, reason: "r" }, null, "ops");
    await facts.createGrant(grant({ id: "G-3" }), "host");
    // What is live is what its limits are of, for all as for one.
    for (const id of ["G-4", "G-5"]) await facts.createGrant(grant({ id, agent: "a-2" }), "host");
    const [live, kept] = [facts.registry.liveGrants(facts.deps.system.clock.wall()), facts.registry.sizes.grants];
    expect([live, kept <= 5]).to.deep.equal([5, true]);
    expect(await outcome(approve("more", "a-2"))).to.equal("facts_full");
    // One that is forgotten can't be given anew under its name.
    expect(facts.registry.grant("approval-0")).to.equal(undefined);
  });

  it("are taken all or none, and never when they are ended, revoked or unknown", async () => {
    for (const [id, uses] of [
      ["G-1", 2],
      ["G-2", 1],
      ["ended", 9],
      ["cut", 9],
    ] as const)
      await facts.createGrant(grant({ id, uses }), "host");
    await facts.createGrant(grant({ id: "free" }), "host");
    await facts.endGrant("ended", { ended: true, reason: "r" }, null, "ops");
    await facts.revoke({ scope: { grant: "cut" }, reason: "r" }, "ops");
    const { registry } = facts;
    for (const other of ["ended", "cut", "nothing"]) expect(registry.take(["G-1", "G-2", other])).to.be.false;
    expect([registry.take(["G-1", "G-1", "G-1"]), registry.take(["G-2", "free", "G-1"])]).to.deep.equal([false, true]);
    expect([registry.take(["G-1", "G-2"]), registry.take(["free"]), registry.take(["G-1"])]).to.deep.equal([false, true, true]);
    expect(["G-1", "G-2", "free"].map((id) => facts.grant(id).used)).to.deep.equal([2, 1, 2]);
  });

  it("lose no use by one that is given back twice, and know of none that isn't there", async () => {
    await facts.createGrant(grant({ uses: 1 }), "host");
    const { registry } = facts;
    const unused = registry.dump();
    registry.giveBack(["G-1", "nothing"]);
    registry.count(["nothing"]);
    expect([facts.grant("G-1").used, registry.grantUse("nothing", NOW)]).to.deep.equal([0, undefined]);
    expect([registry.take(["G-1"]), registry.take(["G-1"])]).to.deep.equal([true, false]);
    const used = registry.dump();
    expect(used, "a dump says how often each was used").to.not.deep.equal(unused);
    registry.giveBack(["G-1"]);
    registry.giveBack(["G-1"]);
    expect([registry.take(["G-1"]), registry.take(["G-1"]), registry.dump()]).to.deep.equal([true, false, used]);
  });

  it("are forgotten 30 days after their end, at a start, and no others with them", async () => {
    const days = 30 * 24 * HOUR_MS;
    for (const [id, expires] of [
      ["G-3", 2],
      ["G-1", 1],
      ["G-2", 1],
    ] as const)
      await facts.createGrant(grant({ id, expires: at(expires) }), "host");
    await facts.createGrant(without("agent", { id: "G-4", task: "T-1" }), "host");
    const known = async (ms: number): Promise<[string[], string[]]> => {
      const next = new World(world.disk);
      next.clock.wall_ms = NOW + ms;
      const { registry } = await next.open(world.store.revision);
      return [[...registry.ids.grant.after("")], [...registry.grants("a-1", "T-1", "invoice", "read", NOW)].map(({ input }) => input.id)];
    };
    expect(await known(days)).to.deep.equal([
      ["G-1", "G-2", "G-3", "G-4"],
      ["G-3", "G-1", "G-2", "G-4"],
    ]);
    expect(await known(days + 1)).to.deep.equal([
      ["G-3", "G-4"],
      ["G-3", "G-4"],
    ]);
  });

  it("of which only the latest are kept, once they are over, keep what is live or will be, of that holder and of others", async () => {
    const { registry } = facts;
    const kept = (): string[] => [...registry.ids.grant.after("")];
    await facts.createGrant(grant({ id: "later", not_before: at(HOUR_MS - 1) }), "host");
    await facts.createGrant(without("agent", { id: "of-task", task: "T-1", uses: 1 }), "host");
    for (const id of ["c", "a", "b"]) await facts.createGrant(grant({ id, uses: 1 }), "host");
    expect(registry.take(["a", "b", "c", "of-task"])).to.equal(true);
    registry.forgetOverGrants({ kind: "agent", id: "a-1" }, 3, NOW);
    expect(kept()).to.deep.equal(["a", "b", "c", "later", "of-task"]);
    registry.forgetOverGrants({ kind: "agent", id: "a-1" }, 2, NOW);
    expect(kept()).to.deep.equal(["a", "b", "later", "of-task"]);
    expect(states("invoice", "read", "T-1")).to.have.members(["later not_yet_valid", "a used_up", "b used_up", "of-task used_up"]);
    registry.forgetOverGrants({ kind: "agent", id: "a-1" }, 1, NOW);
    expect([kept(), registry.liveGrantsOf({ kind: "agent", id: "a-1" }, false, NOW)]).to.deep.equal([["b", "later", "of-task"], 1]);
    registry.forgetOverGrants(null, 1, NOW);
    expect(kept()).to.deep.equal(["b", "later"]);
    expect(registry.grants("a-1", "T-1", "invoice", "read", NOW).map(({ input }) => input.id)).to.deep.equal(["later", "b"]);
    expect(registry.liveGrantsOf({ kind: "task", id: "T-1" }, false, NOW)).to.equal(0);
  });

  it("of which only the latest is kept is the one that was ended last, whichever was given first", async () => {
    for (const id of ["first", "second"]) await facts.createGrant(grant({ id }), "host");
    for (const id of ["second", "first"]) await facts.endGrant(id, { ended: true, reason: "r" }, null, "ops");
    facts.registry.forgetOverGrants({ kind: "agent", id: "a-1" }, 1, NOW);
    expect([...facts.registry.ids.grant.after("")]).to.deep.equal(["first"]);
  });

  it("of a task are limited as an agent's are, those that have yet to begin among them", async () => {
    world = new World(undefined, { grants_per_holder_max: 1 });
    facts = await world.open();
    await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
    await facts.createTask({ id: "T-1", agent: "a-1", purpose: "support", expires: at(HOUR_MS) }, "host");
    const ofTask = (id: string): CreateGrant => without("agent", { id, task: "T-1", not_before: at(1000) });
    const outcomes: string[] = [];
    for (const asked of [ofTask("G-1"), ofTask("G-2"), grant({ id: "G-3", not_before: at(1000) }), grant({ id: "G-4" })])
      outcomes.push(await outcome(facts.createGrant(asked, "host")));
    expect(outcomes).to.deep.equal(["done", "facts_full", "done", "facts_full"]);
  });

  it("are used exactly as often as they say, however 10,000 decisions come and fall apart", async () => {
    const limits: Record<string, number> = { "G-1": 700, "G-2": 1500, "G-3": 4000 };
    for (const [id, uses] of Object.entries(limits)) await facts.createGrant(grant({ id, uses }), "host");
    const draw = drawing(5);
    const used: Record<string, number> = { "G-1": 0, "G-2": 0, "G-3": 0 };
    let refused = 0;
    const decision = async (): Promise<void> => {
      const wanted = Object.keys(limits).filter(() => draw(2) === 0);
      for (let wait = draw(4); wait > 0; wait--) await Promise.resolve();
      if (!facts.registry.take(wanted)) {
        refused++;
        return;
      }
      await turns(draw(3));
      if (draw(3) === 0) facts.registry.giveBack(wanted);
      else {
        world.uses.push(wanted);
        for (const id of wanted) used[id] = (used[id] ?? 0) + 1;
      }
      for (const id of wanted) expect(facts.grant(id).used).to.be.at.most(limits[id] ?? 0);
    };
    for (let round = 0; round < 100; round++) await Promise.all(Array.from({ length: 100 }, decision));
    expect(refused).to.be.above(1000);
    expect([used["G-1"], used["G-2"]]).to.deep.equal([700, 1500]);
    for (const [id, times] of Object.entries(used)) expect(facts.grant(id).used).to.equal(times);
    // After a crash they are counted from the records.
    const next = new World(world.disk);
    next.uses = world.uses;
    const reopened = await next.open(world.store.revision);
    for (const [id, times] of Object.entries(used)) expect(reopened.grant(id).used).to.equal(times);
    expect([reopened.registry.take(["G-1"]), reopened.registry.take(["G-2"])]).to.deep.equal([false, false]);
  });

  it("can be listed by state, and those never used, over or not", async () => {
    await facts.createGrant(grant({ id: "used" }), "host");
    await facts.createGrant(grant({ id: "unused" }), "host");
    await facts.createGrant(grant({ id: "expired", expires: at(10) }), "host");
    facts.registry.take(["used"]);
    world.clock.wall_ms += 2 * HOUR_MS - 20;
    const ids = (filter: Parameters<Commands["grants"]>[1]): string[] =>
      facts.grants({ cursor: null, limit: 10 }, filter).items.map(({ id }) => id);
    expect(ids({ unused: true })).to.deep.equal(["expired", "unused"]);
    expect([ids({ state: "live" }), ids({ agent: "a-2" })]).to.deep.equal([[], []]);
  });
});
