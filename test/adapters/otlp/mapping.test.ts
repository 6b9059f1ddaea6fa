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
    const [, example = ""] =
      /```yaml\n(# otel\.yaml[^]*?)```/.exec(readFileSync(asset("docs", "observe.md"), "utf8")) ?? [];
    const mapping = parseOtelMapping(example, "otel.yaml");
    expect([mapping.tools.size, mapping.agents.size, mapping.operations.size]).to.deep.equal([3, 2, 1]);
  });

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
    ["no mapping at all", "[]", /otel.yaml/],
  ]; // prettier-ignore
  for (const [what, text, says] of bad) {
    it(`is refused for ${what}, by its place`, () => {
      expect(() => parseOtelMapping(text, "otel.yaml")).to.throw(says);
    });
  }
});
