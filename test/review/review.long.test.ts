import { appendFileSync, cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { tellDay } from "../../demo/day.js";
import { runService } from "../../demo/service.js";
import { readUnverified as checkpointIn } from "../../src/audit/tree/checkpoint.js";
import { toBase64 } from "../../src/audit/tree/hash.js";
import { readUnverified, type BundleContent } from "../../src/bundle/verify.js";
import { terminal } from "../../src/cli/ui.js";
import { recommend } from "../../src/review/recommend.js";
import { Review } from "../../src/review/report.js";
import { UNREGISTERED, review, slotMs, total } from "../../src/review/review.js";
import { system } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { schemas } from "../../src/system/schemas.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { AGENT } from "../replay/desk.js";
import { DAY_MS, FROM, HOUR_MS, MAIL, OTHER, READ, TO, agentFact, fact, note, reviewOf, week, type Week } from "./made.js";

const isReview = schemas().compile<Review>(Review);

/** What differs from run to run is named instead. */
function settled(found: Review): unknown {
  const text = JSON.stringify(found, null, 2)
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<id>")
    .replaceAll(/sha256:[0-9a-f]{64}/g, "<digest>")
    .replaceAll(/"root": "[^"]{44}"/g, '"root": "<root>"');
  return JSON.parse(text);
}

describe("a review tells of a period", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  let made: Week;
  let found: Review;
  before(async () => {
    made = await week();
    found = reviewOf(made);
  });

  it("as it always has: a small log comes out the same", () => {
    const file = asset("test", "review", "golden.json");
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, `${JSON.stringify(settled(found), null, 2)}\n`);
    expect(settled(found)).to.deep.equal(JSON.parse(readFileSync(file, "utf8")));
  });

  it("in the form that its schema says", () => {
    expect(isReview(found), JSON.stringify(isReview.errors)).to.equal(true);
  });

  it("what an agent may, what it did of it, and what it never used", () => {
    const [agent] = found.agents;
    expect(agent).to.include({ agent: AGENT.id, owner: "it-platform@example.com", status: "active", assigned: true });
    expect(agent?.counts).to.deep.equal({ allow: 10, flag_proceed: 6, flag_wait: 0, deny: 5 });
    const used = agent?.may.map(({ words, uses }) => [words, uses]);
    expect(used).to.have.deep.members([
      ["allows read incident about the task", 10],
      ["allows read account about the task", 0],
      ["allows search incident", 0],
      ["allows search account", 1],
      ["allows reset account about the task when privileged is false", 0],
      ["flags read incident about something else, and goes on (another_employee)", 0],
      ["flags read account about something else, and goes on (another_employee)", 5],
      ["flags reset account about the task when privileged is true, and waits for a person (privileged_reset)", 0],
    ]);
    expect(
      agent?.did.map(({ verb, type, relation, allow, flag_proceed, deny, resources }) => ({
        verb,
        type,
        relation,
        allow,
        flag_proceed,
        deny,
        resources,
      })),
    ).to.deep.equal([
      { verb: "read", type: "incident", relation: "task", allow: 10, flag_proceed: 0, deny: 0, resources: 1 },
      { verb: "read", type: "account", relation: "other", allow: 0, flag_proceed: 5, deny: 0, resources: 1 },
      { verb: "read", type: "mailbox", relation: "task", allow: 0, flag_proceed: 0, deny: 5, resources: 1 },
      { verb: "search", type: "account", relation: "unknown", allow: 0, flag_proceed: 1, deny: 0, resources: 0 },
    ]);
    expect(found.purposes[0]?.never_used).to.have.lengthOf(5);
    expect(found.totals.never_used).to.equal(5);
  });

  it("what it was refused and flagged for, with examples that can be looked up", () => {
    const [agent] = found.agents;
    expect(agent?.refused.map(({ code, severity, decisions }) => ({ code, severity, decisions }))).to.deep.equal([
      { code: "mail_is_private", severity: "high", decisions: 5 },
    ]);
    const [example] = agent?.refused[0]?.examples ?? [];
    const line = made.log.lines()[(example?.seq ?? 0) - 1] ?? "";
    expect(line).to.contain(example?.decision_id).and.contain("mail_is_private");
    expect(agent?.flagged[0]).to.include({ code: "another_employee", decisions: 5 });
  });

  it("when: by part of the period, and by hour of the week where the purpose has its hours", () => {
    expect(found.slot_ms).to.equal(DAY_MS);
    expect(found.over_time).to.deep.equal([...Array<number[]>(5).fill([2, 1, 1, 0]), [0, 0, 0, 0], [0, 1, 0, 0]]);
    // 10:00 UTC is 11:00 in Berlin, and 23:00 on Sunday is Monday already.
    expect(found.heat.slice(0, 5).map((day) => day[11])).to.deep.equal([4, 4, 4, 4, 4]);
    expect(found.heat[0]?.[0]).to.equal(1);
    expect(found.purposes[0]?.zone).to.equal("Europe/Berlin");
  });

  it("what had happened already when it was judged, beside what was asked about", async () => {
    const observed = reviewOf(
      await week(async ({ desk }) => {
        await desk.ask(OTHER, "observed");
      }),
    );
    expect(observed.totals).to.deep.include({ observed: 1, counts: { allow: 10, flag_proceed: 7, flag_wait: 0, deny: 5 } });
    expect(observed.agents[0]?.did.find(({ type, verb }) => verb === "read" && type === "account")).to.include({
      observed: 1,
      flag_proceed: 6,
    });
  });

  it("when it was furthest from what is usual for it, and by what", async () => {
    const odd = await week();
    for (const [seq, risk] of [
      [8, 40],
      [12, 72],
      [16, 55],
      [20, 1e9],
    ] as const) {
      odd.log.change(seq, (record) => {
        const { input } = record as { input: { facts: { behavior: object } } };
        const behavior = { ...input.facts.behavior, risk, reasons: [`${risk}: 40 distinct accounts in 5 min`] };
        return { ...record, input: { ...input, facts: { ...input.facts, behavior } } };
      });
    }
    const told = reviewOf(odd);
    expect(told.agents[0]?.highest_risk).to.deep.include({
      risk: 72,
      seq: 12,
      reasons: ["72: 40 distinct accounts in 5 min"],
    });
    expect(found.agents[0]?.highest_risk).to.equal(null);
    expect(isReview(told), JSON.stringify(isReview.errors)).to.equal(true);
  });

  it("nothing of what was before it or comes after, but how things then stood", () => {
    expect(total(found.totals.counts)).to.equal(21);
    expect(found.changes).to.deep.equal([]);
    expect(found.rests_on.records).to.deep.equal({ first: 5, last: 25, in_period: 21 });
    expect(found.complete).to.equal(true);
  });

  it("without a bundle what was done, and that what was permitted isn't told", () => {
    const without = reviewOf(made, { bundles: [] });
    expect(isReview(without)).to.equal(true);
    expect(without.totals.counts).to.deep.equal(found.totals.counts);
    expect(without.purposes.map(({ entries, never_used, zone }) => ({ entries, never_used, zone }))).to.deep.equal([
      { entries: 0, never_used: [], zone: "UTC" },
    ]);
    expect(without.rests_on.bundles[0]).to.include({ given: false, decisions: 21 });
  });

  it("in parts that can be counted, however long it is", () => {
    const cases: [days: number, slot_ms: number][] = [
      [1, HOUR_MS],
      [4, HOUR_MS],
      [5, DAY_MS],
      [92, DAY_MS],
      [97, 7 * DAY_MS],
      [365, 7 * DAY_MS],
      [3650, 42 * DAY_MS],
    ];
    for (const [days, slot_ms] of cases) expect(slotMs(FROM, FROM + days * DAY_MS), `${days} days`).to.equal(slot_ms);
  });
});

describe("a review tells who decided about it", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("changes of agents, grants and revocations one by one, and those of tasks counted", async () => {
    const by = { caller: "security@example.com", reason: "it reads a whole history" };
    const made = await week(({ log }) => {
      const at = FROM + 5 * DAY_MS;
      fact(log, at, "agent_suspended", "agent", agentFact(AGENT.id, { status: "suspended" }), by);
      fact(log, at + 1, "agent_created", "agent", agentFact("idle-1"));
      fact(log, at + 2, "revoked", "revocation", { id: "agent/x", scope: "agent" }, { ...by, facts_revision: null });
      for (let i = 0; i < 40; i++) fact(log, at + 3 + i, "task_created", "task", { id: `T-${i}` });
      note(log, at + 50, { kind: "bundle", change: "refused", from: "path", code: "bundle_expired" });
      note(log, at + 51, { kind: "refusal", code: "token_expired", count: 12, since: new Date(at).toISOString() });
    });
    const found = reviewOf(made);
    expect(found.changes.map(({ change, key, by: who, durable }) => [change, key, who, durable])).to.deep.equal([
      ["agent_suspended", `agent/${AGENT.id}`, "security@example.com", true],
      ["agent_created", "agent/idle-1", "desk@example.com", true],
      ["revoked", "revocation/agent/x", "security@example.com", false],
    ]);
    expect(found.change_counts).to.deep.equal({ agent_created: 1, agent_suspended: 1, revoked: 1, task_created: 40 });
    expect(found.agents.map(({ agent, status, counts }) => [agent, status, total(counts)])).to.deep.equal([
      [AGENT.id, "suspended", 21],
      ["idle-1", "active", 0],
    ]);
    expect(found.activations).to.have.lengthOf(1);
    expect(found.agents.map(({ narrowed }) => narrowed)).to.deep.equal([false, false]);
    expect(found.refused_callers).to.deep.equal([{ code: "token_expired", count: 12 }]);
    expect(isReview(found), JSON.stringify(isReview.errors)).to.equal(true);
  });

  it("what narrowed an agent, until that is lifted", async () => {
    const narrowing = { agent: AGENT.id, purpose: "it_helpdesk", reason: "40 distinct accounts in 5 min", by: "remit", lifted: null };
    const made = await week(({ log }) => {
      fact(log, FROM + 1, "narrowed", "narrowing", narrowing, { caller: "remit", reason: narrowing.reason });
      fact(log, FROM + 2, "narrowed", "narrowing", { ...narrowing, agent: "idle-1" });
      fact(log, FROM + 3, "narrowing_lifted", "narrowing", { ...narrowing, agent: "idle-1", lifted: { at: "", by: "lead" } });
      fact(log, FROM + 4, "agent_created", "agent", agentFact("idle-1"));
    });
    const found = reviewOf(made);
    expect(found.agents.map(({ agent, narrowed }) => [agent, narrowed])).to.deep.equal([
      [AGENT.id, true],
      ["idle-1", false],
    ]);
    expect(found.changes[0]).to.include({ change: "narrowed", key: `narrowing/${AGENT.id}`, by: "remit", reason: narrowing.reason });
  });

  it("findings: one for all that has a share in it, open until somebody judges it", async () => {
    const made = await week();
    const id = (seq: number): string => (JSON.parse(made.log.lines()[seq - 1] ?? "") as { answer: { finding: string } }).answer.finding;
    const [first, second] = [id(7), id(11)];
    made.log.changeLine(11, (line) => line.replace(second, first));
    fact(made.log, TO - 2, "finding_judged", "finding", {
      id: first,
      state: "expected",
      by: "lead@example.com",
      at: new Date(TO - 2).toISOString(),
      reason: "it helps out",
    });
    const found = reviewOf(made);
    expect(found.findings.find((one) => one.id === first)).to.deep.include({
      actions: 2,
      state: "expected",
      verdict: { by: "lead@example.com", at: new Date(TO - 2).toISOString(), reason: "it helps out" },
    });
    expect(found.totals).to.include({ findings_open: found.findings.length - 1, findings_closed: 1 });
    const later = reviewOf(made, { from_ms: TO - HOUR_MS, to_ms: TO });
    expect(later.findings.map((one) => one.id)).to.include(id(15));
    expect(later.findings.filter(({ verdict }) => verdict !== null).map((one) => one.id)).to.deep.equal([first]);
  });

  it("agents that nobody has registered together, since anybody can make up names", async () => {
    const made = await week(async ({ desk }) => {
      for (let i = 0; i < 50; i++) await desk.ask({ ...READ, agent: `made-up-${i}` });
    });
    const found = reviewOf(made);
    expect(found.agents.map(({ agent }) => agent).sort()).to.deep.equal([UNREGISTERED, AGENT.id].sort());
    const made_up = found.agents.find(({ agent }) => agent === UNREGISTERED);
    expect(made_up?.refused[0]).to.include({ code: "agent_unknown", decisions: 50 });
  });

  it("in bounded memory: kinds and reasons beyond those that are told apart are counted", async () => {
    const made = await week(async ({ desk }) => {
      for (let i = 0; i < 400; i++) await desk.ask({ ...READ, verb: `verb_${i}` });
    });
    const found = reviewOf(made);
    const [agent] = found.agents;
    expect(agent?.did).to.have.lengthOf(300);
    expect(agent?.left_off).to.be.within(100, 110);
    expect(total(found.totals.counts)).to.equal(421);
  });
});

describe("a review says what it doesn't know", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  const damaged: [what: string, harm: (made: Week) => void, gaps: [what: string, from: number | null, to: number | null][]][] = [
    [
      "a line that is no record",
      ({ log }) => {
        log.changeLine(9, () => "nothing");
      },
      [["unreadable", 9, 9]],
    ],
    [
      "half a record",
      ({ log }) => {
        log.changeLine(9, (line) => line.slice(0, 300));
      },
      [["unreadable", 9, 9]],
    ],
    [
      "lines in a row",
      ({ log }) => {
        for (const seq of [9, 10, 11]) log.changeLine(seq, () => "[]");
      },
      [["unreadable", 9, 11]],
    ],
    [
      "a record of another version",
      ({ log }) => {
        log.change(9, (record) => ({ ...record, v: 1 }));
      },
      [["unreadable", 9, 9]],
    ],
    [
      "a record that says it is another",
      ({ log }) => {
        log.change(9, (record) => ({ ...record, seq: 8 }));
      },
      [["unreadable", 9, 9]],
    ],
    [
      "a decision without its answer",
      ({ log }) => {
        log.change(9, (record) => ({ ...record, answer: {} }));
      },
      [["unreadable", 9, 9]],
    ],
    [
      "a decision without what was asked",
      ({ log }) => {
        log.change(9, (record) => ({ ...record, input: undefined }));
      },
      [["unreadable", 9, 9]],
    ],
    [
      "something beside it that isn't there",
      ({ log }) => {
        log.change(9, (record) => ({ ...record, input: undefined, beside: { bytes: 9, digest: `sha256:${"0".repeat(64)}` } }));
      },
      [["unreadable", 9, 9]],
    ],
    [
      "records that were lost",
      ({ log }) => {
        note(log, TO - 5, { kind: "lost", count: 7 });
      },
      [["lost", 27, 27]],
    ],
  ];
  for (const [what, harm, gaps] of damaged) {
    it(`about ${what}, and tells the rest`, async () => {
      const made = await week();
      harm(made);
      const found = reviewOf(made);
      expect(found.gaps.map((gap) => [gap.what, gap.from, gap.to])).to.deep.equal(gaps);
      expect(found.complete).to.equal(false);
      expect(isReview(found), JSON.stringify(isReview.errors)).to.equal(true);
      expect(total(found.totals.counts)).to.be.at.least(18);
    });
  }

  const starts: [what: string, durability: string, stopped: boolean, gaps: string[]][] = [
    ["a start after a stop", "relaxed", true, []],
    ["a start that follows no stop, with everything on disk before it was answered", "synced", false, []],
    ["a start that follows no stop, with relaxed durability", "relaxed", false, ["ended"]],
  ];
  for (const [what, durability, stopped, gaps] of starts) {
    it(`at ${what}`, async () => {
      const made = await week(({ log }) => {
        const service = (change: string): void => {
          note(log, FROM + 1, { kind: "service", change, durability, keys: [], origin: "log.example/desk", version: "0.1.0" });
        };
        if (stopped) service("stopped");
        service("started");
      });
      expect(reviewOf(made).gaps.map((gap) => gap.what)).to.deep.equal(gaps);
    });
  }

  it("where a whole segment was taken away", async () => {
    const made = await week(({ log }) => {
      log.rotate();
    });
    made.log.rotate();
    for (let i = 0; i < 4; i++) {
      made.desk.now = TO - HOUR_MS;
      await made.desk.ask(READ);
      if (i < 2) made.log.rotate();
    }
    const segments = readdirSync(made.log.path)
      .filter((name) => name.endsWith(".jsonl"))
      .sort();
    rmSync(join(made.log.path, segments.at(-2) ?? ""));
    const found = reviewOf(made);
    expect(found.gaps.map(({ what, records }) => [what, records])).to.deep.equal([["missing", 1]]);
    expect(found.rests_on.through.root).to.equal(null);
  });

  it("where the log ends long before the period does", async () => {
    const found = reviewOf(await week(), { to_ms: TO + 30 * DAY_MS });
    expect(found.gaps.map(({ what }) => what)).to.deep.equal(["early"]);
  });

  it("of an empty period: nothing was done, and nothing is claimed", async () => {
    const found = reviewOf(await week(), { from_ms: TO + DAY_MS, to_ms: TO + 2 * DAY_MS });
    expect(total(found.totals.counts)).to.equal(0);
    expect(found.rests_on.records).to.deep.equal({ first: null, last: null, in_period: 0 });
    expect(found.agents.map(({ agent, last }) => [agent, last])).to.deep.equal([[AGENT.id, null]]);
    expect(isReview(found), JSON.stringify(isReview.errors)).to.equal(true);
  });

  it("of a period before the log's first record: that there is none of it, and no alarm", async () => {
    const found = reviewOf(await week(), { from_ms: FROM - 9 * DAY_MS, to_ms: FROM - 2 * DAY_MS });
    expect(found.gaps.map(({ what, time }) => [what, time])).to.deep.equal([["empty", new Date(FROM - DAY_MS).toISOString()]]);
    expect(found.complete).to.equal(false);
    expect([found.rests_on.before.size, found.rests_on.through.size]).to.deep.equal([0, 0]);
    expect(isReview(found), JSON.stringify(isReview.errors)).to.equal(true);
  });

  it("when the clock was put back, each record counts by its own time", async () => {
    const made = await week(async ({ desk }) => {
      desk.now = FROM - DAY_MS;
      await desk.ask(OTHER);
      desk.now = FROM + HOUR_MS;
      await desk.ask(MAIL);
    });
    const found = reviewOf(made);
    expect(total(found.totals.counts)).to.equal(22);
    expect(found.over_time[0]).to.deep.equal([2, 1, 2, 0]);
  });

  it("of a log whose last record is still being written", async () => {
    const made = await week();
    const [segment = ""] = readdirSync(made.log.path).filter((name) => name.endsWith(".jsonl"));
    appendFileSync(join(made.log.path, segment), '{"answer":{"decision":"al');
    expect(total(reviewOf(made).totals.counts)).to.equal(21);
  });
});

describe("a day at the support desk, as the service recorded it", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  const day = { from_ms: Date.parse("2027-03-02T00:00:00Z"), to_ms: Date.parse("2027-03-03T00:00:00Z") };
  let folder: string;
  let decisions: number;
  let content: BundleContent;
  before(async () => {
    folder = mkdir();
    content = await readUnverified(readFileSync(asset("bundles", "customer_support.tar.gz")));
    const silent = terminal({ write: () => true }, { write: () => true }, {});
    ({ decisions } = await tellDay(silent, async (options) => {
      const service = await runService(options);
      return {
        ...service,
        stop: async () => {
          await untilSigned(service.records);
          cpSync(service.records, folder, { recursive: true, filter: (path) => !path.endsWith("/parquet") });
          await service.stop();
        },
      };
    }));
  });
  const mkdir = temporaryDirectory;
  const told = (more: object = {}): Review =>
    review({
      folder,
      ...day,
      bundles: [content],
      keys: null,
      earlier: [],
      now_ms: day.to_ms,
      version: "0.1.0",
      progress: () => undefined,
      ...more,
    });

  it("is told whole: every decision, every agent, what was granted and used", () => {
    const found = told();
    expect(total(found.totals.counts)).to.equal(decisions);
    expect([...new Set(found.agents.map(({ agent }) => agent))].sort()).to.deep.equal(["billing-2", "support-7", "support-8"]);
    const grants = Object.fromEntries(found.grants.map(({ id, used, uses, approved_by }) => [id, [used, uses, approved_by]]));
    expect(grants).to.deep.include({ "G-1": [2, 2, "lead@example.com"], "G-2": [1, null, "lead@example.com"] });
    expect(found.changes.map(({ change }) => change)).to.include.members(["agent_created", "grant_created", "revoked"]);
    expect(found.complete).to.equal(true);
    expect(isReview(found), JSON.stringify(isReview.errors)).to.equal(true);
  });

  it("rests on what was signed: the roots that the records lead to", () => {
    const { rests_on } = told();
    const signed = checkpointIn(readFileSync(join(folder, "checkpoint")));
    expect(rests_on.checkpoint).to.include({
      holds: true,
      covers_period: true,
      size: signed.size,
      keys_named_by: "log",
    });
    expect(rests_on.origin).to.equal(signed.origin);
    expect(rests_on.through).to.deep.equal({ size: signed.size, root: toBase64(signed.root) });
    expect(rests_on.before.size).to.equal(0);
  });

  it("rests on what was signed too where the log names its key only after the period", () => {
    const { rests_on, gaps } = told({ from_ms: day.from_ms - 9 * DAY_MS, to_ms: day.from_ms });
    expect(rests_on.checkpoint).to.include({ holds: true, covers_period: true });
    expect(gaps.map(({ what }) => what)).to.deep.equal(["empty"]);
  });

  it("rests on nothing where a record isn't what was signed", () => {
    const altered = mkdir();
    cpSync(folder, altered, { recursive: true });
    const [segment = ""] = readdirSync(altered).filter((name) => name.endsWith(".jsonl"));
    const file = join(altered, segment);
    writeFileSync(file, readFileSync(file, "utf8").replace('"decision":"deny"', '"decision":"flag"'));
    const { rests_on } = told({ folder: altered });
    expect(rests_on.checkpoint).to.include({ holds: false });
    expect(rests_on.checkpoint?.says).to.match(/another root/);
  });

  it("could be narrower by what nobody did, and its policy denies nothing of it then", async () => {
    const found = await recommend({
      ...{ folder, ...day, purposes: ["customer_support"], text: content.files.get("purposes.yaml")?.toString() ?? "" },
      ...{ vocabulary: content.data.vocabulary, floors: { days: 0, decisions: 1, tasks: 1 }, known: [content] },
      ...{ policy: content, untried: null, timers: system.timers, progress: () => undefined, unreadable: () => undefined },
    });
    expect(found.proposals.map(({ was, now }) => [was, now])).to.deep.include([
      "{search: [customer, order]}",
      "{search: customer, when: {task.topic: delivery}}",
    ]);
    expect(found.trial).to.include({ decisions, newly_stopped: 0, newly_allowed: 0, changed: 0 });
    expect(found.withheld).to.deep.equal([]);
  });
});

/** The service signs what is on disk now and then. */
async function untilSigned(folder: string): Promise<void> {
  const lines = readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .reduce((sum, name) => sum + readFileSync(join(folder, name), "utf8").split("\n").length - 1, 0);
  const file = join(folder, "checkpoint");
  while (!existsSync(file) || checkpointIn(readFileSync(file)).size < lines) await new Promise((resolve) => setTimeout(resolve, 20));
}
