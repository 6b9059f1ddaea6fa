import { expect } from "chai";
import fc from "fast-check";
import type { Reason } from "../../src/contract/index.js";
import { INCIDENTS_MAX, Incidents, LENGTH_MS, QUIET_MS } from "../../src/findings/incidents.js";
import { recall, sightedOf } from "../../src/findings/recall.js";
import { MINUTE_MS, NOW, decisionId, deny, flag, grouped, log, seen, sighted, type Put } from "./sightings.js";

const at = (minutes: number): number => NOW + minutes * MINUTE_MS;

describe("what has to be looked into", () => {
  const unrelated = [flag("unrelated_financials", "high")];
  // prettier-ignore
  const cases: [what: string, puts: Put[], findings: (number | null)[]][] = [
    ["nothing, where nothing was out of order", [{}, {}], [null, null]],
    ["nothing of what was denied, for it hasn't happened", [{ reasons: [deny("not_permitted")] }], [null]],
    ["is what had happened already, though it would have been denied", [{ kind: "observed", reasons: [deny("not_permitted")] }], [0]],
    ["is one finding, however often the same is flagged", Array.from({ length: 400 }, () => ({ reasons: unrelated })), Array.from({ length: 400 }, () => 0)],
    ["is one whatever is asked for, and on which task", [{ reasons: unrelated }, { id: "I-2", verb: "export", reasons: unrelated }], [0, 0]],
    ["is another of another agent", [{ reasons: unrelated }, { agent: "support-8", reasons: unrelated }], [0, 1]],
    ["is another for another purpose", [{ reasons: unrelated }, { purpose: "billing", reasons: unrelated }], [0, 1]],
    ["is another of another code", [{ reasons: unrelated }, { reasons: [log("off_hours")] }, { reasons: unrelated }], [0, 1, 0]],
    ["goes by the gravest reason, wherever it stands", [{ reasons: unrelated }, { reasons: [log("off_hours"), ...unrelated] }], [0, 0]],
    ["goes by the first of those as grave", [{ reasons: [flag("a"), flag("b")] }, { reasons: [flag("b")] }, { reasons: [flag("a")] }], [0, 1, 0]],
    [
      "is one of whatever is unusual, however grave it becomes",
      [[log("unusual")], [flag("unusual_flagged", "medium")], [flag("unusual_held", "high")]].map((reasons) => ({ reasons })),
      [0, 0, 0],
    ],
    [
      "is of what is unusual, whatever else was out of order, once that is more than logged",
      [[log("off_hours", "high")], [log("off_hours", "high"), log("unusual")], [log("off_hours", "high"), flag("unusual_flagged", "low")], [deny("unusual_denied", "high"), deny("not_permitted", "critical")]].map((reasons, i) => ({ reasons, ...(i === 3 && { kind: "observed" as const }) })),
      [0, 0, 2, 2],
    ],
    ["is one of all agents that nobody has registered", [1, 2, 3].map((n) => ({ kind: "observed", agent: `x-${n}`, purpose: `p-${n}`, known: false, reasons: [deny("agent_unknown", "high")] })), [0, 0, 0]],
    ["goes on while something comes", [0, 29, 58].map((minute) => ({ time_ms: at(minute), reasons: unrelated })), [0, 0, 0]],
    ["is another after a quiet while", [{ time_ms: at(0), reasons: unrelated }, { time_ms: at(30), reasons: unrelated }], [0, 1]],
    [
      "is another after it has gone on for long",
      Array.from({ length: 13 }, (_, i) => ({ time_ms: at(20 * i), reasons: unrelated })),
      [...Array.from({ length: 12 }, () => 0), 12],
    ],
    ["is one where the host's clock goes back", [{ time_ms: at(0), reasons: unrelated }, { time_ms: at(-600), reasons: unrelated }], [0, 0]],
  ];
  for (const [what, puts, findings] of cases) {
    it(what, () => {
      expect(grouped(puts)).to.deep.equal(findings);
    });
  }

  it("is named by the decision that opened it", () => {
    const one = sighted({ reasons: unrelated });
    expect(new Incidents().place(one)).to.equal(`F-${one.decision_id}`);
  });

  it("begins anew after a verdict, and not after a look", () => {
    const incidents = new Incidents();
    const place = (): string | null => incidents.place(sighted({ reasons: unrelated }));
    const first = place();
    expect(place()).to.equal(first);
    incidents.close(first ?? "");
    expect(place()).to.not.equal(first);
  });

  it("never begins with a decision that is not on disk", () => {
    const incidents = new Incidents();
    const lost = sighted({ reasons: unrelated });
    incidents.place(lost);
    incidents.unrecorded(lost.decision_id);
    const next = sighted({ reasons: unrelated });
    expect(incidents.place(next)).to.equal(`F-${next.decision_id}`);
    // One that only joined leaves it as it is.
    const joined = sighted({ reasons: unrelated });
    incidents.place(joined);
    incidents.unrecorded(joined.decision_id);
    expect(incidents.place(sighted({ reasons: unrelated }))).to.equal(`F-${next.decision_id}`);
  });
});

describe("a flood of flags", () => {
  it("of one agent, 10,000 within a minute, is 20 findings at most, and misses nothing", () => {
    const incidents = new Incidents();
    const ids = Array.from({ length: 10_000 }, (_, i) =>
      incidents.place(sighted({ time_ms: NOW + i * 6, purpose: `p-${i % 7}`, id: `I-${i}`, reasons: [flag(`code_${i % 991}`)] })),
    );
    expect(ids).to.not.include(null);
    const distinct = new Set(ids);
    expect(distinct.size)
      .to.equal(INCIDENTS_MAX + 1)
      .and.to.be.at.most(20);
    expect([...distinct].filter((id) => id?.endsWith("-flood") === true)).to.have.lengthOf(1);
  });

  it("hides no other agent's finding", () => {
    const incidents = new Incidents();
    for (let i = 0; i < 1000; i++) incidents.place(sighted({ reasons: [flag(`code_${i}`)] }));
    const other = sighted({ agent: "support-8", reasons: [flag("unrelated_financials")] });
    expect(incidents.place(other)).to.equal(`F-${other.decision_id}`);
  });

  it("is over when it is quiet: then incidents are told apart again", () => {
    const incidents = new Incidents();
    for (let i = 0; i < 100; i++) incidents.place(sighted({ reasons: [flag(`code_${i}`)] }));
    const later = sighted({ time_ms: NOW + QUIET_MS, reasons: [flag("code_77")] });
    expect(incidents.place(later)).to.equal(`F-${later.decision_id}`);
  });
});

describe("shopping for a purpose, a verb or a spelling", () => {
  const denied = [deny("not_permitted")];
  // prettier-ignore
  const cases: [what: string, puts: Put[], findings: (number | null)[]][] = [
    ["is what is denied and then passes under another purpose", [{ reasons: denied }, { purpose: "billing" }], [null, 1]],
    ["is what is denied and then flagged under another purpose", [{ reasons: denied }, { purpose: "billing", reasons: [flag("off_hours")] }], [null, 1]],
    ["is what passes as a look-alike of what was denied", [{ id: "invoice-1", reasons: denied }, { id: "invoice-l" }], [null, 1]],
    ["is what passes in another case", [{ id: "I-1", reasons: denied }, { id: "i-1" }], [null, 1]],
    ["is what passes in letters of another script", [{ id: "ada", reasons: denied }, { id: "аda" }], [null, 1]],
    ["is what passes in full width", [{ id: "I-1", reasons: denied }, { id: "Ｉ－１" }], [null, 1]],
    ["is the fifth way to ask for one resource, though all are denied", ["a", "b", "c", "d", "e"].map((purpose) => ({ purpose, reasons: denied })), [null, null, null, null, 4]],
    ["is the fifth verb on one resource", ["read", "export", "list", "copy", "print"].map((verb) => ({ verb, reasons: denied })), [null, null, null, null, 4]],
    ["is one finding, whatever passes after", [{ reasons: denied }, { purpose: "billing" }, { purpose: "billing" }, { purpose: "audit" }], [null, 1, 1, 1]],
    ["is none where the same is asked again", [{ reasons: denied }, { reasons: denied }, {}], [null, null, null]],
    ["is none of another resource", [{ reasons: denied }, { purpose: "billing", id: "I-2" }], [null, null]],
    ["is none of another verb", [{ verb: "update", reasons: denied }, { purpose: "billing" }], [null, null]],
    ["is none of another agent", [{ reasons: denied }, { agent: "support-8", purpose: "billing" }], [null, null]],
    ["is none long after", [{ reasons: denied }, { purpose: "billing", time_ms: at(10) }], [null, null]],
    ["is none where the denial said nothing of what was asked", [{ reasons: [deny("task_expired")] }, { reasons: [deny("facts_stale")] }, { purpose: "billing" }], [null, null, null]],
    ["is none of agents that nobody has registered", [{ known: false, reasons: [deny("agent_unknown")] }, { known: false, purpose: "billing" }], [null, null]],
  ];
  for (const [what, puts, findings] of cases) {
    it(what, () => {
      expect(grouped(puts)).to.deep.equal(findings);
    });
  }

  it("by a script that tries every purpose, verb and spelling is found by the fifth, whichever passes", () => {
    const variants: Put[] = ["support", "billing", "audit"].flatMap((purpose) =>
      ["read", "Read", "export"].flatMap((verb) => ["I-1", "l-1", "i-I"].map((id) => ({ purpose, verb, id }))),
    );
    for (let passes = 1; passes <= variants.length; passes++) {
      const tried = variants.slice(0, passes).map((put, i) => (i === passes - 1 ? put : { ...put, reasons: denied }));
      const first = grouped(tried).findIndex((finding) => finding !== null);
      // What passes at once was permitted, and looked for nothing.
      if (passes > 1) expect(first, `passes at ${passes}`).to.be.within(1, 4);
    }
  });

  it("remembers no more than a few denials of an agent, and the latest", () => {
    const incidents = new Incidents();
    for (let i = 0; i < 1000; i++) incidents.place(sighted({ id: `I-${1000 + i * 7}`, reasons: denied }));
    expect(incidents.place(sighted({ id: "I-1000", purpose: "billing" }))).to.equal(null);
    expect(incidents.place(sighted({ id: `I-${1000 + 999 * 7}`, purpose: "billing" }))).to.match(/-shopping$/);
    const { attempts } = incidents.dump() as { attempts: [string, unknown[]][] };
    expect(attempts[0]?.[1]).to.have.lengthOf(64);
  });
});

describe("which incidents are going on", () => {
  const reasons: Reason[][] = [
    [],
    [deny("not_permitted")],
    [deny("unusual_denied", "high")],
    [flag("unrelated_financials", "high")],
    [log("off_hours"), flag("unusual_held", "high")],
    ...Array.from({ length: 20 }, (_, i) => [flag(`code_${i}`)]),
  ];
  const step = fc.record({
    agent: fc.constantFrom("support-7", "support-8", "support-9"),
    known: fc.boolean(),
    purpose: fc.constantFrom("support", "billing"),
    id: fc.constantFrom("I-1", "i-1", "I-2"),
    kind: fc.constantFrom("decision", "observed"),
    reason: fc.nat(reasons.length - 1),
    after_ms: fc.oneof(fc.nat(MINUTE_MS), fc.nat(QUIET_MS * 2), fc.integer({ min: -MINUTE_MS, max: LENGTH_MS })),
    closes: fc.integer({ min: 0, max: 19 }),
  });

  it("follow from the records alone: whoever reads them knows the same, and goes on the same", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 120 }), fc.nat(119), (steps, restart) => {
        const live = new Incidents();
        const read = new Incidents();
        let now = NOW;
        const opened: string[] = [];
        for (const [i, { after_ms, reason, closes, ...put }] of steps.entries()) {
          now += after_ms;
          const chosen = reasons[reason] ?? [];
          const one = sighted({ ...put, time_ms: now, ...(chosen.length > 0 && { reasons: chosen }) });
          one.opens ||= chosen.some(({ code }) => code === "unusual_denied");
          const finding = live.place(one);
          if (finding !== null && finding.slice(2, 38) === one.decision_id) opened.push(finding);
          const { record } = seen(one, finding, i + 1);
          recall(record, read);
          if (closes === 0 && opened.length > 0) {
            const id = opened[(reason * 7) % opened.length] ?? "";
            live.close(id);
            recall({ kind: "facts", finding: { id, state: "expected" } } as never, read);
          }
          if (i === restart) expect(read.dump()).to.deep.equal(live.dump());
        }
        expect(read.dump()).to.deep.equal(live.dump());
      }),
      { numRuns: 300 },
    );
  });

  it("can be read from a record of either form", () => {
    for (const known of [true, false]) {
      const one = sighted({ known, kind: "observed", reasons: [deny("agent_unknown")] });
      const { record } = seen(one, "F-1", 1);
      const { decision_id, agent, time_ms } = sightedOf(record) ?? {};
      expect({ decision_id, agent, time_ms }).to.deep.equal({ decision_id: one.decision_id, agent: "support-7", time_ms: NOW });
      expect(sightedOf(record)?.known).to.equal(known);
    }
  });

  it("stay bounded, however many agents there are", () => {
    const incidents = new Incidents();
    for (let i = 0; i < 10_050; i++) incidents.place(sighted({ agent: `a-${i}`, reasons: [flag("x")] }));
    const { agents } = incidents.dump() as { agents: [string, unknown][] };
    expect(agents).to.have.lengthOf(10_000);
    expect(agents[0]?.[0]).to.equal("a-50");
    expect(decisionId(NOW, 1)).to.match(/^[0-9a-f-]{36}$/);
  });
});
