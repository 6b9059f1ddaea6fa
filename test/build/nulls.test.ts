import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parseModules } from "../../src/bundle/conventions.js";
import { nullComparisons } from "../../src/bundle/nulls.js";
import type { SourceNote } from "../../src/bundle/source.js";
import { inputSchema } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { checkPolicySet } from "../../src/bundle/check.js";
import { vocabulary } from "../language/support.js";
import { compiler, COMPILER_BUILD_MS_MAX } from "./support.js";

const WORDS = vocabulary(`
verbs: {pay: {class: write}}
task: {subjects: [customer], attributes: {topic: string}}
agent: {attributes: {team: string}}
types:
  order:
    attributes:
      customer: id
      total: integer
      paid: boolean
      items: {list: {object: {item: id, owner: id}}, max: 8}
    arguments: {customer: id, total: integer, items: {list: id, max: 8}, pairs: {list: {object: {item: id}}, max: 8}}
    related: {payment: method}
  method: {attributes: {customer: id}}
`).value;

/** Warnings of a file that begins at line 5. */
async function warnings(rules: string, helpers = ""): Promise<SourceNote[]> {
  const folder = await mkdtemp(join(tmpdir(), "remit-nulls-"));
  try {
    const imports = helpers === "" ? "" : "import data.rules.shop.helpers\n";
    await writeFile(join(folder, "rules.rego"), `package rules.shop\n\n${imports || "\n"}\n${rules}\n`);
    await writeFile(join(folder, "helpers.rego"), `package rules.shop.helpers\n\n${helpers}\n`);
    const modules = await parseModules(await compiler(), folder, ["rules.rego", "helpers.rego"]);
    return nullComparisons(modules, inputSchema(WORDS));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// The style of the shipped sets: helper rules name what they compare.
const RETAIL = `
attributes := input.request.resource.attributes

payment := input.request.related.payment.attributes

arguments := input.request.arguments
`;

describe("a comparison of two values of the input", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  const WARNED: [title: string, rules: string, comparison: string, hint?: string, helpers?: string][] = [
    [
      "written out",
      "x if input.request.arguments.customer == input.request.resource.attributes.customer",
      "input.request.arguments.customer == input.request.resource.attributes.customer",
    ],
    [
      "through helper rules for whole objects",
      `x if payment.customer == attributes.customer\n${RETAIL}`,
      "payment.customer == attributes.customer",
      "is_string(payment.customer)",
    ],
    [
      "through helper rules for single fields",
      "x if to == owner\n\nto := input.request.arguments.customer\n\nowner := input.request.resource.attributes.customer",
      "to == owner",
    ],
    [
      "through a chain of helper rules",
      `x if mine == theirs\n\nmine := attributes.customer\n\ntheirs := payment.customer\n${RETAIL}`,
      "mine == theirs",
    ],
    [
      "through one of several definitions",
      `x if due == arguments.total\n\ndue := attributes.total if attributes.paid\n\ndue := 0 if not attributes.paid\n${RETAIL}`,
      "due == arguments.total",
      "is_number(due)",
    ],
    [
      "through an else",
      `x if due == arguments.total\n\ndue := 0 if {\n\tattributes.paid\n} else := attributes.total\n${RETAIL}`,
      "due == arguments.total",
    ],
    [
      "through local variables",
      "x if {\n\ta := input.request.resource.attributes\n\tb := input.request.arguments\n\ta.customer == b.customer\n}",
      "a.customer == b.customer",
    ],
    [
      "through a local variable of a helper",
      `x if {\n\ta := attributes.customer\n\ta == payment.customer\n}\n${RETAIL}`,
      "a == payment.customer",
    ],
    [
      "through `=`",
      "x if {\n\ta = input.request.arguments.customer\n\tinput.request.resource.attributes.customer == a\n}",
      "input.request.resource.attributes.customer == a",
    ],
    [
      "with `=`",
      "x if input.request.arguments.customer = input.request.resource.attributes.customer",
      "input.request.arguments.customer == input.request.resource.attributes.customer",
    ],
    [
      "of a list's objects, by `some`",
      `x if {\n\tsome item in attributes.items\n\titem.owner == arguments.customer\n}\n${RETAIL}`,
      "item.owner == arguments.customer",
    ],
    [
      "of a list's objects, by `every`",
      `x if every item in attributes.items {\n\titem.owner == attributes.customer\n}\n${RETAIL}`,
      "item.owner == attributes.customer",
    ],
    [
      "of a list's objects, by index",
      `x if attributes.items[_].owner == attributes.customer\n${RETAIL}`,
      "attributes.items[_].owner == attributes.customer",
    ],
    [
      "in a comprehension",
      `x if count([1 | some item in attributes.items; item.owner == attributes.customer]) > 0\n${RETAIL}`,
      "item.owner == attributes.customer",
    ],
    ["as a value", `x := attributes.customer == payment.customer\n${RETAIL}`, "attributes.customer == payment.customer"],
    ["that is negated", `x if not attributes.customer == payment.customer\n${RETAIL}`, "attributes.customer == payment.customer"],
    [
      "by object.get",
      'x if object.get(input.request, "task", null) == input.request.arguments.customer',
      'object.get(input.request, "task", null) == input.request.arguments.customer',
    ],
    [
      "of what object.get makes null",
      'x if who == input.request.arguments.customer\n\nwho := object.get(input.request.related, ["payment", "id"], null)',
      "who == input.request.arguments.customer",
    ],
    [
      "inside a function that is given both",
      `x if same(payment, attributes)\n\nsame(a, b) if a.customer == b.customer\n${RETAIL}`,
      "a.customer == b.customer",
    ],
    [
      "of what a function finds",
      `x if owner_of(attributes) == payment.customer\n\nowner_of(a) := a.customer\n${RETAIL}`,
      "owner_of(attributes) == payment.customer",
    ],
    [
      "through a package of helpers",
      "x if helpers.customer == input.request.arguments.customer",
      "helpers.customer == input.request.arguments.customer",
      "is_string(helpers.customer)",
      "customer := input.request.resource.attributes.customer",
    ],
    [
      "of elements of a partial set",
      `x if {\n\tsome owner in owners\n\towner == attributes.customer\n}\n\nowners contains item.owner if some item in attributes.items\n${RETAIL}`,
      "owner == attributes.customer",
    ],
    [
      "with a test of another field",
      `x if {\n\tis_string(attributes.id)\n\tpayment.customer == attributes.customer\n}\n${RETAIL}`,
      "payment.customer == attributes.customer",
    ],
    [
      "with a test of another element",
      `x if {\n\tsome a in attributes.items\n\tsome b in attributes.items\n\tis_string(b.owner)\n\ta.owner == payment.customer\n}\n${RETAIL}`,
      "a.owner == payment.customer",
    ],
    [
      "with a test in another rule",
      `x if payment.customer == attributes.customer\n\ny if is_string(payment.customer)\n${RETAIL}`,
      "payment.customer == attributes.customer",
    ],
    [
      "with a helper that isn't a test",
      `x if {\n\tknown\n\tpayment.customer == attributes.customer\n}\n\nknown if is_string(payment.customer)\n\nknown if attributes.paid\n${RETAIL}`,
      "payment.customer == attributes.customer",
    ],
  ];
  for (const [title, rules, comparison, hint, helpers] of WARNED) {
    it(`${title} is warned of`, async () => {
      const notes = await warnings(rules, helpers);
      expect(notes.map(({ severity, message }) => [severity, message])).to.deep.equal([
        ["warning", `\`${comparison}\` is true where both are unknown (null)`],
      ]);
      expect(notes[0]?.line).to.be.at.least(5);
      if (hint !== undefined) expect(notes[0]?.hint).to.equal(`test the type of one first: \`${hint}\``);
    });
  }

  const SILENT: [title: string, rules: string][] = [
    ["with a constant", 'x if input.request.resource.attributes.customer == "ada"'],
    ["with what is never null", `x if attributes.customer == input.request.agent\n${RETAIL}`],
    ["with an element of a list of ids", `x if {\n\tsome id in arguments.items\n\tid == attributes.customer\n}\n${RETAIL}`],
    ["after a type test", `x if {\n\tis_string(payment.customer)\n\tpayment.customer == attributes.customer\n}\n${RETAIL}`],
    ["after a type test of the other", `x if {\n\tis_string(attributes.customer)\n\tpayment.customer == attributes.customer\n}\n${RETAIL}`],
    [
      "after a type test by another name",
      `x if {\n\tis_string(input.request.resource.attributes.customer)\n\tpayment.customer == attributes.customer\n}\n${RETAIL}`,
    ],
    [
      "after a type test of the same element",
      `x if every item in attributes.items {\n\tis_string(item.owner)\n\titem.owner == attributes.customer\n}\n${RETAIL}`,
    ],
    [
      "after a type test around it",
      `x if {\n\tis_string(attributes.customer)\n\tevery item in attributes.items { item.owner == attributes.customer }\n}\n${RETAIL}`,
    ],
    ["after a comparison with null", `x if {\n\tattributes.customer != null\n\tpayment.customer == attributes.customer\n}\n${RETAIL}`],
    [
      "after a helper that tests",
      `x if {\n\tknown\n\tpayment.customer == attributes.customer\n}\n\nknown if is_string(payment.customer)\n${RETAIL}`,
    ],
    [
      "of a helper rule that tests",
      `x if mine == payment.customer\n\nmine := attributes.customer if is_string(attributes.customer)\n${RETAIL}`,
    ],
    [
      "in a function, tested by its caller",
      `x if {\n\tis_string(attributes.customer)\n\tsame(payment.customer, attributes.customer)\n}\n\nsame(a, b) if a == b\n${RETAIL}`,
    ],
    ["of what is counted", `x if count(arguments.items) == count(attributes.items)\n${RETAIL}`],
    ["that gives a variable its value", "x if {\n\ta = input.request.arguments.customer\n\tis_string(a)\n}"],
    ["that differ", `x if payment.customer != attributes.customer\n${RETAIL}`],
    ["in rules that ask each other", `x if y == attributes.customer\n\ny := z\n\nz := y\n${RETAIL}`],
  ];
  for (const [title, rules] of SILENT) {
    it(`${title} isn't`, async () => {
      expect(await warnings(rules)).to.deep.equal([]);
    });
  }

  it("names the place in a helper package where the comparison stands", async () => {
    const notes = await warnings(
      "x if helpers.same(input.request.arguments, input.request.resource.attributes)",
      "same(a, b) if a.customer == b.customer",
    );
    expect(notes.map(({ file, line, column }) => [file, line, column])).to.deep.equal([["helpers.rego", 3, 15]]);
  });

  for (const set of ["rego/policies/retail", "rego/policies/customer_support", "templates/policy"]) {
    it(`is tested in every rule of ${set}`, async () => {
      const { notes } = await checkPolicySet(await compiler(), asset(...set.split("/")));
      expect(notes.filter(({ severity }) => severity === "warning")).to.deep.equal([]);
    });
  }

  it("is warned of in the retail set once its type tests are taken out", async () => {
    const folder = asset("rego", "policies", "retail");
    const set = await checkPolicySet(await compiler(), folder);
    const [module] = await parseModules(await compiler(), folder, ["rules.rego"]);
    const untested = JSON.parse(JSON.stringify(module).replaceAll('"value":"is_string"', '"value":"is_text"')) as typeof module;
    const notes = untested === undefined ? [] : nullComparisons([untested], inputSchema(set.vocabulary));
    expect(notes.map(({ message }) => message.split("`")[1])).to.deep.equal(["pair.product == pair.new_product"]);
  });
});
