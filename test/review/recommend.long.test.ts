import { expect } from "chai";
import type { BundleContent } from "../../src/bundle/verify.js";
import type { ActivePolicy } from "../../src/decision/ports.js";
import { FLOORS, roundedUp } from "../../src/review/proposal.js";
import { recommend, type Recommendation, type RecommendOptions } from "../../src/review/recommend.js";
import { withPurposes } from "../../src/review/trial.js";
import { readWritten } from "../../src/review/written_purposes.js";
import { system } from "../../src/system/index.js";
import { pasted } from "./pasted.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { AGENT, Desk, TASK, bundleOf, impactOf, runningOf, type Asked } from "../replay/desk.js";
import { LogFolder } from "../replay/folder.js";

const PURPOSES = `it_helpdesk:
  statement: help employees back into their accounts
  owner: it-platform@example.com
  task: required

  allow: # what no line allows is denied
    - { read: [incident, account, mailbox] } # looks
    - { search: [incident, account] }
    - { reset: account } # back in
    - { delete: [account, incident], about: task }

  flag:
    - { delete: mailbox, code: deletes_mail, severity: high, proceed: true }
    - { search: mailbox, code: searches_mail, severity: high, proceed: false }
    - { read: mailbox, about: other, code: reads_mail, severity: high, proceed: true }
`;

const FROM = Date.parse("2027-03-01T08:00:00Z");
const DAY_MS = 86_400_000;
const DAYS = 20;
const URGENCIES = ["low", "normal", "high"];
const TO = FROM + DAYS * DAY_MS;

const account = (owner: string | null, privileged: boolean | null = false): Asked => ({
  verb: "read",
  type: "account",
  id: `acc-${owner ?? "unknown"}`,
  attributes: { owner, privileged },
});
const reset = (owner: string, privileged: boolean): Asked => ({
  ...account(owner, privileged),
  verb: "reset",
  attributes: { owner, privileged, recovery_email: `${owner}@example.com` },
  arguments: { notify: `${owner}@example.com` },
});
const incident: Asked = { verb: "read", type: "incident", id: "INC-81", attributes: { reporter: "ada" } };

/** What agents do on each of the days, in order; every purpose's floor is well below. */
const USUAL: Asked[] = [incident, account("ada"), { verb: "search", type: "account" }, reset("ada", false), reset("ada", false), incident];

interface Made {
  log: LogFolder;
  content: BundleContent;
}

async function days(
  daily: (day: number, desk: Desk) => readonly Asked[],
  { text = PURPOSES, count = DAYS, every = 1 }: { text?: string; count?: number; every?: number } = {},
): Promise<Made> {
  const { content } = await bundleOf({ "purposes.yaml": text, "tables/a_day_at_the_helpdesk.yaml": null });
  const log = new LogFolder();
  const desk = new Desk(runningOf(content), log);
  for (let day = 0; day < count; day += every) {
    for (const [i, asked] of daily(day, desk).entries()) {
      desk.now = FROM + day * DAY_MS + i * 60_000;
      // Each on a task of its own, of any urgency.
      const urgency = URGENCIES[(day + i) % URGENCIES.length] ?? "low";
      const task = { ...TASK, ...desk.tasks.get(TASK.id), id: `T-${day}-${i}`, attributes: { urgency } };
      desk.tasks.set(task.id, task);
      await desk.ask({ task: task.id, ...asked });
    }
  }
  return { log, content };
}

function ask({ log, content }: Made, more: Partial<RecommendOptions> = {}): Promise<Recommendation> {
  return recommend({
    ...{ folder: log.path, from_ms: FROM, to_ms: TO, purposes: Object.keys(content.data.purposes) },
    ...{ text: content.files.get("purposes.yaml")?.toString() ?? "", vocabulary: content.data.vocabulary },
    ...{ floors: FLOORS, known: [content], policy: content, untried: null },
    ...{ timers: system.timers, progress: () => undefined, unreadable: () => undefined },
    ...more,
  });
}

/** The bundle with the purposes that were proposed. */
function changed({ content }: Made, { proposals }: Recommendation): BundleContent {
  const text = pasted(content.files.get("purposes.yaml")?.toString() ?? "", proposals);
  const { purposes, catalogue } = readWritten(text, content.data.vocabulary);
  return withPurposes(content, purposes, catalogue);
}

const entriesBefore = ({ proposals }: Recommendation): string[] => proposals.map(({ was }) => was);
const entriesAfter = ({ proposals }: Recommendation): string[] => proposals.flatMap(({ now }) => now ?? []);

describe("what a purpose allows, narrowed to what its agents used", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  let made: Made;
  let found: Recommendation;
  before(async () => {
    made = await days(() => USUAL);
    found = await ask(made);
  });

  it("is said entry by entry, with counts, relations and examples", () => {
    const [reads, searches] = found.entries;
    expect(reads?.cells.map(({ verb, type, uses, agents, relations }) => ({ verb, type, uses, agents, relations }))).to.deep.equal([
      { verb: "read", type: "incident", uses: 40, agents: 1, relations: { task: 40, other: 0, unknown: 0 } },
      { verb: "read", type: "account", uses: 20, agents: 1, relations: { task: 20, other: 0, unknown: 0 } },
      { verb: "read", type: "mailbox", uses: 0, agents: 0, relations: { task: 0, other: 0, unknown: 0 } },
    ]);
    const [first] = reads?.cells[0]?.examples ?? [];
    expect(first).to.include({ seq: 1, agent: AGENT.id, id: "INC-81", time: "2027-03-01T08:00:00.000Z" });
    expect(searches?.cells.map(({ type, uses }) => [type, uses])).to.deep.equal([
      ["incident", 0],
      ["account", 20],
    ]);
    expect(reads?.at).to.equal(7);
  });

  it("is proposed entry by entry, as it is and as it would be", () => {
    expect(found.proposals.map(({ line, at, was, now }) => [line, at, was, now])).to.deep.equal([
      ["allow", 7, "{read: [incident, account, mailbox]}", "{read: [incident, account], about: task}"],
      ["allow", 8, "{search: [incident, account]}", "{search: account}"],
      ["allow", 9, "{reset: account}", "{reset: account, about: task, when: {privileged: false}}"],
      ["allow", 10, "{delete: [account, incident], about: task}", null],
      ["flag", 13, "{delete: mailbox, code: deletes_mail, severity: high, proceed: true}", null],
    ]);
  });

  it("denies nothing that was used, as the policy itself decides it again", async () => {
    expect(found.trial).to.include({ decisions: 120, changed: 0, newly_stopped: 0, newly_allowed: 0, untold: 0 });
    expect(found.withheld).to.deep.equal([]);
    const impact = await impactOf(made.log.path, changed(made, found));
    expect(impact).to.include({ decisions: 120, changed: 0, newly_stopped: 0 });
  });

  it("denies from then on what nobody did", async () => {
    const { content } = made;
    const narrower = runningOf(changed(made, found));
    const cases: [what: string, asked: Asked, was: string, now: string][] = [
      ["a type that was never read", { verb: "read", type: "mailbox", id: "m", attributes: { owner: "ada" } }, "allow", "deny"],
      ["what isn't the task's", account("bob"), "allow", "deny"],
      ["what nobody can place", account(null), "allow", "deny"],
      ["a type that was never searched", { verb: "search", type: "incident" }, "allow", "deny"],
      ["a value that never occurred", reset("ada", true), "allow", "deny"],
      ["a verb that was never used", { verb: "delete", type: "account", id: "a", attributes: { owner: "ada" } }, "allow", "deny"],
      ["what would only have been flagged", { verb: "delete", type: "mailbox", id: "m", attributes: { owner: "ada" } }, "flag", "deny"],
      ["but nothing else", reset("ada", false), "allow", "allow"],
      ["nor what waits for a person", { verb: "search", type: "mailbox" }, "flag", "flag"],
    ];
    const decide = async (policy: ActivePolicy, asked: Asked): Promise<string> =>
      (await new Desk(policy, new LogFolder()).ask(asked)).decision;
    for (const [what, asked, was, now] of cases) {
      expect([await decide(runningOf(content), asked), await decide(narrower, asked)], what).to.deep.equal([was, now]);
    }
  });

  it("leaves flags that permit nothing by themselves, or that guard an allow", () => {
    const why = found.left.map((left) => [left.line, left.cells.map(({ verb, type }) => `${verb} ${type}`).join(), left.why]);
    expect(why).to.deep.include(["flag", "search mailbox", "it permits nothing by itself: a person is asked"]);
    expect(why).to.deep.include(["flag", "read mailbox", "without it, another entry would permit the same unseen"]);
  });

  it("is the same without a policy to ask, and says that none was asked", async () => {
    const byData = await ask(made, { policy: null, untried: "there is no compiler" });
    expect(byData.proposals).to.deep.equal(found.proposals);
    expect([byData.trial, byData.untried]).to.deep.equal([null, "there is no compiler"]);
  });

  it("keeps every value that was used", async () => {
    const both = await days((day) => [...USUAL, reset("ada", day === 7)]);
    expect(entriesAfter(await ask(both))).to.include("{reset: account, about: task}");
    const other = await days((day) => [...USUAL, ...(day === 7 ? [account("bob")] : [])]);
    expect(entriesAfter(await ask(other))).to.include("{read: [incident, account]}");
    const unknown = await days((day) => [
      ...USUAL,
      { ...reset("ada", false), attributes: { owner: "ada", privileged: day === 7 ? null : false, recovery_email: "ada@example.com" } },
    ]);
    expect(entriesAfter(await ask(unknown)).join()).not.to.contain("privileged");
  });

  it("takes what waited for a person for a use, and what was refused for none", async () => {
    const withFlags = await days(() => [
      ...USUAL,
      { verb: "search", type: "mailbox" },
      { verb: "delete", type: "mailbox", id: "m", attributes: { owner: "ada" } },
    ]);
    const used = await ask(withFlags);
    expect(entriesBefore(used).join()).not.to.contain("delete: mailbox");
    const flagged = used.entries.filter(({ line }) => line === "flag").flatMap(({ cells }) => cells);
    expect(flagged.map(({ verb, uses, waited }) => [verb, uses, waited])).to.deep.include.members([
      ["search", 20, 20],
      ["delete", 20, 0],
    ]);
    const refused = await days((_, desk) => {
      desk.agents.set("stopped", { ...AGENT, id: "stopped", status: "suspended" });
      return [...USUAL, { agent: "stopped", verb: "delete", type: "account", id: "a", attributes: { owner: "ada" } }];
    });
    expect(entriesBefore(await ask(refused))).to.include("{delete: [account, incident], about: task}");
  });

  it("counts what is up the chain of a task, too", async () => {
    const chained = await days((_, desk) => {
      desk.agents.set("lead", { ...AGENT, id: "lead" });
      desk.tasks.set("T-0", { ...TASK, id: "T-0", agent: "lead" });
      desk.tasks.set("T-1", { ...TASK, parent: "T-0" });
      return USUAL;
    });
    const { entries, trial } = await ask(chained);
    expect(entries[0]?.cells[0]).to.deep.include({ uses: 80, agents: 2 });
    expect(trial).to.include({ changed: 0, newly_stopped: 0 });
  });

  it("says what came up only late, since the same proposal half-way would have denied it", async () => {
    const late = await days((day) =>
      day < 12 ? USUAL : [...USUAL, { verb: "read", type: "mailbox", id: "m", attributes: { owner: "ada" } }],
    );
    const { purposes } = await ask(late);
    expect(purposes[0]?.came_late).to.include({ kinds: 1, uses: 8 });
    expect(found.purposes[0]?.came_late).to.include({ kinds: 0, uses: 0 });
  });

  it("names agents and grants that did nothing, and says where nobody is registered", async () => {
    const { log, content } = await days(() => USUAL);
    const facts = (change: string, value: object, time = FROM): void => {
      const kind = change.split("_")[0] ?? "";
      const members = { caller: "desk@example.com", change, facts_revision: 1, kind: "facts", [kind]: value, reason: null };
      void log.append(JSON.stringify(members).slice(1, -1), `"time":"${new Date(time).toISOString()}","v":2`);
    };
    const agent = (id: string, registered: number, status = "active"): object => ({
      id,
      owner: "it@example.com",
      purposes: ["it_helpdesk"],
      status,
      registered: new Date(registered).toISOString(),
    });
    const grant = (id: string, not_before: number, ended: object | null = null): object => ({
      id,
      agent: AGENT.id,
      entry: { read: "mailbox" },
      reason: "case 4711",
      approved_by: "lead@example.com",
      not_before: new Date(not_before).toISOString(),
      expires: new Date(not_before + DAY_MS).toISOString(),
      ended,
    });
    expect((await ask({ log, content })).purposes[0]).to.include({ has_agents: false });
    facts("agent_created", agent(AGENT.id, FROM));
    facts("agent_created", agent("idle", FROM));
    facts("agent_created", agent("new", TO - DAY_MS));
    facts("agent_created", agent("gone", FROM, "revoked"));
    facts("grant_created", grant("G-1", FROM));
    facts("grant_created", grant("G-2", FROM - 3 * DAY_MS));
    const { purposes, grants } = await ask({ log, content });
    expect(purposes[0]).to.include({ has_agents: true });
    expect(purposes[0]?.idle_agents.map((one) => one.agent)).to.deep.equal(["idle"]);
    expect(grants.unused.map(({ id }) => id)).to.deep.equal(["G-1"]);
  });
});

describe("nothing is narrowed on too little", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  const proposesNothing = (found: Recommendation): void => {
    expect(found.proposals).to.deep.equal([]);
  };

  it("time", async () => {
    const found = await ask(await days(() => [...USUAL, ...USUAL, ...USUAL], { count: 10 }));
    proposesNothing(found);
    expect(found.purposes[0]?.too_little).to.match(/^9\.\d days from the first to the last, and 14 are the least$/);
  });

  it("records", async () => {
    const found = await ask(await days(() => USUAL, { every: 3 }));
    proposesNothing(found);
    expect(found.purposes[0]?.too_little).to.equal("42 decisions, and 100 are the least");
  });

  it("at all", async () => {
    const found = await ask(await days(() => USUAL), { from_ms: TO, to_ms: TO + DAY_MS });
    proposesNothing(found);
    expect(found.purposes[0]?.too_little).to.equal("there is no decision for it in this period");
  });

  it("uses of an entry, as to its values", async () => {
    const found = await ask(
      await days((day) => [...USUAL.filter(({ verb }) => verb !== "reset"), incident, ...(day % 2 === 0 ? [reset("ada", false)] : [])]),
    );
    expect(entriesBefore(found)).not.to.include("{reset: account}");
    expect(found.left.map(({ why }) => why)).to.include("it was used in too few tasks to say which values it needs");
  });

  it("of a life: an entry that came yesterday is left", async () => {
    const made = await days(() => USUAL);
    const younger =
      made.content.files
        .get("purposes.yaml")
        ?.toString()
        .replace("[incident, account] }\n    - { reset", "[incident, account, mailbox] }\n    - { reset") ?? "";
    const found = await ask(made, { text: younger });
    expect(found.left).to.deep.include({
      purpose: "it_helpdesk",
      line: "allow",
      at: 8,
      why: "it can't have been used for long enough",
      cells: [{ verb: "search", type: "mailbox" }],
    });
    expect(entriesAfter(found)).to.include("{search: [account, mailbox]}");
  });
});

describe("what the records can't say", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("is damage: it is counted, and the rest is looked at", async () => {
    const made = await days(() => USUAL);
    made.log.changeLine(7, () => "nothing");
    const found = await ask(made);
    expect(found.purposes[0]?.counts).to.include({ unreadable: 1, decisions: 119 });
    expect(found.proposals).not.to.deep.equal([]);
  });

  it("is masked: it may have been anything, and nothing rests on it", async () => {
    const { content } = await bundleOf({
      "purposes.yaml": PURPOSES,
      "vocabulary.yaml": (text) =>
        text.replace("attributes: { owner: id, privileged: boolean", "attributes: { owner: {masked: id}, privileged: {masked: boolean}"),
      "tables/a_day_at_the_helpdesk.yaml": null,
    });
    const log = new LogFolder();
    const desk = new Desk(runningOf(content), log);
    for (let day = 0; day < DAYS; day++) {
      desk.now = FROM + day * DAY_MS;
      for (const asked of USUAL) await desk.ask(asked);
    }
    const found = await ask({ log, content });
    expect(found.purposes[0]?.counts.masked).to.be.above(0);
    expect(entriesAfter(found).join()).not.to.contain("about: task, when").and.not.contain("privileged");
    expect(found.trial).to.include({ newly_stopped: 0 });
  });

  it("is what a rule makes of an entry: its narrowing is withheld where the policy shows that it denies what was used", async () => {
    const rule = (text: string): string => `${text}
# METADATA
# title: Accounts aren't read while nobody may read mail
# custom:
#   code: mail_is_needed
#   severity: high
#   message: nobody may read mail
deny contains reason.because(rego.metadata.rule(), {}) if {
	input.request.resource.type == "account"
	not may_read_mail
}

may_read_mail if is_array(data.purposes.it_helpdesk.allow.mailbox.read)
`;
    const changes = { "purposes.yaml": PURPOSES, "rules.rego": rule, "tables/a_day_at_the_helpdesk.yaml": null };
    const { content } = await bundleOf(changes);
    const log = new LogFolder();
    const desk = new Desk(runningOf(content), log);
    for (let day = 0; day < DAYS; day++) {
      desk.now = FROM + day * DAY_MS;
      for (const asked of USUAL) await desk.ask(asked);
    }
    const found = await ask({ log, content });
    expect(found.withheld).not.to.deep.equal([]);
    expect(found.trial).to.include({ newly_stopped: 0 });
  });
});

it("an amount is rounded up to one that people write", () => {
  const cases = [
    [1, 1],
    [3, 5],
    [4900, 5000],
    [5000, 5000],
    [5001, 10_000],
    [0.3, 0.5],
    [99_999, 100_000],
  ] as const;
  for (const [n, to] of cases) expect(roundedUp(n)).to.be.closeTo(to, 1e-9);
});
