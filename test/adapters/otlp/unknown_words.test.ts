import { expect } from "chai";
import { parseOtelMapping } from "../../../src/adapters/otlp/mapping.js";
import { UnknownWords } from "../../../src/adapters/otlp/unknown_words.js";
import type { ActivePolicy } from "../../../src/decision/ports.js";
import { policyData } from "../../bundle/support.js";

type Knowing = Pick<ActivePolicy, "vocabulary" | "purposes">;

/** A policy that knows these verbs and types. */
function knowing(verbs: string[], types: string[], purposes = ["testing"]): Knowing {
  const data = policyData(purposes);
  const { note, read } = { ...data.vocabulary.types, ...data.vocabulary.verbs };
  const each = (names: string[], one: unknown): object => Object.fromEntries(names.map((name) => [name, one]));
  const vocabulary = { ...data.vocabulary, verbs: each(verbs, read), types: each(types, note) };
  return { vocabulary, purposes: new Map(Object.entries(data.purposes)) } as Knowing;
}

const words = (text: string): UnknownWords => new UnknownWords(parseOtelMapping(text, "otel.yaml").words);

describe("words of a mapping of traces", () => {
  const unknown: [what: string, text: string, said: string][] = [
    ["a misspelt verb", "tools:\n  one: {raed: note}", "verb raed at otel.yaml:2: tools.one.raed, read"],
    ["a misspelt type", "tools:\n  one:\n    read: nota", "type nota at otel.yaml:3: tools.one.read, note"],
    ["a verb that is like none", "prompts:\n  one: {incinerate: note}", "verb incinerate at otel.yaml:2: prompts.one.incinerate, null"],
    [
      "the type of another resource",
      "tools:\n  one: {read: note, related: {of: {type: desk, id: a}}}",
      "type desk at otel.yaml:2: tools.one.related.of.type, null",
    ],
    ["an operation's verb", "operations:\n  chat: {chat: note}", "verb chat at otel.yaml:2: operations.chat.chat, null"],
    ["a resource's type", "resources:\n  - {uri: 'a://b', read: article}", "type article at otel.yaml:2: resources.0.read, null"],
    ["a purpose", "purpose: testings", "purpose testings at otel.yaml:1: purpose, testing"],
    ["an agent's purpose", "agents:\n  a: {agent: a, purpose: play}", "purpose play at otel.yaml:2: agents.a.purpose, null"],
    ["a name that every object has", "tools:\n  one: {constructor: note}", "verb constructor at otel.yaml:2: tools.one.constructor, null"],
  ];
  for (const [what, text, said] of unknown) {
    it(`are told of with their place: ${what}`, () => {
      const found = words(text).unknownTo(knowing(["read"], ["note"]));
      expect(found.map(({ what, word, place, meant }) => `${what} ${word} at ${place}, ${String(meant)}`)).to.deep.equal([said]);
    });
  }

  it("are told of once, however often they stand there", () => {
    const [found, ...more] = words("tools:\n  a: {burn: note}\n  b: {burn: note}\n").unknownTo(knowing(["read"], ["note"]));
    expect([found?.place, found?.places, more]).to.deep.equal(["otel.yaml:2: tools.a.burn", 2, []]);
  });

  it("are told of again only after a policy knew them", () => {
    const told = words("tools:\n  a: {burn: note}\n");
    const policies = [["read"], ["read"], ["read", "burn"], ["read"]].map((verbs) => knowing(verbs, ["note"]));
    expect(policies.map((policy) => told.unknownTo(policy).map(({ word }) => word))).to.deep.equal([["burn"], [], [], ["burn"]]);
  });

  it("are not told of where the policy knows them", () => {
    expect(words("purpose: testing\ntools:\n  a: {read: note}").unknownTo(knowing(["read"], ["note"]))).to.deep.equal([]);
  });
});
