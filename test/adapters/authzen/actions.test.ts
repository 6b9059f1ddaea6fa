/** What an action's name means: listed, a verb, or one of the rest, where the configuration says what the rest is. */
import { expect } from "chai";
import { NO_ENTITIES } from "../../../src/adapters/authzen/entities.js";
import { mappingOf } from "../../../src/adapters/authzen/mapping.js";
import { vocabularyReader } from "../../../src/decision/values.js";

const VOCABULARY = vocabularyReader({
  verbs: { read: { class: "read" }, delete: { class: "write" }, use: { class: "admin" } },
  task: { subjects: [], attributes: {} },
  agent: { attributes: {} },
  types: { tool: { about: {}, attributes: {}, arguments: {}, related: {} } },
} as never);

function verbOf(name: string, actions: Record<string, string> | undefined): string {
  const mapping = mappingOf(
    { identifier: "https://pdp.example.com", subjects: { user: {} }, purpose: { is: "work" }, ...(actions && { actions }) } as never,
    NO_ENTITIES,
  );
  const question = { subject: { type: "user", id: "ada" }, action: { name }, resource: { type: "tool", id: "t-1" }, context: {} };
  return mapping.action(question, VOCABULARY, null).verb;
}

describe("the verb that an AuthZEN action's name stands for", () => {
  // prettier-ignore
  const NAMES: [what: string, name: string, actions: Record<string, string> | undefined, verb: string][] = [
    ["a listed name's own", "can_read", { can_read: "read", "*": "use" }, "read"],
    ["a listed name's own, though it is a verb's too", "delete", { delete: "read", "*": "use" }, "read"],
    ["a verb, though the rest is something lesser", "delete", { "*": "read" }, "delete"],
    ["the rest's, for a tool", "send_mail", { "*": "use" }, "use"],
    ["the rest's, for a name that is none of ours", "GET /records", { "*": "use" }, "use"],
    ["the rest's, for what every object has", "constructor", { "*": "use" }, "use"],
    ["the rest's, for a star", "*", { "*": "use" }, "use"],
    ["the rest's, for a verb in another case", "Delete", { "*": "use" }, "use"],
    ["its own, where nothing is said of the rest", "send_mail", { can_read: "read" }, "send_mail"],
    ["its own, where nothing is said at all", "send_mail", undefined, "send_mail"],
    ["no other's, for what every object has, where nothing is said of the rest", "constructor", {}, "constructor"],
  ];
  for (const [what, name, actions, verb] of NAMES) {
    it(`is ${what}`, () => {
      expect(verbOf(name, actions)).to.equal(verb);
    });
  }

  it("is never found for a star, where nothing is said of the rest", () => {
    expect(VOCABULARY.verbs.has(verbOf("*", {}))).to.equal(false);
  });

  it("is what a search goes through by its own names, not as a star", () => {
    const mapping = mappingOf(
      { identifier: "https://pdp.example.com", subjects: {}, actions: { can_read: "read", "*": "use" } } as never,
      NO_ENTITIES,
    );
    expect(mapping.actionNames(VOCABULARY)).to.deep.equal(["can_read", "delete", "use"]);
  });
});
