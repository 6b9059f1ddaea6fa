import { expect } from "chai";
import type { Finding, Reason } from "../../src/contract/index.js";
import { FindingFold } from "../../src/findings/finding.js";
import { Incidents } from "../../src/findings/incidents.js";
import { kinGroups, kinOf, wholeFinding } from "../../src/findings/kin.js";
import { drawing } from "../records/random_log.js";
import { MINUTE_MS, NOW, deny, flag, log, seen, sighted, type Put } from "./sightings.js";

const NODES = ["a", "b", "c"] as const;

/** A service's findings as it opens them. */
class Desk {
  readonly #incidents = new Incidents();
  readonly folds = new Map<string, FindingFold>();
  #seq = 0;

  /** @returns the finding that the action belongs to */
  take(put: Put, more: { wait?: boolean; risk?: number } = {}): string {
    const one = sighted(put);
    const id = this.#incidents.place(one) ?? expect.fail("nothing to look into");
    const record = seen(one, id, ++this.#seq, more);
    const fold = this.folds.get(id);
    if (fold === undefined) this.folds.set(id, new FindingFold(id, record));
    else fold.take(record);
    return id;
  }

  close(id: string): void {
    this.#incidents.close(id);
  }
}

type Verdict = Pick<Finding, "state"> & { minute: number };

/** Findings of all nodes, with what was said of some of them. */
function findingsOf(nodes: ReadonlyMap<string, Desk>, verdicts: ReadonlyMap<string, Verdict> = new Map()): Finding[] {
  return [...nodes].flatMap(([node, { folds }]) =>
    [...folds.values()].map(({ id, told }) => {
      const said = verdicts.get(id);
      const open = { ...told, node, state: "open", verdict: null, revision: 0 } as const;
      if (said === undefined) return open;
      const at = new Date(NOW + said.minute * MINUTE_MS).toISOString();
      return { ...open, state: said.state, revision: 1, verdict: { at } as NonNullable<Finding["verdict"]> };
    }),
  );
}

function groupsOf(findings: readonly Finding[]): string[][] {
  return kinGroups(findings.flatMap((finding) => kinOf(finding) ?? [])).map((group) => group.map(({ id }) => id));
}

const odd = (minute: number, more: Put = {}): Put => ({ time_ms: NOW + minute * MINUTE_MS, reasons: [flag("odd")], ...more });

describe("findings of several nodes that are one", () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8])
    it(`are those that one service would have had: actions ${seed}`, () => {
      const { below, of } = drawing(seed);
      const one = new Desk();
      const nodes = new Map(NODES.map((node) => [node as string, new Desk()]));
      /** Findings of nodes by the finding of the one service that has the same action. */
      const expected = new Map<string, Set<string>>();
      let minute = 0;
      // Less than four hours, the length at which a service begins another.
      for (let i = 0; i < 60 && minute < 200; i++) {
        minute += below(8) === 0 ? 25 + below(15) : below(4);
        const reasons: Reason[] = [of([flag("odd"), log("late"), flag("unusual"), flag("unusual_held", "high")])];
        const put = odd(minute, { agent: of(["a-1", "a-2"]), purpose: of(["support", "sales"]), reasons });
        const whole = one.take(put);
        const part = (nodes.get(of(NODES)) as Desk).take(put);
        expected.set(whole, (expected.get(whole) ?? new Set()).add(part));
      }
      const groups = groupsOf(findingsOf(nodes)).map((group) => [...group].sort());
      const sorted = (all: readonly string[][]): string[] => all.map((group) => [...group].sort().join(" ")).sort();
      expect(sorted(groups)).to.deep.equal(sorted([...expected.values()].map((ids) => [...ids])));
      expect(
        groups.some(({ length }) => length > 1),
        "some are joined",
      ).to.equal(true);
    });

  const at = (...actions: [node: string, put: Put][]): Finding[] => {
    const nodes = new Map(NODES.map((node) => [node as string, new Desk()]));
    for (const [node, put] of actions) (nodes.get(node) as Desk).take(put);
    return findingsOf(nodes);
  };
  for (const [what, findings] of Object.entries({
    "another agent": at(["a", odd(0)], ["b", odd(1, { agent: "other" })]),
    "another purpose": at(["a", odd(0)], ["b", odd(1, { purpose: "other" })]),
    "another reason": at(["a", odd(0)], ["b", odd(1, { reasons: [flag("late")] })]),
    "what is odd for an agent, and what a rule flags": at(["a", odd(0)], ["b", odd(1, { reasons: [flag("unusual")] })]),
    "an action after half an hour of quiet": at(["a", odd(0)], ["b", odd(30)]),
    "an action four hours later": at(...Array.from({ length: 17 }, (_, i): [string, Put] => [i === 16 ? "b" : "a", odd(i * 15)])),
    "agents that aren't registered": at(["a", odd(0, { known: false })], ["b", odd(1, { known: false })]).map((one) => ({
      ...one,
      agent: null,
    })),
  }))
    it(`are several for ${what}`, () => {
      expect(groupsOf(findings).filter((group) => group.length > 1)).to.deep.equal([]);
      expect(findings).to.have.length(2);
    });

  for (const [what, oldest, other, joined] of [
    ["nobody has looked at either", null, null, true],
    ["somebody looks at one of them", { state: "in_review", minute: 5 }, null, true],
    ["they were judged alike", { state: "expected", minute: 6 }, { state: "expected", minute: 5 }, true],
    ["the older alone was judged, so that nobody has seen the other", { state: "expected", minute: 5 }, null, false],
    ["the newer alone was judged", null, { state: "misuse", minute: 5 }, false],
    ["they were judged differently", { state: "expected", minute: 5 }, { state: "misuse", minute: 6 }, false],
    ["the newer was opened after the older was judged", { state: "misuse", minute: 1 }, { state: "misuse", minute: 6 }, false],
  ] as [string, Verdict | null, Verdict | null, boolean][])
    it(`are ${joined ? "one" : "two"} when ${what}`, () => {
      const nodes = new Map([
        ["a", new Desk()],
        ["b", new Desk()],
      ]);
      const ids = [...nodes.values()].map((desk, i) => desk.take(odd(i * 2)));
      const verdicts = new Map([oldest, other].flatMap((said, i): [string, Verdict][] => (said === null ? [] : [[ids[i] ?? "", said]])));
      expect(groupsOf(findingsOf(nodes, verdicts))).to.have.length(joined ? 1 : 2);
    });

  it("are found at once among years of findings of one agent", () => {
    const all = Array.from({ length: 20_000 }, (_, i) => {
      const opened = NOW + i * 31 * MINUTE_MS;
      const digits = opened.toString(16).padStart(12, "0");
      const id = `F-${digits.slice(0, 8)}-${digits.slice(8)}-7000-8000-${String(i).padStart(12, "0")}`;
      return { key: "k", id, state: "open" as const, last_ms: opened, judged_ms: null };
    });
    const before = process.cpuUsage();
    expect(kinGroups(all)).to.have.length(all.length);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).to.be.below(5);
  });

  it("have as a whole what one service would have told of all of their actions", () => {
    const puts: [string, Put, { wait?: boolean; risk?: number }][] = [
      ["b", odd(0), {}],
      ["a", odd(1, { reasons: [flag("odd", "high")] }), { risk: 40 }],
      ["c", odd(2, { reasons: [flag("odd"), log("late")] }), { risk: 70 }],
      ["a", odd(3, { reasons: [flag("odd"), deny("unusual_denied", "low")] }), {}],
      ...Array.from({ length: 20 }, (_, i): [string, Put, object] => [NODES[i % 3] ?? "a", odd(4 + i), { wait: i === 7 }]),
    ];
    const one = new Desk();
    const nodes = new Map(NODES.map((node) => [node as string, new Desk()]));
    // The reasons that an action is denied for by behaviour are a finding of their own.
    const [, , , denied] = puts;
    for (const put of puts.filter((other) => other !== denied)) {
      one.take(put[1], put[2]);
      (nodes.get(put[0]) as Desk).take(put[1], put[2]);
    }
    const [whole] = [...one.folds.values()].map(({ told }) => told);
    const parts = findingsOf(nodes).sort((a, b) => (a.id < b.id ? -1 : 1)) as [Finding, ...Finding[]];
    const joined = wholeFinding(parts);
    expect(joined.parts).to.deep.equal(parts.map(({ id, node }) => ({ id, node })));
    expect(joined).to.include({ id: parts[0].id, node: "b", state: "open", revision: 0 });
    for (const member of ["agent", "purpose", "about", "code", "version", "severity", "risk", "actions", "tasks"] as const)
      expect(joined[member], member).to.deep.equal(whole?.[member]);
    for (const member of ["codes", "reasons", "first_seen", "last_seen"] as const)
      expect(joined[member], member).to.deep.equal(whole?.[member]);
    expect(joined.waiting.map(({ until }) => until)).to.deep.equal(whole?.waiting.map(({ until }) => until));
    expect([joined.first.length, joined.last.length]).to.deep.equal([8, 8]);
    expect(joined.first[0], "named after what began it").to.equal(joined.id.slice(2));
  });
});
