import { expect } from "chai";
import { masksOf, leadsToField } from "../../src/bundle/masks.js";
import { BundleError } from "../../src/bundle/verify.js";
import { Sheet } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { maskWords, pathShows, type Mask, type Vocabulary } from "../../src/contract/index.js";
import { policyData, verified } from "../bundle/support.js";
import { maskingBundle } from "../audit/privacy/canaries.js";
import { COMPILER_BUILD_MS_MAX } from "./support.js";

const compiled = (text: string): Vocabulary => {
  const sheet = new Sheet("vocabulary.yaml", text);
  const vocabulary = compileVocabulary(sheet);
  expect(sheet.notes).to.deep.equal([]);
  return vocabulary;
};

const words = (masks: readonly Mask[] = []): string[] =>
  masks.map((mask) => (mask.as === undefined ? maskWords(mask) : `${maskWords(mask)} as ${maskWords({ at: mask.as })}`));

const WORDS = (types: string, task = ""): string => `
verbs: {read: {class: read}}
task: {subjects: [customer, ticket]${task}}
types:
${types}
`;

describe("the masks of a vocabulary", () => {
  const TABLE: [what: string, types: string, masks: string[]][] = [
    ["none", "  invoice: {attributes: {note: string}}", []],
    [
      "an attribute and an argument",
      "  invoice: {attributes: {note: {masked: string}}, arguments: {note: {masked: {string: {max: 4}}}}}",
      ["invoice.note", "invoice.arguments.note"],
    ],
    [
      "what is in a list, and in an object of one",
      "  invoice: {attributes: {tags: {list: {masked: id}, max: 4}, lines: {list: {object: {text: {masked: string}, count: integer}}, max: 4}}}",
      ["invoice.tags", "invoice.lines.text"],
    ],
    [
      "a whole list, and nothing within it",
      "  invoice: {attributes: {lines: {masked: {list: {object: {text: {masked: string}}}, max: 4}}}}",
      ["invoice.lines"],
    ],
    ["words", "  invoice: {attributes: {status: {masked: [open, paid]}}}", ["invoice.status"]],
    ["an id alone", "  invoice: {id: {masked: path}}", ["invoice.id"]],
    [
      "an id, wherever the vocabulary says that it stands",
      "  person: {id: {masked: name}, about: {customer: id}}\n  profile: {about: {customer: id}}\n  invoice: {about: {customer: owner}, attributes: {owner: id, other: id}}",
      ["person.id", "task.subjects.customer as person.id", "profile.id as person.id", "invoice.owner as person.id"],
    ],
    [
      "ids that are of two subjects",
      "  person: {id: {masked: name}, about: {customer: id, ticket: id}}\n  invoice: {about: {ticket: owner}, attributes: {owner: {masked: id}}}",
      ["person.id", "invoice.owner as person.id", "task.subjects.customer as person.id", "task.subjects.ticket as person.id"],
    ],
    [
      "an attribute that holds another's ids, and not those",
      "  person: {about: {customer: id}}\n  invoice: {about: {customer: owner}, attributes: {owner: {masked: id}}}",
      ["invoice.owner"],
    ],
  ];
  for (const [what, types, masks] of TABLE) {
    it(`are ${what}`, () => {
      const vocabulary = compiled(WORDS(types));
      expect(words(vocabulary.masks)).to.deep.equal(masks);
      expect("masks" in vocabulary, "a bundle without masks has no such member").to.equal(masks.length > 0);
      for (const mask of vocabulary.masks ?? []) expect(leadsToField(mask, vocabulary), maskWords(mask)).to.equal(true);
    });
  }

  it("are a task's principal, and parts of the context", () => {
    const vocabulary = compiled(`${WORDS("  invoice: {}", ", principal: masked")}context: {session: masked, trace: masked}\n`);
    expect(words(vocabulary.masks)).to.deep.equal(["context.session", "context.trace", "task.principal"]);
  });

  it("leave every field the type that it has without them", () => {
    const plain = compiled(WORDS("  invoice: {id: path, attributes: {tags: {list: id, max: 4}}, arguments: {note: string}}"));
    const { masks, ...rest } = compiled(
      WORDS("  invoice: {id: {masked: path}, attributes: {tags: {list: {masked: id}, max: 4}}, arguments: {note: {masked: string}}}"),
    );
    expect(rest).to.deep.equal(plain);
    expect(masks).to.have.lengthOf(3);
  });

  it("are none of a text that isn't one", () => {
    for (const value of [null, "x", [], { types: [] }, { types: { a: null } }, { task: 4, agent: [] }])
      expect(masksOf(value, policyData().vocabulary)).to.deep.equal([]);
  });

  it("lead to no other place than a field", () => {
    const vocabulary = compiled(WORDS("  invoice: {attributes: {tags: {list: id, max: 4}, a: {object: {b: id}}}}"));
    const bad = [
      [],
      ["types"],
      ["types", "bill", "id"],
      ["types", "invoice"],
      ["types", "invoice", "id", "x"],
      ["types", "invoice", "attributes"],
      ["types", "invoice", "attributes", "x"],
      ["types", "invoice", "attributes", "tags", "0"],
      ["types", "invoice", "attributes", "a", "*"],
      ["types", "invoice", "attributes", "a", "c"],
      ["types", "invoice", "attributes", "constructor"],
      ["types", "constructor", "id"],
      ["types", "invoice", "about", "customer"],
      ["task", "principal", "x"],
      ["task", "id"],
      ["task", "subjects", "customer"],
      ["task", "subjects", "other", "*"],
      ["agent", "id"],
      ["agent", "attributes"],
      ["context", "session", "x"],
      ["context", "trail"],
      ["verbs", "read"],
    ];
    for (const at of bad) expect(leadsToField({ at }, vocabulary), at.join(".")).to.equal(false);
  });
});

describe("a bundle's masks", () => {
  it("are refused where they lead nowhere: one would look masked that isn't", async () => {
    const data = policyData();
    data.vocabulary.masks = [{ at: ["types", "note", "attributes", "nothing"], read_by: [] }];
    try {
      await verified({}, data);
      expect.fail("it was taken");
    } catch (error) {
      if (!(error instanceof BundleError)) throw error;
      expect(error.code).to.equal("data_invalid");
      expect(error.message).to.include("/vocabulary/masks/0");
    }
  });

  describe("say what may read them", function () {
    this.timeout(COMPILER_BUILD_MS_MAX);
    const rule = (name: string, body: string): string => `
# METADATA
# title: ${name}
# custom:
#   code: ${name}
#   severity: low
#   message: "no"
log contains reason.because(rego.metadata.rule(), {}) if {
	${body}
}
`;
    const RULES: Record<string, string> = {
      nothing: 'input.request.verb == "nothing"',
      text: 'input.request.arguments.text == "x"',
      other_argument: "input.request.arguments.copies == 3",
      gets: 'object.get(input.request.arguments, "text", "") == "x"',
      gets_deep: 'object.get(input, ["request", "arguments", "text"], "") == "x"',
      any_argument: 'some name, _ in input.request.arguments\n\tname == "x"',
      by_name: 'some name in ["to", "text"]\n\tinput.request.arguments[name] == "x"',
      by_helper: "is_odd",
      by_alias: 'arguments.text == "x"',
      by_another_alias: "arguments.copies == 4",
      by_function: "long(input.request.arguments)",
      by_import: 'asked.arguments.text == "x"',
      everything: "walk(input, [_, value])\n\tvalue == 17",
      by_package: "data.rules.testing.is_odd",
    };
    const HELPERS = `
is_odd if is_odder

is_odder if input.request.arguments.text == "odd"

arguments := input.request.arguments

long(of) if of.copies == 5
`;
    const HEAD = `# METADATA
# title: Rules
# schemas:
#   - input: schema.input
package rules.testing

import data.remit.reason
import input.request as asked
`;
    const READERS = "any_argument by_alias by_function by_helper by_import by_name by_package everything gets gets_deep text".split(" ");

    it("by paths that stand in them, in what they ask, or in what is put together while they run", async () => {
      const rules = `${HEAD}${Object.entries(RULES)
        .map(([name, body]) => rule(name, body))
        .join("")}${HELPERS}`;
      const { set } = await maskingBundle({ "rules.rego": rules });
      const text = set.vocabulary.masks?.find((mask) => maskWords(mask) === "letter.arguments.text");
      expect(text?.read_by).to.deep.equal(READERS);
      const session = set.vocabulary.masks?.find((mask) => maskWords(mask) === "context.session");
      expect(session?.read_by).to.deep.equal(["everything"]);
    });

    it("by conditions, by what a line is about, and by what a message shows", async () => {
      const { set } = await maskingBundle({ "rules.rego": HEAD.slice(0, HEAD.indexOf("\nimport")) });
      const readers = Object.fromEntries((set.vocabulary.masks ?? []).map((mask) => [maskWords(mask), mask.read_by]));
      expect(readers["letter.arguments.text"]).to.deep.equal([]);
      expect(readers["letter.arguments.to"]).to.deep.equal(["looked_at_first", "testing.allow.1"]);
      expect(readers["task.note"]).to.deep.equal(["another_customer"]);
      expect(readers["account.iban"]).to.deep.equal(["looked_at"]);
      expect(readers["letter.customer"]).to.include("testing.allow.1");
      expect(readers["task.subjects.customer"]).to.include.members(["another_customer", "testing.allow.1"]);
    });
  });
});

describe("a template's path", () => {
  const TABLE: [path: string, at: string, shows: boolean][] = [
    ["arguments.text", "types letter arguments text", true],
    ["arguments", "types letter arguments text", true],
    ["arguments.text.more", "types letter arguments text", true],
    ["arguments.texts", "types letter arguments text", false],
    ["text", "types letter arguments text", false],
    ["text", "types letter attributes text", true],
    ["lines", "types letter attributes lines * text", true],
    ["lines.0.text", "types letter attributes lines * text", true],
    ["lines.0.count", "types letter attributes lines * text", false],
    ["related.from.iban", "types account attributes iban", true],
    ["related.from.id", "types account attributes iban", false],
    ["related.from.id", "types account id", true],
    ["related.from", "types account attributes iban", true],
    ["id", "types letter id", true],
    ["resource", "types letter id", true],
    ["resource", "types letter attributes text", false],
    ["type", "types letter id", false],
    ["task.note", "task attributes note", true],
    ["task", "task attributes note", false],
    ["task.customer", "task subjects customer *", true],
    ["task.customer", "task principal", false],
    ["agent.badge", "agent attributes badge", true],
    ["agent", "agent attributes badge", false],
    ["task.badge", "agent attributes badge", false],
    ["caller", "context session", false],
    ["verb", "types letter id", false],
    ["purpose", "types letter attributes purpose", false],
  ];
  for (const [path, at, shows] of TABLE) {
    it(`{${path}} ${shows ? "shows" : "doesn't show"} ${at}`, () => {
      expect(pathShows(path, { at: at.split(" ") })).to.equal(shows);
    });
  }
});
