import { expect } from "chai";
import { parseOtelMapping } from "../../../src/adapters/otlp/mapping.js";
import { readFileSync } from "node:fs";
import { asset } from "../../../src/system/paths.js";
import { MAPPING } from "./spans.js";

describe("the mapping of traces", () => {
  it("is read, with what is unsaid", () => {
    const mapping = parseOtelMapping(MAPPING, "otel.yaml");
    expect([...mapping.tools.keys()]).to.deep.equal(["read_note", "read_one", "burn_note"]);
    expect([mapping.asks, mapping.agents.get("night-bot")?.asks]).to.deep.equal([true, false]);
    expect(parseOtelMapping("{}", "otel.yaml").tools.size).to.equal(0);
  });

  it("is as the documentation writes it", () => {
    const [, example = ""] = /```yaml\n(# otel\.yaml[^]*?)```/.exec(readFileSync(asset("docs", "observe.md"), "utf8")) ?? [];
    const mapping = parseOtelMapping(example, "otel.yaml");
    expect([mapping.tools.size, mapping.agents.size, mapping.operations.size]).to.deep.equal([3, 2, 1]);
  });

  // prettier-ignore
  const bad: [what: string, text: string, says: RegExp][] = [
    ["a key that nobody knows", "tool: {}", /^otel.yaml:1: tool: /],
    ["a tool without a verb", "purpose: p\ntools:\n  one: {id: a}", /^otel.yaml:3: tools.one: an entry has one verb/],
    ["a tool with two verbs", "tools:\n  one: {read: a, write: a}", /tools.one: an entry has one verb/],
    ["a type that is no name", "tools:\n  one: {read: 'a b'}", /tools.one.read: must be a name/],
    ["an id from nowhere", "tools:\n  one: {read: a, id: {text: x, is: y}}", /tools.one.id: must be/],
    ["an operation that tools are for", "operations:\n  execute_tool: {read: a}", /operations.execute_tool: what tools mean/],
    ["an agent that is no name", "agents:\n  x: {agent: 'a b', purpose: p}", /agents.x.agent/],
    ["an agent that is for nothing", "agents:\n  x: {agent: a}", /agents.x.purpose: missing/],
    ["a resource without URI", "resources:\n  - {read: a}", /resources.0.uri: must be a URI/],
    ["a task by no attribute", "task: []", /task/],
    ["a purpose that is no name", "purpose: ''", /purpose/],
    ["asks that is neither", "asks: maybe", /asks/],
    ["two keys alike", "purpose: a\npurpose: b", /purpose/],
    ["a place that nothing is called", "tools:\n  one: {read: a, id: [$spam, x.id]}", /^otel.yaml:2: tools.one: nothing is called `\$spam` here; did you mean `\$span`\?/],
    ["a place of the resource's, misspelt", "prompts:\n  one: {read: a, attributes: {b: [$resources, x]}}", /prompts.one: nothing is called `\$resources` here; did you mean `\$resource`\?/],
    ["all attributes at once", "tools:\n  one: {read: a, id: $span}", /tools.one: `\$span` is all attributes; name one/],
    ["an argument of what has none", "operations:\n  chat: {read: a, id: model}", /operations.chat: nothing is called `model` here; begin with one of \$span, \$resource/],
    ["a variable that the URI doesn't have", "resources:\n  - {uri: 'crm://c/{customer}', read: a, id: costumer}", /resources.0: nothing is called `costumer` here; did you mean `customer`\?/],
    ["a variable in what it ignores", "resources:\n  - {uri: 'crm://c/{customer}', read: a, id: customer, ignore: [line]}", /resources.0: nothing is called `line` here/],
    ["a tool without a name", 'tools:\n  "": {read: a}', /^otel.yaml:2: tools.: the key must match pattern/],
    ["an agent of two lines", 'agents:\n  "a\\nb": 5', /^otel.yaml:2: agents[^]*: the key must match pattern/],
    ["no mapping at all", "[]", /otel.yaml/],
  ];
  for (const [what, text, says] of bad) {
    it(`is refused for ${what}, by its place`, () => {
      expect(() => parseOtelMapping(text, "otel.yaml")).to.throw(says);
    });
  }
});
