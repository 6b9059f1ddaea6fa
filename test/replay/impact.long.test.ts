import { createHash } from "node:crypto";
import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import { untold, type Impact } from "../../src/replay/impact.js";
import { page } from "../../src/replay/page/page.js";
import { ReplayTally, VERDICTS, type ChangeVerdict } from "../../src/replay/tally.js";
import { COMPILER_BUILD_MS_MAX, type Changes } from "../build/support.js";
import { AGENT, Desk, TASK, bundleOf, impactOf, runningOf, type Asked } from "./desk.js";
import { LogFolder, type Json } from "./folder.js";

const DAY = Date.parse("2027-03-02T09:15:00Z");
const NIGHT = Date.parse("2027-03-02T20:15:00Z");

const PURPOSES = "purposes.yaml";
const VOCABULARY = "vocabulary.yaml";
const RULES = "rules.rego";

/** @throws Error where it isn't there: a set that was meant to differ would not */
const instead =
  (from: string, to: string) =>
  (text: string): string => {
    if (!text.includes(from)) throw new Error(`there is no ${from}`);
    return text.replace(from, to);
  };
const all =
  (...changes: ((text: string) => string)[]) =>
  (text: string): string =>
    changes.reduce((so_far, change) => change(so_far), text);

const ALLOW = "  allow: # what no line allows is denied\n";
const allowing = (line: string) => instead(ALLOW, `${ALLOW}    - ${line}\n`);
const NEVER_MAIL = "    - { read: mailbox, code: mail_is_private, severity: high }\n";
const HELD = `        when: { privileged: true },
        code: privileged_reset,
        severity: high,
        proceed: false,`;
const goesOn = instead(HELD, HELD.replace("proceed: false", "proceed: true"));

interface Ask extends Asked {
  night: boolean;
}

const reset = (owner: string, privileged: boolean | null, notify: string | null, id = owner): Asked => ({
  verb: "reset",
  type: "account",
  id,
  attributes: { owner, privileged, recovery_email: `${owner}@example.com` },
  arguments: { notify },
});

/** Everything at the desk, by day and by night. */
const TRAFFIC: Ask[] = [false, true].flatMap((night) => {
  const account = (owner: string | null): Asked => ({ verb: "read", type: "account", id: "a", attributes: { owner } });
  const asked: Asked[] = [
    account("ada"),
    account("bob"),
    account(null),
    { verb: "read", type: "incident", id: "INC-81", attributes: { reporter: "ada" } },
    { verb: "read", type: "incident", id: "INC-82", attributes: { reporter: "bob" } },
    { verb: "read", type: "mailbox", id: "m-1", attributes: { owner: "ada" } },
    { verb: "read", type: "mailbox", id: "m-2", attributes: { owner: "bob" } },
    { verb: "search", type: "account" },
    { verb: "delete", type: "account", id: "a", attributes: { owner: "ada" } },
    { verb: "delete", type: "incident", id: "INC-81", attributes: { reporter: "ada" } },
    { verb: "close", type: "incident", id: "INC-81" },
  ];
  for (const owner of ["ada", "bob"]) {
    for (const privileged of [true, false, null]) {
      for (const notify of [`${owner}@example.com`, "eve@example.net", null]) {
        asked.push(reset(owner, privileged, notify));
      }
    }
  }
  return asked.map((one) => ({ ...one, night }));
});

interface Recorded {
  ask: Ask;
  answer: Answer;
}

async function recordedWith(
  changes: Changes = {},
  more: (desk: Desk) => Promise<void> = () => Promise.resolve(),
): Promise<{ log: LogFolder; recorded: Recorded[] }> {
  const log = new LogFolder();
  const desk = new Desk(runningOf((await bundleOf(changes)).content), log);
  const recorded: Recorded[] = [];
  for (const ask of TRAFFIC) {
    desk.now = ask.night ? NIGHT : DAY;
    recorded.push({ ask, answer: await desk.ask(ask) });
  }
  desk.now = DAY;
  await more(desk);
  return { log, recorded };
}

const is = (ask: Ask, verb: string, type: string): boolean => ask.verb === verb && ask.type === type;
const value = (ask: Ask, name: string): unknown => ask.attributes?.[name];

describe("the impact of another bundle on records", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("is none where it is the same", async () => {
    const { log } = await recordedWith();
    const found = await impactOf(log.path, (await bundleOf({}, 2)).content);
    expect(found).to.include({ decisions: TRAFFIC.length, changed: 0, newly_allowed: 0, newly_stopped: 0, other_reasons: 0 });
    expect(found.changes).to.deep.equal([]);
    for (const [i, row] of found.matrix.entries()) expect(row.filter((_, j) => i !== j)).to.deep.equal([0, 0, 0]);
  });

  interface Built {
    what: string;
    before?: Changes;
    after: Changes;
    /** Of each decision, whether it changes; and of those whether they are newly allowed, or stopped. */
    changes: (one: Recorded, all: readonly Recorded[]) => boolean;
    allowed?: (one: Recorded) => boolean;
    stopped?: (one: Recorded) => boolean;
  }
  const never = (): boolean => false;
  const always = (): boolean => true;
  const redacting = instead(
    "- { read: [incident, account], about: task }",
    "- { read: [incident, account], about: task, obligations: [{ redact: { fields: [owner] } }] }",
  );
  const own = ({ ask }: Recorded): boolean =>
    (is(ask, "read", "account") && value(ask, "owner") === "ada") || (is(ask, "read", "incident") && value(ask, "reporter") === "ada");

  const built: Built[] = [
    {
      what: "a flag that waited goes on",
      after: { [PURPOSES]: goesOn },
      changes: ({ ask }) =>
        is(ask, "reset", "account") &&
        value(ask, "owner") === "ada" &&
        value(ask, "privileged") === true &&
        ask.arguments?.["notify"] === "ada@example.com",
      allowed: always,
    },
    {
      what: "what was never permitted is, for the task's own",
      after: { [PURPOSES]: all(instead(NEVER_MAIL, ""), allowing("{ read: mailbox, about: task }")) },
      changes: ({ ask }) => is(ask, "read", "mailbox") && value(ask, "owner") === "ada",
      allowed: always,
    },
    {
      what: "what was never permitted still isn't, for another reason",
      after: { [PURPOSES]: instead(NEVER_MAIL, "") },
      changes: never,
    },
    {
      what: "a rule lets anybody be written to",
      after: { [RULES]: instead("\tis_string(notify)\n\tnotify == recovery\n", "\tis_string(notify)\n") },
      changes: ({ ask }) => is(ask, "reset", "account") && value(ask, "owner") === "ada" && ask.arguments?.["notify"] === "eve@example.net",
      allowed: ({ ask }) => value(ask, "privileged") === false,
    },
    {
      what: "a permission is taken away",
      after: { [PURPOSES]: instead("    - { search: [incident, account] }\n", "") },
      changes: ({ ask }) => ask.verb === "search",
      stopped: always,
    },
    {
      what: "hours that last longer",
      after: { [PURPOSES]: instead("07:00-19:00", "07:00-23:00") },
      changes: ({ ask }, among) =>
        ask.night &&
        among.some(
          (by) => !by.ask.night && by.answer.decision === "allow" && JSON.stringify({ ...by.ask, night: true }) === JSON.stringify(ask),
        ),
    },
    {
      what: "an obligation is gone",
      before: { [PURPOSES]: redacting },
      after: {},
      changes: own,
      allowed: always,
    },
    {
      what: "an obligation is added",
      after: { [PURPOSES]: redacting },
      changes: own,
    },
    {
      what: "the purpose is gone",
      after: {
        [PURPOSES]: instead("it_helpdesk:", "it_desk:"),
        [RULES]: (text) => text.replaceAll("it_helpdesk", "it_desk"),
        "rules_test.rego": null,
        "tables/a_day_at_the_helpdesk.yaml": null,
      },
      changes: ({ answer }) => answer.decision !== "deny",
      stopped: ({ answer }) => answer.proceed,
    },
  ];
  for (const { what, before = {}, after, changes, allowed = never, stopped = never } of built) {
    it(`is exactly what was built in: ${what}`, async () => {
      const { log, recorded } = await recordedWith(before);
      const { content } = await bundleOf(after, 2);
      const wanted = recorded.map((one) => changes(one, recorded));
      const changed = recorded.filter((_, i) => wanted[i]);
      const whole = await impactOf(log.path, content);
      expect(whole).to.include({
        decisions: recorded.length,
        changed: changed.length,
        newly_allowed: changed.filter(allowed).length,
        newly_stopped: changed.filter(stopped).length,
      });
      if (changes !== never) expect(changed.length).to.be.above(0);
      expect(whole.changes.reduce((sum, { decisions }) => sum + decisions, 0)).to.equal(changed.length);
      for (const [i, one] of recorded.entries()) {
        const alone = await impactOf(log.path, content, { from: { seq: i + 1 }, to: { seq: i + 1 } });
        expect(alone.changed, `record ${i + 1}`).to.equal(wanted[i] === true ? 1 : 0);
        expect(alone.newly_allowed, `record ${i + 1}`).to.equal(wanted[i] === true && allowed(one) ? 1 : 0);
      }
    });
  }

  it("has each change with who, what, why then and why now, the newly allowed first", async () => {
    const { log, recorded } = await recordedWith();
    const after = { [PURPOSES]: all(goesOn, instead("    - { search: [incident, account] }\n", "")) };
    const found = await impactOf(log.path, (await bundleOf(after, 2)).content);
    expect(found.changes.map(({ newly_allowed }) => newly_allowed)).to.deep.equal([true, false, false]);
    const [first] = found.changes;
    expect(first).to.deep.include({
      purpose: "it_helpdesk",
      verb: "reset",
      type: "account",
      was: { verdict: "flag_wait", code: "privileged_reset" },
      now: { verdict: "flag_proceed", code: "privileged_reset" },
      decisions: 2,
      agents: 1,
      resources: 1,
    });
    const seq =
      recorded.findIndex(
        ({ answer }) => answer.reasons[0]?.code === "privileged_reset" && answer.wait?.needs === undefined && answer.reasons.length === 1,
      ) + 1;
    const [example] = first?.examples ?? [];
    expect(example).to.include({ seq, agent: AGENT.id, task: TASK.id, verb: "reset", type: "account", id: "ada" });
    expect(example?.decision_id).to.equal(recorded[seq - 1]?.answer.decision_id);
    expect(example?.was[0]).to.match(/^flag privileged_reset: /);
    expect(found.by_purpose).to.have.length(1);
    expect(found.by_agent[0]).to.include({ name: AGENT.id, decisions: TRAFFIC.length, changed: 4 });
    expect(found.by_rule.map(({ name }) => name)).to.include("privileged_reset → privileged_reset");
    const cell = (from: ChangeVerdict, to: ChangeVerdict): number | undefined =>
      found.matrix[VERDICTS.indexOf(from)]?.[VERDICTS.indexOf(to)];
    expect(cell("flag_wait", "flag_proceed")).to.equal(2);
    expect([cell("allow", "deny"), cell("flag_proceed", "deny")]).to.deep.equal([1, 1]);
  });

  describe("shows back doors that traffic goes through among the first of what is newly allowed:", () => {
    const DENIES = "\tis_reset\n\tnot to_the_owner\n";
    const exceptIn = (condition: string) => (text: string) =>
      `${instead(DENIES, `${DENIES}\tnot excepted\n`)(text)}\nexcepted if ${condition}\n`;
    const astray = reset("ada", false, "eve@example.net", "vip");
    const mail: Asked = { verb: "read", type: "mailbox", id: "m-9", attributes: { owner: "eve" } };
    const closing: Asked = { verb: "delete", type: "incident", id: "INC-9", attributes: { reporter: "eve" } };
    const doors: [what: string, changes: Changes, through: (desk: Desk) => Promise<Answer>][] = [
      [
        "one owner's accounts",
        { [PURPOSES]: allowing("{ reset: account, when: { owner: eve } }") },
        (desk) => desk.ask(reset("eve", false, "eve@example.com")),
      ],
      ["one reporter's incidents", { [PURPOSES]: allowing("{ delete: incident, when: { reporter: eve } }") }, (desk) => desk.ask(closing)],
      [
        "one prefix of ids",
        { [PURPOSES]: allowing("{ delete: incident, when: { reporter: { prefix: ev } } }") },
        (desk) => desk.ask(closing),
      ],
      [
        "tasks that say they are urgent",
        { [PURPOSES]: allowing("{ delete: incident, when: { task.urgency: high } }") },
        (desk) => {
          desk.tasks.set("T-9", { ...TASK, id: "T-9", attributes: { urgency: "high" } });
          return desk.ask({ ...closing, task: "T-9" });
        },
      ],
      [
        "one mailbox",
        {
          [PURPOSES]: all(
            instead("{ read: mailbox, code", "{ read: mailbox, when: { owner: { not: eve } }, code"),
            allowing("{ read: mailbox, when: { owner: eve } }"),
          ),
        },
        (desk) => desk.ask(mail),
      ],
      [
        "one administrator",
        {
          [PURPOSES]: all(
            instead("when: { privileged: true },", "when: { privileged: true, recovery_email: { not: root@example.com } },"),
            instead(
              "  flag: #",
              "  flag:\n    - { reset: account, about: task, when: { recovery_email: root@example.com }, code: root_reset, severity: low, proceed: true }\n    #",
            ),
          ),
        },
        (desk) =>
          desk.ask({
            ...reset("ada", true, "root@example.com"),
            attributes: { owner: "ada", privileged: true, recovery_email: "root@example.com" },
          }),
      ],
      ["one account", { [RULES]: exceptIn('input.request.resource.id == "vip"') }, (desk) => desk.ask(astray)],
      [
        "one agent",
        { [RULES]: exceptIn('input.request.agent == "helpdesk-9"') },
        (desk) => {
          desk.agents.set("helpdesk-9", { ...AGENT, id: "helpdesk-9" });
          desk.tasks.set("T-9", { ...TASK, id: "T-9", agent: "helpdesk-9" });
          return desk.ask({ ...astray, agent: "helpdesk-9", task: "T-9" });
        },
      ],
      [
        "one caller",
        { [RULES]: exceptIn('input.facts.caller.id == "gateway-9"') },
        (desk) => {
          desk.caller = { ...desk.caller, id: "gateway-9" };
          return desk.ask(astray);
        },
      ],
      [
        "from one date on",
        { [RULES]: exceptIn("input.facts.time.ms >= 1804150800000") },
        (desk) => {
          desk.now = 1804150800000;
          return desk.ask(astray);
        },
      ],
      [
        "one task",
        { [RULES]: exceptIn('input.request.task == "T-9"') },
        (desk) => {
          desk.tasks.set("T-9", { ...TASK, id: "T-9" });
          return desk.ask({ ...astray, task: "T-9" });
        },
      ],
    ];
    for (const [what, changes, through] of doors) {
      it(what, async () => {
        // Among changes that were meant.
        const meant = all(instead("07:00-19:00", "07:00-23:00"), allowing("{ read: account, about: other }"));
        const purposes = changes[PURPOSES];
        const after = { ...changes, [PURPOSES]: typeof purposes === "function" ? all(meant, purposes) : meant };
        let door: Answer | undefined;
        const { log } = await recordedWith({}, async (desk) => {
          door = await through(desk);
        });
        expect(door?.proceed).to.equal(false);
        const found = await impactOf(log.path, (await bundleOf(after, 2)).content);
        const at = found.changes.findIndex(({ examples }) => examples.some(({ decision_id }) => decision_id === door?.decision_id));
        expect(at).to.be.within(0, 9);
        expect(found.changes[at]).to.include({ newly_allowed: true, decisions: 1, resources: 1, agents: 1 });
        expect(found.changes.slice(0, at).every(({ newly_allowed }) => newly_allowed)).to.equal(true);
      });
    }
  });

  describe("of another vocabulary", () => {
    const cases: {
      what: string;
      before?: Changes;
      after: Changes;
      attributes?: Record<string, unknown>;
      found: (found: Impact) => unknown;
      wanted: unknown;
    }[] = [
      {
        what: "a new field is null, and said to be missing",
        after: { [VOCABULARY]: instead("privileged: boolean,", "privileged: boolean, locked: boolean,") },
        found: ({ changed, missing_fields, unknown_fields }) => [changed, missing_fields.map(({ name }) => name), unknown_fields],
        wanted: [0, ["account.locked"], []],
      },
      {
        what: "a field that is gone is left out, and said to be unknown where it said something",
        before: { [VOCABULARY]: instead("privileged: boolean,", "privileged: boolean, legacy: id, older: id,") },
        after: {},
        attributes: { legacy: "x" },
        found: ({ changed, missing_fields, unknown_fields }) => [changed, missing_fields, unknown_fields],
        wanted: [0, [], [{ name: "account.legacy", records: 1 }]],
      },
      {
        what: "a value of another type isn't expressible",
        before: { [VOCABULARY]: instead("privileged: boolean,", "privileged: boolean, legacy: id,") },
        after: { [VOCABULARY]: instead("privileged: boolean,", "privileged: boolean, legacy: integer,") },
        attributes: { legacy: "x" },
        found: ({ decisions, inexpressible }) => [decisions, inexpressible],
        wanted: [
          TRAFFIC.length,
          [{ why: "account: /legacy must be an integer within ±(2^53 - 1)", records: 1, first_seq: TRAFFIC.length + 1 }],
        ],
      },
      {
        what: "a fact that no longer fits is unknown",
        after: { [VOCABULARY]: instead("[low, normal, high]", "[low, high]") },
        found: ({ inexpressible, unknown_fields }) => [inexpressible, unknown_fields.map(({ name }) => name)],
        wanted: [[], ["task.urgency"]],
      },
      {
        what: "a verb that is gone is refused as such",
        after: {
          [VOCABULARY]: instead("  search: { class: read, collection: true } # names no single resource\n", ""),
          [PURPOSES]: instead("    - { search: [incident, account] }\n", ""),
        },
        found: ({ newly_stopped, by_rule }) => [newly_stopped, by_rule.map(({ name }) => name.split(" → ")[1])],
        wanted: [2, ["verb_unknown", "verb_unknown"]],
      },
      {
        what: "a verb that names a resource now can't be asked without one",
        after: { [VOCABULARY]: instead("class: read, collection: true", "class: read") },
        found: ({ inexpressible }) => inexpressible,
        wanted: [{ why: "account: /resource/id must be an id", records: 2, first_seq: 8 }],
      },
      {
        what: "what was refused for a verb that it has can't be told",
        after: { [VOCABULARY]: instead("  delete: { class: write }", "  delete: { class: write }\n  close: { class: write }") },
        found: ({ unasked, decisions }) => [unasked, decisions],
        wanted: [
          [{ why: "refused for verb_unknown on record, and not by this bundle", records: 2, first_seq: 11 }],
          TRAFFIC.length + 1 - 2,
        ],
      },
    ];
    for (const { what, before, after, attributes = {}, found, wanted } of cases) {
      it(what, async () => {
        const { log } = await recordedWith(before, async (desk) => {
          await desk.ask({ verb: "read", type: "account", id: "a", attributes: { owner: "ada", ...attributes } });
        });
        expect(found(await impactOf(log.path, (await bundleOf(after, 2)).content))).to.deep.equal(wanted);
      });
    }
  });

  it("counts apart what is masked, what was stopped for taking too long and what can't be read", async () => {
    const { log } = await recordedWith({}, async (desk) => {
      const { policy } = desk;
      desk.policy = {
        ...policy,
        evaluate: () => ({ ok: false, code: "evaluation_budget", detail: "" }),
      };
      expect((await desk.ask(reset("ada", false, "ada@example.com"))).reasons[0]?.code).to.equal("evaluation_budget");
      desk.policy = policy;
    });
    log.change(1, (record) => ({ ...record, masked: ["/input/request/resource/attributes/owner"] }));
    log.changeLine(2, () => "nothing");
    const found = await impactOf(log.path, (await bundleOf({}, 2)).content);
    expect(found).to.include({
      decisions: TRAFFIC.length - 2,
      changed: 0,
      masked: 1,
      first_masked: 1,
      stopped: 1,
      unreadable: 1,
    });
    expect(untold(found)).to.equal(3);
  });

  it("finds no value of another type in what is masked and not read", async () => {
    const masking = instead("arguments: { notify: email }", "arguments: { notify: email, note: { masked: integer } }");
    const changes = { [VOCABULARY]: masking };
    const { log } = await recordedWith(changes, async (desk) => {
      await desk.ask({
        ...reset("ada", false, "ada@example.com"),
        arguments: { notify: "ada@example.com", note: 4711 },
      });
    });
    expect(log.lines().at(-1)).to.contain("masked:").and.not.contain("4711");
    const found = await impactOf(log.path, (await bundleOf(changes, 2)).content);
    expect(found).to.include({ decisions: TRAFFIC.length + 1, changed: 0, masked: 0 });
    expect(found.inexpressible).to.deep.equal([]);
  });

  describe("its counts are bounded", () => {
    const conclusion = { decision: "deny", proceed: false, reasons: [], obligations: [], wait: null } as const;
    const record = (i: number, template: Json): Parameters<ReplayTally["add"]>[0] => {
      const changed = JSON.parse(JSON.stringify(template)) as { input: { request: Json & { resource: Json } } };
      Object.assign(changed.input.request, { agent: `a-${i}`, purpose: `p-${i}`, verb: `v-${i}` });
      const input = changed.input as unknown as Parameters<ReplayTally["add"]>[0]["made"] extends { inputs: infer I } ? I : never;
      return { seq: i, record: template, made: { by: "policy", inputs: [input], not_live: [] }, masked: [] } as unknown as Parameters<
        ReplayTally["add"]
      >[0];
    };

    it("however many agents, purposes and kinds of change there are, and none is lost", async () => {
      const { log } = await recordedWith();
      const template = JSON.parse(log.lines()[0] ?? "") as Json;
      const tally = new ReplayTally();
      for (let i = 1; i <= 5000; i++) tally.add(record(i, template), { ...conclusion, reasons: [], obligations: [] });
      const found = tally.counted();
      expect(found).to.include({ decisions: 5000, changed: 5000, newly_stopped: 5000, changes_left_off: 3000 });
      expect(found.changes).to.have.length(2000);
      for (const rows of [found.by_purpose, found.by_agent]) {
        expect(rows.length).to.be.at.most(1001);
        expect(rows.reduce((sum, { decisions }) => sum + decisions, 0)).to.equal(5000);
        expect(rows[0]).to.include({ name: "(others)", decisions: 4000 });
      }
    });
  });

  describe("as a page", () => {
    const impacted = async (): Promise<Impact> => {
      const { log } = await recordedWith();
      return impactOf(log.path, (await bundleOf({ [PURPOSES]: goesOn }, 2)).content);
    };

    it("has no script, nothing from elsewhere, and a policy of content that knows its own style alone", async () => {
      const text = page(await impacted(), { within: false, limits: ["0 may be newly allowed, 2 would"] });
      expect(text).not.to.match(/<script|javascript:|\son\w+=|\sstyle=|<link|<img|<iframe|<form|@import|url\(/i);
      expect(text.match(/https?:\/\/[^\s"<]*/g)).to.equal(null);
      const [, style = ""] = /<style>([^]*?)<\/style>/.exec(text) ?? [];
      const digest = createHash("sha256").update(style).digest("base64");
      expect(text).to.contain(`content="default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'"`);
    });

    it("draws the matrix, and has what is newly allowed before all else", async () => {
      const found = await impacted();
      const text = page(found, null);
      expect(text.match(/<rect\b/g)).to.have.length(16);
      expect(text.indexOf("Newly allowed")).to.be.below(text.indexOf("Other changes"));
      expect(text).to.contain("privileged_reset").and.contain(found.bundle.digest);
      expect(text).not.to.contain("Within the limits");
      expect(page(found, { within: true, limits: ["3 may change, 2 would"] })).to.contain("Within the limits");
    });

    const hostile = [
      "<script>alert(1)</script>",
      "</title><script>alert(1)</script>",
      "</style><script>alert(1)</script>",
      '"><img src=x onerror=alert(1)>',
      "' onmouseover='alert(1)",
      "&lt;b&gt;",
      "\u202egnp.exe\u2066",
      "a\u0000b\u001b[31m\ud800",
    ];
    for (const text of hostile) {
      it(`shows ${JSON.stringify(text)} as text, wherever it stands`, async () => {
        const found = await impacted();
        const spoilt = JSON.parse(JSON.stringify(found), (_, value: unknown) =>
          typeof value === "string" && !(VERDICTS as readonly string[]).includes(value) && !["same", "more", "fewer"].includes(value)
            ? text
            : value,
        ) as Impact;
        const apart = [{ why: text, records: 1, first_seq: 1 }];
        const fields = [{ name: text, records: 1 }];
        const html = page(
          { ...spoilt, inexpressible: apart, unasked: apart, unknown_fields: fields, missing_fields: fields },
          { within: true, limits: [text] },
        );
        const tags = html.replace(/<style>[^]*?<\/style>/, "").match(/<[a-z/!][^>]*>/gi) ?? [];
        const plain =
          page(found, { within: true, limits: [""] })
            .replace(/<style>[^]*?<\/style>/, "")
            .match(/<[a-z/!][^>]*>/gi) ?? [];
        const names = new Set(tags.map((tag) => /^<\/?([a-z!]+)/i.exec(tag)?.[1]));
        expect([...names].filter((name) => !plain.some((tag) => tag.includes(String(name))))).to.deep.equal([]);
        expect(html).not.to.match(/[\u202a-\u202e\u2066-\u2069\u0000\u001b\ud800-\udfff]/u);
        expect(tags.filter((tag) => /\son\w+\s*=/i.test(tag))).to.deep.equal([]);
      });
    }
  });
});
