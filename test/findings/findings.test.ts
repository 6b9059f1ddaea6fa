import { expect } from "chai";
import fc from "fast-check";
import { Problem, type FindingState, type FindingStateName, type Reason } from "../../src/contract/index.js";
import { Findings, type FollowedIndex, type ReaderPlace, type States } from "../../src/findings/findings.js";
import { Incidents } from "../../src/findings/incidents.js";
import { StillTimers } from "../facts/world.js";
import { MINUTE_MS, NOW, deny, flag, log, seen, sighted, type Put } from "./sightings.js";

type Told = Parameters<Parameters<FollowedIndex["follow"]>[2]>[0];

/** Findings on an index and facts that the test moves. */
class Room {
  readonly timers = new StillTimers();
  readonly facts = new Map<string, FindingState & { revision: number }>();
  revision = 0;
  durable = 0;
  readonly findings: Findings;
  readonly #incidents = new Incidents();
  #tell: (told: Told) => void = () => undefined;
  #seq = 0;

  constructor(kept_max = 10_000) {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- a port reads the room at each call
    const room = this;
    const states: States = {
      get revision() {
        return room.revision;
      },
      finding: (id) => room.facts.get(id),
    };
    this.findings = new Findings(states, { kept_max, wait_ms: 1000 }, this.timers);
  }

  start(): this {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- as above
    const room = this;
    const followed: FollowedIndex = {
      get durable() {
        return room.durable;
      },
      hurry: () => undefined,
      follow: (_filter, _after, tell) => {
        room.#tell = tell;
        return { goOn: () => undefined, stop: () => undefined };
      },
    };
    this.findings.start(followed, 0);
    return this;
  }

  /** Puts an action on record, and has it found. @returns its finding */
  put(put: Put, more: { wait?: boolean; risk?: number } = {}): string {
    const one = sighted({ ...put, time_ms: put.time_ms ?? NOW + this.#seq * 1000 });
    const finding = this.#incidents.place(one);
    this.durable = ++this.#seq;
    const items = finding === null ? [] : [JSON.stringify(seen(one, finding, this.#seq, more))];
    this.#tell({ items, to: this.#seq });
    return finding ?? "";
  }

  /** Has the index tell something that no service wrote. */
  tell(item: object): void {
    this.#tell({ items: [JSON.stringify(item)], to: ++this.#seq });
  }

  judge(id: string, state: FindingStateName): void {
    const agent = this.findings.at(id)?.agent ?? null;
    this.facts.set(id, {
      id,
      agent,
      state,
      reason: "r",
      by: "b",
      at: "2026-03-03T10:00:00.000Z",
      teaches: [],
      grants: [],
      kept_out: null,
      proposal: null,
      revision: ++this.revision,
    });
    this.#incidents.close(id);
    this.findings.judged();
  }

  /** `opened F-…`, and where it was told up to. */
  news(after: ReaderPlace, max = 100): { told: string[]; to: ReaderPlace } {
    const { news, to } = this.findings.news(after, max);
    return { told: news.map(({ change, finding }) => `${change} ${finding.id}`), to };
  }
}

const START: ReaderPlace = { seq: 0, revision: 0 };
const all = (): boolean => true;
const unrelated = [flag("unrelated_financials", "high")];

describe("a finding", () => {
  it("tells what its actions have in common, and what led to it", () => {
    const room = new Room().start();
    const id = room.put({ reasons: unrelated }, { wait: true, risk: 12 });
    room.put({ id: "I-2", reasons: [...unrelated, log("off_hours")] }, { risk: 61 });
    const finding = room.findings.at(id);
    expect(finding).to.deep.include({
      about: "code",
      code: "unrelated_financials",
      agent: "support-7",
      version: "2",
      purpose: "support",
      severity: "high",
      risk: 61,
      actions: { all: 2, allow: 0, deny: 0, flag: 2 },
      tasks: ["T-1"],
      state: "open",
      verdict: null,
      revision: 0,
      first_seen: "2026-03-03T09:00:00.000Z",
      last_seen: "2026-03-03T09:00:01.000Z",
    });
    expect(finding?.codes).to.deep.equal([
      { code: "unrelated_financials", severity: "high", count: 2 },
      { code: "off_hours", severity: "low", count: 1 },
    ]);
    expect(finding?.waiting).to.have.lengthOf(1);
    expect(room.findings.places(id)).to.deep.equal([1, 2]);
  });

  it("stays as small as it is however many actions it has", () => {
    const room = new Room().start();
    let id = "";
    for (let i = 0; i < 500; i++) {
      const reasons: Reason[] = [flag("a", "high"), { ...log(`code_${i}`), message: `about ${i} `.repeat(100) }];
      id = room.put({ id: `I-${i}`, time_ms: NOW + i, reasons }, { wait: true });
    }
    const { actions, codes, reasons, first, last, waiting, tasks } = room.findings.at(id) ?? {};
    expect(actions?.all).to.equal(500);
    expect([codes, reasons, first, last, waiting, tasks].map((list) => list?.length)).to.deep.equal([16, 8, 8, 8, 8, 1]);
    expect(JSON.stringify(room.findings.at(id)).length).to.be.below(16 * 1024);
    expect(room.findings.places(id)).to.have.lengthOf(16);
  });

  it("of shopping says what was tried, and of no agent that it is nobody's", () => {
    const room = new Room().start();
    room.put({ reasons: [deny("not_permitted")] });
    const id = room.put({ purpose: "billing" });
    expect(room.findings.at(id)).to.deep.include({ about: "shopping", code: null, purpose: null, severity: "high" });
    const nobody = room.put({ kind: "observed", known: false, reasons: [deny("agent_unknown", "high")] });
    expect(room.findings.at(nobody)).to.deep.include({ agent: null, purpose: null, code: "agent_unknown" });
  });

  it("is found once it is on disk, and is unknown only where nothing is left to look at", async () => {
    const room = new Room().start();
    const id = room.put({ reasons: unrelated });
    expect((await room.findings.get(id)).id).to.equal(id);
    const codeOf = async (asked: Promise<unknown>): Promise<string> =>
      asked.then(
        () => "found",
        (cause: unknown) => (cause instanceof Problem ? cause.code : String(cause)),
      );
    expect(await codeOf(room.findings.get("F-2"))).to.equal("finding_not_found");
    room.durable = 9;
    const asked = codeOf(room.findings.get("F-2"));
    await room.timers.advance(1000);
    expect(await asked).to.equal("index_unavailable");
    const waits = codeOf(room.findings.get(id));
    room.put({});
    room.durable = 2;
    await room.timers.advance(1000);
    expect(await waits).to.equal("found");
  });
});

describe("findings", () => {
  const one = sighted({ reasons: unrelated });
  const good = seen(one, `F-${one.decision_id}`, 1);
  const damaged: [what: string, item: object][] = [
    ["no record", { seq: 1, action: null }],
    ["no answer", { seq: 1, action: null, record: { kind: "decision" } }],
    ["no reasons", { ...good, record: { ...good.record, answer: { finding: good.record.answer.finding, decision: "flag" } } }],
    ["reasons that are none", { ...good, record: { ...good.record, answer: { ...good.record.answer, reasons: [null, 7] } } }],
    ["a decision that is none", { ...good, record: { ...good.record, answer: { ...good.record.answer, decision: "maybe" } } }],
    ["an input that is none", { ...good, record: { ...good.record, input: 7, floor: "x" } }],
    ["no action", { ...good, action: null }],
    ["an id that is none", { ...good, record: { ...good.record, answer: { ...good.record.answer, finding: "F-1\r\nx: y" } } }],
  ];
  for (const [what, item] of damaged) {
    it(`go on where the log was altered, and a record has ${what}`, () => {
      const room = new Room().start();
      room.tell(item);
      const id = room.put({ reasons: unrelated });
      expect(room.findings.at(id)?.actions.all).to.equal(1);
      expect(() => room.findings.page({ severity: "low", code: "x", since: 0 }, null, 10, all)).to.not.throw();
      expect(() => room.findings.news(START, 10)).to.not.throw();
    });
  }

  it("are told in pages that nothing moves, the newest first, and by what is asked", () => {
    const room = new Room().start();
    const ids = Array.from({ length: 7 }, (_, i) =>
      room.put({ agent: `a-${i % 2}`, purpose: `p-${i}`, reasons: [flag(i < 4 ? "x" : "y", i === 3 ? "critical" : "low")] }),
    );
    const first = room.findings.page({}, null, 3, all);
    room.put({ agent: "a-9", reasons: unrelated });
    const second = room.findings.page({}, first.next, 3, all);
    const third = room.findings.page({}, second.next, 3, all);
    expect([...first.items, ...second.items, ...third.items].map(({ id }) => id)).to.deep.equal([...ids].reverse());
    expect(third.next).to.equal(null);
    room.judge(ids[2] ?? "", "misuse");
    const found = (filter: Parameters<Findings["page"]>[0]): number[] =>
      room.findings
        .page(filter, null, 100, all)
        .items.map(({ id }) => ids.indexOf(id))
        .filter((i) => i >= 0);
    expect(found({ agent: "a-1" })).to.deep.equal([5, 3, 1]);
    expect(found({ purpose: "p-4" })).to.deep.equal([4]);
    expect(found({ state: "misuse" })).to.deep.equal([2]);
    expect(found({ severity: "high" })).to.deep.equal([3]);
    expect(found({ code: "y", agent: "a-0" })).to.deep.equal([6, 4]);
    expect(found({ since: NOW + 5000 })).to.deep.equal([6, 5]);
    const seenByNobody = room.findings.page({}, null, 100, () => false);
    expect(seenByNobody).to.deep.equal({ items: [], seqs: [], next: null });
  });

  it("are kept up to a number: those closed longest ago go first", () => {
    const room = new Room(100).start();
    const put = (i: number): string => room.put({ agent: `a-${i}`, time_ms: NOW, reasons: unrelated });
    const ids = Array.from({ length: 100 }, (_, i) => put(i));
    room.judge(ids[40] ?? "", "expected");
    put(100);
    expect(room.findings.at(ids[40] ?? "")).to.equal(null);
    expect(room.findings.at(ids[0] ?? "")).to.not.equal(null);
    put(101);
    expect(room.findings.at(ids[0] ?? "")).to.equal(null);
    expect(room.findings.size).to.equal(100);
  });

  it("are the same to whoever reads the records again, whatever they are", () => {
    const step = fc.record({
      agent: fc.constantFrom("a-1", "a-2"),
      known: fc.boolean(),
      id: fc.constantFrom("I-1", "i-1", "I-2"),
      purpose: fc.constantFrom("support", "billing"),
      kind: fc.constantFrom("decision", "observed"),
      reasons: fc.constantFrom(unrelated, [log("off_hours")], [deny("not_permitted")], [flag("unusual_flagged")]),
      time_ms: fc.nat(90 * MINUTE_MS).map((ms) => NOW + ms),
      wait: fc.boolean(),
      risk: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const incidents = new Incidents();
        const states: States = { revision: 0, finding: () => undefined };
        const records = steps.map(({ wait, risk, ...put }, i) => {
          const one = sighted(put);
          return seen(one, incidents.place(one), i + 1, { wait, risk });
        });
        const fold = (): Findings => {
          const findings = new Findings(states, { kept_max: 10_000, wait_ms: 0 }, new StillTimers());
          // As the index tells them: as JSON, and those alone that name one.
          for (const record of records) findings.take(JSON.parse(JSON.stringify(record)) as typeof record);
          return findings;
        };
        const page = (findings: Findings): unknown => findings.page({}, null, 1000, all).items;
        expect(page(fold())).to.deep.equal(page(fold()));
        const named = records.flatMap(({ record }) => record.answer.finding ?? []);
        const counted = fold()
          .page({}, null, 1000, all)
          .items.reduce((sum, { actions }) => sum + actions.all, 0);
        expect(counted).to.equal(named.length);
      }),
      { numRuns: 150 },
    );
  });
});

describe("what is new of findings", () => {
  it("is each finding once, as it then is, and nothing twice", () => {
    const room = new Room().start();
    const first = room.put({ reasons: unrelated });
    for (let i = 0; i < 5; i++) room.put({ reasons: unrelated });
    const second = room.put({ agent: "a-2", reasons: unrelated });
    const { told, to } = room.news(START);
    expect(told).to.deep.equal([`opened ${first}`, `opened ${second}`]);
    expect(room.news(to).told).to.deep.equal([]);
    room.judge(first, "in_review");
    const later = room.news(to);
    expect(later.told).to.deep.equal([`changed ${first}`]);
    expect(room.news(later.to).told).to.deep.equal([]);
  });

  const news: [what: string, put: (room: Room) => void, isNews: boolean][] = [
    ["another of the same", (room) => room.put({ reasons: unrelated }), false],
    ["another code", (room) => room.put({ reasons: [...unrelated, log("off_hours")] }), true],
    ["a graver reason", (room) => room.put({ reasons: [{ ...(unrelated[0] as Reason), severity: "critical" }] }), true],
    ["an action that waits", (room) => room.put({ reasons: unrelated }, { wait: true }), true],
    [
      "a look",
      (room) => {
        room.judge(room.findings.page({}, null, 1, all).items[0]?.id ?? "", "in_review");
      },
      true,
    ],
    [
      "the tenth",
      (room) => {
        for (let i = 0; i < 9; i++) room.put({ reasons: unrelated });
      },
      true,
    ],
    [
      "the ninth",
      (room) => {
        for (let i = 0; i < 8; i++) room.put({ reasons: unrelated });
      },
      false,
    ],
  ];
  for (const [what, put, isNews] of news) {
    it(`${isNews ? "is" : "isn't"} ${what}`, () => {
      const room = new Room().start();
      room.put({ reasons: unrelated });
      const { to } = room.news(START);
      put(room);
      expect(room.news(to).told).to.have.lengthOf(isNews ? 1 : 0);
    });
  }

  it("comes in parts to whoever was away for long, and misses nothing at any cut", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(11), { maxLength: 60 }), (max, steps) => {
        const room = new Room().start();
        const told = new Map<string, string>();
        let place = START;
        const look = (): void => {
          const { news: found, to } = room.findings.news(place, max);
          for (const { finding } of found) told.set(finding.id, JSON.stringify([finding.state, finding.severity]));
          place = to;
        };
        for (const step of steps) {
          const some = room.findings.page({}, null, 1000, all).items;
          const one = some[step % Math.max(1, some.length)];
          if (step < 6) room.put({ agent: `a-${step}`, reasons: step % 2 === 0 ? unrelated : [log("off_hours")] });
          else if (step < 10 && one !== undefined) room.judge(one.id, step % 2 === 0 ? "in_review" : "expected");
          else look();
        }
        for (let i = 0; i < 200; i++) look();
        for (const { id, state, severity } of room.findings.page({}, null, 1000, all).items)
          expect(told.get(id), id).to.equal(JSON.stringify([state, severity]));
      }),
      { numRuns: 200 },
    );
  });

  it("waits, after a start, for what was there before: a verdict on it is not passed over", () => {
    const before = new Room().start();
    const id = before.put({ reasons: unrelated });
    const { to } = before.news(START);
    before.judge(id, "misuse");
    // Another process on the same log and store, its index not there yet.
    const after = new Room();
    after.revision = before.revision;
    for (const [key, fact] of before.facts) after.facts.set(key, fact);
    after.durable = before.durable;
    after.start();
    const early = after.news(to);
    expect(early).to.deep.equal({ told: [], to });
    after.findings.take({ ...(JSON.parse(JSON.stringify(seen(sighted({ reasons: unrelated }), id, 1))) as ReturnType<typeof seen>) });
    expect(after.news(early.to).told).to.deep.equal([`changed ${id}`]);
  });
});
