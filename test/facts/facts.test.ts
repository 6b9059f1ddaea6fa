import { expect } from "chai";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Problem, type CreateTask, type Vocabulary } from "../../src/contract/index.js";
import { FactsFile } from "../../src/facts/facts.js";
import { readFacts } from "../../src/facts/file.js";

const NOW = Date.UTC(2026, 2, 3, 9);

const vocabulary: Vocabulary = {
  verbs: { read: { class: "read", collection: false } },
  task: { subjects: ["customer"], attributes: { topic: { kind: "enum", values: ["billing", "other"] } } },
  agent: { attributes: {} },
  types: {},
};

class World {
  readonly clock = {
    wall_ms: NOW,
    monotonic_ms: 0,
    wall: () => this.clock.wall_ms,
    monotonic: () => this.clock.monotonic_ms,
  };
  readonly records: Record<string, unknown>[] = [];
  readonly refused: string[] = [];
  logFails = false;
  readonly folder = mkdtempSync(join(tmpdir(), "remit-facts-"));
  readonly file = join(this.folder, "facts.yaml");

  write(yaml: string): void {
    writeFileSync(this.file, yaml);
  }

  open(tasks_max = 10): Promise<FactsFile> {
    const log = {
      append: (body: string) => {
        if (this.logFails) return Promise.reject(new Problem("log_unavailable"));
        this.records.push(JSON.parse(`{${body}}`) as Record<string, unknown>);
        return Promise.resolve();
      },
    };
    const events = { loaded: () => undefined, refused: (reason: string) => this.refused.push(reason) };
    const options = {
      file: this.file,
      poll_ms: 1000,
      stale_after_ms: 60_000,
      tasks_max,
      task_lifetime_max_ms: 3_600_000,
    };
    return FactsFile.open(options, this.clock, log, events, () => vocabulary);
  }
}

const GOOD = "agents: {a-1: {owner: ops, purposes: [support]}}\n";
const task = (changes: Partial<CreateTask> = {}): CreateTask => ({
  id: "T-1",
  agent: "a-1",
  purpose: "support",
  expires: new Date(NOW + 60_000).toISOString(),
  ...changes,
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "done";
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    return cause.code;
  }
}

describe("facts", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    world.write(GOOD);
  });
  afterEach(() => {
    rmSync(world.folder, { recursive: true });
  });

  it("raise the revision by a change, not by another look at the same file", async () => {
    const facts = await world.open();
    await facts.reload();
    expect(facts.revision).to.equal(1);
    world.write(GOOD.replace("ops", "platform"));
    await facts.reload();
    expect([facts.revision, facts.agent("a-1")?.owner]).to.deep.equal([2, "platform"]);
    expect(world.records.map(({ change, facts_revision }) => [change, facts_revision])).to.deep.equal([["loaded", 1], ["reloaded", 2]]); // prettier-ignore
  });

  for (const [what, spoil] of [
    [
      "invalid",
      (it: World) => {
        it.write("agents: {a-1: {}}\n");
      },
    ],
    [
      "missing",
      (it: World) => {
        rmSync(it.file);
      },
    ],
  ] as const)
    // prettier-ignore
    it(`stay as they were while the file is ${what}, and are stale after their grace, by the monotonic clock`, async () => {
      const facts = await world.open();
      spoil(world);
      await facts.reload();
      await facts.reload();
      expect(facts.agent("a-1")?.owner).to.equal("ops");
      expect(world.refused).to.have.length(1);
      world.clock.monotonic_ms = 60_000;
      world.clock.wall_ms -= 3_600_000;
      expect(facts.stale).to.be.false;
      world.clock.monotonic_ms++;
      expect(facts.stale).to.be.true;
      world.write(GOOD);
      await facts.reload();
      expect(facts.stale).to.be.false;
    });

  it("take a revocation at once, though the log takes no record of it, and record it when it does", async () => {
    const facts = await world.open();
    world.logFails = true;
    world.write(GOOD.replace("ops", "ops, status: revoked"));
    await facts.reload();
    expect([facts.agent("a-1")?.status, facts.revision]).to.deep.equal(["revoked", 2]);
    world.logFails = false;
    await facts.reload();
    await facts.reload();
    expect(world.records.map(({ facts_revision }) => facts_revision)).to.deep.equal([1, 2]);
  });

  it("widen nothing that is not on record, and end a task whether or not it is", async () => {
    const facts = await world.open();
    await facts.create(task({ subjects: { customer: ["ada"] } }), "host");
    world.logFails = true;
    expect(await codeOf(facts.create(task({ id: "T-2" }), "host"))).to.equal("log_unavailable");
    expect(await codeOf(facts.change("T-1", { subjects: { customer: ["bob"] } }, "host"))).to.equal("log_unavailable");
    expect([facts.task("T-2"), facts.task("T-1")?.subjects, facts.revision]).to.deep.equal([
      undefined,
      { customer: ["ada"] },
      2,
    ]);
    expect(await codeOf(facts.change("T-1", { ended: true }, "host"))).to.equal("log_unavailable");
    expect([facts.task("T-1")?.ended, facts.revision]).to.deep.equal([true, 3]);
    world.logFails = false;
    await facts.change("T-1", { ended: true }, "host");
    expect([facts.revision, world.records.at(-1)?.["change"]]).to.deep.equal([3, "task_ended"]);
  });

  it("keep a task ended that was ended while subjects were being added", async () => {
    const facts = await world.open();
    await facts.create(task(), "host");
    await Promise.all([
      facts.change("T-1", { subjects: { customer: ["bob"] } }, "host"),
      facts.change("T-1", { ended: true }, "host"),
    ].map(codeOf)); // prettier-ignore
    expect(facts.task("T-1")?.ended).to.be.true;
  });

  it("hold no more created tasks than their limit, and make room by those long expired", async () => {
    const facts = await world.open(2);
    await facts.create(task(), "host");
    await facts.create(task({ id: "T-2" }), "host");
    expect(await codeOf(facts.create(task({ id: "T-3" }), "host"))).to.equal("tasks_full");
    world.clock.wall_ms += 60_000 + 3_600_000;
    await facts.create(task({ id: "T-3", expires: new Date(world.clock.wall_ms + 1000).toISOString() }), "host");
    expect([facts.task("T-1"), facts.task("T-3")?.id]).to.deep.equal([undefined, "T-3"]);
  });

  it("let the file's tasks go before created ones, and be changed there only", async () => {
    world.write(`${GOOD}tasks: {T-1: {agent: a-1, purpose: support, principal: ada}}\n`);
    const facts = await world.open();
    expect(await codeOf(facts.create(task(), "host"))).to.equal("task_exists");
    expect(await codeOf(facts.change("T-1", { ended: true }, "host"))).to.equal("fact_invalid");
    expect(facts.task("T-1")).to.include({ principal: "ada", ended: false, expires_ms: null, verbs: null });
  });
});

describe("a facts file", () => {
  const bad: [string, string, string][] = [
    ["an unknown key", "agents: {}\ntask: {}\n", "f.yaml:2: task: unknown key"],
    ["an unknown key of an agent", "agents:\n  a-1:\n    owner: o\n    purposes: []\n    stauts: revoked\n", "f.yaml:5: agents.a-1.stauts: unknown key"],
    ["an agent without owner", "agents: {a-1: {purposes: []}}", "agents.a-1.owner: missing"],
    ["an agent without purposes", "agents: {a-1: {owner: o}}", "agents.a-1.purposes: missing"],
    ["an unknown status", "agents: {a-1: {owner: o, purposes: [], status: paused}}", "agents.a-1.status: must be one of active, suspended, revoked"],
    ["an agent's name that is none", 'agents: {"*": {owner: o, purposes: []}}', "agents.*: unknown key"],
    ["an agent twice", "agents:\n  a-1: {owner: o, purposes: []}\n  a-1: {owner: o, purposes: [x]}\n", "f.yaml:3: "],
    ["an agent by alias", "agents:\n  a-1: &a {owner: o, purposes: []}\n  a-2: *a\n", "f.yaml:2: anchors are not read"],
    ["a task of nobody", `${GOOD}tasks: {T: {agent: a-2, purpose: p}}`, "f.yaml:2: tasks.T.agent: no agent `a-2`"],
    ["a task with a day as expiry", `${GOOD}tasks: {T: {agent: a-1, purpose: p, expires: "2026-03-03"}}`, "tasks.T.expires: must be an RFC 3339"],
    ["subjects that are no list", `${GOOD}tasks: {T: {agent: a-1, purpose: p, subjects: {customer: ada}}}`, "tasks.T.subjects.customer: must be array"],
    ["a subject that isn't canonical", `${GOOD}tasks: {T: {agent: a-1, purpose: p, subjects: {customer: [" ada"]}}}`, "tasks.T.subjects.customer: each must be"],
    ["a principal that isn't canonical", `${GOOD}tasks: {T: {agent: a-1, purpose: p, principal: "ada\\u202e"}}`, "tasks.T.principal: must be"],
    ["a list", "- a", "must be object"],
  ]; // prettier-ignore
  for (const [what, yaml, wanted] of bad) {
    it(`is refused for ${what}, naming the place`, () => {
      expect(() => readFacts(Buffer.from(yaml), "f.yaml")).to.throw(wanted);
    });
  }
});
