import { expect } from "chai";
import { gate, type Check } from "../../src/authoring/gate.js";
import { compilePurposes } from "../../src/bundle/purposes.js";
import { Sheet } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import type { PolicySet } from "../../src/bundle/compile.js";
import type { Evaluation } from "../../src/decision/ports.js";

const VOCABULARY = `verbs: {read: {class: read}, write: {class: write}}
task: {subjects: [customer]}
types:
  note:
    about: {customer: owner}
    attributes: {owner: id, state: [open, paid], flag: boolean, tags: {list: [x, y], max: 3}}
`;

function setOf(lines: string, words = VOCABULARY): PolicySet {
  const vocabulary = compileVocabulary(new Sheet("vocabulary.yaml", words));
  const sheet = new Sheet("purposes.yaml", `p:\n  statement: s\n  owner: o\n  task: optional\n${lines.replaceAll(/^/gm, "  ")}\n`);
  const { purposes, catalogue, lines: places } = compilePurposes(sheet, vocabulary);
  expect(sheet.notes.filter(({ severity }) => severity === "error")).to.deep.equal([]);
  const rest = { name: "s", dir: "", zones: [], rego: [], tests: [], tables: [], notes: [] };
  return { ...rest, vocabulary, purposes, catalogue, lines: places };
}

const passes = { evaluate: (): Evaluation => ({ ok: true, result: {}, fuel: 1 }) as unknown as Evaluation };

function found(lines: string, registered: ReadonlySet<string> | null = null): [Check, number | null][] {
  return gate(setOf(lines), passes, registered).map(({ check, line }) => [check, line]);
}

describe("the gate", () => {
  const GOOD = [
    "allow:\n  - {read: note, about: task}\n  - {write: note, about: task, when: {state: open}}",
    "allow:\n  - {read: note, when: {state: open}}\n  - {read: note, when: {state: paid}}",
    "allow:\n  - {read: note}\nnever:\n  - {read: note, when: {state: paid}}",
    "allow:\n  - {read: note, write: note}\nnever:\n  - {write: note}",
    "allow:\n  - {read: note, when: {tags: x, any: [{tags: y}, {flag: true}]}}",
    "allow:\n  - {read: note, when: {tags: {count: {at_least: 1}}}}",
    "allow:\n  - {read: note, obligations: [{notify: {channel: a}}]}\n  - {read: note, about: task}",
    "flag:\n  - {read: note, proceed: true}",
  ];
  for (const lines of GOOD) {
    it(`has nothing to say of ${lines.replaceAll("\n", " ")}`, () => {
      expect(found(lines)).to.deep.equal([]);
    });
  }

  const BAD: [lines: string, wanted: [Check, number | null][]][] = [
    ["allow:\n  - {read: note, when: {state: open, any: [{state: paid, flag: true}, {state: {not: open}}]}}", [["never_applies", 6]]],
    ["allow:\n  - {read: note}\nnever:\n  - {read: note}", [["hidden_entry", 6]]],
    ["flag:\n  - {read: note, about: task, proceed: true}\nnever:\n  - {read: note}", [["hidden_entry", 6]]],
    ["allow:\n  - {read: note}\n  - {read: note, about: task}", [["hidden_entry", 7]]],
    ["allow:\n  - {read: note, when: {state: open}}\n  - {read: note, when: {flag: true, state: open}}", [["hidden_entry", 7]]],
    ["allow:\n  - {read: note, when: {state: open}}\n  - {read: note, when: {state: open}}", [["hidden_entry", 7]]],
    ["allow:\n  - {read: note, when: {state: [open, paid]}}", [["always_true", 6]]],
    ["allow:\n  - {read: note, when: {flag: [true, false]}}", [["always_true", 6]]],
    ["allow:\n  - {read: note, when: {tags: {count: {at_most: 3}}}}", [["always_true", 6]]],
    ["allow:\n  - {read: note, when: {tags: {count: {at_least: 0}}}}", [["always_true", 6]]],
    ["never:\n  - {read: note}", [["permits_nothing", null]]],
    ["allow:\n  - {read: note}\nnever:\n  - {write: note, when: {owner: {known: true}}}", [["unknown_goes_on", 8]]],
    [
      "allow:\n  - {read: note}\nnever:\n  - {write: note, when: {flag: true}, code: c}\n  - {write: note, when: {state: open}, code: c}",
      [["code_at_several_places", null]],
    ],
  ];
  for (const [lines, wanted] of BAD) {
    it(`finds ${wanted.map(([check]) => check).join(", ")} in ${lines.replaceAll("\n", " ")}`, () => {
      expect(found(lines)).to.deep.equal(wanted);
    });
  }

  describe("of a purpose that takes the standard rules of flow", () => {
    const LINES = "flow: standard\nallow:\n  - {read: note, write: note, send: note}";
    const words = (write: string, more = ""): string =>
      [
        `verbs: {read: {class: read}, write: {class: write${write}}, send: {class: send, effect: add}}`,
        "task: {subjects: [], attributes: {said: {string: {max: 100}}}}",
        `types: {note: {arguments: {body: string}, roles: {body: content}${more}}}`,
      ].join("\n");
    const SAID = "\nflow: {instruction: task.said}";
    const rows: [what: string, words: string, wanted: Check[]][] = [
      ["nothing where each verb says what it does", words(", effect: alter") + SAID, []],
      ["nothing where a type says it", words("", ", effects: {write: keep}") + SAID, []],
      ["nothing where the host fills in values", `${words(", effect: alter")}\nflow: {slots: [task.said]}`, []],
      ["a verb of which nobody says what it does", words("") + SAID, ["effect_missing"]],
      ["that nothing is the user's word", words(", effect: alter"), ["users_word_missing"]],
      ["both", words(""), ["effect_missing", "users_word_missing"]],
      ["another resource without a role", words(", effect: alter", ", related: {to: note}") + SAID, ["related_role_missing"]],
      [
        "nothing where it has one",
        words(", effect: alter", ", related: {to: note}").replace("roles: {", "roles: {related.to: destination, ") + SAID,
        [],
      ],
    ];
    for (const [what, vocabulary, wanted] of rows)
      it(`finds ${what}`, () => {
        expect(gate(setOf(LINES, vocabulary), passes, null).map(({ check }) => check)).to.deep.equal(wanted);
      });
  });

  it("names purposes that no agent is registered for, once it is told who is", () => {
    const lines = "allow:\n  - {read: note}";
    expect(found(lines, new Set(["p"]))).to.deep.equal([]);
    expect(found(lines, new Set(["q"]))).to.deep.equal([["nobody_registered", null]]);
  });

  describe("of fuel", () => {
    interface Asked {
      request: { verb: string; resource: { attributes: { tags: string[] } }; arguments: { lines?: string[]; names?: string[] } };
    }
    const costing = (isOut: (asked: Asked) => boolean): Parameters<typeof gate>[1] => ({
      evaluate: (text) => (isOut(JSON.parse(text) as Asked) ? { ok: false, code: "evaluation_budget", detail: "" } : passes.evaluate()),
    });
    const LINES = "allow:\n  - {read: note, write: note}";
    const OUT = "`write note` for `p` uses up an evaluation's fuel when a request is as large as a service accepts; ";
    const WORDS = VOCABULARY.replace(
      "    attributes:",
      "    arguments: {lines: {list: {string: {max: 500}}, max: 90}, names: {list: id, max: 60}}\n    attributes:",
    );
    const messages = (isOut: (asked: Asked) => boolean): string[] =>
      gate(setOf(LINES, WORDS), costing(isOut), null).map(({ check, message }) => `${check} ${message}`);

    it("asks about each verb and type with full lists", () => {
      const asked: string[] = [];
      const policy = costing(({ request }) => {
        expect(request.resource.attributes.tags).to.have.lengthOf(3);
        asked.push(request.verb);
        return false;
      });
      expect(gate(setOf(LINES), policy, null)).to.deep.equal([]);
      expect(asked.sort()).to.deep.equal(["read", "write"]);
    });

    const rows: [what: string, isOut: (asked: Asked) => boolean, remedy: string][] = [
      [
        "the list to shorten, and how far",
        ({ request: { verb, arguments: given } }) => verb === "write" && (given.lines ?? []).length > 35,
        "lower `max` of `types.note.arguments.lines` from 90 to 35",
      ],
      [
        "each bound that would do alone",
        ({ request: { verb, arguments: given } }) => verb === "write" && (given.lines ?? []).length * (given.names ?? []).length > 2700,
        "lower `max` of `types.note.arguments.lines` from 90 to 45, or `max` of `types.note.arguments.names` from 60 to 30",
      ],
      [
        "lists that have to be shortened together",
        ({ request: { verb, arguments: given } }) =>
          verb === "write" && ((given.lines ?? []).length > 45 || (given.names ?? []).length > 30),
        "lower `max` of `types.note.arguments.lines` from 90 to 45, `max` of `types.note.arguments.names` from 60 to 30, `max` of `types.note.attributes.tags` from 3 to 1",
      ],
      [
        "rules that no bound helps",
        ({ request }) => request.verb === "write",
        "lower bounds don't help: nest fewer iterations in its rules",
      ],
    ];
    for (const [what, isOut, remedy] of rows)
      it(`names ${what}`, () => {
        expect(messages(isOut)).to.deep.equal([`out_of_fuel ${OUT}${remedy}`]);
      });
  });
});
