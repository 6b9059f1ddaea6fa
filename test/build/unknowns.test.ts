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

  const HEARD: [title: string, rules: string][] = [
    ["says the good case and negates it", deny("not same", "\nsame if {\n\tis_string(notify)\n\tnotify == account.recovery_email\n}\n")],
    ["compares what is always known", deny('input.request.verb == "send"\n\tinput.request.resource.type != "account"')],
    ["tests the type of what it compares", deny("is_number(amount)\n\tamount > 10")],
    ["tests one side of a difference", deny("is_string(notify)\n\tnotify != account.recovery_email")],
    ["asks whether a value is unknown", deny("account.recovery_email == null")],
    ["asks for a type", deny("not is_string(notify)")],
    ["negates what is false for null", deny("not small", "\nsmall if {\n\tis_number(amount)\n\tamount <= 10\n}\n")],
    ["negates a builtin that null makes undefined", deny("not inside", '\ninside if endswith(notify, "@example.com")\n')],
    ["negates membership", deny("not owner", "\nowner if notify in account.owners\n")],
    ["asks for a switch", deny("account.locked")],
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
