import { expect } from "chai";
import { situationOf } from "../../src/authoring/situation.js";
import { readTable, type DecisionTable } from "../../src/authoring/table.js";
import type { InputGrant } from "../../src/contract/index.js";
import type { Facts } from "../../src/decision/ports.js";
import { Sheet, type SourceNote } from "../../src/bundle/source.js";
import { compactErrors, expectOnly, WORDS, type Wrong } from "./support.js";

const GIVEN = `table: A day
given:
  now: "2027-03-02T10:15:00+01:00"
  agent: {id: a-1, purposes: [support], team: desk}
  task: {id: T-1, purpose: support, subjects: {ticket: TCK-1, customer: [ada]}, topic: billing}
  resources:
    invoice/I-1: {customer: ada, amount_cents: 4900, address: {city: Berlin}}
    invoice/I.2.x: {customer: bob}
    account/A-1: {owner: ada}
`;

function table(text: string): { table: DecisionTable; notes: SourceNote[] } {
  const sheet = new Sheet("tables/day.yaml", text);
  return { table: readTable(sheet, WORDS), notes: sheet.notes };
}

/** Cases begin at line 11. */
const cases = (text: string): string => `${GIVEN}cases:\n${text}\n`;
const one = (body: string): string => cases(`  - it: {${body}}`);
const changed = (change: string): string => one(`read: invoice/I-1, given: {${change}}, then: allow`);
const given = (member: string, text: string): string =>
  cases("  - it: {read: invoice/I-1, then: allow}").replace(new RegExp(`^  ${member}: .*$`, "m"), text);

// prettier-ignore
const WRONG: Wrong[] = [
  { what: "an unknown key", source: `${cases("  - it: {read: invoice/I-1, then: allow}")}case: []\n`, line: 12, message: "unknown key in a table `case`", hint: "did you mean `cases`?" },
  { what: "no name", source: cases("  - it: {read: invoice/I-1, then: allow}").replace("table: A day\n", ""), line: 1, message: "`table` is missing" },
  { what: "no cases", source: GIVEN, line: 1, message: "`cases` must be a list of 1 to 10000 cases", hint: "read: invoice/I-1" },
  { what: "an empty list of cases", source: `${GIVEN}cases: []\n`, line: 10, message: "`cases` must be a list" },
  { what: "a mapping of cases", source: `${GIVEN}cases: {it: {read: invoice/I-1, then: allow}}\n`, line: 10, message: "`cases` must be a list" },
  { what: "a case that is a word", source: cases("  - it"), line: 11, message: "a case must be a mapping" },
  { what: "a case without a name", source: cases("  - {read: invoice/I-1, then: allow}"), line: 11, message: "a case is one name and what it says" },
  { what: "a case of the same name", source: cases("  - it: {read: invoice/I-1, then: allow}\n  - it: {search: invoice, then: allow}"), line: 12, message: "case `it` stands at line 11 too" },
  { what: "a case that says nothing", source: cases("  - it: {}"), line: 11, message: "the case names no verb" },
  { what: "a case without verb", source: one("then: allow"), line: 11, message: "the case names no verb", hint: "verbs are keys" },
  { what: "a mistyped verb", source: one("raed: invoice/I-1, then: allow"), line: 11, message: "unknown key in a case `raed`", hint: "did you mean `read`?" },
  { what: "two verbs", source: one("read: invoice/I-1, update: invoice/I-1, then: allow"), line: 11, message: "the case names `read` and `update`" },
  { what: "a mistyped type", source: one("read: invioce/I-1, then: allow"), line: 11, message: "unknown resource type `invioce`", hint: "did you mean `invoice`?" },
  { what: "a type that every object has", source: one("read: constructor/I-1, then: allow"), line: 11, message: "unknown resource type `constructor`" },
  { what: "a resource that is a number", source: one("read: 4, then: allow"), line: 11, message: "a resource must be a text" },
  { what: "a resource without id", source: one("read: invoice, then: allow"), line: 11, message: "`read` acts on one invoice", hint: "`read: invoice/…`" },
  { what: "an empty id", source: one("read: invoice/, then: allow"), line: 11, message: "`` is not an id of form `name`" },
  { what: "a collection with an id", source: one("search: invoice/I-1, then: allow"), line: 11, message: "`search` acts on a collection", hint: "`search: invoice`" },
  { what: "no then", source: one("read: invoice/I-1"), line: 11, message: "`then` must be one of allow, allow and log, flag, flag and wait, deny" },
  { what: "a mistyped then", source: one("read: invoice/I-1, then: alow"), line: 11, message: "unknown `then` `alow`", hint: "did you mean `allow`?" },
  { what: "a because that is no code", source: one("read: invoice/I-1, then: deny, because: not permitted"), line: 11, message: "`not permitted` is not a code" },
  { what: "a because that is a number", source: one("read: invoice/I-1, then: deny, because: 4"), line: 11, message: "`because` must be a word" },
  { what: "a because of nothing", source: one("read: invoice/I-1, then: deny, because: []"), line: 11, message: "`because` must be a word" },
  { what: "a mistyped attribute", source: one("read: invoice/I-1, with: {custmer: ada}, then: allow"), line: 11, message: "unknown attribute or argument of `invoice` `custmer`", hint: "did you mean `customer`?" },
  { what: "an attribute of the wrong type", source: one("read: invoice/I-1, with: {paid: 1}, then: allow"), line: 11, message: "`paid` must be true or false" },
  { what: "a value of no such word", source: one("read: invoice/I-1, with: {status: opne}, then: allow"), line: 11, message: "`status` must be one of open, paid" },
  { what: "a field of the wrong type, deep inside", source: one("read: invoice/I-1, with: {address: {geo: {lat: x}}}, then: allow"), line: 11, message: "`address.geo.lat` must be a number" },
  { what: "a value of the argument's type under the attribute's name", source: one("read: invoice/I-1, with: {amount_cents: none}, then: allow"), line: 11, message: "`amount_cents` must be an integer" },
  { what: "an attribute that a collection's type lacks", source: one("search: invoice, with: {custmer: ada}, then: allow"), line: 11, message: "unknown attribute or argument of `invoice` `custmer`", hint: "did you mean `customer`?" },
  { what: "an unknown argument", source: one("read: invoice/I-1, with: {arguments.amount: 5}, then: allow"), line: 11, message: "unknown argument of `invoice` `amount`" },
  { what: "a `with` that is a list", source: one("read: invoice/I-1, with: [5], then: allow"), line: 11, message: "`with` must be a mapping" },
  { what: "an unknown role", source: one("read: invoice/I-1, related: {pay_form: account/A-1}, then: allow"), line: 11, message: "unknown related resource of `invoice` `pay_form`", hint: "did you mean `pay_from`?" },
  { what: "a role of another type", source: one("read: invoice/I-1, related: {pay_from: invoice/I-1}, then: allow"), line: 11, message: "`pay_from` of `invoice` is one account" },
  { what: "a role without id", source: one("read: invoice/I-1, related: {pay_from: account}, then: allow"), line: 11, message: "`pay_from` of `invoice` is one account" },
  // What a case changes.
  { what: "a change of nothing known", source: changed("tsak: null"), line: 11, message: "unknown key in `given` `tsak`", hint: "did you mean `task`?" },
  { what: "a change of an unknown attribute of the task", source: changed("task.topik: billing"), line: 11, message: "unknown fact or attribute of the task `topik`", hint: "did you mean `topic`?" },
  { what: "a change to no such word", source: changed("task.topic: biling"), line: 11, message: "`topic` must be one of billing, delivery" },
  { what: "a change of a task that there isn't", source: changed("task: null, task.topic: billing"), line: 11, message: "there is no task to change" },
  { what: "a task that is only part of one", source: changed("task: {topic: billing}"), line: 11, message: "`task` lacks `id`", hint: "write its path" },
  { what: "an unknown subject", source: changed("task.subjects.tickt: x"), line: 11, message: "unknown subject `tickt`", hint: "did you mean `ticket`?" },
  { what: "a part of a subject", source: changed("task.subjects.ticket.id: x"), line: 11, message: "subject `ticket` has no parts" },
  { what: "a part of a fact", source: changed("task.purpose.id: x"), line: 11, message: "`task.purpose` has no parts" },
  { what: "a part of the time", source: changed("now.hour: 4"), line: 11, message: "`now` has no parts" },
  { what: "a task for an unknown verb", source: changed("task.verbs: [raed]"), line: 11, message: "unknown verb `raed`", hint: "did you mean `read`?" },
  { what: "a task that has perhaps ended", source: changed("task.ended: maybe"), line: 11, message: "`ended` must be true or false" },
  { what: "an unknown status", source: changed("agent.status: revokd"), line: 11, message: "unknown status `revokd`", hint: "did you mean `revoked`?" },
  { what: "an unknown attribute of the agent", source: changed("agent.taem: x"), line: 11, message: "unknown fact or attribute of the agent `taem`", hint: "did you mean `team`?" },
  { what: "an agent's id of parts", source: changed("agent.id.x: x"), line: 11, message: "`agent.id` has no parts" },
  { what: "an attribute of a resource that isn't listed", source: changed("resources.invoice/I-9.customer: bob"), line: 11, message: "nothing is given at `invoice/I-9.customer`", hint: "list the resource" },
  { what: "an unknown attribute of a listed resource", source: changed("resources.invoice/I-1.custmer: bob"), line: 11, message: "unknown attribute of `invoice` `custmer`", hint: "did you mean `customer`?" },
  { what: "a field of an object that isn't given", source: changed("resources.invoice/I.2.x.address.city: Rome"), line: 11, message: "nothing is given at `address`" },
  { what: "a resource of an unknown type", source: changed("resources.invioce/I-9: {}"), line: 11, message: "unknown resource type `invioce`", hint: "did you mean `invoice`?" },
  { what: "an impossible date", source: changed('now: "2027-02-30T10:00:00Z"'), line: 11, message: "`now` must be a date-time that exists" },
  { what: "a time without zone", source: changed('now: "2027-02-20T10:00:00"'), line: 11, message: "`now` must be a date-time that exists" },
  { what: "a time without quotes", source: changed("now: 2027-02-20T10:00:00Z"), line: 11, message: "`now` must be quoted", hint: "take it for a date" },
  { what: "a claim without quotes", source: changed("claims: 2027-02-20T10:00:00Z"), line: 11, message: "`claims` must be quoted" },
  { what: "an expiry that is a number", source: changed("task.expires: 2027"), line: 11, message: "`expires` must be a date-time that exists" },
  { what: "changes that are a list", source: one("read: invoice/I-1, given: [task], then: allow"), line: 11, message: "`given` must be a mapping" },
  // What the table starts from.
  { what: "no time", source: given("now", "  # none"), line: 2, message: "`given` lacks `now`" },
  { what: "no agent", source: given("agent", "  # none"), line: 2, message: "`given` lacks `agent`" },
  { what: "an agent without purposes", source: given("agent", "  agent: {id: a-1}"), line: 4, message: "`agent` lacks `purposes`" },
  { what: "a time without quotes, for all cases", source: given("now", "  now: 2027-02-20T10:00:00Z"), line: 3, message: "`now` must be quoted" },
  { what: "a path in place of a member", source: given("agent", "  agent: {id: a-1, purposes: []}\n  task.topic: billing"), line: 5, message: "unknown key in `given` `task.topic`" },
  { what: "a grant without verb", source: changed("grants: [{id: G-1}]"), line: 11, message: "the grant names no verb" },
  { what: "a grant of an unknown verb", source: changed("grants: [{id: G-1, raed: invoice}]"), line: 11, message: "unknown key in a grant `raed`", hint: "did you mean `read`?" },
  { what: "a grant without id", source: changed("grants: [{read: invoice}]"), line: 11, message: "`id` of a grant is missing" },
  { what: "a grant of an unknown type", source: changed("grants: [{id: G-1, read: invioce}]"), line: 11, message: "unknown resource type `invioce`" },
  { what: "a grant about no task", source: changed("grants: [{id: G-1, read: setting, about: task}]"), line: 11, message: "nothing says how `setting` relates to a task" },
  { what: "a grant on an unknown condition", source: changed("grants: [{id: G-1, read: invoice, when: {custmer: ada}}]"), line: 11, message: "unknown attribute of `invoice` `custmer`" },
  { what: "a risk beyond all risks", source: changed("behavior: {risk: 101}"), line: 11, message: "`risk` must be a whole number from 0 to 100" },
  { what: "a risk in parts", source: changed("behavior: {risk: 60.5}"), line: 11, message: "`risk` must be a whole number from 0 to 100" },
  { what: "a risk alone", source: changed("behavior: 60"), line: 11, message: "`behavior` must be a mapping" },
  { what: "something else that is unusual", source: changed("behavior: {rsik: 60}"), line: 11, message: "unknown key in `behavior` `rsik`", hint: "did you mean `risk`?" },
  { what: "an unknown part of what is unusual", source: changed("behavior.rsik: 60"), line: 11, message: "unknown key in `behavior` `rsik`" },
  { what: "a part of a risk", source: changed("behavior.risk.x: 60"), line: 11, message: "`behavior.risk` has no parts" },
  { what: "an unknown channel", source: changed("behavior: {channels: {ordre: 3}}"), line: 11, message: "unknown channel `ordre`", hint: "did you mean `order`?" },
  { what: "a channel in words", source: changed('behavior: {channels: {order: "3"}}'), line: 11, message: "channel `order` must be a number from 0 to 99" },
  { what: "a confidence beyond certainty", source: changed("behavior: {confidence: 2}"), line: 11, message: "`confidence` must be a number from 0 to 1" },
  { what: "reasons that are numbers", source: changed("behavior: {reasons: [1]}"), line: 11, message: "`reasons` must be a word or a list of words" },
  { what: "grants that are no list", source: changed("grants: {id: G-1, read: invoice}"), line: 11, message: "`grants` must be a list" },
];

describe("a decision table", () => {
  for (const wrong of WRONG) {
    it(`is refused for ${wrong.what}, naming the line`, () => {
      expectOnly(table(wrong.source).notes, wrong);
    });
  }

  it("names every mistake in one go", () => {
    const { notes } = table(
      cases("  - a: {raed: invoice/I-1, then: allow}\n  - b: {read: invoice/I-1, given: {task.topik: x, agent.taem: y}, then: alow}"),
    );
    expect(compactErrors(notes)).to.deep.equal([
      "11 unknown key in a case `raed`",
      "11 the case names no verb",
      "12 unknown `then` `alow`",
      "12 unknown fact or attribute of the task `topik`",
      "12 unknown fact or attribute of the agent `taem`",
    ]);
  });

  for (const [then, warned] of [
    ["allow", false],
    ["allow and log", false],
    ["flag", true],
    ["flag and wait", true],
    ["deny", true],
  ] as const) {
    it(`${warned ? "is warned of" : "may have"} a case of ${then} that doesn't say why`, () => {
      const { notes, table: read } = table(one(`read: invoice/I-1, then: ${then}`));
      expect(notes.map(({ severity, line }) => [severity, line])).to.deep.equal(warned ? [["warning", 11]] : []);
      expect(read.cases[0]?.wanted).to.deep.equal({ then, because: null });
    });
  }

  function situation(body: string): ReturnType<typeof situationOf> {
    const { table: read, notes } = table(one(body));
    expect(notes).to.deep.equal([]);
    const [testCase] = read.cases;
    if (testCase === undefined) throw new Error("there is no case");
    return situationOf(read.given, testCase);
  }

  it("asks as an enforcement point would, with the given facts", () => {
    const { request, facts, now_ms } = situation(
      "create: invoice, with: {customer: ada, to: a@b.example, arguments.amount_cents: 5, status: null}, related: {pay_from: account/A-1}, then: deny, because: [a, b]",
    );
    expect(request).to.deep.equal({
      agent: "a-1",
      purpose: "support",
      task: "T-1",
      verb: "create",
      resource: { type: "invoice", id: null, attributes: { customer: "ada", status: null } },
      related: { pay_from: { type: "account", id: "A-1", attributes: { owner: "ada" } } },
      arguments: { to: "a@b.example", amount_cents: 5 },
    });
    expect(now_ms).to.equal(Date.UTC(2027, 2, 2, 9, 15));
    expect(facts.agent("a-1")).to.deep.equal({
      id: "a-1",
      version: "1",
      owner: "unknown",
      purposes: new Set(["support"]),
      attributes: { team: "desk" },
      status: "active",
      registered_ms: 0,
      token_required: false,
    });
    expect(facts.agent("a-2")).to.equal(undefined);
    expect(facts.task("T-1")).to.deep.equal({
      id: "T-1",
      agent: "a-1",
      purpose: "support",
      parent: null,
      principal: null,
      subjects: { ticket: ["TCK-1"], customer: ["ada"] },
      attributes: { topic: "billing" },
      verbs: null,
      expires_ms: null,
      ended: false,
    });
  });

  it("takes a case's own attributes over the given ones", () => {
    const { request } = situation("read: invoice/I-1, with: {customer: bob, paid: null}, then: allow");
    expect(request["resource"]).to.deep.equal({
      type: "invoice",
      id: "I-1",
      attributes: { customer: "bob", amount_cents: 4900, address: { city: "Berlin" }, paid: null },
    });
  });

  // prettier-ignore
  const CHANGES: [string, (asked: ReturnType<typeof situationOf>) => unknown, unknown][] = [
    ['now: "2027-03-02T00:00:00Z"', ({ now_ms }) => now_ms, Date.UTC(2027, 2, 2)],
    ['claims: "2027-03-02T00:00:00Z"', ({ request }) => request["time"], "2027-03-02T00:00:00Z"],
    ["purpose: other", ({ request }) => request["purpose"], "other"],
    ["task: null", ({ request, facts }) => [request["task"], request["purpose"], facts.task("T-1")], [undefined, "support", undefined]],
    ["task: {id: T-2, purpose: other}", ({ request, facts }) => [request["task"], request["purpose"], facts.task("T-2")?.subjects], ["T-2", "other", {}]],
    ["task.purpose: other", ({ request }) => request["purpose"], "other"],
    ["task.purpose: other, purpose: support", ({ request, facts }) => [request["purpose"], facts.task("T-1")?.purpose], ["support", "other"]],
    ["task.topic: null", ({ facts }) => facts.task("T-1")?.attributes, { topic: null }],
    ["task.agent: a-2", ({ facts }) => facts.task("T-1")?.agent, "a-2"],
    ["agent.id: a-2", ({ request, facts }) => [request["agent"], facts.task("T-1")?.agent], ["a-2", "a-2"]],
    ["task.ended: true", ({ facts }) => facts.task("T-1")?.ended, true],
    ["task.verbs: [read]", ({ facts }) => facts.task("T-1")?.verbs, new Set(["read"])],
    ["task.verbs: []", ({ facts }) => facts.task("T-1")?.verbs, new Set()],
    ['task.expires: "2027-03-02T00:00:00Z"', ({ facts }) => facts.task("T-1")?.expires_ms, Date.UTC(2027, 2, 2)],
    ["task.principal: eve", ({ facts }) => facts.task("T-1")?.principal, "eve"],
    ["task.subjects: {}", ({ facts }) => facts.task("T-1")?.subjects, {}],
    ["task.subjects.customer: [ada, bob]", ({ facts }) => facts.task("T-1")?.subjects, { ticket: ["TCK-1"], customer: ["ada", "bob"] }],
    ["task.subjects.customer: null", ({ facts }) => facts.task("T-1")?.subjects, { ticket: ["TCK-1"] }],
    ["agent.purposes: []", ({ facts }) => facts.agent("a-1")?.purposes, new Set()],
    ["agent.status: revoked", ({ facts }) => facts.agent("a-1")?.status, "revoked"],
    ["agent.team: null", ({ facts }) => facts.agent("a-1")?.attributes, { team: null }],
    ["agent: {id: a-2, purposes: [other]}, task: null", ({ request }) => [request["agent"], request["purpose"]], ["a-2", "support"]],
    ["resources.invoice/I-1.customer: null", ({ request }) => request["resource"], { type: "invoice", id: "I-1", attributes: { customer: null, amount_cents: 4900, address: { city: "Berlin" } } }],
    ["resources.invoice/I-1.address.city: Rome", ({ request }) => request["resource"], { type: "invoice", id: "I-1", attributes: { customer: "ada", amount_cents: 4900, address: { city: "Rome" } } }],
    ["resources.invoice/I-1: {paid: true}", ({ request }) => request["resource"], { type: "invoice", id: "I-1", attributes: { paid: true } }],
    ["resources: {}", ({ request }) => request["resource"], { type: "invoice", id: "I-1", attributes: {} }],
    ["behavior: {risk: 70}", ({ behavior }) => behavior, { channels: {}, confidence: 0, reasons: [], risk: 70 }],
    ["behavior.risk: 70", ({ behavior }) => behavior, { channels: {}, confidence: 0, reasons: [], risk: 70 }],
    ["behavior.channels.order: 3.5", ({ behavior }) => behavior, { channels: { order: 3.5 }, confidence: 0, reasons: [], risk: 0 }],
    ["behavior: {channels: {fan_out: 3}, reasons: [40 customers], confidence: 0.5}", ({ behavior }) => behavior, { channels: { fan_out: 3 }, confidence: 0.5, reasons: ["40 customers"], risk: 0 }],
    ["grants: [{id: G-1, read: invoice}]", ({ facts }) => [grantsFor(facts, "invoice", "read"), grantsFor(facts, "invoice", "update")], [[{ id: "G-1", exact: false, about: "any", when: [] }], []]],
  ];
  for (const [change, look, wanted] of CHANGES) {
    it(`may change one thing: ${change}`, () => {
      expect(look(situation(`read: invoice/I-1, given: {${change}}, then: allow`))).to.deep.equal(wanted);
    });
  }

  it("keeps dots in ids of listed resources", () => {
    const { request } = situation("read: invoice/I.2.x, given: {resources.invoice/I.2.x.customer: cy}, then: allow");
    expect(request["resource"]).to.deep.equal({ type: "invoice", id: "I.2.x", attributes: { customer: "cy" } });
  });

  it("compiles a grant's conditions, for every type and verb it names", () => {
    const { facts } = situation(
      "read: invoice/I-1, given: {grants: [{id: G-1, exact: true, read: [invoice, ticket], update: invoice, about: other, when: {customer: bob}}]}, then: allow",
    );
    const path = ["request", "resource", "attributes", "customer"];
    const grant = {
      id: "G-1",
      exact: true,
      about: "other",
      when: [{ name: "customer", path, op: "in", value: ["bob"] }],
    };
    for (const [type, verb] of [
      ["invoice", "read"],
      ["ticket", "read"],
      ["invoice", "update"],
    ] as const) {
      expect(grantsFor(facts, type, verb)).to.deep.equal([grant]);
    }
    expect(grantsFor(facts, "ticket", "update")).to.deep.equal([]);
  });

  it("leaves what is given as it was for the next case", () => {
    const { table: read } = table(
      cases(
        "  - a: {read: invoice/I-1, given: {task.topic: delivery, agent.team: x}, then: allow}\n  - b: {read: invoice/I-1, then: allow}",
      ),
    );
    expect(read.cases.map((test) => [test.name, test.line, test.given.task?.attributes, test.given.agent.attributes])).to.deep.equal([
      ["a", 11, { topic: "delivery" }, { team: "x" }],
      ["b", 12, { topic: "billing" }, { team: "desk" }],
    ]);
  });
});

/** What a policy sees of them. */
function grantsFor(facts: Facts, type: string, verb: string): InputGrant[] {
  return facts.grants("a-1", null, type, verb, 0).map(({ input }) => input);
}

describe("`with` of a case", () => {
  const asked = (text: string): object => {
    const { table: read, notes } = table(text);
    expect(compactErrors(notes)).to.deep.equal([]);
    const [found] = read.cases;
    return found === undefined ? {} : situationOf(read.given, found).request;
  };
  const NAMED: [body: string, attributes: object, args: object][] = [
    ["read: invoice/I-1, with: {amount_cents: 5}", { amount_cents: 5 }, {}],
    ["read: invoice/I-1, with: {arguments.amount_cents: 5}", { amount_cents: 4900 }, { amount_cents: 5 }],
    ["read: invoice/I-1, with: {amount_cents: 5, arguments.amount_cents: 6}", { amount_cents: 5 }, { amount_cents: 6 }],
    ["search: invoice, with: {amount_cents: 5}", { amount_cents: 5 }, {}],
    ["search: invoice, with: {customer: bob, arguments.amount_cents: 6}", { customer: "bob" }, { amount_cents: 6 }],
    ["create: invoice, with: {amount_cents: 5, reason: why}", { amount_cents: 5 }, { reason: "why" }],
  ];
  for (const [body, attributes, args] of NAMED) {
    it(`that says ${body} gives the attributes ${JSON.stringify(attributes)} and the arguments ${JSON.stringify(args)}`, () => {
      const { resource, ...request } = asked(one(`${body}, then: allow`)) as { resource: { attributes: object }; arguments: object };
      expect(resource.attributes).to.include(attributes);
      expect(request.arguments).to.deep.equal(args);
    });
  }

  it("changes what the table gives a collection", () => {
    const text = one("search: invoice, with: {customer: bob}, then: allow");
    const given = text.replace("  resources:\n", "  resources:\n    invoice: {customer: ada, status: open}\n");
    expect((asked(given) as { resource: object }).resource).to.deep.equal({
      type: "invoice",
      id: null,
      attributes: { customer: "bob", status: "open" },
    });
  });
});
