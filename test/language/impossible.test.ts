import { expect } from "chai";
import { expectOnly, purposes, support, type Wrong } from "./support.js";

const never = (when: string): string => support(`never:\n  - {read: invoice, when: {${when}}}`);

// Each of these would make its `never` vanish, or say nothing.
// prettier-ignore
const WRONG: Omit<Wrong, "line">[] = [
  { what: "more than at most", source: never("amount_cents: {at_least: 10, at_most: 9}"), message: "nothing is at least 10 and at most 9" },
  { what: "more than at most, the other way round", source: never("rate: {at_most: -1, at_least: -0.5}"), message: "nothing is at least -0.5 and at most -1" },
  { what: "none of all values", source: never("status: {not: [paid, open]}"), message: "`not` leaves no value of `status`" },
  { what: "a text longer than there are", source: never(`note: ${"x".repeat(1025)}`), message: "no string here is longer than 1024 characters" },
  { what: "an id longer than there are", source: never(`customer: ${"x".repeat(257)}`), message: "no id here is longer than 256 characters" },
  { what: "an empty id", source: never('customer: ""'), message: "no id is empty" },
  { what: "an empty id in a list of ids", source: never('items: [a, ""]'), message: "no id is empty" },
  { what: "an address that is none", source: never("contact: ada.example.com"), message: "`ada.example.com` is not an email address" },
  { what: "not an address that is none", source: never("contact: {not: [ada@example.com, nobody]}"), message: "`nobody` is not an email address" },
  { what: "the same as itself", source: never("customer: {same_as: customer}"), message: "`customer` is always the same as itself" },
];

const WRONG_ELSEWHERE: Omit<Wrong, "line">[] = [
  ...["not_permitted", "granted", "agent_revoked", "rule_without_metadata"].map((code) => ({
    what: `code ${code}`,
    source: support(`flag:\n  - {read: invoice, code: ${code}, proceed: true}`),
    message: `code \`${code}\` is given by the service itself`,
  })),
  {
    what: "a change to a value of another kind",
    source: support("allow:\n  - {create: invoice, obligations: [{modify: {argument: amount_cents, value: many}}]}"),
    message: "must be a whole number",
  },
  {
    what: "a change to half a cent",
    source: support("allow:\n  - {create: invoice, obligations: [{modify: {argument: amount_cents, value: 0.5}}]}"),
    message: "must be a whole number",
  },
  {
    what: "a change to an address that is none",
    source: support("allow:\n  - {create: invoice, obligations: [{modify: {argument: to, value: nobody}}]}"),
    message: "`nobody` is not an email address",
  },
];

describe("an entry", () => {
  for (const wrong of WRONG_ELSEWHERE) {
    it(`with ${wrong.what} is refused`, () => {
      expectOnly(purposes(wrong.source).notes, { ...wrong, line: 6 });
    });
  }
});

describe("a condition", () => {
  for (const wrong of WRONG) {
    it(`that asks for ${wrong.what} is refused`, () => {
      expectOnly(purposes(wrong.source).notes, { ...wrong, line: 6 });
    });
  }

  for (const when of [
    "amount_cents: {at_least: 10, at_most: 10}",
    "status: {not: [open]}",
    "task.tags: {not: [billing]}",
    'note: ""',
    `note: ${"x".repeat(1024)}`,
    `customer: ${"x".repeat(256)}`,
    "contact: ada@example.com",
    "customer: {same_as: task.customer}",
  ]) {
    it(`\`${when.slice(0, 60)}\` can be met`, () => {
      expect(purposes(never(when)).notes).to.deep.equal([]);
    });
  }
});
