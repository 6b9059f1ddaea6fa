/** Conditions as an author writes them, each with the Rego that somebody would write by hand in its place. */

export const VOCABULARY = `verbs:
VERBS
task:
  subjects: [customer]
  attributes: {cap: integer, opened: time}
types:
  item:
    about: {customer: owner}
    attributes:
      a: integer
      b: integer
      num: number
      word: string
      mail: email
      owner: id
      flag: boolean
      state: [open, paid, void]
      tags: {list: [x, y, z], max: 4}
      ids: {list: id, max: 4}
      nums: {list: integer, max: 4}
      mails: {list: email, max: 4}
      day: date
      at: time
      until: time
      days: {list: date, max: 4}
      took: duration
      limit: duration
      lines: {list: {object: {quantity: integer, cents: integer, sku: id, other: id, ok: boolean, due: date, price: integer}}, max: 4}
    arguments: {a: integer, to: email, ids: {list: id, max: 4}}
`;

export interface HandWritten {
  when: string;
  /** Bodies in Rego, of which each is one way for the condition to be known to hold, or known to fail. */
  yes: string[];
  no: string[];
}

const known = (...paths: string[]): string => paths.map((path) => `${path} != null`).join("; ");

/** Both sides of a test that says all once its paths are known. */
function when(text: string, paths: string[], test: string): HandWritten {
  return { when: text, yes: [`${known(...paths)}; ${test}`], no: [`${known(...paths)}; count([1 | ${test}]) == 0`] };
}

const MS = "1000000";

export const CASES: HandWritten[] = [
  when("a: {at_least: {same_as: b}}", ["r.a", "r.b"], "r.a >= r.b"),
  when("a: {at_most: {same_as: arguments.a}}", ["r.a", "g.a"], "r.a <= g.a"),
  when("a: {more_than: {same_as: num}}", ["r.a", "r.num"], "r.a > r.num"),
  when("num: {less_than: {same_as: task.cap}}", ["r.num", "t.cap"], "r.num < t.cap"),
  when("a: {more_than: 5}", ["r.a"], "r.a > 5"),
  when("num: {less_than: 0.5}", ["r.num"], "r.num < 0.5"),
  when("a: {more_than: 0, less_than: 100}", ["r.a"], "r.a > 0; r.a < 100"),
  {
    when: "a: {at_least: 1, less_than: {same_as: b}}",
    yes: ["is_number(r.a); r.a >= 1; is_number(r.b); r.a < r.b"],
    no: ["is_number(r.a); r.a < 1", "is_number(r.a); is_number(r.b); r.a >= r.b"],
  },
  when("nums: {more_than: 5}", ["r.nums"], "some n in r.nums; n > 5"),
  when("nums: {at_least: {same_as: b}}", ["r.nums", "r.b"], "some n in r.nums; n >= r.b"),
  when("owner: {not: {same_as: word}}", ["r.owner", "r.word"], "r.owner != r.word"),
  when("owner: {not: {same_as: task.customer}}", ["r.owner", "s.customer"], "count({r.owner} - {x | some x in s.customer}) == 1"),
  when("ids: {not: {same_as: arguments.ids}}", ["r.ids", "g.ids"], "count({x | some x in r.ids} & {x | some x in g.ids}) == 0"),
  when("a: {not: {at_most: 5}}", ["r.a"], "r.a > 5"),
  when("a: {not: {at_least: 1, at_most: 5}}", ["r.a"], "count([1 | r.a >= 1; r.a <= 5]) == 0"),
  when("word: {not: {prefix: ab}}", ["r.word"], `substring(r.word, 0, 2) != "ab"`),
  when("word: {suffix: [b, .pdf]}", ["r.word"], `regex.match("(b|\\\\.pdf)$", r.word)`),
  when("word: {not: {suffix: b}}", ["r.word"], `not endswith(r.word, "b")`),
  when("ids: {suffix: a}", ["r.ids"], `some x in r.ids; endswith(x, "a")`),
  when("mail: {domain: example.com}", ["r.mail"], `regex.match("(?i)@example[.]com[.]*$", r.mail)`),
  when("mail: {not: {domain: [example.com, example.org]}}", ["r.mail"], `not regex.match("(?i)@example[.](com|org)[.]*$", r.mail)`),
  when("mails: {domain: example.org}", ["r.mails"], `some x in r.mails; regex.match("(?i)@example[.]org[.]*$", x)`),
  when("arguments.to: {domain: example.com}", ["g.to"], `regex.match("(?i)@example[.]com[.]*$", g.to)`),
  when("tags: {count: 0}", ["r.tags"], "r.tags == []"),
  when("tags: {count: {at_least: 2}}", ["r.tags"], "count(r.tags) > 1"),
  when("ids: {count: {at_least: 1, at_most: 2}}", ["r.ids"], "count(r.ids) in {1, 2}"),
  when("ids: {count: {at_most: {same_as: a}}}", ["r.ids", "r.a"], "count(r.ids) <= r.a"),
  when("task.customer: {count: {more_than: 1}}", ["s.customer"], "count(s.customer) >= 2"),
  when("lines: {count: {less_than: 3}}", ["r.lines"], "count(r.lines) < 3"),
  when("nums: {sum: {at_most: 10}}", ["r.nums"], "sum(r.nums) <= 10"),
  when("nums: {not: {sum: {at_most: {same_as: b}}}}", ["r.nums", "r.b"], "sum(r.nums) > r.b"),
  {
    when: "lines: {sum: {of: cents, at_most: 5000}}",
    yes: ["r.lines != null; every l in r.lines { l.cents != null }; sum([l.cents | some l in r.lines]) <= 5000"],
    no: ["r.lines != null; every l in r.lines { l.cents != null }; sum([l.cents | some l in r.lines]) > 5000"],
  },
  {
    when: "lines: {sum: {of: [quantity, cents], at_most: {same_as: b}}}",
    yes: ["r.b != null; complete; total <= r.b"],
    no: ["r.b != null; complete; total > r.b"],
  },
  {
    when: "lines: {sum: {of: [quantity, cents], more_than: 0, less_than: 10000}}",
    yes: ["complete; total > 0; total < 10000"],
    no: ["complete; total <= 0", "complete; total >= 10000"],
  },
  {
    when: "lines: {every: {ok: true}}",
    yes: ["r.lines != null; count([1 | some l in r.lines; l.ok != true]) == 0"],
    no: ["r.lines != null; some l in r.lines; l.ok == false"],
  },
  {
    when: "lines: {some: {ok: false, cents: {at_least: 100}}}",
    yes: ["some l in r.lines; l.ok == false; is_number(l.cents); l.cents >= 100"],
    no: ["r.lines != null; count([1 | some l in r.lines; l.ok != true; small(l, 100) == false]) == 0"],
  },
  {
    when: "lines: {every: {sku: {not: {same_as: other}}}}",
    yes: ["r.lines != null; count([1 | some l in r.lines; differ(l) == false]) == 0"],
    no: ["r.lines != null; some l in r.lines; l.sku != null; l.sku == l.other"],
  },
  {
    when: "lines: {not: {every: {sku: {same_as: other}}}}",
    yes: ["some l in r.lines; l.sku != null; l.other != null; l.sku != l.other"],
    no: ["r.lines != null; count([1 | some l in r.lines; alike(l) == false]) == 0"],
  },
  {
    when: "lines: {some: {sku: {same_as: owner}}}",
    yes: ["r.owner != null; some l in r.lines; l.sku == r.owner"],
    no: [
      "r.lines == []",
      "r.owner != null; r.lines != null; count([1 | some l in r.lines; l.sku == null]) == 0; count([1 | some l in r.lines; l.sku == r.owner]) == 0",
    ],
  },
  {
    when: "lines: {every: {due: {after: now}}}",
    yes: ["r.lines != null; count([1 | some l in r.lines; later(l) == false]) == 0"],
    no: ["r.lines != null; some l in r.lines; l.due != null; date(l.due) <= now"],
  },
  {
    when: "lines: {every: {price: {at_most: {same_as: task.cap}}}}",
    yes: ["r.lines == []", "t.cap != null; r.lines != null; count([1 | some l in r.lines; cheap(l) == false]) == 0"],
    no: ["t.cap != null; some l in r.lines; is_number(l.price); l.price > t.cap"],
  },
  when("tags: {every: [x, y]}", ["r.tags"], `count({t | some t in r.tags} - {"x", "y"}) == 0`),
  when("tags: {some: {not: [x, y]}}", ["r.tags"], `"z" in r.tags`),
  when("tags: {all_of: [x, y]}", ["r.tags"], `{"x", "y"} & {t | some t in r.tags} == {"x", "y"}`),
  when("tags: {not: {all_of: [x, y]}}", ["r.tags"], `count({"x", "y"} - {t | some t in r.tags}) > 0`),
  when("ids: {every: {prefix: a}}", ["r.ids"], `every x in r.ids { startswith(x, "a") }`),
  { when: "owner: {known: true}", yes: ["r.owner != null"], no: ["r.owner == null"] },
  when('day: {before: "2026-06-01"}', ["r.day"], `r.day < "2026-06-01"`),
  when('day: ["2026-02-28", "2024-02-29"]', ["r.day"], `r.day in {"2026-02-28", "2024-02-29"}`),
  when("day: {not: {before: now}}", ["r.day"], "date(r.day) >= now"),
  when('days: {after: "2026-01-01"}', ["r.days"], `some d in r.days; d > "2026-01-01"`),
  when("at: {before: now}", ["r.at"], "moment(r.at) < now"),
  when("at: {after: 30d before now}", ["r.at"], `moment(r.at) > now - (30 * 24 * 3600 * 1000 * ${MS})`),
  when("at: {before: 36h after now}", ["r.at"], `moment(r.at) < now + (36 * 3600 * 1000 * ${MS})`),
  when("at: {within: 24h of now}", ["r.at"], `d := moment(r.at) - now; d >= -86400000 * ${MS}; d <= 86400000 * ${MS}`),
  when("at: {within: 15m of until}", ["r.at", "r.until"], `abs(moment(r.at) - moment(r.until)) <= 900000 * ${MS}`),
  {
    when: "at: {after: {same_as: task.opened}, before: {same_as: until}}",
    yes: ["r.at != null; t.opened != null; r.until != null; moment(t.opened) < moment(r.at); moment(r.at) < moment(r.until)"],
    no: [
      "r.at != null; t.opened != null; moment(r.at) <= moment(t.opened)",
      "r.at != null; r.until != null; moment(r.at) >= moment(r.until)",
    ],
  },
  when("until: {not: {within: 0s of at}}", ["r.until", "r.at"], "moment(r.until) != moment(r.at)"),
  when('at: {after: "2026-03-01T09:30:00Z"}', ["r.at"], `moment(r.at) > moment("2026-03-01T09:30:00Z")`),
  when("took: {at_most: 36h}", ["r.took"], `time.parse_duration_ns(go(r.took)) <= time.parse_duration_ns("36h")`),
  when(
    "took: {more_than: {same_as: limit}}",
    ["r.took", "r.limit"],
    "time.parse_duration_ns(go(r.took)) > time.parse_duration_ns(go(r.limit))",
  ),
  {
    when: "any: [{state: open}, {a: {at_most: 5}}]",
    yes: [`r.state == "open"`, "is_number(r.a); r.a <= 5"],
    no: [`r.state in {"paid", "void"}; is_number(r.a); r.a > 5`],
  },
  {
    when: "any: [{state: open, flag: true}, {a: {not: {at_most: 5}}}, {lines: {not: {every: {ok: true}}}}]",
    yes: [`r.state == "open"; r.flag == true`, "is_number(r.a); r.a > 5", "some l in r.lines; l.ok == false"],
    no: [
      `r.state in {"paid", "void"}; is_number(r.a); r.a <= 5; r.lines != null; count([1 | some l in r.lines; l.ok != true]) == 0`,
      "r.flag == false; is_number(r.a); r.a <= 5; r.lines != null; count([1 | some l in r.lines; l.ok != true]) == 0",
    ],
  },
  {
    when: "flag: true, any: [{owner: {same_as: word}}, {owner: {known: true}}]",
    yes: ["r.flag == true; r.owner != null"],
    no: ["r.flag == false"],
  },
];

/** A module that answers, for an input's verb, what is known of its condition. */
export const ORACLE = `package oracle

r := input.request.resource.attributes

g := input.request.arguments

t := input.facts.task.attributes

s := input.facts.task.subjects

now := input.facts.time.ms * ${MS}

moment(x) := time.parse_rfc3339_ns(x)

date(x) := time.parse_ns("2006-01-02", x)

# Go has no days.
go(x) := sprintf("%dh", [to_number(trim_suffix(x, "d")) * 24]) if endswith(x, "d")

go(x) := x if not endswith(x, "d")

complete if {
	r.lines != null
	every l in r.lines { l.quantity != null; l.cents != null }
}

total := sum([x | some l in r.lines; x := l.quantity * l.cents])

small(l, n) if { is_number(l.cents); l.cents < n } else := false

differ(l) if { l.sku != null; l.other != null; l.sku != l.other } else := false

alike(l) if { l.sku != null; l.sku == l.other } else := false

later(l) if { l.due != null; date(l.due) > now } else := false

cheap(l) if { is_number(l.price); l.price <= t.cap } else := false

truth := "yes" if {
	yes[input.request.verb]
} else := "no" if {
	no[input.request.verb]
} else := "unknown"

${CASES.flatMap(({ yes, no }, i) => [
  ...yes.map((body) => `yes contains "v${i}" if { input.request.verb == "v${i}"; ${body} }\n`),
  ...no.map((body) => `no contains "v${i}" if { input.request.verb == "v${i}"; ${body} }\n`),
]).join("\n")}`;

const verbs = CASES.map((_, i) => `  v${i}: {class: read}`).join("\n");

/** Files of a policy set in which each condition has a verb of its own, that it allows and forbids. */
export const SET: Record<string, string> = {
  "vocabulary.yaml": VOCABULARY.replace("VERBS", verbs),
  "purposes.yaml": `p:
  statement: have each condition by itself
  owner: nobody@example.com
  task: optional
  allow:
${CASES.map(({ when: text }, i) => `    - {v${i}: item, when: {${text}}, code: yes}`).join("\n")}
  never:
${CASES.map(({ when: text }, i) => `    - {v${i}: item, when: {${text}}, code: not_no}`).join("\n")}
`,
};
