import { expect } from "chai";
import { summarised } from "../../src/bundle/source.js";
import { compactErrors, expectOnly, purposes, support, type Wrong } from "./support.js";

const FLAG = "code: c, proceed: true";

// Lines of the purpose begin at 5: see `support`.
// prettier-ignore
const WRONG: Wrong[] = [
  { what: "no purpose at all", source: "{}\n", line: 1, message: "no purpose is named" },
  { what: "a list of purposes", source: "- support\n", line: 1, message: "the file of purposes must be a mapping" },
  { what: "a purpose's id in capitals", source: support("").replace("support:", "Support:"), line: 1, message: "must be snake_case" },
  { what: "a purpose's id that every object has", source: support("").replace("support:", "constructor:"), line: 1, message: "not `constructor`" },
  { what: "a purpose that is a word", source: "support: yes please\n", line: 1, message: "purpose `support` must be a mapping" },
  { what: "no statement", source: support("").replace("  statement: answer tickets\n", ""), line: 1, message: "`statement` is missing" },
  { what: "an empty statement", source: support("").replace("answer tickets", '" "'), line: 2, message: "`statement` must be a text of 1 to 512" },
  { what: "no owner", source: support("").replace("  owner: desk\n", ""), line: 1, message: "`owner` is missing" },
  { what: "an owner that is a number", source: support("").replace("desk", "4"), line: 3, message: "`owner` must be a text" },
  { what: "no word on tasks", source: support("").replace("  task: required\n", ""), line: 1, message: "`task` must be one of required, optional" },
  { what: "a mistyped word on tasks", source: support("").replace("required", "requierd"), line: 4, message: "unknown `task` `requierd`", hint: "did you mean `required`?" },
  { what: "a mistyped line", source: support("allw: []"), line: 5, message: "unknown key in purpose `support` `allw`", hint: "did you mean `allow`?" },
  { what: "`deny` for `never`", source: support("deny: []"), line: 5, message: "unknown key in purpose `support` `deny`", hint: "known: statement" },
  { what: "a line that is no list", source: support("allow:\n  read: invoice"), line: 5, message: "`allow` must be a list of entries" },
  { what: "an entry that is a word", source: support("allow:\n  - {read: ticket}\n  - invoice"), line: 7, message: "an entry of `allow` must be a mapping" },
  { what: "an entry without verb", source: support("allow:\n  - {about: task}"), line: 6, message: "the entry names no verb", hint: "read: invoice" },
  { what: "a mistyped verb", source: support("allow:\n  - {raed: invoice}"), line: 6, message: "unknown key in an entry of `allow` `raed`", hint: "did you mean `read`?" },
  { what: "a mistyped type", source: support("allow:\n  - {read: invioce}"), line: 6, message: "unknown resource type `invioce`", hint: "did you mean `invoice`?" },
  { what: "a mistyped type in a list", source: support("allow:\n  - read: [ticket, invioce]"), line: 6, message: "unknown resource type `invioce`", hint: "did you mean `invoice`?" },
  { what: "a type that is nothing like any", source: support("allow:\n  - {read: zebra}"), line: 6, message: "unknown resource type `zebra`", hint: "known: ticket, customer, invoice, account, setting" },
  { what: "a type that is a number", source: support("allow:\n  - {read: 4}"), line: 6, message: "resource types must be a word or a list of words" },
  { what: "a verb of no type", source: support("allow:\n  - {read: []}"), line: 6, message: "resource types must be a word or a list of words" },
  { what: "a mistyped about", source: support("allow:\n  - {read: invoice, about: taks}"), line: 6, message: "unknown `about` `taks`", hint: "did you mean `task`?" },
  { what: "about a task, of a type that says nothing of tasks", source: support("allow:\n  - {read: [invoice, setting], about: task}"), line: 6, message: "nothing says how `setting` relates to a task", hint: "give the type an `about`" },
  { what: "about other, of a type that says nothing of tasks", source: support(`flag:\n  - {read: setting, about: other, ${FLAG}}`), line: 6, message: "nothing says how `setting` relates to a task" },
  { what: "about a task, where only an id says so and there is none", source: support("allow:\n  - {search: customer, about: task}"), line: 6, message: "`search` acts on a collection: there is no id" },
  { what: "a flag that doesn't say whether it proceeds", source: support("flag:\n  - {read: invoice, code: c}"), line: 6, message: "`proceed` of a flag must be true or false" },
  { what: "a flag that proceeds perhaps", source: support("flag:\n  - {read: invoice, code: c, proceed: maybe}"), line: 6, message: "`proceed` of a flag must be true or false" },
  { what: "a yes that is a word in YAML 1.2", source: support("flag:\n  - {read: invoice, code: c, proceed: yes}"), line: 6, message: "`proceed` of a flag must be true or false" },
  { what: "an allow that proceeds", source: support("allow:\n  - {read: invoice, proceed: true}"), line: 6, message: "unknown key in an entry of `allow` `proceed`" },
  { what: "a never that proceeds", source: support("never:\n  - {read: invoice, proceed: false}"), line: 6, message: "unknown key in an entry of `never` `proceed`" },
  { what: "a never that obliges", source: support("never:\n  - {read: invoice, obligations: []}"), line: 6, message: "unknown key in an entry of `never` `obligations`" },
  { what: "an allow that tells the agent", source: support("allow:\n  - {read: invoice, tell_agent: fine}"), line: 6, message: "unknown key in an entry of `allow` `tell_agent`" },
  { what: "a code with a dash", source: support("never:\n  - {read: invoice, code: not-this}"), line: 6, message: "a code is snake_case" },
  { what: "a code that is a number", source: support("never:\n  - {read: invoice, code: 4}"), line: 6, message: "`code` must be a text of 1 to 128" },
  { what: "a mistyped severity", source: support("never:\n  - {read: invoice, severity: hihg}"), line: 6, message: "unknown severity `hihg`", hint: "did you mean `high`?" },
  { what: "a code of two severities", source: support("never:\n  - {read: invoice, code: c}\n  - {read: ticket, code: c, severity: low}"), line: 7, message: "code `c` means something else at purposes.yaml:6", hint: "one effect and one text" },
  { what: "a code of two effects", source: support("flag:\n  - {read: invoice, code: c, severity: high, proceed: true}\nnever:\n  - {read: ticket, code: c}"), line: 8, message: "code `c` means something else at purposes.yaml:6" },
  { what: "a code of two texts", source: support("never:\n  - {read: invoice, code: c, message: one}\n  - {read: ticket, code: c, message: two}"), line: 7, message: "code `c` means something else" },
  { what: "a message that names nothing", source: support('never:\n  - {read: invoice, message: "of {custmer}"}'), line: 6, message: "the message names `{custmer}`, which nothing here is called", hint: "did you mean `{customer}`?" },
  { what: "a message that names a word of another place", source: support('never:\n  - {read: invoice, message: "of {task.topik}"}'), line: 6, message: "the message names `{task.topik}`", hint: "did you mean `{task.topic}`?" },
  { what: "a message that names what is nothing like any", source: support('never:\n  - {read: invoice, message: "of {zebra}"}'), line: 6, message: "the message names `{zebra}`", hint: "known: agent, purpose, task, verb, type, id, resource, caller, customer" },
  { what: "a message that names what only one of its types has", source: support('never:\n  - {read: [invoice, ticket], message: "of {amount_cents}"}'), line: 6, message: "the message names `{amount_cents}`" },
  { what: "an empty message", source: support('never:\n  - {read: invoice, message: ""}'), line: 6, message: "`message` must be a text" },
  { what: "obligations that are no list", source: support("allow:\n  - {read: invoice, obligations: {confirm: {with: customer}}}"), line: 6, message: "`obligations` must be a list", hint: "[{confirm" },
  { what: "an unknown obligation", source: support("allow:\n  - {read: invoice, obligations: [{redcat: {fields: [iban]}}]}"), line: 6, message: "unknown key in an obligation `redcat`", hint: "did you mean `redact`?" },
  { what: "two obligations in one", source: support("allow:\n  - {read: invoice, obligations: [{confirm: {with: a}, notify: {channel: b}}]}"), line: 6, message: "an obligation is one of redact, modify, confirm, notify" },
  { what: "a redaction of nothing", source: support("allow:\n  - {read: invoice, obligations: [{redact: {fields: []}}]}"), line: 6, message: "`fields` must be a word or a list of words" },
  { what: "a confirmation by nobody", source: support("allow:\n  - {read: invoice, obligations: [{confirm: {}}]}"), line: 6, message: "`with` is missing" },
  { what: "a notice to nowhere", source: support("allow:\n  - {read: invoice, obligations: [{notify: {chanel: desk}}]}"), line: 6, message: "unknown key in `notify` `chanel`", hint: "did you mean `channel`?" },
  { what: "a change of an unknown argument", source: support("allow:\n  - {read: invoice, obligations: [{modify: {argument: reasn, value: x}}]}"), line: 6, message: "unknown argument of `invoice` `reasn`", hint: "did you mean `reason`?" },
  { what: "a change to nothing", source: support("allow:\n  - {read: invoice, obligations: [{modify: {argument: reason}}]}"), line: 6, message: "`value` must be a text, a number, true or false" },
  { what: "a need of a flag that goes on", source: support("flag:\n  - {read: invoice, proceed: true, needs: task.topic}"), line: 6, message: "only a flag that waits needs something", hint: "write `proceed: false`" },
  { what: "a need that nobody knows", source: support("flag:\n  - {read: invoice, proceed: false, needs: [task.topc]}"), line: 6, message: "unknown subject or attribute of the task `topc`", hint: "did you mean `topic`?" },
  { what: "a need that is a number", source: support("flag:\n  - {read: invoice, proceed: false, needs: 3}"), line: 6, message: "`needs` must be a word or a list of words" },
  { what: "a need of what is permitted", source: support("allow:\n  - {read: invoice, needs: [task.topic]}"), line: 6, message: "unknown key in an entry of `allow` `needs`" },
  ...["5", "5m", "0s", "61s", "99ms", "1.5s", "5 s", '""', "-5s", "5S"].map(
    (lasts): Wrong => ({ what: `answers that last ${lasts}`, source: support(`answer_lasts: ${lasts}`), line: 5, message: "`answer_lasts` must be from 100ms to 60s", hint: "write 500ms or 5s" }),
  ),
];

describe("a file of purposes", () => {
  for (const wrong of WRONG) {
    it(`is refused for ${wrong.what}, naming the line`, () => {
      expectOnly(purposes(wrong.source).notes, wrong);
    });
  }

  it("names every mistake in one go, of every purpose", () => {
    const source =
      support("allow:\n  - {raed: invoice}\n  - {read: invioce, about: taks}") +
      "other:\n  statement: x\n  owner: y\n  task: optinal\n  never:\n    - {update: invoice, severity: hihg}\n";
    expect(compactErrors(purposes(source).notes)).to.deep.equal([
      "6 unknown key in an entry of `allow` `raed`",
      "6 the entry names no verb",
      "7 unknown resource type `invioce`",
      "7 unknown `about` `taks`",
      "11 unknown `task` `optinal`",
      "13 unknown severity `hihg`",
    ]);
  });

  const good = support(
    [
      "answer_lasts: 500ms",
      "allow:",
      "  - {read: [ticket, invoice], search: customer}",
      "  - {read: ticket, about: task, code: its_own, obligations: [{redact: {fields: iban}}, {confirm: {with: customer}}, {notify: {channel: desk}}]}",
      "  - {create: invoice, obligations: [{modify: {argument: amount_cents, value: 5}}]}",
      "flag:",
      "  - {read: invoice, about: other, proceed: false}",
      "never:",
      "  - {update: customer}",
      '  - {update: ticket, code: read_only, severity: low, title: Read only, message: "{verb} of {id} by {agent}, {task.topic}", tell_agent: No.}',
    ].join("\n"),
  );

  it("puts an entry under every type and verb that it names", () => {
    const { value, notes } = purposes(good);
    expect(notes).to.deep.equal([]);
    const { allow, flag, never } = value.purposes["support"] ?? {};
    const shape = (entries: typeof allow): unknown =>
      Object.entries(entries ?? {}).map(([type, verbs]) => [
        type,
        Object.entries(verbs).map(([verb, list]) => `${verb} ${list.map(({ reason }) => reason.code).join(" ")}`),
      ]);
    expect(shape(allow)).to.deep.equal([
      ["ticket", ["read support.allow.1 its_own"]],
      ["invoice", ["read support.allow.1", "create support.allow.3"]],
      ["customer", ["search support.allow.1"]],
    ]);
    expect(shape(flag)).to.deep.equal([["invoice", ["read support.flag.1"]]]);
    expect(shape(never)).to.deep.equal([
      ["customer", ["update support.never.1"]],
      ["ticket", ["update read_only"]],
    ]);
    expect(value.purposes["support"]?.answer_lasts_ms).to.equal(500);
    expect(allow?.["ticket"]?.["read"]?.[1]).to.deep.equal({
      about: "task",
      when: [],
      reason: { effect: "allow", code: "its_own", severity: "info", params: {} },
      obligations: [
        { type: "redact", fields: ["iban"] },
        { type: "confirm", with: "customer" },
        { type: "notify", channel: "desk" },
      ],
    });
    expect(allow?.["invoice"]?.["create"]?.[0]?.obligations).to.deep.equal([{ type: "modify", argument: "amount_cents", value: 5 }]);
    expect(flag?.["invoice"]?.["read"]?.[0]?.reason).to.deep.equal({
      effect: "flag",
      code: "support.flag.1",
      severity: "medium",
      params: {},
      proceed: false,
    });
  });

  it("gives every code a severity and texts, its author's or the line's", () => {
    const { catalogue } = purposes(good).value;
    expect(catalogue["support.never.1"]).to.deep.equal({
      effect: "deny",
      severity: "high",
      title: "support never 1",
      message: "purpose {purpose} never permits {verb} on {resource}",
      tell_agent: "You are not permitted to do this.",
      purposes: ["support"],
      sources: ["purposes.yaml:13"],
    });
    expect(catalogue["support.flag.1"]).to.include({ effect: "flag", tell_agent: "A person will look at this." });
    expect(catalogue["support.allow.1"]).to.include({ effect: "allow", severity: "info", tell_agent: "" });
    expect(catalogue["read_only"]).to.include({ severity: "low", title: "Read only", tell_agent: "No." });
    expect(Object.keys(catalogue)).to.have.length(6);
  });

  it("may give one code in several places and purposes, meaning the same by it", () => {
    const line = "never:\n  - {update: ticket, code: c}\n  - {update: customer, code: c}";
    const { value, notes } = purposes(support(line) + support(line).replace("support:", "other:"));
    expect(notes).to.deep.equal([]);
    expect(value.catalogue["c"]).to.deep.include({
      purposes: ["support", "other"],
      sources: ["purposes.yaml:6", "purposes.yaml:7", "purposes.yaml:13", "purposes.yaml:14"],
    });
  });

  describe("remarks on two entries with different codes that can both apply", () => {
    // prettier-ignore
    const OVERLAPS: [string, string, boolean][] = [
      ["where nothing tells them apart", "{read: invoice, code: a}\n{read: invoice, code: b}", true],
      ["where only one asks", "{read: invoice, code: a}\n{read: invoice, about: other, code: b}", true],
      ["where values overlap", "{read: invoice, when: {status: [open, paid]}, code: a}\n{read: invoice, when: {status: paid}, code: b}", true],
      ["where both rule out different values", "{read: invoice, when: {status: {not: open}}, code: a}\n{read: invoice, when: {status: {not: paid}}, code: b}", true],
      ["where a list may hold both", "{read: invoice, when: {items: a}, code: a}\n{read: invoice, when: {items: b}, code: b}", true],
      ["where a task may have both tags", "{read: invoice, when: {task.tags: a}, code: a}\n{read: invoice, when: {task.tags: b}, code: b}", true],
      ["but not of one code", "{read: invoice, code: a}\n{read: invoice, code: a}", false],
      ["but not of different types", "{read: invoice, code: a}\n{read: ticket, code: b}", false],
      ["but not of different verbs", "{read: invoice, code: a}\n{update: invoice, code: b}", false],
      ["but not of task and other", "{read: invoice, about: task, code: a}\n{read: invoice, about: other, code: b}", false],
      ["but not of different values", "{read: invoice, when: {status: open}, code: a}\n{read: invoice, when: {status: paid}, code: b}", false],
      ["but not of a value and its opposite", "{read: invoice, when: {status: open}, code: a}\n{read: invoice, when: {status: {not: open}}, code: b}", false],
      ["but not of an opposite and its value", "{read: invoice, when: {status: {not: open}}, code: a}\n{read: invoice, when: {status: open}, code: b}", false],
    ];
    for (const [what, lines, remarked] of OVERLAPS) {
      it(what, () => {
        const entries = lines.split("\n").map((line) => `\n  - ${line}`);
        const { notes } = purposes(support(`never:${entries.join("")}`));
        expect(notes.map(({ severity, line, message }) => [severity, line, message])).to.deep.equal(
          remarked ? [["remark", 7, "`b` can apply together with `a` (line 6)"]] : [],
        );
      });
    }

    const never = (count: number): string =>
      support(`never:${Array.from({ length: count }, (_, i) => `\n  - {read: invoice, code: c${i + 1}}`).join("")}`);

    it("in one remark for each entry, however many it can apply together with", () => {
      const { notes } = purposes(never(4));
      expect(notes.map(({ line, message }) => [line, message])).to.deep.equal([
        [7, "`c2` can apply together with `c1` (line 6)"],
        [8, "`c3` can apply together with `c1` (line 6), `c2` (line 7)"],
        [9, "`c4` can apply together with `c1` (line 6), `c2` (line 7), `c3` (line 8)"],
      ]);
    });

    it("that name twenty others at most", () => {
      const last = purposes(never(40)).notes.at(-1);
      expect(last?.others).to.have.lengthOf(39);
      expect(last?.message).to.match(/`c20` \(line 25\) and 19 more$/);
    });

    it("in one sum of all, with their lines, after errors and warnings", () => {
      const warning = { severity: "warning", file: "rules.rego", line: 3, message: "w", hint: null } as const;
      const wrong = purposes(never(4).replace("code: c1}", "code: c1, severity: hihg}")).notes;
      expect(summarised([...wrong, warning]).map(({ severity, line, message, hint }) => [severity, line, message, hint])).to.deep.equal([
        ["error", 6, "unknown severity `hihg`", "did you mean `high`?"],
        ["warning", 3, "w", null],
        ["remark", null, "6 pairs of entries can both apply to one action, on lines 6-9", "`remit build --remarks` lists them"],
      ]);
    });
  });
});
