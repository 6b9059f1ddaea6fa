import { expect } from "chai";
import {
  NOTHING_ODD,
  type Act,
  type ActOutcome,
  type Assessment,
  type DecisionRecord,
  type FloorCode,
  type PolicyInput,
  type PolicyResult,
  type Vocabulary,
} from "../../src/contract/index.js";
import { decider } from "../../src/decision/decide.js";
import type { Grant, KeptProfile } from "../../src/decision/ports.js";
import { actIn, assessedIn } from "../../src/audit/log/fold.js";
import { RecordMasks } from "../../src/audit/privacy/masks.js";
import { AGENT, ALLOWED, CALLER, NOW, PURPOSE, REQUEST, TASK, VOCABULARY, World, live, policyOf, problemOf } from "./world.js";

interface Learned {
  act: Act;
  assessed: Assessment;
  outcome: ActOutcome;
}

const odd = (risk: number): Assessment => ({ channels: {}, confidence: 1, reasons: [`risk ${risk}`], risk });

/** Says what it is told to, and keeps what it learns. */
class FakeProfile implements KeptProfile {
  learns = true;
  ready = true;
  learned: Learned[] = [];
  /** What it last said of each. */
  readonly #said = new Map<Act, Assessment>();
  undone = 0;
  says: (act: Act, learned: readonly Learned[]) => Assessment = () => NOTHING_ODD;

  assess(act: Act): Assessment {
    const assessed = this.says(act, this.learned);
    this.#said.set(act, assessed);
    return assessed;
  }

  learn(act: Act, outcome: ActOutcome): void {
    this.learned.push({ act, assessed: this.#said.get(act) ?? NOTHING_ODD, outcome });
  }

  unrecorded(): void {
    this.undone++;
  }
}

const setup = (): { world: World; profile: FakeProfile; asked: PolicyInput[] } => {
  const world = new World();
  const [profile, asked] = [new FakeProfile(), [] as PolicyInput[]];
  world.profile = profile;
  world.active = policyOf((input) => {
    asked.push(input);
    return ALLOWED;
  });
  return { world, profile, asked };
};
const recordsOf = (world: World): DecisionRecord[] => world.records.map((text) => JSON.parse(text) as DecisionRecord);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("what is usual, in a decision", () => {
  describe("what the profile is asked about", () => {
    const ACT: Act = {
      agent: "support-7",
      version: "3",
      owner: AGENT.owner,
      purpose: "support",
      verb: "read",
      verb_class: "read",
      type: "invoice",
      id: "I-1",
      task: "T-1",
      relation: "task",
      session: null,
      source: null,
      granted: false,
      amount: 1,
      time_ms: NOW,
      offset_ms: 0,
    };
    const TASKLESS = Object.fromEntries(Object.entries(REQUEST).filter(([name]) => name !== "task"));
    const grant = (input: Partial<Grant["input"]>, more: Partial<Grant> = {}): Grant[] => [
      live("g-1", { input: { id: "g-1", exact: false, about: "any", when: [], ...input }, ...more }),
    ];

    // prettier-ignore
    const CASES: [what: string, request: object, wanted: Partial<Act>, around?: (world: World) => void][] = [
      ["an action on its task", REQUEST, {}],
      ["on another's", { ...REQUEST, resource: { type: "invoice", id: "I-9", attributes: { customer: "bob" } } }, { id: "I-9", relation: "other" }],
      ["on nobody knows whose", { ...REQUEST, resource: { type: "invoice", id: "I-9" } }, { id: "I-9", relation: "unknown" }],
      ["without a task", { ...TASKLESS, purpose: "roaming" }, { purpose: "roaming", task: null, relation: "unknown" }, (world) => world.agents.set(AGENT.id, { ...AGENT, purposes: new Set(["roaming"]) })],
      ["of another class", { ...REQUEST, verb: "update" }, { verb: "update", verb_class: "write" }],
      ["on a collection", { ...REQUEST, verb: "search", resource: { type: "invoice", id: null } }, { verb: "search", id: null, relation: "unknown" }],
      ["from a session and a source", { ...REQUEST, context: { session: "s-1", source: "wl-7" } }, { session: "s-1", source: "wl-7" }],
      ["of a later version", REQUEST, { version: "4" }, (world) => world.agents.set(AGENT.id, { ...AGENT, version: "4" })],
      ["with a grant of such actions", REQUEST, { granted: false }, (world) => void (world.grants = grant({}))],
      ["with an approval of this action", REQUEST, { granted: true }, (world) => void (world.grants = grant({ exact: true }))],
      ["with an approval that has expired", REQUEST, { granted: false }, (world) => void (world.grants = grant({ exact: true }, { state: "expired" }))],
    ];
    const CONFIDENTIAL = {
      invoice: { ...VOCABULARY.types["invoice"], flow: { writes: {}, labels: ["confidential"] } },
    } as unknown as Vocabulary["types"];
    const labelled = (world: World): void => {
      world.active = { ...policyOf(() => ALLOWED), vocabulary: { ...VOCABULARY, types: { ...VOCABULARY.types, ...CONFIDENTIAL } } };
    };
    CASES.push(
      ["on what has labels", REQUEST, { labels: ["confidential"] }, labelled],
      [
        "on what has labels, and refused",
        { ...REQUEST, verb: "destroy" },
        { verb: "destroy", verb_class: "admin", labels: ["confidential"] },
        labelled,
      ],
    );
    for (const [what, request, wanted, around] of CASES) {
      it(`is ${what}, and the record alone tells it again`, async () => {
        const { world, profile } = setup();
        around?.(world);
        await world.decide(request);
        const [learned] = profile.learned;
        expect(learned?.act).to.deep.equal({ ...ACT, ...wanted });
        expect(recordsOf(world).map(actIn)).to.deep.equal([learned?.act]);
      });
    }

    it("has digests where the record has them: of what is masked it learns no more", async () => {
      const key = { period: "2026-03-01", key: Buffer.alloc(32, 7) };
      const world = new World((pdp) => decider({ ...pdp, masks: new RecordMasks({ at: () => key }) }));
      const profile = (world.profile = new FakeProfile());
      const masks = [
        ["types", "invoice", "id"],
        ["context", "session"],
      ].map((at) => ({ at, read_by: [] }));
      world.active = { ...policyOf(() => ALLOWED), vocabulary: { ...VOCABULARY, masks } };
      const context = { session: "s-1", source: "wl-7" };
      await world.decide({ ...REQUEST, context });
      await world.decide({ ...REQUEST, context, verb: "destroy" });
      const acts = profile.learned.map(({ act }) => act);
      for (const { id, session } of acts) expect(`${id} ${session}`).to.not.match(/I-1|s-1|null/);
      expect(acts.map(({ source }) => source)).to.deep.equal(["wl-7", "wl-7"]);
      expect(new Set(acts.map(({ id }) => id)).size, "the same, of the same").to.equal(1);
      expect(recordsOf(world).map(actIn)).to.deep.equal(acts);
    });

    it("has the local time of its purpose, as the bundle's zones tell it", async () => {
      const { world, profile } = setup();
      const zone = { first: 0, weeks: [] as [number, number, number][][] };
      // The Monday of that week began at 23:00 UTC on the Sunday before.
      zone.weeks[Math.floor(NOW / 1e9)] = [[NOW - 1, NOW + 1, Date.parse("2026-03-01T23:00Z")]];
      const outside = { effect: "log", code: "late", severity: "low", params: {} } as const;
      const purposes = new Map([["support", { ...PURPOSE, hours: { zone: "Europe/Berlin", open: [], outside } }]]);
      world.active = { ...policyOf(() => ALLOWED), purposes, zones: { "Europe/Berlin": zone } };
      await world.decide();
      world.now_ms += 1;
      await world.decide();
      expect(
        profile.learned.map(({ act }) => act.offset_ms),
        "and none where the zone doesn't reach",
      ).to.deep.equal([3_600_000, 0]);
      expect(recordsOf(world).map(actIn)).to.deep.equal(profile.learned.map(({ act }) => act));
    });
  });

  describe("what it says", () => {
    it("is what the policy sees, and what the record keeps", async () => {
      const { world, profile, asked } = setup();
      profile.says = () => ({ channels: { hour: 2.5 }, confidence: 0.5, reasons: ["hour 03"], risk: 31 });
      await world.decide();
      const [record] = recordsOf(world);
      const said = { channels: { hour: 2.5 }, confidence: 0.5, reasons: ["hour 03"], risk: 31 };
      expect(asked.map(({ facts }) => facts.behavior)).to.deep.equal([said]);
      expect(record && assessedIn(record)).to.deep.equal(said);
      expect(profile.learned[0]?.assessed).to.deep.equal(said);
    });

    it("is of the acting agent alone: of the tasks up the chain nothing is odd", async () => {
      const { world, profile, asked } = setup();
      profile.says = () => odd(70);
      world.tasks.set("T-0", { ...TASK, id: "T-0" });
      world.tasks.set("T-1", { ...TASK, parent: "T-0" });
      await world.decide();
      expect(asked.map(({ facts }) => [facts.task.id, facts.behavior.risk])).to.deep.equal([
        ["T-1", 70],
        ["T-0", 0],
      ]);
    });

    it("has seen every decision before it, however many are asked at once", async () => {
      const { world, profile, asked } = setup();
      profile.says = (_, learned) => odd(learned.length);
      await Promise.all(Array.from({ length: 20 }, () => world.decide()));
      const risks = Array.from({ length: 20 }, (_, i) => i);
      expect(asked.map(({ facts }) => facts.behavior.risk)).to.deep.equal(risks);
      expect(recordsOf(world).map((record) => assessedIn(record).risk)).to.deep.equal(risks);
    });

    it("isn't waited for where it isn't known what it has learned: nothing is decided", async () => {
      const { world, profile } = setup();
      profile.ready = false;
      expect((await problemOf(world.decide())).code).to.equal("log_unavailable");
      profile.ready = true;
      world.reached = () => {
        profile.ready = false;
        return Promise.resolve(true);
      };
      expect((await problemOf(world.decide({ ...REQUEST, at_least: 8 }))).code, "while facts were awaited").to.equal("log_unavailable");
      expect(world.records).to.deep.equal([]);
      expect(profile.learned).to.deep.equal([]);
    });

    it("leaves no trace in records where it is turned off", async () => {
      const { world, profile } = setup();
      profile.learns = false;
      await world.decide();
      expect(recordsOf(world).map(({ act }) => act)).to.deep.equal([undefined]);
    });
  });

  describe("what it learns", () => {
    const answer = (...reasons: PolicyResult["reasons"]): PolicyResult => {
      const has = (effect: string): boolean => reasons.some((reason) => reason.effect === effect);
      const decision = has("deny") ? "deny" : has("flag") ? "flag" : "allow";
      return { decision, proceed: decision === "allow", reasons, obligations: [] };
    };
    const allow = { effect: "allow", code: "read_own", severity: "info", params: {} } as const;
    const flag = { effect: "flag", code: "unrelated", severity: "medium", params: {}, proceed: false } as const;
    const log = { effect: "log", code: "odd_hour", severity: "low", params: {} } as const;
    const deny = { effect: "deny", code: "read_only", severity: "high", params: {} } as const;

    const OUTCOMES: [string, PolicyResult, ActOutcome][] = [
      ["allowed", answer(allow), "allow"],
      ["allowed and logged", answer(allow, log), "log"],
      ["flagged", answer(allow, flag), "flag"],
      ["flagged and logged", answer(allow, log, flag), "flag"],
      ["denied", answer(deny), "deny"],
      ["denied, although something allows", answer(allow, deny), "deny"],
    ];
    for (const [what, result, outcome] of OUTCOMES) {
      it(`is that it was ${what}`, async () => {
        const { world, profile } = setup();
        world.active = policyOf(() => result);
        await world.decide();
        expect(profile.learned.map((one) => one.outcome)).to.deep.equal([outcome]);
      });
    }

    it("is that it was denied, where the policy failed", async () => {
      const { world, profile } = setup();
      world.active = policyOf(() => "nonsense");
      await world.decide();
      expect(profile.learned.map(({ outcome }) => outcome)).to.deep.equal(["deny"]);
    });

    const OWN: [FloorCode, object, (world: World) => void][] = [
      ["purpose_not_registered", { ...REQUEST, purpose: "roaming" }, () => undefined],
      ["task_unknown", { ...REQUEST, task: "T-404" }, () => undefined],
      ["task_ended", REQUEST, (world) => world.tasks.set("T-1", { ...TASK, ended: true })],
      ["task_of_another_agent", REQUEST, (world) => world.tasks.set("T-1", { ...TASK, agent: "other" })],
      ["verb_unknown", { ...REQUEST, verb: "destroy" }, () => undefined],
      ["type_unknown", { ...REQUEST, resource: { type: "salary", id: "S-1" } }, () => undefined],
      ["verb_not_in_task", REQUEST, (world) => world.tasks.set("T-1", { ...TASK, verbs: new Set(["search"]) })],
    ];
    for (const [code, request, around] of OWN) {
      it(`is what the floor refuses for ${code}, how odd it is included`, async () => {
        const { world, profile, asked } = setup();
        profile.says = () => odd(44);
        around(world);
        const { answer } = await world.decide(request);
        expect(answer.reasons.map((reason) => reason.code)).to.deep.equal([code]);
        expect(asked).to.deep.equal([]);
        expect(profile.learned.map(({ outcome, assessed }) => [outcome, assessed.risk])).to.deep.equal([["deny", 44]]);
        const [record] = recordsOf(world);
        expect(record && actIn(record)).to.deep.equal(profile.learned[0]?.act);
        expect(record && assessedIn(record).risk).to.equal(44);
      });
    }

    it("takes what nobody knows for the gravest class there is", async () => {
      const { world, profile } = setup();
      await world.decide({ ...REQUEST, verb: "destroy" });
      expect(profile.learned.map(({ act }) => act.verb_class)).to.deep.equal(["admin"]);
    });

    const NOT_OWN: [FloorCode, (world: World) => void][] = [
      ["caller_not_permitted", (world) => void (world.permitted = false)],
      [
        "agent_unknown",
        (world) => {
          world.agents.clear();
        },
      ],
      ["agent_suspended", (world) => world.agents.set(AGENT.id, { ...AGENT, status: "suspended" })],
      ["agent_revoked", (world) => world.revoked.add(`agent/${AGENT.id}`)],
      ["owner_revoked", (world) => world.revoked.add(`owner/${AGENT.owner}`)],
      ["everything_revoked", (world) => world.revoked.add("everything/")],
      ["facts_stale", (world) => void (world.stale = true)],
      ["agent_token_required", (world) => world.agents.set(AGENT.id, { ...AGENT, token_required: true })],
    ];
    for (const [code, around] of NOT_OWN) {
      it(`isn't what the floor refuses for ${code}: that says nothing of what the agent does`, async () => {
        const { world, profile } = setup();
        profile.says = () => odd(90);
        around(world);
        let told = 0;
        world.settled = () => (told += 1);
        const { answer } = await world.decide();
        expect(answer.reasons.map((reason) => reason.code)).to.deep.equal([code]);
        expect(profile.learned).to.deep.equal([]);
        expect(recordsOf(world).map(actIn)).to.deep.equal([null]);
        expect(told, "it is held against nobody").to.equal(0);
      });
    }

    it("is nothing of an action whose record the log doesn't take, and it needn't forget", async () => {
      const { world, profile } = setup();
      const refusing = new World((pdp) => decider({ ...pdp, log: { seq: 0, append: () => Promise.reject(new Error("full")) } }));
      refusing.profile = profile;
      await refusing.decide().then(
        () => expect.fail("it was answered"),
        () => undefined,
      );
      expect([profile.learned, profile.undone, world.records]).to.deep.equal([[], 0, []]);
    });

    it("has to be forgotten where its record was taken and didn't reach the disk", async () => {
      const { world, profile } = setup();
      world.append = () => Promise.reject(new Error("the disk is full"));
      await world.decide().then(
        () => expect.fail("it was answered"),
        () => undefined,
      );
      expect([profile.learned.length, profile.undone]).to.deep.equal([1, 1]);
    });

    it("is told on in the turn of the hand-over, when the profile knows it already", async () => {
      const { world, profile } = setup();
      let durable = (): void => undefined;
      world.append = () => new Promise((resolve) => void (durable = resolve));
      const told: unknown[] = [];
      world.settled = (act, assessed, { decision }, kind) => {
        told.push([act.id, assessed.risk, decision, kind, profile.learned.length]);
      };
      profile.says = () => odd(7);
      const decided = world.decide();
      await turn();
      expect(told).to.deep.equal([["I-1", 7, "allow", "decision", 1]]);
      durable();
      await decided;
    });

    it("binds what is decided next, in the same turn: facts that it moved are asked again", async () => {
      const { world } = setup();
      world.settled = () => {
        world.agents.set(AGENT.id, { ...AGENT, status: "suspended" });
        world.revision++;
      };
      const answers = await Promise.all([world.decide(), world.decide(), world.decide()]);
      expect(answers.map(({ answer }) => answer.decision)).to.deep.equal(["allow", "deny", "deny"]);
    });
  });

  describe("a burst", () => {
    /** What the burst comes to where each of it sees those before. */
    async function burst(world: World, profile: FakeProfile, run: () => Promise<unknown>): Promise<void> {
      profile.says = (_, learned) => odd(learned.length);
      await run();
      const risks = recordsOf(world).map((record) => assessedIn(record).risk);
      expect(risks).to.deep.equal(risks.map((_, i) => i));
      expect(profile.learned.map(({ assessed }) => assessed.risk)).to.deep.equal(risks);
      expect(recordsOf(world).map(actIn)).to.deep.equal(profile.learned.map(({ act }) => act));
    }

    for (const many of [2, 10, 60]) {
      it(`of ${many} at once is seen one by one, each evaluated once`, async () => {
        const { world, profile, asked } = setup();
        await burst(world, profile, () => Promise.all(Array.from({ length: many }, () => world.decide())));
        expect(world.records).to.have.lengthOf(many);
        expect(asked.length).to.equal(many);
      });
    }

    it("that goes on while some of it waits is seen one by one too", async () => {
      const { world, profile } = setup();
      world.authenticate = async () => (await turn(), CALLER);
      const all: Promise<unknown>[] = [];
      await burst(world, profile, async () => {
        for (let i = 0; i < 40; i++) {
          all.push(world.decide());
          if (i % 3 === 0) await turn();
        }
        await Promise.all(all);
      });
      expect(world.records).to.have.lengthOf(40);
    });

    it("in one batch is seen one by one", async () => {
      const world = new World((pdp) => decider({ ...pdp, limits: { ...pdp.limits, batch_actions_max: 50 } }));
      const profile = (world.profile = new FakeProfile());
      await burst(world, profile, () => world.batch(Array.from({ length: 50 }, () => REQUEST)));
      expect(world.records).to.have.lengthOf(50);
    });

    it("goes on when one of it is refused, fails, or isn't taken by the log", async () => {
      const { world, profile } = setup();
      let asked = 0;
      world.active = policyOf(() => {
        asked++;
        if (asked % 4 === 0) throw new Error("the engine broke");
        return ALLOWED;
      });
      let appended = 0;
      world.append = () => (++appended % 5 === 0 ? Promise.reject(new Error("EIO")) : Promise.resolve());
      profile.says = (_, learned) => odd(learned.length);
      const ended = await Promise.allSettled(Array.from({ length: 30 }, () => world.decide()));
      expect(ended.map(({ status }) => status))
        .to.include("fulfilled")
        .and.include("rejected");
      await world.decide().catch(() => undefined);
    });
  });
});
