import { expect } from "chai";
import type { AmendTask, IssueTask } from "../../src/contract/index.js";
import type { Commands } from "../../src/facts/commands.js";
import type { Registry } from "../../src/facts/registry.js";
import { HOUR_MS, NOW, World, at, drawing, outcome } from "./world.js";
import { task, withAgents } from "./tasks_support.js";

describe("tasks", () => {
  let world: World;
  let facts: Commands;
  beforeEach(async () => {
    world = new World();
    facts = await withAgents(world);
  });

  it("are created once, whatever is asked twice", async () => {
    const first = await facts.createTask(task({ subjects: { customer: ["ada"] }, verbs: ["read"] }), "host");
    const again = await facts.createTask(task({ subjects: { customer: ["ada"] }, verbs: ["read"] }), "host");
    expect([first.created, again.created]).to.deep.equal([true, false]);
    expect(again.fact).to.deep.equal(first.fact);
    expect(facts.registry.task("T-1")).to.deep.include({ ended: false, parent: null, expires_ms: NOW + HOUR_MS });
  });

  // prettier-ignore
  const bad: [what: string, asked: IssueTask, refused: string][] = [
    ["for an agent that isn't there", task({ id: "T", agent: "nobody" }), "fact_invalid /agent"],
    ["for an agent that is no more", task({ id: "T", agent: "gone" }), "fact_invalid /agent"],
    ["for an agent that may not declare its purpose", task({ id: "T", agent: "audit-1" }), "fact_invalid /purpose"],
    ["with an expiry in the past", task({ id: "T", expires: at(-1) }), "fact_invalid /expires"],
    ["with an expiry of now", task({ id: "T", expires: at(0) }), "fact_invalid /expires"],
    ["with an expiry beyond the limit", task({ id: "T", expires: at(24 * HOUR_MS + 1) }), "fact_invalid /expires"],
    ["with a day for an expiry", task({ id: "T", expires: "2026-03-04" }), "fact_invalid /expires"],
    ["with an unknown subject type", task({ id: "T", subjects: { custmer: ["ada"] } }), "fact_invalid /subjects/custmer"],
    ["with a subject type every object has", task({ id: "T", subjects: { constructor: ["ada"] } }), "fact_invalid /subjects/constructor"],
    ["with a subject that is not canonical", task({ id: "T", subjects: { customer: ["ada "] } }), "identifier_not_canonical /subjects/customer"],
    ["with a verb the vocabulary lacks", task({ id: "T", verbs: ["read", "reed"] }), "fact_invalid /verbs/1"],
    ["with an attribute the vocabulary lacks", task({ id: "T", attributes: { tpic: "billing" } }), "fact_invalid /attributes/tpic"],
    ["with an attribute's value the vocabulary lacks", task({ id: "T", attributes: { topic: "cats" } }), "fact_invalid /attributes/topic"],
    ["with a principal in two directions", task({ id: "T", principal: "ada\u202e" }), "identifier_not_canonical /principal"],
    ["that is its own parent", task({ id: "T", parent: "T" }), "fact_invalid /parent"],
    ["of a parent that isn't there", task({ id: "T", parent: "T-0" }), "fact_invalid /parent"],
    ["with an id of another task", task({ id: "P", principal: "eve" }), "task_exists /id"],
    ["with another purpose than its parent", task({ id: "T", parent: "P", purpose: "billing" }), "task_wider_than_parent /purpose"],
    ["with another subject than its parent", task({ id: "T", parent: "P", subjects: { customer: ["ada", "bob"] } }), "task_wider_than_parent /subjects/customer"],
    ["with a type of subjects that its parent lacks", task({ id: "T", parent: "P", subjects: { ticket: ["K-1"] } }), "task_wider_than_parent /subjects/ticket"],
    ["with a verb that its parent lacks", task({ id: "T", parent: "P", verbs: ["read", "search"] }), "task_wider_than_parent /verbs/1"],
    ["with more time than its parent", task({ id: "T", parent: "P", expires: at(HOUR_MS + 1) }), "task_wider_than_parent /expires"],
    ["with another principal than its parent", task({ id: "T", parent: "P", principal: "bob" }), "task_wider_than_parent /principal"],
    ["without the principal of its parent", task({ id: "T", parent: "P", principal: null }), "task_wider_than_parent /principal"],
    ["handed on by an agent that may not", task({ id: "T", parent: "Q" }), "delegation_not_permitted /parent"],
    ["of a parent that has ended", task({ id: "T", parent: "ended" }), "parent_not_live /parent"],
    ["of a parent that is revoked", task({ id: "T", parent: "revoked" }), "parent_not_live /parent"],
    ["below a parent that is revoked", task({ id: "T", parent: "below" }), "parent_not_live /parent"],
    ["one level too deep", task({ id: "T", parent: "L-4" }), "delegation_too_deep /parent"],
  ];
  for (const [what, asked, refused] of bad) {
    it(`are refused ${what}`, async () => {
      const parent = task({ id: "P", principal: "ada", subjects: { customer: ["ada"] }, verbs: ["read", "update"] });
      await facts.createTask(parent, "host");
      await facts.createTask(task({ id: "Q", agent: "a-2" }), "host");
      await facts.createTask(task({ id: "ended" }), "host");
      await facts.changeTask("ended", { ended: true, reason: "done" }, null, "host");
      await facts.createTask(task({ id: "revoked" }), "host");
      await facts.createTask(task({ id: "below", parent: "revoked" }), "host");
      await facts.revoke({ scope: { task: "revoked" }, reason: "r" }, "ops");
      await facts.createTask(task({ id: "L-0" }), "host");
      for (const level of [1, 2, 3, 4]) await facts.createTask(task({ id: `L-${level}`, parent: `L-${level - 1}` }), "host");
      const before = facts.registry.dump();
      expect(await outcome(facts.createTask(asked, "host"))).to.equal(refused);
      expect(facts.registry.dump()).to.deep.equal(before);
    });
  }

  it("have what their parent has, where they don't say less, and no subject unsaid", async () => {
    const said = { principal: "ada", subjects: { customer: ["ada"] }, verbs: ["read"] };
    await facts.createTask(task({ id: "P", ...said }), "host");
    const { fact } = await facts.createTask(task({ id: "C", parent: "P", agent: "a-2", expires: at(1000) }), "host");
    expect(fact).to.deep.include({ principal: "ada", verbs: ["read"], subjects: {}, expires: at(1000), agent: "a-2" });
  });

  for (const [what, spoil] of [
    ["suspended", () => facts.changeAgent("a-1", { status: "suspended", reason: "r" }, null, "ops")],
    ["revoked", () => facts.revoke({ scope: { agent: "a-1" }, reason: "r" }, "ops")],
  ] as const) {
    it(`are not handed on by an agent that is ${what}`, async () => {
      await facts.createTask(task({ id: "P" }), "host");
      await spoil();
      expect(await outcome(facts.createTask(task({ id: "C", agent: "a-2", parent: "P" }), "host"))).to.equal("parent_not_live /parent");
    });
  }

  for (const [what, spoil] of [
    ["has ended", () => facts.changeTask("P", { ended: true, reason: "r" }, null, "ops")],
    ["is revoked", () => facts.revoke({ scope: { task: "P" }, reason: "r" }, "ops")],
  ] as const) {
    it(`are not handed on from below a task that ${what}`, async () => {
      const expires = at(1000);
      await facts.createTask(task({ id: "P", expires }), "host");
      await facts.createTask(task({ id: "C", parent: "P", expires }), "host");
      world.clock.wall_ms = NOW + 999;
      const handOn = (id: string): Promise<string> => outcome(facts.createTask(task({ id, agent: "a-2", parent: "C", expires }), "host"));
      expect(await handOn("D")).to.equal("done");
      await spoil();
      expect(await handOn("E")).to.equal("parent_not_live /parent");
    });
  }

  it("take in nothing, nor a grant, from the millisecond of their expiry", async () => {
    await facts.createTask(task({ expires: at(1000) }), "host");
    const entry = { read: "invoice" };
    const said = { task: "T-1", entry, reason: "r", requested_by: "a", approved_by: "b", expires: at(HOUR_MS) };
    const tries = async (id: string): Promise<string[]> => [
      await outcome(facts.changeTask("T-1", { subjects: { customer: [id] } }, null, "host")),
      await outcome(facts.createGrant({ id, ...said }, "host")),
    ];
    world.clock.wall_ms = NOW + 999;
    expect(await tries("ada")).to.deep.equal(["done", "done"]);
    world.clock.wall_ms = NOW + 1000;
    expect(await tries("bob")).to.deep.equal(["fact_invalid /subjects", "fact_invalid /task"]);
  });

  it("take in subjects that their parent has, and no others with them", async () => {
    await facts.createTask(task({ id: "P", subjects: { customer: ["ada", "bob"], ticket: ["T-1"] } }), "host");
    await facts.createTask(task({ id: "C", parent: "P", subjects: { customer: ["ada"] } }), "host");
    const add = (subjects: Record<string, string[]>): Promise<string> => outcome(facts.changeTask("C", { subjects }, null, "host"));
    expect(await add({ customer: ["bob"], ticket: ["T-1"] })).to.equal("done");
    expect(await add({ customer: ["bob", "eve"] })).to.equal("task_wider_than_parent /subjects/customer");
    expect(await add({ ticket: ["T-2"] })).to.equal("task_wider_than_parent /subjects/ticket");
    expect(facts.task("C").subjects).to.deep.equal({ customer: ["ada", "bob"], ticket: ["T-1"] });
  });

  const badChanges: [what: string, id: string, asked: AmendTask, expected: number | null, refused: string][] = [
    ["of a task that isn't there", "T-0", { ended: true }, null, "task_not_found"],
    ["of what has changed since", "P", { ended: true }, 3, "revision_stale"],
    ["of subjects of what has changed since", "P", { subjects: { customer: ["eve"] } }, 3, "revision_stale"],
    ["that ends it and adds to it", "P", { ended: true, subjects: { customer: ["eve"] } }, null, "fact_invalid /subjects"],
    ["that does nothing", "P", { reason: "r" }, null, "fact_invalid "],
    ["to subjects of an unknown type", "P", { subjects: { x: ["eve"] } }, null, "fact_invalid /subjects/x"],
    ["to more subjects than its parent has", "C", { subjects: { customer: ["eve"] } }, null, "task_wider_than_parent /subjects/customer"],
    [
      "to more subjects than a type may have",
      "P",
      { subjects: { customer: Array.from({ length: 100 }, (_, i) => `c${i}`) } },
      null,
      "fact_invalid /subjects/customer",
    ],
    ["that ends it and sets something of it", "P", { ended: true, attributes: {} }, null, "fact_invalid /attributes"],
    ["to an attribute that there isn't", "P", { attributes: { soul: "x" } }, null, "fact_invalid /attributes/soul"],
    ["of attributes of what has changed since", "P", { attributes: {} }, 3, "revision_stale"],
    ["of one that has ended", "ended", { subjects: { customer: ["eve"] } }, null, "fact_invalid /subjects"],
  ];
  for (const [what, id, asked, expected, refused] of badChanges) {
    it(`refuse a change ${what}`, async () => {
      await facts.createTask(task({ id: "P", subjects: { customer: ["ada"] } }), "host");
      await facts.createTask(task({ id: "C", parent: "P" }), "host");
      await facts.createTask(task({ id: "ended" }), "host");
      await facts.changeTask("ended", { ended: true }, null, "host");
      expect(await outcome(facts.changeTask(id, asked, expected, "host"))).to.equal(refused);
    });
  }

  it("take in what was learned on the way, beside what they have", async () => {
    await facts.createTask(task({ id: "P", subjects: { customer: ["ada"] } }), "host");
    const { fact } = await facts.changeTask("P", { attributes: { topic: "billing" }, reason: "the customer said so" }, null, "host");
    expect(fact.attributes).to.deep.equal({ topic: "billing" });
    expect(fact.subjects).to.deep.equal({ customer: ["ada"] });
    const again = await facts.changeTask("P", { attributes: { topic: "billing" } }, null, "host");
    expect(again.fact.revision).to.equal(fact.revision);
    const both = await facts.changeTask("P", { attributes: { topic: "other" }, subjects: { ticket: ["T-9"] } }, null, "host");
    expect(both.fact).to.deep.include({ attributes: { topic: "other" }, subjects: { customer: ["ada"], ticket: ["T-9"] } });
    expect((await world.reopened()).task("P").attributes).to.deep.equal({ topic: "other" });
  });

  it("keep ended what was ended while subjects were being added", async () => {
    await facts.createTask(task(), "host");
    const adding = facts.changeTask("T-1", { subjects: { customer: ["bob"] } }, null, "host");
    const ending = facts.changeTask("T-1", { ended: true, reason: "done" }, null, "host");
    expect(facts.registry.task("T-1")?.ended).to.be.true;
    const seen: boolean[] = [];
    facts.ledger.listen(() => seen.push(facts.registry.task("T-1")?.ended === true));
    await Promise.all([outcome(adding), ending]);
    expect(seen).to.not.include(false);
    const reopened = await world.reopened();
    expect(reopened.registry.task("T-1")).to.deep.include({ ended: true });
    expect(reopened.task("T-1").ended).to.deep.include({ reason: "done" });
  });

  it("are no more than their limit, and make room when they are long over", async () => {
    world = new World(undefined, { tasks_max: 2 });
    facts = await withAgents(world);
    await facts.createTask(task({ expires: at(1000) }), "host");
    await facts.createTask(task({ id: "T-2" }), "host");
    expect(await outcome(facts.createTask(task({ id: "T-3" }), "host"))).to.equal("tasks_full");
    world.clock.wall_ms += HOUR_MS + 1000;
    await facts.createTask(task({ id: "T-3", expires: at(3 * HOUR_MS) }), "host");
    expect([facts.registry.task("T-1"), facts.registry.task("T-2")?.id]).to.deep.equal([undefined, "T-2"]);
    expect(facts.tasks({ cursor: null, limit: 10 }).items.map(({ id }) => id)).to.deep.equal(["T-2", "T-3"]);
    // The store remembers what memory forgot.
    world.clock.wall_ms += HOUR_MS;
    expect(await outcome(facts.createTask(task({ expires: at(9 * HOUR_MS) }), "host"))).to.equal("task_exists /id");
  });
});

/** A task as the model has it; what isn't here is as in every task. */
interface Modelled {
  agent: number;
  parent: number | null;
  ended: boolean;
  expires: number;
}

interface Model {
  tasks: Modelled[];
  cut: Set<string>;
  suspended: Set<number>;
  now: number;
}

/** What "this chain is live" means, in as few words as it can be said. */
function isLiveIn(model: Model, id: number): boolean {
  if (model.cut.has("everything") || model.cut.has("purpose")) return false;
  for (let at: number | null = id; at !== null;) {
    const one: Modelled | undefined = model.tasks[at];
    if (one === undefined || one.ended || model.now >= one.expires) return false;
    if (model.cut.has(`task ${at}`) || model.cut.has(`agent ${one.agent}`) || model.suspended.has(one.agent)) return false;
    if (model.cut.has(`owner ${one.agent % 3}`)) return false;
    at = one.parent;
  }
  return true;
}

/** The same, by the look-ups that the floor makes. */
function isLiveByLookups(registry: Registry, id: string, now_ms: number): boolean {
  if (registry.revoked("everything", "") || registry.revoked("purpose", "support")) return false;
  for (let at: string | null = id; at !== null;) {
    const one = registry.task(at);
    const agent = registry.agent(one?.agent ?? "");
    if (one === undefined || one.ended || now_ms >= (one.expires_ms ?? Infinity)) return false;
    if (agent?.status !== "active" || registry.revoked("agent", agent.id)) return false;
    if (registry.revoked("task", at) || registry.revoked("owner", agent.owner)) return false;
    at = one.parent;
  }
  return true;
}

describe("chains of tasks handed on", () => {
  it("are live exactly where every link is: 10,000 questions about random trees and revocations", async () => {
    let [questions, live] = [0, 0];
    for (let seed = 1; questions < 10_000; seed++) {
      const draw = drawing(seed);
      const world = new World(undefined, {}, false);
      const facts = await world.open();
      const model: Model = { tasks: [], cut: new Set(), suspended: new Set(), now: NOW };
      for (let i = 0; i < 8; i++)
        await facts.createAgent({ id: `a-${i}`, owner: `o-${i % 3}`, purposes: ["support"], delegates: ["support"] }, "host");
      for (let i = 0; i < 20; i++) {
        const parent = i === 0 || draw(5) === 0 ? null : draw(i);
        const asked = { agent: draw(8), parent, ended: false, expires: NOW + (1 + draw(20)) * 1000 };
        model.tasks.push(asked);
        const above = parent === null ? null : `T-${parent}`;
        const created = await outcome(
          facts.createTask(
            task({ id: `T-${i}`, agent: `a-${asked.agent}`, parent: above, expires: new Date(asked.expires).toISOString() }),
            "host",
          ),
        );
        // A parent that isn't there: both have it so.
        if (created !== "done") asked.ended = true;
      }
      for (let step = 0; step < 25; step++) {
        const scope =
          [
            { task: `T-${draw(20)}` },
            { agent: `a-${draw(8)}` },
            { owner: `o-${draw(3)}` },
            { purpose: "support" },
            { everything: true } as const,
          ][[0, 0, 0, 1, 1, 2, 3, 4][draw(8)] ?? 0] ?? {};
        const [[kind, of] = ["", ""]] = Object.entries(scope);
        const cut = kind === "purpose" || kind === "everything" ? kind : `${kind} ${String(of).replace(/^.*-/, "")}`;
        const which = draw(20);
        switch (draw(6)) {
          case 0:
          case 1:
            if ((await outcome(facts.revoke({ scope, reason: "r" }, "ops"))) === "done") model.cut.add(cut);
            break;
          case 2:
            for (const { id } of facts.revocations({ cursor: null, limit: 3 }, { in_force: true }).items) {
              await facts.lift(id, { reason: "r" }, null, "ops");
              model.cut.delete(id === "everything" || id.startsWith("purpose") ? (id.split("/")[0] ?? "") : id.replace(/\/.*-/, " "));
            }
            break;
          case 3:
            if ((await outcome(facts.changeTask(`T-${which}`, { ended: true }, null, "host"))) === "done")
              (model.tasks[which] as Modelled).ended = true;
            break;
          case 4: {
            const status = draw(2) === 0 ? "active" : "suspended";
            await facts.changeAgent(`a-${which % 8}`, { status, reason: "r" }, null, "ops");
            if (status === "active") model.suspended.delete(which % 8);
            else model.suspended.add(which % 8);
            break;
          }
          default:
            model.now += draw(1500);
        }
        for (let i = 0; i < 20; i++) {
          const wanted = isLiveIn(model, i);
          expect(isLiveByLookups(facts.registry, `T-${i}`, model.now), `seed ${seed}, step ${step}, T-${i}`).to.equal(wanted);
          questions++;
          if (wanted) live++;
        }
      }
    }
    expect(live).to.be.within(1000, 9000);
  });
});
