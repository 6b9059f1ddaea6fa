import { expect } from "chai";
import { Sheet } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { faultsOf, toolFaults, wordFaults } from "../../src/cli/guard/guard_words.js";
import { parseGuardConfig, type GuardConfig } from "../../src/guards/mcp/config.js";
import { readMapped } from "../../src/mapping/call_mapping.js";

const VOCABULARY = compileVocabulary(
  new Sheet(
    "vocabulary.yaml",
    `verbs: {read: {class: read}, search: {class: read, collection: true}, pay: {class: write}}
types:
  payment:
    attributes: {customer: id, paid: boolean}
    arguments:
      cents: integer
      ratio: number
      note: {string: {max: 20}}
      state: [open, paid]
      names: {list: id, max: 5}
      edits: {list: {object: {old: string, new: string}}, max: 5}
      query: {list: {object: {path: string, kind: [text], text: string}}, max: 5}
    related: {to: account}
  account: {attributes: {owner: id}}
`,
  ),
);

function configOf(tools: object): GuardConfig {
  const config = { remit: { url: "http://127.0.0.1:9" }, agent: "a", purpose: "support", server: { command: ["node"] }, tools };
  return parseGuardConfig(JSON.stringify(config), "guard.yaml");
}

describe("words of a guard's mapping", () => {
  const good: object[] = [
    { read: "payment", id: "id", attributes: { customer: "customer", paid: { is: true } } },
    { search: "payment", arguments: { cents: { integer: "n" }, note: { text: "n" }, names: { listed: "names" }, state: { is: "open" } } },
    {
      search: "payment",
      arguments: { ratio: { integer: "n" }, edits: { list: "edits", of: { old: "a", new: "b" } }, query: { leaves: "q" } },
    },
    { pay: "payment", id: { is: "only" }, related: { to: { type: "account", id: "account", attributes: { owner: "owner" } } } },
  ];
  for (const entry of good)
    it(`fit: ${JSON.stringify(entry)}`, () => {
      expect(faultsOf(readMapped(entry as Record<string, unknown>), VOCABULARY, [])).to.deep.equal([]);
    });

  const bad: [entry: object, faults: [code: string, place: string, hint: string | null][]][] = [
    [{ raed: "payment", id: "id" }, [["verb_unknown", "raed", "did you mean `read`?"]]],
    [{ read: "pament", id: "id", attributes: { any: "any" } }, [["type_unknown", "read", "did you mean `payment`?"]]],
    [
      { constructor: "toString", id: "id" },
      [
        ["verb_unknown", "constructor", "it has read, search, pay"],
        ["type_unknown", "constructor", "it has payment, account"],
      ],
    ],
    [{ read: "payment" }, [["id_missing", "read", "name the argument that says which"]]],
    [{ search: "payment", id: "id" }, [["id_forbidden", "id", "remove it"]]],
    [
      { search: "payment", attributes: { custommer: "c" }, arguments: { cent: "c", other_thing: "d" } },
      [
        ["attribute_unknown", "attributes.custommer", "did you mean `customer`?"],
        ["argument_unknown", "arguments.cent", "did you mean `cents`?"],
        ["argument_unknown", "arguments.other_thing", "it has cents, ratio, note, state, names, edits, query"],
      ],
    ],
    [
      { search: "payment", arguments: { edits: { list: "edits", of: { odl: "a" } } } },
      [["field_unknown", "arguments.edits.of.odl", "did you mean `old`?"]],
    ],
    [
      { search: "payment", related: { form: { type: "account", id: "a", attributes: { ownr: "o" } } } },
      [
        ["related_unknown", "related.form", "it has to"],
        ["attribute_unknown", "related.form.attributes.ownr", "did you mean `owner`?"],
      ],
    ],
    [
      { search: "payment", related: { to: { type: "payment" } } },
      [
        ["form_mismatch", "related.to.type", "write `type: account`"],
        ["id_missing", "related.to", "name the argument that says which"],
      ],
    ],
    ...(
      [
        ["cents", { text: "a" }],
        ["note", { integer: "a" }],
        ["note", { listed: "a" }],
        ["names", { list: "a", of: { b: "b" } }],
        ["edits", { leaves: "a" }],
        ["state", { is: "closed" }],
        ["note", { is: "x".repeat(21) }],
        ["cents", { is: "5" }],
      ] as const
    ).map(([name, source]): [object, [string, string, null][]] => [
      { search: "payment", arguments: { [name]: source } },
      [["form_mismatch", `arguments.${name}`, null]],
    ]),
  ];
  for (const [entry, wanted] of bad)
    it(`don't fit, each with its place: ${JSON.stringify(entry)}`, () => {
      const found = faultsOf(readMapped(entry as Record<string, unknown>), VOCABULARY, ["tools", "t"]);
      expect(found.map(({ code, path, hint }) => [code, path.join("."), hint])).to.deep.equal(
        wanted.map(([code, place, hint]) => [code, `tools.t.${place}`, hint]),
      );
      for (const { severity } of found) expect(severity).to.equal("error");
    });

  it("are those of every tool, prompt and resource, and the purpose", () => {
    const entry = { raed: "payment", id: "id" };
    const config = parseGuardConfig(
      JSON.stringify({
        ...{ remit: { url: "http://127.0.0.1:9" }, agent: "a", purpose: "suport", server: { command: ["node"] } },
        ...{ tools: { t: entry }, prompts: { p: entry }, resources: [{ uri: "crm://{id}", ...entry }] },
      }),
      "guard.yaml",
    );
    const found = wordFaults(config, { vocabulary: VOCABULARY, purposes: { support: {} as never } });
    expect(found.map(({ code, path }) => `${code} ${path.join(".")}`)).to.deep.equal([
      "purpose_unknown purpose",
      "verb_unknown tools.t.raed",
      "verb_unknown prompts.p.raed",
      "verb_unknown resources.0.raed",
    ]);
    expect(found[0]?.hint).to.equal("did you mean `support`?");
  });
});

describe("arguments of an approved tool", () => {
  const text = { type: "string" };
  const filter = { type: "object", properties: { customer: text, word: text } };
  const edits = {
    type: "array",
    items: { type: "object", properties: { oldText: text, newText: text }, required: ["oldText", "newText"] },
  };
  const faults = (entry: object, schema: object): string[] =>
    toolFaults(configOf({ t: entry }), { tools: new Map([["t", { name: "t", inputSchema: schema }]]) }).map(
      ({ severity, code, message, path }) =>
        `${severity} ${code} ${/`([^`]*)`/.exec(message.replace("the tool `t`", ""))?.[1] ?? ""} ${path.join(".")}`,
    );
  const rows: [what: string, entry: object, schema: object, wanted: string[]][] = [
    ["all named", { search: "x", arguments: { a: "a" }, ignore: ["b"] }, { properties: { a: text, b: text } }, []],
    [
      "one that the tool lacks",
      { search: "x", arguments: { a: "aa" } },
      { properties: { a: text } },
      ["error tool_argument_unknown aa tools.t", "warning tool_argument_unmapped a tools.t"],
    ],
    [
      "one that nothing names and every call has",
      { search: "x" },
      { properties: { a: text }, required: ["a"] },
      ["error tool_argument_unmapped a tools.t"],
    ],
    [
      "members",
      { search: "x", attributes: { a: "filter.custmer" } },
      { properties: { filter } },
      [
        "error tool_argument_unknown filter.custmer tools.t",
        "warning tool_argument_unmapped filter.customer tools.t",
        "warning tool_argument_unmapped filter.word tools.t",
      ],
    ],
    [
      "members of each element",
      { search: "x", arguments: { e: { list: "edits", of: { a: "oldText" } } } },
      { properties: { edits } },
      ["error tool_argument_unmapped edits.newText tools.t"],
    ],
    ["a whole object", { search: "x", arguments: { f: "filter" } }, { properties: { filter } }, []],
    ["what an open schema may have", { search: "x", arguments: { a: "other" } }, { properties: {}, additionalProperties: true }, []],
    [
      "what other words of a schema may say",
      { search: "x", arguments: { a: "other" } },
      { properties: {}, anyOf: [{ properties: { other: text } }] },
      [],
    ],
    ["a schema that says nothing", { search: "x", arguments: { a: "other" } }, { type: "object" }, []],
  ];
  for (const [what, entry, schema, wanted] of rows)
    it(`are compared with the mapping: ${what}`, () => {
      expect(faults(entry, schema)).to.deep.equal(wanted);
    });

  it("aren't known of a tool that nobody approved", () => {
    expect(toolFaults(configOf({ t: { search: "x", arguments: { a: "a" } } }), { tools: new Map() })).to.deep.equal([]);
  });
});
