import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parseModules } from "../../src/bundle/conventions.js";
import type { SourceNote } from "../../src/bundle/source.js";
import { silentRules } from "../../src/bundle/unknowns.js";
import { inputSchema } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { checkPolicySet } from "../../src/bundle/check.js";
import { vocabulary } from "../language/support.js";
import { compiler, COMPILER_BUILD_MS_MAX } from "./support.js";

const WORDS = vocabulary(`
verbs: {send: {class: send}}
task: {subjects: [customer]}
types:
  account:
    attributes: {recovery_email: string, balance: integer, locked: boolean, owners: {list: id, max: 8}}
    arguments: {notify: string, amount: integer, to: {list: id, max: 8}}
  letter: {attributes: {recovery_email: string, balance: integer, locked: boolean, owners: {list: id, max: 8}}, arguments: {notify: string, amount: integer, to: {list: id, max: 8}, note: string}}
`).value;
const NAMES = `
notify := input.request.arguments.notify

amount := input.request.arguments.amount

to := input.request.arguments.to

account := input.request.resource.attributes
`;

/** Errors of rules that begin at line 3. */
async function silent(rules: string): Promise<SourceNote[]> {
  const folder = await mkdtemp(join(tmpdir(), "remit-unknowns-"));
  try {
    await writeFile(join(folder, "rules.rego"), `package rules.shop\n\n${rules}\n${NAMES}`);
    return silentRules(await parseModules(await compiler(), folder, ["rules.rego"]), inputSchema(WORDS));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const deny = (body: string, more = ""): string => `deny contains "x" if {\n\t${body}\n}\n${more}`;

describe("a rule that denies or flags", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  const SILENT: [title: string, rules: string, unknown: string][] = [
    [
      "compares two values, written out",
      deny("input.request.arguments.notify != input.request.resource.attributes.recovery_email"),
      "input.request.arguments.notify",
    ],
    ["compares two values, by names for them", deny("notify != account.recovery_email"), "notify"],
    ["compares a value with a constant", deny('account.recovery_email == "none"'), "account.recovery_email"],
    ["asks for more than a value", deny("amount > account.balance"), "amount"],
    ["asks for less than a value", deny("amount < account.balance"), "account.balance"],
    ["asks whether a value is one of several", deny('notify in {"a", "b"}'), "notify"],
    ["asks whether a value is in a list", deny('"ada" in account.owners'), "account.owners"],
    ["asks for a text's beginning", deny('startswith(notify, "x")'), "notify"],
    ["asks for a pattern", deny('regex.match("^x", notify)'), "notify"],
    ["compares what a builtin makes of a value", deny('lower(notify) == "x"'), "notify"],
    ["computes with a value", deny("amount - account.balance > 10"), "amount"],
    ["counts a list", deny("count(to) > 3"), "to"],
    ["goes through a list", deny("some one in to\n\tone == one"), "to"],
    ["goes through all of a list", deny('every one in to {\n\t\tone != "ada"\n\t}'), "to"],
    ["asks a helper rule", deny("stranger", "\nstranger if notify != account.recovery_email\n"), "notify"],
    ["asks one of two helper rules", deny("odd", '\nodd if input.request.verb == "send"\n\nodd if amount > 10\n'), "amount"],
    ["asks a function", deny("differ(notify, account.recovery_email)", "\ndiffer(a, b) if a != b\n"), "a"],
    ["keeps a value in a local variable", deny("mine := notify\n\tmine != account.recovery_email"), "mine"],
    ["negates what holds for null", deny("not large", "\nlarge if account.balance < 10\n"), "account.balance"],
    ["negates a difference", deny("not other", "\nother if notify != account.recovery_email\n"), "notify"],
    ["negates a switch", deny("not account.locked"), "account.locked"],
    ["negates twice", deny("not fine", "\nfine if not bad\n\nbad if amount > 10\n"), "amount"],
    [
      "gives its reason a value that is computed",
      'deny contains {"code": "x", "cents": amount / 100} if input.request.verb == "send"',
      "amount",
    ],
    ["asks what isn't of a type", deny("not is_string(amount)\n\tamount > 10"), "amount"],
    [
      "asks a function twice, tested once",
      `${deny("is_number(amount)\n\tlarge(amount)")}\n${deny("large(amount)", "\nlarge(a) if a > 10\n")}`,
      "a",
    ],
    ["reads by an import of the input", `import input.request.arguments as args\n\n${deny("args.amount > 10")}`, "args.amount"],
    ["flags", 'flag contains "x" if notify != account.recovery_email', "notify"],
  ];
  for (const [title, rules, unknown] of SILENT) {
    it(`is rejected where it ${title}, any of which may be unknown`, async () => {
      const notes = await silent(rules);
      expect(notes, JSON.stringify(notes)).to.have.length(1);
      expect(notes[0]).to.deep.include({ severity: "error", file: "rules.rego" });
      expect(notes[0]?.message).to.contain(`where \`${unknown}\` is unknown`);
      expect(notes[0]?.hint).to.match(/`is_\w+\(/);
      expect(notes[0]?.line).to.be.a("number");
    });
  }

  /** Forms that a check of comparisons alone lets through, by what they rest on without saying so. */
  const ROUNDABOUT: [title: string, rules: string][] = [
    ["a value that a helper rule computes", deny("risk > 10", "\nrisk := amount * 2\n")],
    ["a condition that a helper rule is the value of", deny("risky", "\nrisky := amount > 10\n")],
    ["a default that stands in for what is unknown", deny("score > 10", "\ndefault score := 0\n\nscore := 20 if amount > 10\n")],
    ["a default that is true, negated", deny("not fine", "\ndefault fine := true\n\nfine := false if amount > 10\n")],
    ["a default of a function", deny("score(amount) > 10", "\ndefault score(_) := 0\n\nscore(a) := 20 if a > 10\n")],
    ["an else", deny('level == "high"', '\nlevel := "high" if {\n\tamount > 10\n} else := "low"\n')],
    ["an else of a condition", deny("large", "\nlarge if {\n\tamount > 10\n} else := false\n")],
    ["a definition under a condition", deny("limit > 3", '\nlimit := 10 if input.request.verb == "send"\n')],
    ["a function's definition under a condition", deny("limit(1) > 3", '\nlimit(_) := 10 if input.request.verb == "send"\n')],
    ["a comprehension's length", deny('count([one | some one in to; one == "ada"]) > 0')],
    ["a set that is empty", deny('"ada" in {one | some one in to}')],
    ["a comprehension's condition", deny("count({1 | amount > 10}) == 1")],
    ["an object's comprehension", deny("{one: 1 | some one in to}.ada == 1")],
    ["a list by its elements", deny('to[_] == "ada"')],
    ["a list by its index", deny('some i\n\tto[i] == "ada"')],
    ["a list's first", deny('is_array(to)\n\tto[0] == "ada"')],
    ["membership in a helper rule's set", deny("notify in blocked", '\nblocked contains "x"\n')],
    ["membership by reference", deny("blocked[notify]", '\nblocked contains "x"\n')],
    ["membership in a set that rests on it", deny('"x" in blocked', '\nblocked contains "x" if amount > 10\n')],
    ["elements of a set that rest on it", deny("some one in blocked\n\tone == one", '\nblocked contains "x" if amount > 10\n')],
    ["an object by a key that it may not have", deny("limits[input.request.verb] > 3", '\nlimits := {"send": 10}\n')],
    ["a key of its own", deny("limits[notify] > 3", '\nlimits := {"a": 10}\n')],
    ["an attribute by its name", deny('input.request.arguments[name] == "x"', '\nname := "notify"\n')],
    ["a pattern", deny('[one, two] := [notify, account.recovery_email]\n\tone != "x"\n\ttwo != one')],
    ["a pattern that has to fit", deny('["x", _] = [notify, amount]')],
    ["two names that have to agree", deny("notify = amount")],
    ["a variable that is bound twice", deny("one = notify\n\tone = account.recovery_email")],
    ["a function's value", deny('named(notify) == "x"', "\nnamed(a) := a\n")],
    ["a function of a whole", deny("odd(input.request)", "\nodd(request) if request.arguments.amount > 10\n")],
    ["a function of two steps", deny("odd(account)", "\nodd(of) if more(of.balance)\n\nmore(a) if a > 10\n")],
    ["a function that takes a pattern", deny("odd([amount])", "\nodd([a]) if a > 10\n")],
    ["an array that is computed", deny("[notify] == [account.recovery_email]")],
    ["an object that is computed", deny('{"a": notify} == {"a": "x"}')],
    ["a text that is computed", deny('concat("/", [notify, "x"]) == "a/x"')],
    ["a text with a value in it", deny('$"{notify}" == "x"')],
    ["a sum", deny("sum([amount, account.balance]) > 10")],
    ["a division", deny("is_number(amount)\n\tis_number(account.balance)\n\tamount / account.balance > 10")],
    ["a default for what is missing", deny('object.get(input.request.arguments, "amount", 0) > 10')],
    ["all of the input, gone through", deny("walk(input.request.arguments, [_, one])\n\tone == 10")],
    ["an import of a rule", `import data.rules.shop.notify as it\n\n${deny('it == "x"')}`],
    ["data that no rule gives", deny("data.rules.shop.limits.send > 10")],
    ["an every over what rests on it", deny('every one in [notify] {\n\t\tone == "x"\n\t}')],
    ["a negated comprehension", deny("not all", '\nall if count([one | some one in to; one == "x"]) < 1\n')],
    ["null in a list of the rule's own", deny("not known", "\nknown if notify in {account.recovery_email}\n")],
    ["null in a list by a name", deny("not known", "\nknown if notify in mine\n\nmine := [account.recovery_email]\n")],
    ["a value worked out before `not`", deny('not startswith(lower(notify), "x")')],
    ["a number worked out before `not`", deny("not count(to) > 3")],
    ["an element looked up before `not`", deny("not odd(limits[notify])", '\nlimits := {"a": 1}\n\nodd(a) if a > 10\n')],
    ["an input that is replaced", deny("amount > 10 with input.request.arguments.amount as 11")],
    [
      "a param that may be missing",
      'deny contains {"code": "x", "of": note} if input.request.verb == "send"\n\nnote := input.request.arguments.note\n',
    ],
    ["a param under a condition", 'deny contains {"code": "x", "of": of} if input.request.verb == "send"\n\nof := 1 if amount > 10\n'],
  ];
  for (const [title, rules] of ROUNDABOUT) {
    it(`is rejected where it rests on ${title}`, async () => {
      const notes = await silent(rules);
      expect(notes, title).to.not.deep.equal([]);
      for (const { severity } of notes) expect(severity, title).to.equal("error");
    });
  }

  const HEARD: [title: string, rules: string][] = [
    ["says the good case and negates it", deny("not same", "\nsame if {\n\tis_string(notify)\n\tnotify == account.recovery_email\n}\n")],
    ["compares what is always known", deny('input.request.verb == "send"\n\tinput.request.resource.type != "account"')],
    ["tests the type of what it compares", deny("is_number(amount)\n\tamount > 10")],
    ["tests one side of a difference", deny("is_string(notify)\n\tnotify != account.recovery_email")],
    ["asks whether a value is unknown", deny("account.recovery_email == null")],
    ["asks for a type", deny("not is_string(notify)")],
    ["negates what is false for null", deny("not small", "\nsmall if {\n\tis_number(amount)\n\tamount <= 10\n}\n")],
    ["negates a builtin that null makes undefined", deny("not inside", '\ninside if endswith(notify, "@example.com")\n')],
    ["negates a builtin by itself", deny('not startswith(notify, "x")')],
    ["negates membership", deny("not owner", "\nowner if notify in account.owners\n")],
    ["asks for a switch", deny("account.locked")],
    ["tests the type of what a helper rule computes", deny("is_number(risk)\n\trisk > 10", "\nrisk := amount * 2\n")],
    [
      "tests the type before a default",
      deny("score > 10", "\ndefault score := 0\n\nscore := 20 if {\n\tis_number(amount)\n\tamount > 10\n}\n"),
    ],
    ["counts what is known to be a list", deny('is_array(to)\n\tcount([one | some one in to; one == "ada"]) > 0')],
    ["goes through what is known to be a list", deny('is_array(to)\n\tsome one in to\n\tone == "ada"')],
    ["looks something up that is known", deny("object.get(limits, input.request.verb, 0) > 3", '\nlimits := {"send": 10}\n')],
    [
      "goes through a set of good cases, negated",
      deny(
        "some one in problems\n\tone == one",
        '\nproblems contains "x" if not small\n\nsmall if {\n\tis_number(amount)\n\tamount < 10\n}\n',
      ),
    ],
    [
      "tests by a helper rule what another one is made of",
      deny(
        "are_known\n\tsome one in both\n\tone == one",
        "\nare_known if {\n\tis_array(to)\n\tis_array(account.owners)\n}\n\nboth := array.concat(to, account.owners)\n",
      ),
    ],
    ["compares a function's value of what is known", deny('kind(input.request.verb) == "x"', "\nkind(verb) := upper(verb)\n")],
    ["compares constants by name", deny("input.request.verb in blocked", '\nblocked := {"send"}\n')],
    ["negates every of a list", deny("not all", "\nall if every one in to {\n\tone in account.owners\n}\n")],
    [
      "gives its reason what may be unknown, or null",
      'deny contains {"code": "x", "of": of} if input.request.verb == "send"\n\nof := object.get(input.request.arguments, "note", null)\n',
    ],
  ];
  for (const [title, rules] of HEARD) {
    it(`stands where it ${title}`, async () => {
      expect(await silent(rules)).to.deep.equal([]);
    });
  }

  it("is judged alone: rules that allow or log may be silent", async () => {
    expect(await silent('allow contains "x" if notify == "a"\n\nlog contains "y" if amount > 3')).to.deep.equal([]);
  });

  it("stands in every set that ships", async () => {
    const folder = asset("rego", "policies");
    for (const set of await readdir(folder)) {
      const { notes } = await checkPolicySet(await compiler(), join(folder, set));
      expect(notes.filter(({ severity }) => severity === "error")).to.deep.equal([]);
    }
    expect(await readFile(join(folder, "retail", "rules.rego"), "utf8")).to.contain("deny contains");
  });
});
