import { expect } from "chai";
import type { InputResource, Relation } from "../../src/contract/index.js";
import { relationOf } from "../../src/decision/relation.js";

type Resource = Pick<InputResource, "id" | "attributes">;
type Subjects = Record<string, string[]>;

describe("whether a resource is what its task is about", () => {
  const TICKET = { ticket: "id", customer: "customer" };
  const SUBJECTS = { ticket: ["T-1"], customer: ["ada", "bob"] };

  const CASES: [what: string, about: Record<string, string>, subjects: Subjects | null, resource: Resource, wanted: Relation][] = [
    ["its own", TICKET, SUBJECTS, { id: "T-1", attributes: { customer: "ada" } }, "task"],
    ["its own, of another of its customers", TICKET, SUBJECTS, { id: "T-1", attributes: { customer: "bob" } }, "task"],
    ["another's ticket", TICKET, SUBJECTS, { id: "T-2", attributes: { customer: "ada" } }, "other"],
    ["another's customer", TICKET, SUBJECTS, { id: "T-1", attributes: { customer: "eve" } }, "other"],
    ["known to differ, whatever else is unknown", TICKET, SUBJECTS, { id: "T-2", attributes: { customer: null } }, "other"],
    ["unknown whose", TICKET, SUBJECTS, { id: "T-1", attributes: { customer: null } }, "unknown"],
    ["said by nobody whose", TICKET, SUBJECTS, { id: "T-1", attributes: {} }, "unknown"],
    ["a collection", TICKET, SUBJECTS, { id: null, attributes: { customer: "ada" } }, "unknown"],
    [
      "about one of two subjects, since the task has no other",
      TICKET,
      { customer: ["ada"] },
      { id: "T-9", attributes: { customer: "ada" } },
      "task",
    ],
    ["of a task that is about nothing", TICKET, {}, { id: "T-1", attributes: { customer: "ada" } }, "unknown"],
    ["of a task whose subject has no ids", TICKET, { ticket: [], customer: [] }, { id: "T-1", attributes: { customer: "ada" } }, "unknown"],
    ["on no task", TICKET, null, { id: "T-1", attributes: { customer: "ada" } }, "unknown"],
    ["of a type that is about nothing", {}, SUBJECTS, { id: "T-1", attributes: { customer: "ada" } }, "unknown"],
    ["of another case", TICKET, SUBJECTS, { id: "t-1", attributes: { customer: "ada" } }, "other"],
    ["a list of whom it belongs to", { customer: "customer" }, SUBJECTS, { id: null, attributes: { customer: ["ada"] } }, "other"],
    ["a number that reads alike", { customer: "customer" }, { customer: ["1"] }, { id: null, attributes: { customer: 1 } }, "other"],
    ["known to be nobody's", { customer: "customer" }, SUBJECTS, { id: null, attributes: { customer: false } }, "other"],
    ["of a link that every object inherits", { customer: "constructor" }, SUBJECTS, { id: null, attributes: {} }, "unknown"],
    ["of a subject that every object inherits", { constructor: "id" }, SUBJECTS, { id: "T-1", attributes: {} }, "unknown"],
  ];
  for (const [what, about, subjects, resource, wanted] of CASES) {
    it(`${wanted}: ${what}`, () => {
      expect(relationOf(resource, { about }, subjects === null ? undefined : { subjects })).to.equal(wanted);
    });
  }

  it("unknown: of a type that the vocabulary hasn't got", () => {
    expect(relationOf({ id: "T-1", attributes: {} }, null, { subjects: SUBJECTS })).to.equal("unknown");
  });
});
