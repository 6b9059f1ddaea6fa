import { expect } from "chai";
import type { Condition, PlainCondition } from "../../src/contract/index.js";
import { compactErrors, expectOnly, purposes, support, vocabulary } from "./support.js";

function when(text: string, types = "invoice"): { conditions: Condition[]; notes: ReturnType<typeof purposes>["notes"] } {
  const { value, notes } = purposes(support(`allow:\n  - {read: ${types}, when: {${text}}}`));
  return { conditions: Object.values(value.purposes["support"]?.allow ?? {})[0]?.["read"]?.[0]?.when ?? [], notes };
}

const ATTRIBUTE = ["request", "resource", "attributes"];

describe("a `when`", () => {
  const GOOD: [string, Pick<PlainCondition, "path" | "op" | "value">][] = [
    ["id: I-1", { path: ["request", "resource", "id"], op: "in", value: ["I-1"] }],
    ["customer: ada", { path: [...ATTRIBUTE, "customer"], op: "in", value: ["ada"] }],
    ["customer: [ada, bob]", { path: [...ATTRIBUTE, "customer"], op: "in", value: ["ada", "bob"] }],
    ["customer: {not: ada}", { path: [...ATTRIBUTE, "customer"], op: "not_in", value: ["ada"] }],
    ["customer: {not: [ada, bob]}", { path: [...ATTRIBUTE, "customer"], op: "not_in", value: ["ada", "bob"] }],
    ["customer: {prefix: a}", { path: [...ATTRIBUTE, "customer"], op: "prefix", value: ["a"] }],
    ["note: {prefix: [a, b]}", { path: [...ATTRIBUTE, "note"], op: "prefix", value: ["a", "b"] }],
    ["contact: {prefix: ada@}", { path: [...ATTRIBUTE, "contact"], op: "prefix", value: ["ada@"] }],
    ["status: open", { path: [...ATTRIBUTE, "status"], op: "in", value: ["open"] }],
    ["items: {not: [a, b]}", { path: [...ATTRIBUTE, "items"], op: "not_in", value: ["a", "b"] }],
    ["paid: true", { path: [...ATTRIBUTE, "paid"], op: "in", value: [true] }],
    ["paid: {not: false}", { path: [...ATTRIBUTE, "paid"], op: "not_in", value: [false] }],
    ["amount_cents: 0", { path: [...ATTRIBUTE, "amount_cents"], op: "in", value: [0] }],
    ["amount_cents: {at_most: -5}", { path: [...ATTRIBUTE, "amount_cents"], op: "at_most", value: -5 }],
    ["rate: {at_least: 0.5}", { path: [...ATTRIBUTE, "rate"], op: "at_least", value: 0.5 }],
    ["rate: {same_as: amount_cents}", { path: [...ATTRIBUTE, "rate"], op: "same_as", value: [...ATTRIBUTE, "amount_cents"] }],
    ["items: a", { path: [...ATTRIBUTE, "items"], op: "in", value: ["a"] }],
    ["items: {prefix: a}", { path: [...ATTRIBUTE, "items"], op: "prefix", value: ["a"] }],
    ["address.city: Berlin", { path: [...ATTRIBUTE, "address", "city"], op: "in", value: ["Berlin"] }],
    ["address.geo.lat: {at_most: 52}", { path: [...ATTRIBUTE, "address", "geo", "lat"], op: "at_most", value: 52 }],
    ["task.topic: billing", { path: ["facts", "task", "attributes", "topic"], op: "in", value: ["billing"] }],
    ["task.urgent: {not: true}", { path: ["facts", "task", "attributes", "urgent"], op: "not_in", value: [true] }],
    ["task.tags: vip", { path: ["facts", "task", "attributes", "tags"], op: "in", value: ["vip"] }],
    ["task.customer: ada", { path: ["facts", "task", "subjects", "customer"], op: "in", value: ["ada"] }],
    [
      "customer: {same_as: task.customer}",
      { path: [...ATTRIBUTE, "customer"], op: "same_as", value: ["facts", "task", "subjects", "customer"] },
    ],
    ["agent.team: desk", { path: ["facts", "agent", "attributes", "team"], op: "in", value: ["desk"] }],
    ["agent.level: {at_least: 3}", { path: ["facts", "agent", "attributes", "level"], op: "at_least", value: 3 }],
    ["arguments.amount_cents: {at_most: 100}", { path: ["request", "arguments", "amount_cents"], op: "at_most", value: 100 }],
    ["arguments.to: {same_as: contact}", { path: ["request", "arguments", "to"], op: "same_as", value: [...ATTRIBUTE, "contact"] }],
    [
      "related.pay_from.owner: {same_as: customer}",
      { path: ["request", "related", "pay_from", "attributes", "owner"], op: "same_as", value: [...ATTRIBUTE, "customer"] },
    ],
    ["related.pay_from.id: A-1", { path: ["request", "related", "pay_from", "id"], op: "in", value: ["A-1"] }],
  ];
  for (const [text, wanted] of GOOD) {
    it(`reads ${text}`, () => {
      const { conditions, notes } = when(text);
      expect(notes).to.deep.equal([]);
      expect(conditions).to.deep.equal([{ name: text.split(":")[0], ...wanted }]);
    });
  }

  it("asks for both ends of a range, and for every path", () => {
    const { conditions, notes } = when("amount_cents: {at_least: 1, at_most: 9}, status: open");
    expect(notes).to.deep.equal([]);
    expect((conditions as PlainCondition[]).map(({ name, op, value }) => [name, op, value])).to.deep.equal([
      ["amount_cents", "at_least", 1],
      ["amount_cents", "at_most", 9],
      ["status", "in", ["open"]],
    ]);
  });

  it("may be of several types where the path leads to the same", () => {
    expect(when("customer: ada", "[invoice, ticket]").notes).to.deep.equal([]);
  });

  const WRONG: [string, string, (string | undefined)?, string?][] = [
    // Paths.
    ["custmer: ada", "unknown attribute of `invoice` `custmer`", "did you mean `customer`?"],
    ["task.topik: billing", "unknown subject or attribute of the task `topik`", "did you mean `topic`?"],
    ["task: billing", "unknown subject or attribute of the task ``", "known: ticket, customer, topic"],
    ["task.customer.id: x", "unknown subject or attribute of the task `customer`"],
    ["agent.taem: x", "unknown agent attribute `taem`", "did you mean `team`?"],
    ["agent.id: x", "unknown agent attribute `id`"],
    ["arguments.amount: 3", "unknown argument of `invoice` `amount`"],
    ["arguments.customer: ada", "unknown argument of `invoice` `customer`"],
    ["related.payfrom.owner: x", "unknown related resource of `invoice` `payfrom`", "did you mean `pay_from`?"],
    ["related.pay_from.owners: x", "unknown attribute of `account` `owners`", "did you mean `owner`?"],
    ["related.pay_from: x", "unknown attribute of `account` ``"],
    ["id.x: y", "unknown path `id.x`", "did you mean `id`?"],
    ["customer.name: ada", "unknown field of `customer` `name`", "there are none"],
    ["address.town: Berlin", "unknown field of `address` `town`", "known: city, geo"],
    ["constructor: x", "unknown attribute of `invoice` `constructor`"],
    ["__proto__: x", "unknown attribute of `invoice` `__proto__`"],
    ["address.constructor: x", "unknown field of `address` `constructor`"],
    ["arguments.toString: x", "unknown argument of `invoice` `toString`"],
    ["related.constructor.id: x", "unknown related resource of `invoice` `constructor`"],
    ["customer: ada", "unknown attribute of `setting` `customer`", "there are none", "[invoice, setting]"],
    ["status: open", "unknown attribute of `ticket` `status`", undefined, "[invoice, ticket]"],
    // Matchers.
    ["customer: {nto: ada}", "unknown matcher `nto`", "did you mean `not`?"],
    ["amount_cents: {below: 3}", "unknown matcher `below`", "known: not, at_most, at_least, more_than, less_than, prefix"],
    ["customer: {}", "a matcher says one thing", "only at_most and at_least, or before and after, go together"],
    ["customer: {not: ada, prefix: a}", "a matcher says one thing"],
    ["amount_cents: {at_most: 3, not: 2}", "a matcher says one thing"],
    ["customer: []", "an empty list matches nothing"],
    ["customer: {not: []}", "an empty list matches nothing"],
    // Values that could never be there.
    ["customer: 4", "must be a string", "quote it"],
    ["customer: null", "must be a string"],
    ["customer: [ada, 4]", "must be a string", "quote it"],
    ["customer: {not: true}", "must be a string"],
    ["contact: 4", "must be a string"],
    ["status: opne", "unknown value `opne`", "did you mean `open`?"],
    ["status: [open, piad]", "unknown value `piad`", "did you mean `paid`?"],
    ["status: true", "must be one of open, paid"],
    ["task.topic: {not: biling}", "unknown value `biling`", "did you mean `billing`?"],
    ['paid: "true"', "must be a boolean"],
    ["paid: 1", "must be a boolean"],
    ['amount_cents: "5"', "must be a whole number"],
    ["amount_cents: 1.5", "must be a whole number"],
    ["amount_cents: {at_most: 1.5}", "`at_most` must be a whole number"],
    ["amount_cents: {at_most: [1, 2]}", "`at_most` takes one number"],
    ['rate: {at_least: "1"}', "`at_least` takes a number, not a text", "take the quotes off: at_least: 1"],
    ["rate: {at_least: much}", "`at_least` takes a number, not a text"],
    ["amount_cents: {at_least: rate}", "`at_least` takes a number, and `rate` is a path", "write `at_least: {same_as: rate}`"],
    [
      "amount_cents: {at_most: arguments.amount_cents}",
      "`at_most` takes a number, and `arguments.amount_cents` is a path",
      "write `at_most: {same_as: arguments.amount_cents}`",
    ],
    ["customer: {not: {}}", "a matcher says one thing"],
    ["customer: {at_most: 3}", "`at_most` compares numbers and durations, and `customer` is of kind id"],
    ["paid: {at_least: 1}", "`at_least` compares numbers and durations, and `paid` is of kind boolean"],
    ["status: {at_least: 1}", "`at_least` compares numbers and durations, and `status` is of kind enum"],
    ["items: {at_most: 3}", "`at_most` compares numbers and durations, and `items` is of kind id"],
    ["amount_cents: {prefix: a}", "`prefix` reads text and `amount_cents` is of kind integer"],
    ["paid: {prefix: t}", "`prefix` reads text and `paid` is of kind boolean"],
    ['customer: {prefix: ""}', "an empty prefix matches everything"],
    ["customer: {prefix: [a, 4]}", "`prefix` must be a word or a list of words"],
    ["customer: {prefix: []}", "`prefix` must be a word or a list of words"],
    ["customer: {same_as: [customer]}", "`same_as` takes a path"],
    ["customer: {same_as: custmer}", "unknown attribute of `invoice` `custmer`", "did you mean `customer`?"],
    ["customer: {same_as: amount_cents}", "`customer` (id) and `amount_cents` (integer) are never the same"],
    ["paid: {same_as: status}", "`paid` (boolean) and `status` (enum) are never the same"],
    ["items: {same_as: address}", "`items` (id) and `address` (object) are never the same"],
    ["address: Berlin", "`address` is an object", "match one of its fields, or write a rule in Rego"],
    ["parts: x", "`parts` is a list of objects", "match its elements with `some` or `every`"],
    ["parts: {not: x}", "`parts` is a list of objects"],
    ["parts.item: x", "`parts` is a list of objects"],
    ["customer: {same_as: parts.item}", "`parts` is a list of objects"],
  ];
  for (const [text, message, hint, types = "invoice"] of WRONG) {
    it(`is refused that says ${text} of ${types}`, () => {
      expectOnly(when(text, types).notes, {
        what: text,
        source: text,
        line: 6,
        message,
        ...(hint === undefined ? {} : { hint }),
      });
    });
  }

  it("is refused that isn't a mapping", () => {
    const { notes } = purposes(support("allow:\n  - {read: invoice, when: paid}"));
    expect(compactErrors(notes)).to.deep.equal(["6 `when` must be a mapping"]);
  });

  it("is refused where a path isn't the same for every type of the line", () => {
    const words = "verbs: {read: {class: read}}\ntypes: {a: {attributes: {x: id}}, b: {attributes: {x: integer}}}\n";
    const sheet = purposes(support("allow:\n  - {read: [a, b], when: {x: y}}"), vocabulary(words).value);
    expect(compactErrors(sheet.notes)).to.deep.equal(["6 `x` is not the same for every type of this line"]);
  });

  it("names the line of its own condition", () => {
    const { notes } = purposes(support("never:\n  - update: invoice\n    when:\n      status: open\n      custmer:\n        not: ada"));
    expect(compactErrors(notes)).to.deep.equal(["9 unknown attribute of `invoice` `custmer`"]);
  });
});
