import { expect } from "chai";
import { Problem, type Finding, type FindingState, type WaitingApproval } from "../../src/contract/index.js";
import { Findings, type FindingsFilter } from "../../src/findings/findings.js";
import type { Reviewer, Verdicts } from "../../src/findings/verdicts.js";
import { EVERYTHING_IN_SIGHT, type Sight } from "../../src/facts/reach.js";
import { answering } from "../../src/http/asked_nodes.js";
import { OwnFindings, type OwnFindingsRoom } from "../../src/http/findings_desk.js";
import { FINDINGS, FleetFindings } from "../../src/http/fleet_findings.js";
import { StillTimers } from "../facts/world.js";
import { MINUTE_MS, NOW, flag, seen, sighted } from "../findings/sightings.js";
import { NodeNet } from "./node_net.js";

const REVIEWER: Reviewer = { id: "ada", roles: new Set(["lead"]) };

/** Findings of one node, with verdicts that only say what they were asked. */
class Desk {
  readonly states = new Map<string, Pick<FindingState, "state" | "at"> & { revision: number }>();
  readonly findings = new Findings(
    { revision: 0, finding: (id) => this.states.get(id) as (FindingState & { revision: number }) | undefined },
    { kept_max: 100, wait_ms: 0 },
    new StillTimers(),
  );
  readonly said: unknown[] = [];
  /** Decisions that each verdict may let go on; undefined: all that wait. */
  readonly shown: unknown[] = [];
  readonly own: OwnFindings;
  readonly fleet: FleetFindings;
  refuses: Problem | null = null;
  waiting: WaitingApproval[] = [];
  #seq = 0;

  constructor(
    readonly name: string,
    net: NodeNet,
  ) {
    const say = async (what: string, id: string, ...rest: unknown[]): Promise<Finding> => {
      if (this.refuses !== null) throw this.refuses;
      const finding = await this.findings.get(id);
      this.said.push([what, id, ...rest]);
      return finding;
    };
    const verdicts = {
      judge: async (id, asked, expected, by, options) => {
        const judged = await say("judge", id, asked, expected, by, ...(options?.isPart === true ? ["as a part"] : []));
        this.shown.push(options?.shown);
        this.states.set(id, { state: asked.state, revision: 1, at: new Date(NOW + 30 * MINUTE_MS).toISOString() });
        return judged;
      },
      approve: async (id, asked, by) => ({ created: true, fact: (await say("approve", id, asked, by)) as never }),
    } satisfies Pick<Verdicts, "judge" | "approve">;
    const room = {
      findings: this.findings,
      verdicts: verdicts as unknown as Verdicts,
      approvals: (_filter, reviewer, sees) =>
        this.waiting.filter((one) => reviewer !== null && sees(this.findings.at(one.finding) as Finding)),
      timeline: () => Promise.resolve({ timeline: [], indexed_to: this.findings.indexedTo }),
    } satisfies OwnFindingsRoom;
    this.own = new OwnFindings(room);
    this.fleet = new FleetFindings(this.own, net.of(name));
    net.serve(
      name,
      answering({ [FINDINGS]: (question) => this.fleet.answer(question) }, () => expect.fail("another question")),
    );
  }

  /** Opens a finding of its own for each minute. @returns their ids */
  open(minutes: readonly number[], agent?: string): string[] {
    return minutes.map((minute) => {
      const one = sighted({ agent: agent ?? `${this.name}-${minute}`, time_ms: NOW + minute * MINUTE_MS, reasons: [flag("odd", "high")] });
      const id = `F-${one.decision_id}`;
      this.findings.take(seen(one, id, ++this.#seq));
      return id;
    });
  }

  /** Opens one at a time of its own. */
  findingAt(agent: string, time_ms: number): void {
    const one = sighted({ agent, time_ms, reasons: [flag("odd", "high")] });
    this.findings.take(seen(one, `F-${one.decision_id}`, ++this.#seq));
  }

  /** Has the action of a finding wait. */
  waits(finding: string, until: number, approval_digest = `sha256:${finding}`): void {
    const { severity, agent } = this.findings.at(finding) as Finding;
    const action = {
      decision_id: finding.slice(2),
      approval_digest,
      until: new Date(NOW + until * MINUTE_MS).toISOString(),
    } as WaitingApproval["action"];
    const given = { quorum: 1, roles: [], given: [], grant: null, refusal: null };
    this.waiting.push({ finding, agent, severity, message: null, state: "waiting", action, ...given });
  }
}

describe("findings of all nodes of a cluster", () => {
  let net: NodeNet;
  let desks: Record<"a" | "b" | "c", Desk>;
  const ask = { filter: {}, limit: 100, sight: EVERYTHING_IN_SIGHT };
  const refused = (asked: Promise<unknown>): Promise<string> =>
    asked.then(
      () => "answered",
      (cause: unknown) => (cause instanceof Problem ? cause.code : String(cause)),
    );

  beforeEach(() => {
    net = new NodeNet("a", "b", "c");
    desks = { a: new Desk("a", net), b: new Desk("b", net), c: new Desk("c", net) };
  });

  it("are listed by whichever node is asked, the newest first, each with its node", async () => {
    desks.a.open([1, 4, 7]);
    desks.b.open([2, 5, 8, 9]);
    desks.c.open([3]);
    const minutes: string[] = [];
    let cursor: string | undefined;
    for (let pages = 0; pages < 6; pages++) {
      const { items, next, nodes } = await desks.c.fleet.page({ ...ask, limit: 3 }, cursor);
      expect(nodes).to.deep.equal({ indexed_to: { a: 3, b: 4, c: 1 }, missing: [] });
      minutes.push(...items.map(({ node, first_seen }) => `${node} ${(Date.parse(first_seen) - NOW) / MINUTE_MS}`));
      if (next === null) break;
      cursor = next;
    }
    expect(minutes).to.deep.equal(["b 9", "b 8", "a 7", "b 5", "a 4", "c 3", "b 2", "a 1"]);
  });

  it("are those of the nodes that answer, and the others are named", async () => {
    desks.a.open([1]);
    desks.b.open([2]);
    net.silent.add("b");
    const { items, nodes } = await desks.a.fleet.page(ask, undefined);
    expect([items.map(({ node }) => node), nodes?.missing]).to.deep.equal([["a"], ["b"]]);
    const list = await desks.a.fleet.approvals({ ...ask, reviewer: REVIEWER });
    expect(list.nodes?.missing).to.deep.equal(["b"]);
  });

  it("are those that the caller may know of, on every node", async () => {
    for (const desk of [desks.a, desks.b]) {
      desk.open([1], "a-1");
      desk.waits(desk.open([2], "a-2")[0] as string, 20);
    }
    const sights: [Sight, string[]][] = [
      [{ agents: new Set(["a-1"]), purposes: null }, ["a-1"]],
      [{ agents: new Set(["a-2"]), purposes: new Set(["support"]) }, ["a-2"]],
      [{ agents: new Set(["a-2"]), purposes: new Set(["other"]) }, []],
      [{ agents: new Set(), purposes: null }, []],
    ];
    for (const [sight, agents] of sights) {
      const { items } = await desks.c.fleet.page({ ...ask, sight }, undefined);
      expect(items.map(({ agent, parts }) => [agent, parts?.map(({ node }) => node)])).to.deep.equal(
        agents.map((agent) => [agent, ["a", "b"]]),
      );
      const list = await desks.c.fleet.approvals({ ...ask, sight, reviewer: REVIEWER });
      expect(list.items.map(({ agent }) => agent)).to.deep.equal(agents.flatMap((agent) => (agent === "a-2" ? [agent, agent] : [])));
    }
    expect((await desks.c.fleet.approvals({ ...ask, reviewer: null })).items, "whoever may approve nothing").to.deep.equal([]);
  });

  it("that wait are one list, the most urgent first", async () => {
    for (const [name, minutes] of [
      ["a", [30, 10]],
      ["b", [20, 5]],
    ] as const)
      for (const until of minutes) desks[name].waits(desks[name].open([until])[0] as string, until);
    const list = await desks.c.fleet.approvals({ ...ask, limit: 3, reviewer: REVIEWER });
    expect([list.items.map(({ node }) => node), list.more]).to.deep.equal([["b", "a", "b"], true]);
    expect((await desks.c.fleet.approvals({ ...ask, limit: 4, reviewer: REVIEWER })).more).to.equal(false);
  });

  it("are judged and approved by the node that has them, as the reviewer said it, and nowhere else", async () => {
    const [id = ""] = desks.b.open([1]);
    for (const { fleet } of [desks.a, desks.b]) {
      const found = await fleet.find(id);
      expect(found.finding).to.include({ id, node: "b" });
      expect(await found.shown()).to.deep.include({ id, node: "b", timeline: [] });
      expect(await found.judge({ state: "expected", reason: "r", seen: 1 }, 0, REVIEWER)).to.include({ id });
      expect(await found.approve({ reason: "r", decision: "d" }, REVIEWER)).to.deep.include({ created: true });
    }
    const once = [
      ["judge", id, { state: "expected", reason: "r", seen: 1 }, 0, REVIEWER],
      ["approve", id, { reason: "r", decision: "d" }, REVIEWER],
    ];
    expect(desks.b.said).to.deep.equal([...once, ...once]);
    expect([desks.a.said, desks.c.said]).to.deep.equal([[], []]);
  });

  it("are refused as the node that has them refuses it", async () => {
    const [id = ""] = desks.b.open([1]);
    const found = await desks.a.fleet.find(id);
    for (const code of ["revision_stale", "approver_not_permitted", "approval_none", "index_unavailable"] as const) {
      desks.b.refuses = new Problem(code, { expected: "7" });
      expect(await refused(found.judge({ state: "misuse", reason: "r" }, 1, REVIEWER))).to.equal(code);
      expect(await refused(found.approve({ reason: "r", decision: "d" }, REVIEWER))).to.equal(code);
    }
  });

  it("aren't known to be nowhere while a node is silent, and what it did isn't known either", async () => {
    const [id = ""] = desks.b.open([1]);
    expect(await refused(desks.a.fleet.find(`F-${"0".repeat(8)}-0000-7000-8000-${"0".repeat(12)}`))).to.equal("finding_not_found");
    const found = await desks.a.fleet.find(id);
    net.silent.add("b");
    expect(await refused(desks.a.fleet.find(id))).to.equal("index_unavailable");
    expect(await refused(found.shown())).to.equal("index_unavailable");
    expect(await refused(found.judge({ state: "misuse", reason: "r" }, 0, REVIEWER))).to.equal("outcome_unknown");
    expect(await refused(found.approve({ reason: "r", decision: "d" }, REVIEWER))).to.equal("outcome_unknown");
    net.silent.clear();
    net.silent.add("c");
    expect((await desks.a.fleet.find(id)).finding.node, "another is silent").to.equal("b");
    net.silent.clear();
    net.gone.push("d");
    expect(await refused(desks.a.fleet.find(`F-${"0".repeat(8)}-0000-7000-8000-${"0".repeat(12)}`)), "another may be back").to.equal(
      "index_unavailable",
    );
    expect((await desks.a.fleet.page(ask, undefined)).nodes?.missing).to.deep.equal(["d"]);
  });

  it("go on after no cursor of another list", async () => {
    for (const cursor of ["cjM", "x", "e30", Buffer.from('n{"a":-1}').toString("base64url")])
      expect(await refused(desks.a.fleet.page(ask, cursor)), cursor).to.equal("parameter_invalid");
  });

  describe("of one agent through several nodes", () => {
    /** Opens one at each node, a minute after the other. @returns their ids */
    const openAll = (): [a: string, b: string, c: string] => {
      const [[b = ""], [a = ""], [c = ""]] = [desks.b.open([1], "a-1"), desks.a.open([2], "a-1"), desks.c.open([3, 4], "a-1")];
      return [a, b, c];
    };
    const judged = (): unknown[][] =>
      [desks.a, desks.b, desks.c].flatMap(({ name, said }) => said.map((one) => [name, ...(one as unknown[])].slice(0, 3)));

    it("are listed as one, named after the oldest, by whichever node is asked", async () => {
      const [a, b] = openAll();
      for (const { fleet } of Object.values(desks)) {
        const { items } = await fleet.page(ask, undefined);
        expect(items.map(({ id, node, actions, parts }) => [id, node, actions.all, parts?.length])).to.deep.equal([[b, "b", 4, 4]]);
        const found = await fleet.find(a);
        expect(found.finding).to.deep.include({ id: b, node: "b", parts: items[0]?.parts });
        expect(await found.shown()).to.deep.include({ id: b, timeline: [] });
      }
    });

    it("are on one page, however small pages are, and where the oldest stands that is asked for", async () => {
      const [a] = openAll();
      desks.c.open([0, 9], "a-2");
      desks.a.findings.take(seen(sighted({ agent: "a-1", time_ms: NOW + 5 * MINUTE_MS, reasons: [flag("odd", "critical")] }), a, 99));
      const listed = async (filter: object): Promise<string[]> => {
        const found: string[] = [];
        for (let cursor: string | undefined, pages = 0; pages < 9; pages++) {
          const { items, next } = await desks.a.fleet.page({ ...ask, filter, limit: 1 }, cursor);
          found.push(...items.map(({ agent, severity, actions }) => `${agent} ${severity} ${actions.all}`));
          if (next === null) break;
          cursor = next;
        }
        return found;
      };
      expect(await listed({})).to.deep.equal(["a-1 critical 5", "a-2 high 2"]);
      expect(await listed({ severity: "critical" }), "of which one part alone is so grave").to.deep.equal(["a-1 critical 5"]);
      expect(await listed({ agent: "a-1", state: "open" })).to.deep.equal(["a-1 critical 5"]);
      expect(await listed({ state: "misuse" })).to.deep.equal([]);
    });

    it("are listed by what the whole is: part of what somebody looks into is open by itself, and graver", async () => {
      const [[a = ""], [b = ""]] = [desks.a.open([1], "a-1"), desks.b.open([2], "a-1")];
      desks.a.states.set(a, { state: "in_review", revision: 1, at: new Date(NOW + 90_000).toISOString() });
      const graver = sighted({ agent: "a-1", time_ms: NOW + 3 * MINUTE_MS, reasons: [flag("odd", "critical")] });
      desks.b.findings.take(seen(graver, b, 99));
      const listed = async (filter: FindingsFilter): Promise<string[]> =>
        (await desks.b.fleet.page({ ...ask, filter }, undefined)).items.map(({ id }) => id);
      for (const filter of [{}, { severity: "critical" }, { since: NOW + 2 * MINUTE_MS }] as const) {
        expect(await listed({ ...filter, state: "in_review" })).to.deep.equal([a]);
        expect(await listed({ ...filter, state: "open" })).to.deep.equal([]);
      }
    });

    it("are looked through for a page so far and no further, and the next page goes on there", async () => {
      const [oldest] = desks.a.open([0], "a-1");
      for (let i = 0; i < 80; i++) desks[i % 2 === 0 ? "b" : "c"].findingAt("a-1", NOW + 1000 + i);
      let asked = 0;
      const found: string[] = [];
      for (let cursor: string | undefined, pages = 0; pages < 99; pages++) {
        net.asked.length = 0;
        const { items, next } = await desks.a.fleet.page({ ...ask, limit: 1 }, cursor);
        asked = Math.max(asked, net.asked.length);
        found.push(...items.map(({ id }) => id));
        if (next === null) break;
        cursor = next;
      }
      expect(found).to.deep.equal([oldest]);
      // Of each page three questions to two others.
      expect(asked).to.be.at.most(16 * 3 * 2);
    });

    it("are judged once for all, at each node, the oldest last and it alone as a whole", async () => {
      const [a, b, c] = openAll();
      const found = await desks.a.fleet.find(c);
      expect(await refused(found.judge({ state: "expected", reason: "r", seen: 3 }, 0, REVIEWER)), "not all was seen").to.equal(
        "revision_stale",
      );
      expect(await refused(found.judge({ state: "expected", reason: "r", seen: 4 }, 7, REVIEWER)), "another revision").to.equal(
        "revision_stale",
      );
      expect(await refused(found.judge({ state: "expected", reason: "r", seen: 4 }, null, REVIEWER))).to.equal("revision_required");
      expect(judged(), "nothing is said of any part before the whole may be judged").to.deep.equal([]);
      const answer = await found.judge({ state: "expected", reason: "r", seen: 4 }, 0, REVIEWER);
      expect(answer).to.deep.include({ id: b, node: "b" });
      const asked = (seen: number): object => ({ state: "expected", reason: "r", seen });
      expect(desks.a.said).to.deep.equal([["judge", a, asked(1), 0, REVIEWER, "as a part"]]);
      expect(desks.b.said).to.deep.equal([["judge", b, asked(1), 0, REVIEWER]]);
      expect(desks.c.said.map((one) => (one as unknown[]).slice(2))).to.deep.equal([
        [asked(1), 0, REVIEWER, "as a part"],
        [asked(1), 0, REVIEWER, "as a part"],
      ]);
    });

    it("can be judged again until all nodes have it, and what one has not is open by itself", async () => {
      const [, b, c] = openAll();
      const found = await desks.a.fleet.find(b);
      desks.c.refuses = new Problem("store_unavailable");
      expect(await refused(found.judge({ state: "policy_gap", reason: "r" }, 0, REVIEWER))).to.equal("store_unavailable");
      expect(desks.b.said, "the oldest, whose revision is the whole's, is as it was").to.deep.equal([]);
      desks.c.refuses = null;
      for (const one of Object.values(desks)) for (const [id, state] of desks.a.states) one.states.set(id, state);
      const again = await desks.a.fleet.find(c);
      expect(again.finding).to.include({ id: b, state: "open", revision: 0 });
      await again.judge({ state: "policy_gap", reason: "r" }, 0, REVIEWER);
      expect(judged().filter(([, , id]) => id === b)).to.have.length(1);
    });

    for (const name of ["a", "b", "c"] as const)
      it(`keep the agent out by all other nodes when ${name} can't say it, and what that has is open by itself`, async () => {
        const ids = openAll();
        const found = await desks.a.fleet.find(ids[0]);
        desks[name].refuses = new Problem("store_unavailable");
        expect(await refused(found.judge({ state: "misuse", reason: "r" }, 0, REVIEWER))).to.equal("store_unavailable");
        const others = (["a", "b", "c"] as const).filter((one) => one !== name);
        expect([...new Set(judged().map(([node]) => node))]).to.deep.equal(others);
        for (const one of Object.values(desks))
          for (const other of Object.values(desks)) for (const [id, state] of other.states) one.states.set(id, state);
        const { items } = await desks.a.fleet.page({ ...ask, filter: { state: "open" } }, undefined);
        expect(items.map(({ node }) => node)).to.deep.equal([name]);
      });

    it("are what the nodes that answer have of it, and one that comes back with more isn't judged unseen", async () => {
      const [a, b, c] = openAll();
      net.silent.add("b");
      const found = await desks.a.fleet.find(c);
      expect(found.finding).to.deep.include({ id: a, node: "a" });
      expect(found.finding.actions.all).to.equal(3);
      await found.judge({ state: "expected", reason: "r", seen: 3 }, 0, REVIEWER);
      net.silent.clear();
      for (const one of Object.values(desks))
        for (const other of Object.values(desks)) for (const [id, state] of other.states) one.states.set(id, state);
      const { items } = await desks.c.fleet.page(ask, undefined);
      expect(items.map(({ id, state }) => [id, state])).to.have.deep.members([
        [a, "expected"],
        [b, "open"],
      ]);
    });

    it("let go on what the whole shows as waiting, each action once, and no more", async () => {
      const ids = openAll();
      const waits = ["a", "b", "c"].flatMap((name, k) =>
        Array.from({ length: 5 }, (_, i) => {
          const at = { agent: "a-1", id: `I-${name}-${i}`, time_ms: NOW + (5 + i * 3 + k) * MINUTE_MS };
          const one = sighted({ ...at, reasons: [flag("odd", "high")] });
          const found = seen(one, ids[k] ?? "", 90 + i, { wait: true });
          const { wait } = found.record.answer;
          // Asked for on two nodes, the last action of a is the last of b.
          if (wait !== undefined) wait.approval_digest = `sha256:${name === "a" && i === 4 ? "b" : name}-${i}`;
          desks[name as "a"].findings.take(found);
          return one.decision_id;
        }),
      );
      const found = await desks.a.fleet.find(ids[0]);
      const { finding } = found;
      const shown = finding.waiting.map(({ decision_id }) => decision_id);
      expect([waits.length, shown.length]).to.deep.equal([15, 8]);
      expect(shown, "it waits where it was asked for last").to.include(waits[9]).and.not.include(waits[4]);
      await found.judge({ state: "expected", reason: "r", seen: finding.actions.all }, 0, REVIEWER);
      expect(Object.values(desks).flatMap((desk) => desk.shown)).to.deep.equal([shown, shown, shown, shown]);
    });

    it("are approved by the node that has the action that waits", async () => {
      const [a, b] = openAll();
      const waits = sighted({ agent: "a-1", time_ms: NOW + 6 * MINUTE_MS, reasons: [flag("odd", "high")] });
      desks.a.findings.take(seen(waits, a, 99, { wait: true }));
      const found = await desks.c.fleet.find(b);
      expect(found.finding.waiting.map(({ decision_id }) => decision_id)).to.deep.equal([waits.decision_id]);
      await found.approve({ reason: "r", decision: waits.decision_id }, REVIEWER);
      expect(judged()).to.deep.equal([["a", "approve", a]]);
    });

    it("wait as one action that was asked for on several nodes, where that was last", async () => {
      const [a, b, c] = openAll();
      desks.a.waits(a, 20, "sha256:same");
      desks.b.waits(b, 10, "sha256:same");
      desks.c.waits(c, 15, "sha256:other");
      const { items } = await desks.b.fleet.approvals({ ...ask, reviewer: REVIEWER });
      expect(items.map(({ node, finding }) => [node, finding])).to.deep.equal([
        ["c", c],
        ["a", a],
      ]);
    });

    it("are news of one, once", async () => {
      const [a, b, c] = openAll();
      const news = [a, c].map((id) => ({
        change: "opened" as const,
        finding: { ...(desks.a.findings.at(id) ?? (desks.c.findings.at(id) as Finding)), node: id === a ? "a" : "c" },
      }));
      const [whole, ...others] = await desks.a.fleet.wholeNews(news, {});
      expect([whole?.change, whole?.finding.id, whole?.finding.actions.all, others]).to.deep.equal(["changed", b, 4, []]);
      const opened = { change: "opened", finding: { ...(desks.b.findings.at(b) as Finding), node: "b" } } as const;
      for (const some of [[opened], [opened, ...news], [...news, opened]])
        expect(
          (await desks.a.fleet.wholeNews(some, {})).map(({ change, finding }) => [change, finding.id]),
          "with its oldest part",
        ).to.deep.equal([["opened", b]]);
      const [alone = ""] = desks.b.open([5]);
      const finding = { ...(desks.b.findings.at(alone) as Finding), node: "b" };
      expect(await desks.a.fleet.wholeNews([{ change: "opened", finding }], {})).to.deep.equal([{ change: "opened", finding }]);
    });

    it("are news by what the whole is, whichever part has changed", async () => {
      const [, b, c] = openAll();
      desks.b.states.set(b, { state: "in_review", revision: 1, at: new Date(NOW + 90_000).toISOString() });
      const part = { change: "changed", finding: { ...(desks.c.findings.at(c) as Finding), node: "c" } } as const;
      expect(part.finding.state).to.equal("open");
      const told = async (filter: FindingsFilter): Promise<unknown[]> =>
        (await desks.a.fleet.wholeNews([part], filter)).map(({ finding: { id, state } }) => [id, state]);
      for (const filter of [{}, { state: "in_review" }, { state: "in_review", agent: "a-1" }] as const)
        expect(await told(filter)).to.deep.equal([[b, "in_review"]]);
      for (const filter of [{ state: "open" }, { state: "misuse" }, { state: "in_review", agent: "a-2" }] as const)
        expect(await told(filter)).to.deep.equal([]);
    });
  });

  const judge = { kind: "judge", asked: { state: "misuse", reason: "r" }, expected: 0, reviewer: { id: "ada", roles: [] } };
  for (const [what, question] of Object.entries({
    "no object": null,
    "no kind": {},
    "another kind": { kind: "erase", id: "ID" },
    "an id that is none": { ...judge, id: "F-1" },
    "no reviewer": { ...judge, id: "ID", reviewer: undefined },
    "a reviewer without a name": { ...judge, id: "ID", reviewer: { id: "", roles: [] } },
    "a state that is none": { ...judge, id: "ID", asked: { state: "fine", reason: "r" } },
    "a verdict without a reason": { ...judge, id: "ID", asked: { state: "misuse" } },
    "more than is asked": { ...judge, id: "ID", force: true },
    "a revision that is none": { ...judge, id: "ID", expected: "0" },
    "an approval of nothing": { kind: "approve", id: "ID", asked: { reason: "r" }, reviewer: judge.reviewer },
    "a sight that is none": { kind: "page", filter: {}, before: null, limit: 1, sight: {} },
    "everybody's sight": { kind: "page", filter: {}, before: null, limit: 1 },
  }))
    it(`are not touched by a question of another version: ${what}`, async () => {
      const [id = ""] = desks.b.open([1]);
      const { answers } = await net.of("a").ask(FINDINGS + JSON.stringify(question).replaceAll('"ID"', JSON.stringify(id)), ["b"]);
      expect([answers.size, desks.b.said]).to.deep.equal([0, []]);
    });
});
