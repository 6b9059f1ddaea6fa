import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { expect } from "chai";
import { testSet } from "../../src/authoring/set.js";
import { compilePolicySet } from "../../src/bundle/compile.js";
import { runOpa } from "../../src/bundle/opa.js";
import { inputSchema, type JsonSchema, type PolicyInput } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { regoText } from "../../scripts/rego.js";
import { compiler, COMPILER_BUILD_MS_MAX } from "./support.js";

const SETS = ["rego/policies/customer_support", "rego/policies/retail", "templates/policy"].map((set) => asset(...set.split("/")));

/** Objects whose members the vocabulary names: an action has those of its own type, a schema those of all. */
const NAMED = ["attributes", "arguments", "related"];

function ofOneAction(schema: JsonSchema, name = ""): JsonSchema {
  const members = (schema["properties"] ?? {}) as Record<string, JsonSchema>;
  if (schema["properties"] === undefined) return schema;
  const properties = Object.fromEntries(Object.entries(members).map(([key, member]) => [key, ofOneAction(member, key)]));
  return { ...schema, properties, ...(NAMED.includes(name) && { required: [] }) };
}

function undescribed(schema: JsonSchema, path: string): string[] {
  const { properties, items, description } = schema as {
    properties?: Record<string, JsonSchema>;
    items?: JsonSchema;
    description?: string;
  };
  const below = Object.entries(properties ?? {}).flatMap(([name, member]) =>
    NAMED.includes(path.split(".").at(-1) ?? "") && member["properties"] === undefined ? [] : undescribed(member, `${path}.${name}`),
  );
  const within = items?.["properties"] === undefined ? [] : undescribed(items, `${path}[_]`);
  return [...(description === undefined || description.trim() === "" ? [path] : []), ...below, ...within];
}

describe("what rules see", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("is in docs/rego.md as the sources say it: run `node dist/scripts/rego.js` when it isn't", () => {
    expect(readFileSync(asset("docs", "rego.md"), "utf8")).to.equal(regoText());
  });

  it("has a description for every field", () => {
    for (const set of SETS) expect(undescribed(inputSchema(compilePolicySet(set).vocabulary), "input")).to.deep.equal([]);
  });

  for (const set of SETS) {
    it(`is what every case of ${set.split("/").slice(-2).join("/")} hands to the policy: no field more, none less`, async () => {
      const { report } = await testSet(await compiler(), set, { filter: null, coverage: 0 });
      const inputs = report.tables.flatMap(({ cases }) => cases.flatMap(({ input }) => (input === null ? [] : [input])));
      expect(inputs.length).to.be.greaterThan(5);
      const { vocabulary } = compilePolicySet(set);
      const fits = new Ajv({ strict: false }).compile(ofOneAction(inputSchema(vocabulary)));
      for (const input of inputs) {
        expect(fits(input), JSON.stringify(fits.errors)).to.equal(true);
        const { resource, related, arguments: args } = input.request;
        const spec = vocabulary.types[resource.type];
        expect(Object.keys(resource.attributes).sort()).to.deep.equal(Object.keys(spec?.attributes ?? {}).sort());
        expect(Object.keys(args).sort()).to.deep.equal(Object.keys(spec?.arguments ?? {}).sort());
        expect(Object.keys(related).sort()).to.deep.equal(Object.keys(spec?.related ?? {}).sort());
      }
      const [one] = inputs as [PolicyInput];
      expect(fits({ ...one, facts: { ...one.facts, colour: "red" } })).to.equal(false);
      expect(fits({ ...one, facts: { ...one.facts, flow: undefined } })).to.equal(false);
    });
  }

  it("is what `given.request` starts a unit test from", async () => {
    const args = ["eval", "--format", "raw", "--data", asset("rego", "remit"), 'data.remit.given.request("read", "t", {}, {})'];
    const { stdout } = await runOpa(await compiler(), args, ".");
    const words = { verbs: {}, task: { subjects: [], attributes: {} }, agent: { attributes: {} }, types: {} };
    const fits = new Ajv({ strict: false }).compile(inputSchema(words));
    expect(fits(JSON.parse(stdout)), JSON.stringify(fits.errors)).to.equal(true);
  });
});

describe("docs/policies.md", () => {
  const text = readFileSync(asset("docs", "policies.md"), "utf8");

  it("has a problem matcher that finds file, line, column and message", () => {
    const [, source = ""] = /"regexp": ("(?:[^"\\]|\\.)*")/.exec(text) ?? [];
    const matcher = new RegExp(JSON.parse(source) as string);
    const found = (line: string): string[] | undefined => matcher.exec(line)?.slice(1);
    expect(found("error: s/rules.rego:19:2: undefined ref")).to.deep.equal(["error", "s/rules.rego", "19", "2", "undefined ref"]);
    expect(found("warning: purposes.yaml:6: no")).to.deep.equal(["warning", "purposes.yaml", "6", undefined, "no"]);
    expect(found("hint: known: a")).to.equal(undefined);
  });

  it("maps every schema that the package has", () => {
    for (const name of ["vocabulary", "purposes", "table"]) {
      expect(text).to.include(`".schemas/${name}.json"`);
      expect(JSON.parse(readFileSync(asset("rego", "schemas", `${name}.json`), "utf8"))).to.have.property("title");
    }
  });
});
