import { expect } from "chai";
import fc from "fast-check";
import { parse } from "yaml";
import type { Act, Approvers, FindingState, FoundRecord, JudgeFinding } from "../../src/contract/index.js";
import type { Commands } from "../../src/facts/commands.js";
import { Findings } from "../../src/findings/findings.js";
import { HeldActions } from "../../src/findings/held_actions.js";
import { proposalOf } from "../../src/findings/proposal.js";
import { Verdicts, type ApprovingPolicy, type Reviewer } from "../../src/findings/verdicts.js";
import { NOW as FACTS_NOW, World, outcome } from "../facts/world.js";
import { BUNDLE, MINUTE_MS, flag, seen, sighted } from "./sightings.js";

const DIGEST = `sha256:${"a".repeat(64)}`;
const PEOPLE = { ancestors: [{ facts: { principal: "bob" } }], proof: { principal: { subject: "cyd" } } };
const actOf = (id: string, more: Partial<Act> = {}): Act => ({
  agent: "a-1",
  version: "1",
  owner: "",
  purpose: "support",
  verb: "read",
  verb_class: "read",
  type: "invoice",
  id,
  task: "T-1",
  relation: "other",
  session: null,
  source: "wl-1",
  granted: false,
  amount: 1,
  time_ms: FACTS_NOW,
  offset_ms: 0,
  ...more,
});

const reviewer = (id: string, ...roles: string[]): Reviewer => ({ id, roles: new Set(roles) });

/** Findings and facts together: one agent, and one finding with so many actions. */
class Bench {
  readonly held = new HeldActions();
  readonly world: World;
  commands!: Commands;
  findings!: Findings;
  verdicts!: Verdicts;
  id = "";
  policy: ApprovingPolicy | null = { identity: { digest: BUNDLE }, purposes: new Map([["support", {}]]) };
  #records: FoundRecord[] = [];

  private constructor(counted_grants: boolean) {
    this.world = new World(undefined, { counted_grants });
  }

  static async open({
    actions = 1,
    wait = true,
    agent = "a-1",
    masked = false,
    counted = true,
    people = false,
    code = "unrelated_financials",
  } = {}): Promise<Bench> {
    const bench = new Bench(counted);
    bench.commands = await bench.world.open();
    await bench.commands.createAgent({ id: "a-1", owner: "tests", purposes: ["support"] }, "registrar");
    bench.findings = new Findings(bench.commands.registry, { kept_max: 100, wait_ms: 0 }, bench.world.timers);
    bench.verdicts = new Verdicts({
      findings: bench.findings,
      facts: bench.commands,
      held: bench.held,
      clock: bench.world.clock,
      policy: () => bench.policy,
      recordsOf: (finding, max) =>
        Promise.resolve(bench.#records.filter(({ record }) => "answer" in record && record.answer.finding === finding.id).slice(0, max)),
      actOf: (record) => actOf((record.input?.["request"] as { resource: { id: string } }).resource.id),
      limits: { approval_lasts_ms: 15 * MINUTE_MS },
    });
    for (let i = 0; i < actions; i++) {
      const one = sighted({
        agent,
        known: agent === "a-1",
        id: `I-${i}`,
        time_ms: FACTS_NOW + i,
        reasons: [flag(code, "high")],
      });
      bench.id ||= `F-${one.decision_id}`;
      const found = seen(one, bench.id, i + 1, { wait });
      const action_digest = DIGEST.replace(/.$/, String(i % 10));
      const { answer } = found.record;
      if (masked)
        bench.held.settled(
          agent,
          { ...answer, action_digest, ...(answer.wait && { wait: { ...answer.wait, approval_digest: action_digest } }) },
          ["ada"],
        );
      answer.action_digest = masked ? `masked:2027-03-01:${i}` : action_digest;
      if (answer.wait !== undefined) answer.wait.approval_digest = answer.action_digest;
      if (people)
        Object.assign(found.record, PEOPLE, {
          input: { ...found.record.input, facts: { ...(found.record.input?.["facts"] as object), principal: "ada" } },
        });
      bench.findings.take(found);
      bench.#records.push({ ...found, outcome: null });
    }
    return bench;
  }

  judge(asked: Partial<JudgeFinding> & Pick<JudgeFinding, "state">, revision = this.state?.revision ?? 0, by = "eve"): Promise<string> {
    const seen = asked.state === "expected" && asked.keep_out === undefined ? { seen: this.#records.length } : {};
    return outcome(this.verdicts.judge(this.id, { reason: "looked into", ...seen, ...asked }, revision, reviewer(by)));
  }

  get state(): (FindingState & { revision: number }) | undefined {
    return this.commands.registry.finding(this.id);
  }

  get status(): string | undefined {
    return this.commands.registry.agent("a-1")?.status;
  }

  get grants(): string[] {
    return [...this.commands.registry.allGrants()].map(({ value }) => value.id);
  }
}

describe("how a finding stands", () => {
  const walks: [states: JudgeFinding["state"][], outcomes: string[]][] = [
    [
      ["in_review", "expected"],
      ["done", "done"],
    ],
    [["misuse"], ["done"]],
    [
      ["policy_gap", "open", "in_review", "open", "misuse"],
      ["done", "done", "done", "done", "done"],
    ],
    [["open"], ["finding_state /state"]],
    [
      ["in_review", "in_review"],
      ["done", "finding_state /state"],
    ],
    [
      ["misuse", "expected"],
      ["done", "finding_state /state"],
    ],
    [
      ["expected", "in_review"],
      ["done", "finding_state /state"],
    ],
    [
      ["policy_gap", "policy_gap"],
      ["done", "finding_state /state"],
    ],
  ];
  for (const [states, outcomes] of walks) {
    it(`goes ${states.join(", ")}: ${outcomes.at(-1) ?? ""}`, async () => {
      const bench = await Bench.open({ wait: false });
      const found: string[] = [];
      for (const state of states) found.push(await bench.judge({ state }));
      expect(found).to.deep.equal(outcomes);
    });
  }

  const refused: [what: string, asked: JudgeFinding, revision: number | null, outcome: string][] = [
    ["without saying what was seen", { state: "in_review", reason: "r" }, null, "revision_required"],
    ["on what has changed since", { state: "in_review", reason: "r" }, 7, "revision_stale"],
    ["expected, of it knows who how many actions", { state: "expected", reason: "r" }, 0, "field_missing /seen"],
    ["expected, of fewer actions than there are", { state: "expected", reason: "r", seen: 99 }, 0, "revision_stale /seen"],
    ["having seen it for another state", { state: "misuse", reason: "r", seen: 1 }, 0, "field_invalid /seen"],
    ["keeping an agent out without misuse", { state: "expected", reason: "r", seen: 1, keep_out: "suspend" }, 0, "field_invalid /keep_out"],
    ["proposing without a gap", { state: "misuse", reason: "r", propose: "allow" }, 0, "field_invalid /propose"],
  ];
  for (const [what, asked, revision, code] of refused) {
    it(`isn't changed ${what}`, async () => {
      const bench = await Bench.open();
      expect(await outcome(bench.verdicts.judge(bench.id, asked, revision, reviewer("eve")))).to.equal(code);
      expect([bench.state, bench.status, bench.grants]).to.deep.equal([undefined, "active", []]);
    });
  }

  it("of none that is known is nobody's to say", async () => {
    const bench = await Bench.open();
    const asked: JudgeFinding = { state: "misuse", reason: "r" };
    expect(await outcome(bench.verdicts.judge("F-2", asked, 0, reviewer("eve")))).to.equal("finding_not_found");
  });

  it("is a fact: on record with who said it and why, durable, and there after a restart", async () => {
    const bench = await Bench.open();
    await bench.judge({ state: "in_review", reason: "ticket 12" });
    const record = bench.world.records.at(-1);
    expect(record).to.deep.include({ kind: "facts", change: "finding_in_review", caller: "eve", reason: "ticket 12" });
    expect(record?.["finding"]).to.deep.include({ id: bench.id, state: "in_review", by: "eve" });
    const again = await bench.world.reopened();
    expect(again.registry.finding(bench.id)).to.deep.equal(bench.state);
    const { items } = await bench.commands.events(0, 100);
    expect(items.map(({ key }) => key)).to.include(`finding/${bench.id}`);
  });
});

describe("a verdict", () => {
  it("`expected` teaches each distinct action once, and lets what waits go on once", async () => {
    const bench = await Bench.open({ actions: 3 });
    expect(await bench.judge({ state: "expected" })).to.equal("done");
    const { teaches = [], grants = [] } = bench.state ?? {};
    expect(teaches.map(({ id }) => id)).to.deep.equal(["I-0", "I-1", "I-2"]);
    expect(grants).to.have.lengthOf(3).and.to.deep.equal(bench.grants);
    const grant = bench.commands.grant(grants[0] ?? "");
    expect(grant).to.deep.include({ agent: "a-1", uses: 1, approved_by: "eve", entry: null, state: "live" });
    expect(Date.parse(grant.expires) - Date.parse(grant.not_before)).to.equal(15 * MINUTE_MS);
  });

  it("`expected` of a part of a finding lets go on what the whole has shown, and nothing that waits beside it", async () => {
    const bench = await Bench.open({ actions: 3 });
    const { waiting } = bench.findings.at(bench.id) ?? expect.fail("no finding");
    const [one = ""] = waiting.map(({ decision_id }) => decision_id);
    const said = { state: "expected", reason: "r", seen: 3 } as const;
    await bench.verdicts.judge(bench.id, said, 0, reviewer("eve"), { shown: [one, "of another part"] });
    expect(bench.grants.map((id) => bench.commands.grant(id).approval?.decision)).to.deep.equal([one]);
  });

  it("taken back of a part takes back what it moved before it was one, and nothing that it hasn't", async () => {
    for (const [isPart, moved] of [
      [false, { purpose: "support", expected: 0, misuse: -1 }],
      [true, undefined],
    ] as const) {
      const bench = await Bench.open({ people: true, code: "unusual_flagged" });
      await bench.verdicts.judge(bench.id, { state: "misuse", reason: "r" }, 0, reviewer("eve"), { isPart });
      await bench.verdicts.judge(bench.id, { state: "open", reason: "r" }, bench.state?.revision ?? 0, reviewer("eve"), { isPart: true });
      expect(bench.state?.calibrates).to.deep.equal(moved);
    }
  });

  for (const [who, by] of [
    ["the caller that asked", "gateway-1"],
    ["a name that looks like the caller's", "Gateway-l"],
    ["the agent", "a-1"],
    ["the person that it was for", "ada"],
    ["the person of a task above", "bob"],
    ["the person of the agent's token", "cyd"],
  ] as const)
    it(`\`expected\` by ${who} closes the finding, and neither teaches nor approves`, async () => {
      const bench = await Bench.open({ people: true });
      expect(await bench.judge({ state: "expected" }, 0, by)).to.equal("done");
      expect(bench.state).to.deep.include({ state: "expected", by, teaches: [], grants: [] });
    });

  const OTHERS = "eve";
  const moves: [what: string, code: string, by: string, states: JudgeFinding["state"][], calibrates: FindingState["calibrates"]][] = [
    ["`expected` by others", "unusual_flagged", OTHERS, ["expected"], { purpose: "support", expected: 1, misuse: 0 }],
    ["`misuse`", "unusual_flagged", OTHERS, ["misuse"], { purpose: "support", expected: 0, misuse: 1 }],
    ["`expected` that was taken back", "unusual_flagged", OTHERS, ["expected", "open"], { purpose: "support", expected: -1, misuse: 0 }],
    ["`misuse` that was taken back", "unusual_flagged", OTHERS, ["misuse", "open"], { purpose: "support", expected: 0, misuse: -1 }],
    ["`expected` by the caller that asked", "unusual_flagged", "gateway-1", ["expected"], undefined],
    ["`expected` by the person that it was for", "unusual_flagged", "ada", ["expected"], undefined],
    ["`expected` of what a policy flagged", "unrelated_financials", OTHERS, ["expected"], undefined],
    ["`misuse` of what a policy flagged", "unrelated_financials", OTHERS, ["misuse"], undefined],
    ["a gap of the policy", "unusual_flagged", OTHERS, ["policy_gap"], undefined],
    ["a look that ends without a verdict", "unusual_flagged", OTHERS, ["in_review", "open"], undefined],
  ];
  for (const [what, code, by, states, calibrates] of moves)
    it(`${calibrates === undefined ? "leaves the purpose's thresholds as they are" : "moves the purpose's thresholds"} by ${what}`, async () => {
      const bench = await Bench.open({ people: true, code });
      for (const state of states) expect(await bench.judge({ state }, undefined, by)).to.equal("done");
      expect(bench.state?.calibrates).to.deep.equal(calibrates);
    });

  it("`expected` teaches no more than a few, and none twice", async () => {
    const bench = await Bench.open({ actions: 200, wait: false });
    await bench.judge({ state: "expected" });
    expect(bench.state?.teaches).to.have.lengthOf(32);
    expect(new Set(bench.state?.teaches.map(({ id }) => id)).size).to.equal(32);
  });

  it("`misuse` suspends the agent, or revokes it where that is asked for", async () => {
    const suspended = await Bench.open();
    await suspended.judge({ state: "misuse" });
    expect([suspended.status, suspended.state?.kept_out, suspended.grants]).to.deep.equal(["suspended", "suspended", []]);
    const revoked = await Bench.open();
    await revoked.judge({ state: "misuse", keep_out: "revoke" });
    expect(revoked.commands.registry.revoked("agent", "a-1")).to.equal(true);
    expect([revoked.status, revoked.state?.kept_out]).to.deep.equal(["active", "revoked"]);
  });

  it("`misuse` keeps the agent out though the store can't take the verdict", async () => {
    const bench = await Bench.open();
    bench.world.store.fate = () => "before";
    const judged = bench.judge({ state: "misuse" });
    await bench.world.timers.advance(5000);
    expect(await judged).to.equal("store_unavailable");
    expect([bench.status, bench.state]).to.deep.equal(["suspended", undefined]);
  });

  it("`misuse` by agents that nobody has registered keeps nobody out", async () => {
    const bench = await Bench.open({ agent: "x-1" });
    expect(await bench.judge({ state: "misuse" })).to.equal("done");
    expect(bench.state).to.deep.include({ agent: null, kept_out: null });
  });

  it("`policy_gap` proposes entries, with what they rest on", async () => {
    const bench = await Bench.open({ actions: 3, wait: false });
    await bench.judge({ state: "policy_gap" });
    const proposal = bench.state?.proposal ?? "";
    expect(parse(proposal)).to.deep.equal({ support: { allow: [{ read: "invoice", about: "other" }] } });
    expect(proposal).to.include(`# ${bench.id}: 3 actions of agent a-1`).and.include("# 3 times");
    const never = await Bench.open({ actions: 1, wait: false });
    await never.judge({ state: "policy_gap", propose: "never" });
    expect(parse(never.state?.proposal ?? "")).to.deep.equal({
      support: { never: [{ read: "invoice", about: "other", code: "no_read_invoice", severity: "high" }] },
    });
  });

  for (const hostile of [
    "unrelated\ncustomer_support:\n  allow:\n    - {update: customer}",
    "a\u0085b: {c: d}",
    "a\u2028b: {c: d}",
    "x # y",
    "\u202e",
  ]) {
    it(`proposes no line more for a code of ${JSON.stringify(hostile)}`, async () => {
      const bench = await Bench.open();
      const finding = await bench.findings.get(bench.id);
      const action = { agent: "a-1", purpose: "support", task: null, verb: "read", type: "invoice", id: null };
      const done = [{ action, relation: "other" as const, decision_id: hostile }];
      const text = proposalOf({ ...finding, agent: hostile, codes: [{ code: hostile, severity: "high", count: 1 }] }, "allow", done);
      expect(parse(text), text).to.deep.equal({ support: { allow: [{ read: "invoice", about: "other" }] } });
      const comments = text.split("\n").filter((line) => line.trim().startsWith("#"));
      expect(comments.every((line) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line))).to.equal(true);
      expect(text.split("\n")).to.have.lengthOf(comments.length + 4);
    });
  }

  it("proposes what YAML reads back, whatever the names are", async () => {
    const bench = await Bench.open();
    const finding = await bench.findings.get(bench.id);
    const names = ["null", "on", "Yes", "1e3", "a:b", "x-1", "0x10", "~", "a/b"].filter((name) => /^[A-Za-z0-9]/.test(name));
    for (const name of names) {
      const action = { agent: "a-1", purpose: name, task: null, verb: name, type: name, id: null };
      const text = proposalOf(finding, "allow", [{ action, relation: "unknown", decision_id: "d" }]);
      expect(parse(text), text).to.deep.equal({ [name]: { allow: [{ [name]: name }] } });
    }
  });
});

describe("an approval", () => {
  /** Of the first action of the finding, unless another is said. */
  const first = async (bench: Bench): Promise<string> => (await bench.findings.get(bench.id)).first[0] ?? "";
  const approve = async (bench: Bench, decision?: string, by = "eve"): Promise<string> =>
    outcome(bench.verdicts.approve(bench.id, { reason: "yes", decision: decision ?? (await first(bench)) }, reviewer(by)));

  it("is a grant for that one action, once, for a while", async () => {
    const bench = await Bench.open();
    const { created, fact } = await bench.verdicts.approve(bench.id, { reason: "yes", decision: await first(bench) }, reviewer("eve"));
    expect(created).to.equal(true);
    expect(fact).to.deep.include({ agent: "a-1", uses: 1, used: 0, state: "live", reason: "yes", approved_by: "eve" });
    expect(fact.action_digest).to.match(/^sha256:a{63}0$/);
  });

  it("is one, however often and by how many it is given", async () => {
    const bench = await Bench.open();
    expect(await Promise.all(["eve", "bob", "eve"].map((by) => approve(bench, undefined, by)))).to.deep.equal(["done", "done", "done"]);
    expect(bench.grants).to.have.lengthOf(1);
    await bench.judge({ state: "expected" });
    expect(bench.grants).to.have.lengthOf(1);
  });

  const refused: [what: string, by: Reviewer, approvers: Approvers | undefined, outcome: string][] = [
    ["the caller that asked", reviewer("gateway-1"), undefined, "approver_not_permitted"],
    ["the agent itself", reviewer("a-1"), undefined, "approver_not_permitted"],
    ["a caller whose name looks like that person's in another alphabet", reviewer("\u0430d\u0430"), undefined, "approver_not_permitted"],
    ["the person that it is for", reviewer("ada"), undefined, "approver_not_permitted"],
    ["a caller whose name looks like that person's", reviewer("Ada"), undefined, "approver_not_permitted"],
    ["a caller whose name looks like that of the caller that asked", reviewer("gateway-l"), undefined, "approver_not_permitted"],
    ["that person by another issuer's name", reviewer("corp:ada"), undefined, "approver_not_permitted"],
    ["a person further up its chain", reviewer("bob"), undefined, "approver_not_permitted"],
    ["the person that the agent's token names", reviewer("cyd"), undefined, "approver_not_permitted"],
    ["somebody without the role", reviewer("eve", "clerk"), { roles: ["lead", "boss"], quorum: 1 }, "approver_not_permitted"],
    ["somebody with the role", reviewer("eve", "boss"), { roles: ["lead", "boss"], quorum: 1 }, "done"],
    ["anybody else, where no role is asked for", reviewer("eve"), { roles: [], quorum: 1 }, "done"],
  ];
  for (const [who, by, approvers, expected] of refused) {
    it(`by ${who}: ${expected}`, async () => {
      const bench = await Bench.open({ people: true });
      bench.policy = { identity: { digest: BUNDLE }, purposes: new Map([["support", approvers === undefined ? {} : { approvers }]]) };
      expect(await outcome(bench.verdicts.approve(bench.id, { reason: "yes", decision: await first(bench) }, by))).to.equal(expected);
      expect(bench.grants).to.have.lengthOf(expected === "done" ? 1 : 0);
    });
  }

  it("isn't given by a verdict of whoever may not give it", async () => {
    const bench = await Bench.open();
    expect(await bench.judge({ state: "expected" }, 0, "gateway-1")).to.equal("done");
    expect([bench.state?.grants, bench.grants]).to.deep.equal([[], []]);
  });

  it("permits nothing before the quorum of its purpose has approved", async () => {
    const bench = await Bench.open();
    bench.policy = { identity: { digest: BUNDLE }, purposes: new Map([["support", { approvers: { roles: [], quorum: 2 } }]]) };
    const states: string[] = [];
    for (const by of ["eve", "eve", "bob"]) {
      await approve(bench, undefined, by);
      states.push(bench.commands.grant(bench.grants[0] ?? "").state);
    }
    expect(states).to.deep.equal(["unapproved", "unapproved", "live"]);
  });

  it("isn't of what another bundle has decided, or of what nobody can see", async () => {
    const bench = await Bench.open();
    bench.policy = { identity: { digest: "sha256:other" }, purposes: new Map() };
    expect(await approve(bench)).to.equal("approval_none /decision");
    bench.policy = null;
    expect(await approve(bench)).to.equal("approval_none /decision");
    expect(bench.held.of({ decision_id: "d", action_digest: DIGEST, approval_digest: DIGEST, principals: null })).to.equal(null);
  });

  it("is of the one that is named, where several wait", async () => {
    const bench = await Bench.open({ actions: 2 });
    const [, second] = (await bench.findings.get(bench.id)).waiting;
    expect(await approve(bench, second?.decision_id)).to.equal("done");
    expect(bench.grants).to.deep.equal([`approval-${second?.decision_id ?? ""}`]);
  });

  it("is for the very action, though its record has another text in place of the digest", async () => {
    const bench = await Bench.open({ masked: true });
    expect((await bench.findings.get(bench.id)).waiting[0]?.action_digest).to.match(/^masked:/);
    const { fact } = await bench.verdicts.approve(bench.id, { reason: "yes", decision: await first(bench) }, reviewer("eve"));
    expect(fact.action_digest).to.match(/^sha256:a{63}0$/);
  });

  it("isn't possible of what is masked once nobody remembers the action", async () => {
    const bench = await Bench.open({ masked: true });
    const decision_id = (await bench.findings.get(bench.id)).waiting[0]?.decision_id ?? "";
    for (let i = 0; i < 10_000; i++)
      bench.held.settled(
        "a-1",
        { decision_id: String(i), action_digest: DIGEST, wait: { approval_digest: DIGEST, for: "approval", until: "" } },
        [],
      );
    const recorded = { decision_id, action_digest: "masked:x", approval_digest: "masked:x", principals: [] };
    expect(bench.held.of(recorded)).to.equal(null);
    expect(await approve(bench)).to.equal("approval_none /decision");
    expect(await bench.judge({ state: "expected" })).to.equal("done");
    expect(bench.grants).to.deep.equal([]);
  });

  it("isn't given where uses can't be counted, and a verdict is all the same", async () => {
    const bench = await Bench.open({ counted: false });
    expect(await approve(bench)).to.equal("fact_invalid /uses");
    expect(await bench.judge({ state: "expected" })).to.equal("done");
    expect([bench.state?.grants, bench.grants]).to.deep.equal([[], []]);
  });

  it("is none of what turned out to be misuse", async () => {
    const bench = await Bench.open();
    await bench.judge({ state: "misuse" });
    expect(await approve(bench)).to.equal("approval_none /decision");
    expect(bench.grants).to.deep.equal([]);
  });

  it("is none of what waits no longer, never waited, or is another's", async () => {
    const bench = await Bench.open();
    expect(await approve(bench, "0197a000-0000-7000-8000-000000000000")).to.equal("approval_none /decision");
    bench.world.clock.wall_ms += 16 * MINUTE_MS;
    expect(await approve(bench)).to.equal("approval_none /decision");
    expect(await approve(await Bench.open({ wait: false }))).to.equal("approval_none /decision");
    expect(await approve(await Bench.open({ agent: "x-1" }))).to.equal("approval_none /decision");
  });
});

describe("two people at once", () => {
  it("come to one verdict: the other is told, and nothing of theirs holds", async () => {
    const won = new Set<string>();
    for (const [first, second] of [
      ["expected", "misuse"],
      ["misuse", "expected"],
      ["misuse", "policy_gap"],
    ] as const) {
      const bench = await Bench.open();
      const said = await Promise.all([bench.judge({ state: first }, 0, "eve"), bench.judge({ state: second }, 0, "bob")]);
      expect([...said].sort()).to.deep.equal(["done", "revision_stale"]);
      const { state, by } = bench.state ?? {};
      expect([state, by]).to.deep.equal(said[0] === "done" ? [first, "eve"] : [second, "bob"]);
      expect(bench.status).to.equal(state === "misuse" ? "suspended" : "active");
      expect(bench.grants).to.have.lengthOf(state === "expected" ? 1 : 0);
      won.add(state ?? "");
    }
    expect(won).to.include("misuse");
  });

  it("leave a history in which each change follows from the one before, whatever they do", async () => {
    const may: Record<string, string[]> = {
      open: ["in_review", "expected", "misuse", "policy_gap"],
      in_review: ["open", "expected", "misuse", "policy_gap"],
    };
    const step = fc.record({
      state: fc.constantFrom("open", "in_review", "expected", "misuse", "policy_gap"),
      stale: fc.boolean(),
      wait: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const bench = await Bench.open({ wait: false });
        const asked: Promise<string>[] = [];
        for (const { state, stale, wait } of steps) {
          const revision = bench.state?.revision ?? 0;
          asked.push(bench.judge({ state: state }, stale ? revision + 1 : revision));
          if (wait) await Promise.all(asked);
        }
        const said = await Promise.all(asked);
        const history = bench.world.records.flatMap(({ finding }) => (finding === undefined ? [] : [(finding as FindingState).state]));
        expect(history).to.have.lengthOf(said.filter((one) => one === "done").length);
        let before = "open";
        for (const state of history) {
          expect(may[before] ?? ["open"], `${before} to ${state}`).to.include(state);
          before = state;
        }
      }),
      { numRuns: 60 },
    );
  });
});
