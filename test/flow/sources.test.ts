import { expect } from "chai";
import fc from "fast-check";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ground } from "../../src/authoring/run.js";
import { groundOf, testSet, unbuilt } from "../../src/authoring/set.js";
import { readTable } from "../../src/authoring/table.js";
import { buildTests } from "../../src/bundle/compiled_set.js";
import { conditionWords } from "../../src/bundle/condition_words.js";
import { Sheet, SourceErrors } from "../../src/bundle/source.js";
import { WRITERS, type Condition, type FlowFactsInput, type PolicyInput } from "../../src/contract/index.js";
import { truthOf } from "../../src/decision/conditions.js";
import { rehearsalInputs } from "../../src/policy/rehearsal.js";
import { compiler, COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { VOCABULARY } from "./desk.js";

const PURPOSES = `
office:
  statement: help one user with their mail and orders
  owner: office@example.com
  task: required
  after: {read: {label: confidential}, never: [send], code: confidential_stays}
  lowers: {read: mail, labels: [confidential]}
  limits:
    - {send: mail, at_most: 10, code: too_many_mails}
  allow:
    - {read: [mail, order]}
    - {send: mail, from: [user, own], delegated: {named: true, alone: true, then: wait}}
open:
  statement: as the other, and what is delegated goes on
  owner: office@example.com
  task: required
  flow: standard
  allow:
    - {send: mail, from: {recipients: [user, member]}, delegated: {then: allow}}
planned:
  statement: what a task's plan says
  owner: office@example.com
  task: required
  flow: standard
  allow:
    - {read: mail, send: mail}
`;

const TABLE = `
table: whose addresses are written to
given:
  now: "2027-03-02T10:15:00Z"
  agent: {id: a-1, purposes: [office, open], domains: [org.example]}
  task: {id: t-1, purpose: office, instruction: Write to ada@org.example as the memo says}
  flow:
    seen:
      - {by: anyone, values: mallory@evil.example}
      - {by: anyone, values: [shop@shop.example], named: true, alone: true}
      - {by: anyone, values: [two@shop.example], named: true}
      - {by: member, values: [ben@org.example]}
cases:
  - the user's own: {send: mail, with: {recipients: [ada@org.example]}, then: allow}
  - a stranger's: {send: mail, with: {recipients: [mallory@evil.example]}, then: deny, because: not_permitted}
  - one of two: {send: mail, with: {recipients: [ada@org.example, mallory@evil.example]}, then: deny, because: not_permitted}
  - a stranger's in the words: {send: mail, with: {recipients: [ada@org.example], body: see https://evil.example/x}, then: deny, because: not_permitted}
  - seen nowhere: {send: mail, with: {recipients: [new@shop.example]}, then: deny, because: not_permitted}
  - a member's: {send: mail, with: {recipients: [ben@org.example]}, then: deny, because: not_permitted}
  - nobody's: {send: mail, with: {recipients: []}, then: deny, because: not_permitted}
  - delegated: {send: mail, with: {recipients: [shop@shop.example]}, then: flag and wait, because: office.allow.2.delegated}
  - delegated amid others: {send: mail, with: {recipients: [two@shop.example]}, then: deny, because: not_permitted}
  - not all remembered: {send: mail, given: {flow.complete: false}, with: {recipients: [x@shop.example]}, then: deny, because: confidential_stays}
  - a label closes: {send: mail, given: {flow.labels: [confidential]}, with: {recipients: [ada@org.example]}, then: deny, because: confidential_stays}
  - a label doesn't close reading: {read: mail/1, given: {flow.labels: [confidential]}, then: allow}
  - the limit: {send: mail, given: {flow.used: {too_many_mails: 10}}, with: {recipients: [ada@org.example]}, then: deny, because: too_many_mails}
  - below the limit: {send: mail, given: {flow.used.too_many_mails: 9}, with: {recipients: [ada@org.example]}, then: allow}
  - a member's by argument: {send: mail, given: {task.purpose: open, purpose: open}, with: {recipients: [ben@org.example]}, then: allow}
  - delegated, and the set waits: {send: mail, given: {task.purpose: open, purpose: open, task.instruction: Write to whom the memo names}, with: {recipients: [shop@shop.example]}, then: flag and wait, because: flow_waits}
  - delegated, and the instruction says one itself: {send: mail, given: {task.purpose: open, purpose: open}, with: {recipients: [shop@shop.example]}, then: deny, because: flow_denied}
`;

const PLANNED = `
table: what the task's plan says
given:
  now: "2027-03-02T10:15:00Z"
  agent: {id: a-1, purposes: [planned], domains: [org.example]}
  task:
    id: t-1
    purpose: planned
    instruction: Write to ada@org.example
    plan:
      - {step: memo, verb: read, type: mail, id: "1"}
      - {verb: send, type: mail, arguments: {recipients: [user, memo.sender]}}
  flow:
    seen:
      - {by: anyone, values: [shop@shop.example], alone: true, step: memo.sender}
      - {by: anyone, values: [two@shop.example], step: memo.sender}
      - {by: anyone, values: [body@shop.example], alone: true, step: memo.body}
      - {by: service, values: [listed@shop.example]}
      - {by: anyone, values: ["Write to inside@shop.example, please"], alone: true, step: memo.sender}
cases:
  - the user's: {send: mail, with: {recipients: [ada@org.example]}, then: allow}
  - a stranger's, from where it should: {send: mail, with: {recipients: [shop@shop.example]}, then: allow}
  - a stranger's, within a text: {send: mail, with: {recipients: [inside@shop.example]}, then: allow}
  - one of several: {send: mail, with: {recipients: [two@shop.example]}, then: deny, because: flow_denied}
  - any of several, where the plan says so:
      send: mail
      given: {task.plan: [{step: memo, verb: read, type: mail, id: "1"}, {verb: send, type: mail, arguments: {recipients: ["memo.sender[]"]}}]}
      with: {recipients: [two@shop.example]}
      then: allow
  - any of several, but of the field:
      send: mail
      given: {task.plan: [{step: memo, verb: read, type: mail, id: "1"}, {verb: send, type: mail, arguments: {recipients: ["memo.sender[]"]}}]}
      with: {recipients: [body@shop.example]}
      then: deny
      because: [flow_denied, not_as_planned]
  - of another field: {send: mail, with: {recipients: [body@shop.example]}, then: deny, because: [flow_denied, not_as_planned]}
  - a service's, and not planned: {send: mail, with: {recipients: [listed@shop.example]}, then: deny, because: not_as_planned}
  - in the plan: {read: mail/1, then: allow}
  - outside the plan: {read: mail/2, then: deny, because: outside_plan}
  - without a plan: {read: mail/2, given: {task.plan: null}, then: allow}
  - once more: {send: mail, given: {task.plan: [{step: answer, verb: send, type: mail, times: 2}], flow.made: {answer: 1}}, with: {recipients: [ada@org.example]}, then: allow}
  - as often as planned: {send: mail, given: {task.plan: [{step: answer, verb: send, type: mail, times: 2}], flow.made.answer: 2}, with: {recipients: [ada@org.example]}, then: deny, because: plan_used_up}
  - not all remembered: {send: mail, given: {flow.complete: false}, with: {recipients: [x@shop.example]}, then: deny, because: [flow_denied, flow_unknown]}
`;

/** With a purpose for each word of `looks`. */
const LOOKS = {
  "vocabulary.yaml": VOCABULARY.replace("roles: {recipients", "roles: {id: locator, recipients"),
  "purposes.yaml": ["allow", "flag", "wait", "deny"]
    .map(
      (word) => `
${word}:
  statement: help one user with their mail
  owner: office@example.com
  task: required
  flow: {set: standard, looks: ${word}}
  allow:
    - {read: mail}
`,
    )
    .join(""),
  "tables/looks.yaml": `
table: mail that only others point to
given:
  now: "2027-03-02T10:15:00Z"
  agent: {id: a-1, purposes: [allow, flag, wait, deny], domains: [org.example]}
  task: {id: t-1, purpose: deny, instruction: "Read m-1, and what the memo says. But not m-9"}
  purpose: deny
  flow:
    seen:
      - {by: anyone, values: [m-2, m-9]}
      - {by: anyone, values: [m-3], named: true, alone: true}
      - {by: anyone, values: [m-4], named: true}
      - {by: member, values: [m-5]}
      - {by: service, values: [m-6]}
cases:
  - the user's: {read: mail/m-1, then: allow}
  - a stranger's: {read: mail/m-2, then: deny, because: flow_denied}
  - nobody's: {read: mail/m-8, then: deny, because: flow_denied}
  - delegated: {read: mail/m-3, then: allow}
  - delegated amid others: {read: mail/m-4, then: deny, because: flow_denied}
  - a member's: {read: mail/m-5, then: allow}
  - a service's: {read: mail/m-6, then: allow}
  - excluded: {read: mail/m-9, then: deny, because: flow_denied}
  - not all remembered: {read: mail/m-8, given: {flow.complete: false}, then: deny, because: flow_denied}
  - where it waits: {read: mail/m-2, given: {task.purpose: wait, purpose: wait}, then: flag and wait, because: flow_waits}
  - where it is looked at later: {read: mail/m-2, given: {task.purpose: flag, purpose: flag}, then: flag, because: flow_flagged}
  - where a look goes on: {read: mail/m-2, given: {task.purpose: allow, purpose: allow}, then: allow}
`,
};

/** A policy set in a folder of its own. */
async function inFolder<T>(files: Record<string, string>, use: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "remit-sources-"));
  const set = join(dir, "office");
  for (const folder of [set, join(set, "tables")]) mkdirSync(folder);
  for (const [name, text] of Object.entries({ "vocabulary.yaml": VOCABULARY, "purposes.yaml": PURPOSES, ...files }))
    writeFileSync(join(set, name), text);
  try {
    return await use(set);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

describe("whose values an entry accepts", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let ground: Ground;
  before(async () => {
    const opa = await compiler();
    ground = await inFolder({}, (dir) => buildTests(opa, dir, (build) => Promise.resolve(groundOf(unbuilt(build)))));
  });

  it("is said by `from` and `delegated`, and tried in tables that say what was seen and by whom", async () => {
    const opa = await compiler();
    const { report } = await inFolder({ "tables/sources.yaml": TABLE }, (dir) => testSet(opa, dir, { filter: null, coverage: 0 }));
    const cases = report.tables.flatMap((table) => table.cases);
    expect(cases).to.have.length(17);
    const wrong = cases.filter(({ passed, helped }) => !passed || helped.length > 0);
    expect(wrong.map(({ name, got, error, helped }) => ({ name, got, error, helped }))).to.deep.equal([]);
  });

  it("is asked of a look, too, where a purpose says so", async () => {
    const opa = await compiler();
    const { report } = await inFolder(LOOKS, (dir) => testSet(opa, dir, { filter: null, coverage: 0 }));
    const cases = report.tables.flatMap((table) => table.cases);
    expect(cases).to.have.length(12);
    const wrong = cases.filter(({ passed }) => !passed);
    expect(wrong.map(({ name, got, error }) => ({ name, got, error }))).to.deep.equal([]);
  });

  it("isn't asked of what a task's plan takes from a step, which tables say, too", async () => {
    const opa = await compiler();
    const { report } = await inFolder({ "tables/planned.yaml": PLANNED }, (dir) => testSet(opa, dir, { filter: null, coverage: 0 }));
    const cases = report.tables.flatMap((table) => table.cases);
    expect(cases).to.have.length(14);
    const wrong = cases.filter(({ passed }) => !passed);
    expect(wrong.map(({ name, got, error }) => ({ name, got, error }))).to.deep.equal([]);
  });

  it("is the same to a policy and to those who explain it, for whatever is known of an action", () => {
    const { policy } = ground;
    const [text = ""] = rehearsalInputs(policy.vocabulary, policy.purposes, 0, 1);
    const base = JSON.parse(text) as PolicyInput;
    const value = fc.record({
      role: fc.constantFrom("destination", "content", "commitment"),
      writer: fc.constantFrom(...WRITERS, "nowhere", "unknown"),
      excluded: fc.boolean(),
      sources: fc.array(
        fc.record({
          writer: fc.constant("anyone"),
          record: fc.constant(null),
          path: fc.constant(""),
          named: fc.boolean(),
          alone: fc.boolean(),
        }),
        { maxLength: 2 },
      ),
    });
    const values = fc.dictionary(fc.constantFrom("recipients/0", "recipients/1", "body#1", "more"), value, { maxKeys: 3 });
    const entries = [...policy.purposes].flatMap(([id, { allow, flag }]) =>
      [...(allow["mail"]?.["send"] ?? []), ...(flag["mail"]?.["send"] ?? [])].flatMap((entry) =>
        entry.when.length === 0 ? [] : [{ id, entry }],
      ),
    );
    expect(entries).to.have.length(3);
    fc.assert(
      fc.property(values, fc.constantFrom(...entries), (found, { id, entry }) => {
        const known = Object.fromEntries(
          Object.entries(found).map(([path, one]) => [
            path,
            { kind: "email", introduced: one.writer, inside: false, secret: false, ...one },
          ]),
        );
        const flow = {
          ...base.facts.flow,
          effect: "add",
          others: false,
          arguments: known,
          limits: { too_many_mails: { used: 0, adds: 1, max: 10 } },
          labels: [],
        };
        const input = {
          ...base,
          request: { ...base.request, purpose: id, verb: "send", resource: { type: "mail", id: null, attributes: {} } },
          facts: {
            ...base.facts,
            behavior: { risk: 0, confidence: 0, channels: {}, reasons: [] },
            flow: flow as unknown as FlowFactsInput,
          },
        };
        const answer = policy.evaluate(JSON.stringify(input));
        if (!answer.ok) throw new Error(answer.code);
        const { reasons } = answer.result as { reasons: { code: string }[] };
        const [truth] = entry.when.map((condition: Condition) => truthOf(condition, input));
        expect(
          reasons.some(({ code }) => code === entry.reason.code),
          JSON.stringify(found),
        ).to.equal(truth === "yes");
      }),
      { numRuns: 2_000 },
    );
  });

  const bad: [what: string, from: string, to: string, problem: RegExp, hint?: RegExp][] = [
    ["a writer that isn't one", "from: [user, own]", "from: [user, ovn]", /unknown writer `ovn`/, /did you mean `own`/],
    [
      "an argument without a role",
      "from: {recipients:",
      "from: {recipient:",
      /unknown argument with a role of `mail` `recipient`/,
      /`recipients`/,
    ],
    ["delegation of what isn't named", "delegated: {named: true", "delegated: {named: false", /doesn't name isn't delegated/],
    ["delegation without `from`", "from: [user, own], ", "", /`delegated` says what follows beside `from`/],
    ["no `then`", "then: allow", "alone: true", /`then` must be one of allow, wait/],
    [
      "a word of `looks` that there isn't",
      "flow: standard",
      "flow: {looks: refuse}",
      /unknown `looks` `refuse`/,
      /allow, flag, wait, deny/,
    ],
    ["a verb that looks", "{read: [mail, order]}", "{read: mail, from: [user]}", /`read` only looks/],
    ["a type without roles", "{read: [mail, order]}", "{refund: order, from: [user]}", /no argument of `order` has a role/],
    [
      "`from` beside `never`",
      "  allow:\n    - {read",
      "  never: [{send: mail, from: [anyone]}]\n  allow:\n    - {read",
      /unknown key in an entry of `never` `from`/,
    ],
    [
      "a label that nothing gives",
      "label: confidential",
      "label: confidental",
      /unknown label `confidental`/,
      /did you mean `confidential`/,
    ],
    ["a verb that doesn't exist", "never: [send]", "never: [sned]", /unknown verb `sned`/, /did you mean `send`/],
    ["`after` a verb that doesn't read", "after: {read:", "after: {send:", /unknown key in a rule of `after` `send`/],
    ["`lowers` of no label", "labels: [confidential]}", "labels: [secret]}", /unknown label `secret`/],
  ];
  for (const [what, from, to, problem, hint = /.*/] of bad) {
    it(`names the line of ${what}`, async () => {
      const opa = await compiler();
      expect(PURPOSES).to.include(from);
      const files = { "purposes.yaml": PURPOSES.replace(from, to) };
      const refused = await inFolder(files, (dir) => buildTests(opa, dir, () => Promise.resolve(null)).catch((cause: unknown) => cause));
      if (!(refused instanceof SourceErrors)) return expect.fail("it was taken");
      const [note] = refused.notes.filter(({ message }) => problem.test(message));
      expect(note, JSON.stringify(refused.notes)).to.not.equal(undefined);
      expect(note?.line).to.be.a("number");
      expect(String(note?.hint)).to.match(hint);
    });
  }

  const badTables: [what: string, from: string, to: string, problem: RegExp][] = [
    ["a writer", "by: member", "by: membre", /unknown writer `membre`/],
    ["a label", "flow.labels: [confidential]", "flow.labels: [secret]", /unknown label `secret`/],
    ["a key", "flow.complete: false", "flow.whole: false", /unknown key in `flow` `whole`/],
    ["a use", "flow.used.too_many_mails: 9", "flow.used.too_many_mails: -9", /`used` gives the code of a limit a number/],
    [
      "number of times",
      "flow.complete: false",
      "flow.made: {answer: 1.5}",
      /`made` gives a step of the task's plan a number from 0 to 1000/,
    ],
    ["step that was made", "flow.complete: false", "flow.made: {an answer: 1}", /`made` gives a step/],
    ["step", "values: mallory@evil.example", "values: mallory@evil.example, step: nowhere", /`step` names a step of the task.s plan/],
    ["values", "values: mallory@evil.example", "values: {a: 1}", /`values` must be a text, a number, or a list/],
    ["sights", "flow.complete: false", "flow.seen: mallory", /`seen` is a list/],
  ];
  for (const [what, from, to, problem] of badTables) {
    it(`names a table's unknown or wrong ${what}`, () => {
      expect(TABLE).to.include(from);
      const sheet = new Sheet("sources.yaml", TABLE.replace(from, to));
      readTable(sheet, ground.policy.vocabulary);
      expect(sheet.notes.map(({ message }) => message).join("\n")).to.match(problem);
    });
  }

  it("is told in words", () => {
    const of = { recipients: ["user" as const, "own" as const], "*": ["user" as const] };
    const words = conditionWords({ name: "from", path: [], op: "from", of, delegated: { named: true, alone: true } });
    expect(words).to.equal("from recipients is user or own's and every value is user's, or stands alone and named in a source");
  });
});
