/**
 * Conditions as they are explained: true, false, or unknown. That the engine decides the same is tried on drawn inputs, in
 * `test/conditions` and `test/flow`.
 */
import { expect } from "chai";
import type { Condition, FlowFactsInput, Negated, ListCondition, PolicyInput, SourceCondition, Value } from "../../src/contract/index.js";
import { all, any, not, truthOf, valueAt, type Truth } from "../../src/decision/conditions.js";

const NOW = Date.UTC(2026, 2, 1, 9, 30);
const HOUR_MS = 3_600_000;

const ITEMS = [
  { name: "a", count: 2, price: 10, ok: true },
  { name: "b", count: 3, price: 100, ok: true },
];
const ATTRIBUTES: Record<string, Value> = {
  name: "inv-7.pdf",
  tags: ["x", "y"],
  none: [],
  amount: 5,
  amounts: [1, 9],
  big: Number.MAX_SAFE_INTEGER,
  parts: [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 1],
  mail: "Ada@Example.COM.",
  mails: ["ada@example.com", "bob@evil.example"],
  plain: "nobody",
  due: "2026-03-01T10:30:00Z",
  day: "2026-03-01",
  within: "90s",
  odd: "no time",
  items: ITEMS,
  holes: [{ count: 1, price: null }],
  same: "y",
  unknown: null,
};

function inputOf(flow: FlowFactsInput | null = null): PolicyInput {
  return {
    request: { resource: { type: "thing", id: "1", attributes: ATTRIBUTES } },
    facts: { time: { ms: NOW }, flow },
  } as unknown as PolicyInput;
}

const path = (name: string): string[] => ["request", "resource", "attributes", name];
const leaf = (op: string, name: string, value: unknown): Condition => ({ name, path: path(name), op, value }) as unknown as Condition;
const at = (name: string, as: string): object => ({ at: path(name), as });
const compare = (left: object, than: string, right: object, ms?: number): Condition =>
  ({ name: "it", op: "compare", left, than, right, ...(ms !== undefined && { ms }) }) as unknown as Condition;
const item = (op: string, name: string, value: unknown): object => ({ name, path: ["item", name], op, value });
const listed = (op: "every" | "some", name: string, ...of: object[]): Condition =>
  ({ name, path: path(name), op, of }) as unknown as Condition;

const YES = leaf("in", "name", ["inv-7.pdf"]);
const NO = leaf("in", "name", ["other"]);
const UNKNOWN = leaf("in", "unknown", ["x"]);

describe("a condition as it is explained", () => {
  const rows: [what: string, condition: unknown, truth: Truth][] = [
    ["in: is one", leaf("in", "name", ["x", "inv-7.pdf"]), "yes"],
    ["in: is none", leaf("in", "name", ["inv-7"]), "no"],
    ["in: one of several is", leaf("in", "tags", ["y"]), "yes"],
    ["in: there are none", leaf("in", "none", ["y"]), "no"],
    ["in: unknown", UNKNOWN, "unknown"],
    ["in: a name that every object has", leaf("in", "constructor", ["x"]), "unknown"],
    ["not_in: is none", leaf("not_in", "name", ["x"]), "yes"],
    ["not_in: one of several is", leaf("not_in", "tags", ["y", "z"]), "no"],
    ["not_in: there are none", leaf("not_in", "none", ["y"]), "yes"],
    ["known: is", leaf("known", "name", true), "yes"],
    ["known: isn't", leaf("known", "unknown", true), "no"],
    ["known: should not be, and is", leaf("known", "name", false), "no"],
    ["known: should not be, and isn't", leaf("known", "unknown", false), "yes"],
    ["prefix: has", leaf("prefix", "name", ["x", "inv-"]), "yes"],
    ["prefix: has it later", leaf("prefix", "name", ["7", ".pdf"]), "no"],
    ["prefix: one of several has", leaf("prefix", "tags", ["y"]), "yes"],
    ["suffix: has", leaf("suffix", "name", [".txt", ".pdf"]), "yes"],
    ["suffix: has it before", leaf("suffix", "name", ["inv-", "7"]), "no"],
    ["suffix: one of several has", leaf("suffix", "tags", ["y"]), "yes"],
    ["domain: in either case, with a dot", leaf("domain", "mail", ["example.com"]), "yes"],
    ["domain: one of several", leaf("domain", "mails", ["evil.example"]), "yes"],
    ["domain: of a part of it", leaf("domain", "mail", ["com", "ample.com"]), "no"],
    ["domain: without one", leaf("domain", "plain", ["nobody"]), "no"],
    ["domain: without one, and none is asked for", leaf("domain", "plain", [""]), "yes"],
    ["all_of: has", leaf("all_of", "tags", ["x", "y"]), "yes"],
    ["all_of: has one", leaf("all_of", "tags", ["x", "z"]), "no"],
    ["at_most: is", leaf("at_most", "amount", 5), "yes"],
    ["at_most: isn't", leaf("at_most", "amount", 4), "no"],
    ["at_most: one of several", leaf("at_most", "amounts", 1), "yes"],
    ["at_most: is no number", leaf("at_most", "name", 5), "no"],
    ["at_least: is", leaf("at_least", "amount", 5), "yes"],
    ["at_least: isn't", leaf("at_least", "amount", 6), "no"],
    ["at_least: one of several", leaf("at_least", "amounts", 9), "yes"],
    ["at_least: is no number", leaf("at_least", "name", 0), "no"],
    ["same_as: is", leaf("same_as", "tags", path("same")), "yes"],
    ["same_as: isn't", leaf("same_as", "name", path("same")), "no"],
    ["same_as: what isn't known", leaf("same_as", "name", path("unknown")), "unknown"],
    ["all: one isn't", { op: "all", of: [YES, UNKNOWN, NO] }, "no"],
    ["all: one isn't known", { op: "all", of: [YES, UNKNOWN] }, "unknown"],
    ["all: of none", { op: "all", of: [] }, "yes"],
    ["not: all are", { op: "not", of: [YES, YES] }, "no"],
    ["not: one isn't", { op: "not", of: [YES, NO] }, "yes"],
    ["not: one isn't known", { op: "not", of: [YES, UNKNOWN] }, "unknown"],
    ["any: one alternative is", { op: "any", of: [[YES, NO], [UNKNOWN], [YES]] }, "yes"],
    ["any: one isn't known", { op: "any", of: [[NO], [YES, UNKNOWN]] }, "unknown"],
    ["any: none is", { op: "any", of: [[NO, YES], [NO]] }, "no"],
    ["every: all are", listed("every", "items", item("in", "ok", [true]), item("at_least", "count", 2)), "yes"],
    ["every: one isn't", listed("every", "items", item("in", "name", ["a"])), "no"],
    ["every: of none", listed("every", "none", item("in", "name", ["a"])), "yes"],
    ["every: of what isn't known", listed("every", "unknown", item("in", "name", ["a"])), "unknown"],
    ["every: one doesn't say", listed("every", "holes", item("at_least", "price", 1)), "unknown"],
    ["every: as the request is", listed("every", "items", item("in", "ok", [true]), YES), "yes"],
    ["some: one is", listed("some", "items", item("in", "name", ["b"]), item("in", "count", [3])), "yes"],
    ["some: of two each is half", listed("some", "items", item("in", "name", ["b"]), item("in", "count", [2])), "no"],
    ["some: of none", listed("some", "none", item("in", "name", ["a"])), "no"],
    ["some: of what isn't known", listed("some", "unknown", item("in", "name", ["a"])), "unknown"],
    ["is: equal", compare(at("amount", "number"), "is", { value: 5 }), "yes"],
    ["is: less", compare(at("amount", "number"), "is", { value: 6 }), "no"],
    ["is: more", compare(at("amount", "number"), "is", { value: 4 }), "no"],
    ["is: one of several", compare({ value: 9 }, "is", at("amounts", "number")), "yes"],
    ["is: of an unknown left", compare(at("unknown", "number"), "is", { value: 4 }), "unknown"],
    ["is: of an unknown right", compare({ value: 4 }, "is", at("unknown", "number")), "unknown"],
    ["at_most: equal to another", compare({ value: 5 }, "at_most", at("amount", "number")), "yes"],
    ["at_most: more than another", compare({ value: 6 }, "at_most", at("amount", "number")), "no"],
    ["at_least: equal to another", compare({ value: 5 }, "at_least", at("amount", "number")), "yes"],
    ["at_least: less than another", compare({ value: 4 }, "at_least", at("amount", "number")), "no"],
    ["more_than: more", compare({ value: 6 }, "more_than", at("amount", "number")), "yes"],
    ["more_than: equal", compare({ value: 5 }, "more_than", at("amount", "number")), "no"],
    ["less_than: less", compare({ value: 4 }, "less_than", at("amount", "number")), "yes"],
    ["less_than: equal", compare({ value: 5 }, "less_than", at("amount", "number")), "no"],
    ["now: an hour before it's due", compare({ now: HOUR_MS }, "is", at("due", "moment")), "yes"],
    ["now: later than the day began", compare({ now: 0 }, "more_than", at("day", "moment")), "yes"],
    ["now: of what is no time", compare({ now: 0 }, "at_least", at("odd", "moment")), "no"],
    ["within: just", compare({ now: 0 }, "within", at("due", "moment"), HOUR_MS), "yes"],
    ["within: as long after it", compare({ now: 2 * HOUR_MS }, "within", at("due", "moment"), HOUR_MS), "yes"],
    ["within: a millisecond too far", compare({ now: -1 }, "within", at("due", "moment"), HOUR_MS), "no"],
    ["a duration", compare(at("within", "duration"), "is", { value: 90_000 }), "yes"],
    ["a count", compare({ count: path("items") }, "is", { value: 2 }), "yes"],
    ["a count of none", compare({ count: path("none") }, "is", { value: 0 }), "yes"],
    ["a count of what isn't known", compare({ count: path("unknown") }, "is", { value: 0 }), "unknown"],
    ["a sum of products", compare({ sum: path("items"), of: ["count", "price"] }, "is", { value: 320 }), "yes"],
    ["a sum of one field", compare({ sum: path("items"), of: ["count"] }, "is", { value: 5 }), "yes"],
    ["a sum of numbers", compare({ sum: path("amounts"), of: [] }, "is", { value: 10 }), "yes"],
    ["a sum of none", compare({ sum: path("none"), of: [] }, "is", { value: 0 }), "yes"],
    ["a sum of which one isn't known", compare({ sum: path("holes"), of: ["count", "price"] }, "is", { value: 0 }), "unknown"],
    ["a sum of a field that nobody has", compare({ sum: path("items"), of: ["weight"] }, "is", { value: 0 }), "unknown"],
    ["a sum of what isn't known", compare({ sum: path("unknown"), of: [] }, "is", { value: 0 }), "unknown"],
    ["a sum that is exact", compare({ sum: path("parts"), of: [] }, "more_than", { value: 2 * Number.MAX_SAFE_INTEGER }), "yes"],
  ];
  for (const [what, condition, truth] of rows)
    it(`is ${truth}: ${what}`, () => {
      expect(truthOf(condition as Condition | ListCondition | Negated<ListCondition>, inputOf())).to.equal(truth);
    });

  it("is put together from others' truths, of which one that decides is enough", () => {
    expect([all(["unknown", "no"]), all(["yes", "unknown"]), all(["yes"])]).to.deep.equal(["no", "unknown", "yes"]);
    expect([any(["unknown", "yes"]), any(["no", "unknown"]), any(["no"])]).to.deep.equal(["yes", "unknown", "no"]);
    expect([not("yes"), not("no"), not("unknown")]).to.deep.equal(["no", "yes", "unknown"]);
  });

  it("looks for a value by what is there alone", () => {
    const input = inputOf();
    expect(valueAt(input, path("amount"))).to.equal(5);
    for (const nowhere of [path("toString"), ["request", "none", "x"], [...path("name"), "length"], [...path("unknown"), "x"]])
      expect(valueAt(input, nowhere), nowhere.join(".")).to.equal(null);
  });
});

describe("a condition on whose values are, as it is explained", () => {
  const arg = (writer: string, more: object = {}): object => ({ role: "destination", writer, excluded: false, sources: [], ...more });
  const source = (named: boolean, alone: boolean): object => ({ writer: "anyone", record: null, path: "", named, alone });
  const OF = { to: ["user", "own"], "*": ["user"] };
  const lone = { named: true, alone: true };

  // prettier-ignore
  const rows: [what: string, values: Record<string, object> | null, delegated: object | undefined, from: Truth, isDelegated: Truth][] = [
    ["whose they are isn't known", null, lone, "unknown", "no"],
    ["there are none", {}, lone, "unknown", "no"],
    ["an accepted writer's", { "to/0": arg("own") }, lone, "yes", "no"],
    ["one that is accepted of another argument", { "cc/0": arg("own") }, lone, "no", "no"],
    ["one that is accepted of any argument", { "cc/0": arg("user") }, lone, "yes", "no"],
    ["a stranger's", { "to/0": arg("anyone") }, lone, "no", "no"],
    ["one of two a stranger's", { "to/0": arg("user"), "to/1": arg("anyone") }, lone, "no", "no"],
    ["nobody knows whose", { "to/0": arg("unknown") }, lone, "unknown", "no"],
    ["one of two nobody knows whose", { "to/0": arg("user"), "to/1": arg("unknown") }, lone, "unknown", "no"],
    ["an accepted writer's that is excluded", { "to/0": arg("user", { excluded: true }) }, lone, "no", "no"],
    ["an accepted writer's in words", { "to#1": arg("user") }, lone, "yes", "no"],
    ["contents", { body: arg("anyone", { role: "content" }) }, lone, "unknown", "no"],
    ["contents beside an accepted one", { "to/0": arg("user"), body: arg("anyone", { role: "content" }) }, lone, "yes", "no"],
    ["more than are told apart, as contents", { more: arg("user", { role: "content" }) }, lone, "yes", "no"],
    ["more than are told apart, a stranger's", { more: arg("anyone", { role: "content" }) }, lone, "no", "no"],
    ["delegated: named and alone", { "to/0": arg("anyone", { sources: [source(true, true)] }) }, lone, "yes", "yes"],
    ["delegated: named amid others", { "to/0": arg("anyone", { sources: [source(true, false)] }) }, lone, "no", "no"],
    ["delegated: named amid others, which may be", { "to/0": arg("anyone", { sources: [source(true, false)] }) }, { named: true, alone: false }, "yes", "yes"],
    ["delegated: alone and not named", { "to/0": arg("anyone", { sources: [source(false, true)] }) }, { named: true, alone: false }, "no", "no"],
    ["delegated: one source of two", { "to/0": arg("anyone", { sources: [source(false, true), source(true, true)] }) }, lone, "yes", "yes"],
    ["delegated, and nobody said so", { "to/0": arg("anyone", { sources: [source(true, true)] }) }, undefined, "no", "no"],
    ["delegated and a stranger's", { "to/0": arg("anyone", { sources: [source(true, true)] }), "to/1": arg("anyone") }, lone, "no", "no"],
    ["delegated and nobody knows whose", { "to/0": arg("anyone", { sources: [source(true, true)] }), "to/1": arg("unknown") }, lone, "unknown", "no"],
    ["delegated and accepted", { "to/0": arg("anyone", { sources: [source(true, true)] }), "to/1": arg("user") }, lone, "yes", "yes"],
  ];
  for (const [what, values, delegated, from, isDelegated] of rows)
    it(`is ${from}, and ${isDelegated === "yes" ? "" : "not "}by delegation: ${what}`, () => {
      const input = inputOf(values === null ? null : ({ arguments: values } as unknown as FlowFactsInput));
      const truths = (["from", "delegated"] as const).map((op) => {
        const condition = { name: "from", path: [], op, of: OF, ...(delegated !== undefined && { delegated }) };
        return truthOf(condition as unknown as SourceCondition & Condition, input);
      });
      expect(truths).to.deep.equal([from, isDelegated]);
    });

  it("looks at no argument that isn't named, if any other isn't either", () => {
    const flow = { arguments: { "cc/0": arg("anyone"), "to/0": arg("user") } } as unknown as FlowFactsInput;
    const condition = { name: "from", path: [], op: "from", of: { to: ["user"] } } as unknown as Condition;
    expect(truthOf(condition, inputOf(flow))).to.equal("yes");
  });
});
