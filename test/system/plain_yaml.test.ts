import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { stringify } from "yaml";
import { asset } from "../../src/system/paths.js";
import { readPlainYaml } from "../../src/system/plain_yaml.js";
import { readByLibrary } from "../../src/system/yaml.js";

const FACTS = `# who may act
agents:
  support-7: {owner: support-platform@example.com, purposes: [customer_support], attributes: {"a b": 'it''s', n: -1.5}}
  spiffe://example/a:b:
    owner: Jane O'Doe, the 2nd   # a person
    purposes:
    - customer_support
    - x
    - "q: \\"1\\""
    version: 1.2.3
tasks:
  T-1:
    agent: support-7
    expires: 2027-01-01T00:00:00Z

    subjects:
      ticket: [TCK-1, 7, true, null, 0x1f, 1e3]
    list:
      - id: 1
        deep: {}
      # between
      - id: é
`;

const texts = [
  FACTS,
  JSON.stringify({ agents: { a: { owner: "x", purposes: ["p"] } }, tasks: {}, n: [1, -2.5, 1e21, null, ""] }),
  JSON.stringify({ a: [{ b: 'c\n"d\\', "": 0 }, []] }, null, 2),
  ...["policies/customer_support", "policies/retail"].flatMap((folder) =>
    readdirSync(asset("rego", folder))
      .filter((name) => name.endsWith(".yaml"))
      .map((name) => readFileSync(join(asset("rego", folder), name), "utf8")),
  ),
];

/** What the library says: a value, or that it refuses the text. */
function byLibrary(text: string): { value: unknown } | null {
  try {
    return { value: readByLibrary(text, "x.yaml").value };
  } catch {
    return null;
  }
}

/** @returns whether the text was read */
function compare(text: string): boolean {
  const plain = readPlainYaml(text);
  if (plain === undefined) return false;
  const library = byLibrary(text);
  const say = (value: unknown): string => JSON.stringify(value, (_, one: unknown) => (Object.is(one, -0) ? "-0" : one));
  if (library === null || say(library.value) !== say(plain)) {
    expect.fail(`${JSON.stringify(text)} is read as ${say(plain)}, and by the library as ${say(library?.value)}`);
  }
  return true;
}

const WORDS = [
  ..."a b-c _d a:b 1 -1 0 -0 007 1.50 1e3 0x1f 0o7 .5 1. 1_0 true False null ~ no on 2027-01-01 12:30 é a,b a#b x@y /p %q".split(" "),
  ...`"a" "a b" "\\"" "\\n" "\\x41" "\\u0041" 'a' 'it''s' "" '' "a`.split(" "),
  ...[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    ": ",
    ":  ",
    "- ",
    "-",
    "#",
    " # c",
    "?",
    "? ",
    "&a ",
    "*a",
    "!t ",
    "|",
    ">",
    "<<",
    "---",
    "...",
    "%",
    "\t",
  ],
  ...["\n", "\n  ", "\n    ", "\n- ", "\n  - ", "\n# c\n", "\n\n", " ", "  ", "a: ", "b: ", "a:\n", "\r\n", "\u2028", "\ufeff", "😀"],
];

describe("reading plain YAML without the library", () => {
  it("reads what people and programs write", () => {
    const value = readPlainYaml(FACTS.replace(", 0x1f, 1e3", ""));
    expect(value).to.deep.equal(byLibrary(FACTS.replace(", 0x1f, 1e3", ""))?.value);
    expect(value).to.have.property("agents").that.has.all.keys("support-7", "spiffe://example/a:b");
  });

  for (const [what, text] of [
    ["an anchor", "a: &x 1\n"],
    ["an alias", "a: *x\n"],
    ["a tag", "a: !!str 1\n"],
    ["a block scalar", "a: |\n  b\n"],
    ["a plain scalar of two lines", "a: b\n  c\n"],
    ["a second document", "a: 1\n---\na: 2\n"],
    ["a directive", "%YAML 1.1\n---\na: 1\n"],
    ["a key twice", "a: 1\na: 2\n"],
    ["a key twice, once quoted", '{a: 1, "a": 2}'],
    ["a prototype", "__proto__: {a: 1}\n"],
    ["a merge key", "a: {<<: {b: 1}}\n"],
    ["a key that is no text", "true: 1\n"],
    ["a number that a double rounds", "a: 9007199254740993\n"],
    ["another spelling of a number", "a: 0x1f\n"],
    ["half of a surrogate pair", '{"a": "\\ud83d"}'],
    ["a carriage return", "a: 1\r\n"],
    ["a tab", "a:\n\tb: 1\n"],
    ["an indentation between two others", "a:\n    b: 1\n  c: 2\n"],
    ["a comma too much", "[1, 2,]\n"],
    ["what stays open", "a: [1\n"],
    ["nothing", "\n"],
    ["a scalar", "a\n"],
    ["deep nesting", `${"[".repeat(40)}${"]".repeat(40)}`],
  ] as const) {
    it(`leaves ${what} to the library`, () => {
      expect(readPlainYaml(text)).to.equal(undefined);
    });
  }

  it("gives what the library gives, whatever is written", () => {
    const seen = { read: 0, left: 0 };
    const begin = fc.constantFrom("a:", "a: ", "- ", "{", "[", "a: {", "a:\n  - ", "");
    const words = fc.array(fc.constantFrom(...WORDS), { maxLength: 12 });
    const soup = fc.tuple(begin, words).map(([first, others]) => first + others.join(""));
    fc.assert(
      fc.property(soup, (text) => {
        seen[compare(text) ? "read" : "left"]++;
      }),
      { numRuns: Number(process.env["PLAIN_YAML_RUNS"] ?? 4000) },
    );
    expect(seen.read).to.be.above(20);
    expect(seen.left).to.be.above(20);
  });

  it("gives what the library gives, for texts that were changed a little", () => {
    let read = 0;
    const change = fc.record({ at: fc.nat(10_000), cut: fc.nat(3), put: fc.constantFrom("", ...WORDS) });
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.array(change, { maxLength: 4 }), (text, changes) => {
        let changed = text;
        for (const { at, cut, put } of changes) {
          const from = at % (changed.length + 1);
          changed = changed.slice(0, from) + put + changed.slice(from + cut);
        }
        if (compare(changed)) read++;
      }),
      { numRuns: Number(process.env["PLAIN_YAML_RUNS"] ?? 1000) },
    );
    expect(read).to.be.above(50);
  });

  it("reads what the library writes", () => {
    let read = 0;
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.oneof(fc.constantFrom(...WORDS), fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null)),
        fc.array(tie("any"), { maxLength: 4 }),
        fc.dictionary(fc.oneof(fc.constantFrom(...WORDS), fc.string()), tie("any"), { maxKeys: 4 }),
      ),
    })).any;
    fc.assert(
      fc.property(value, fc.boolean(), (one, flow) => {
        const text = stringify({ a: one }, { collectionStyle: flow ? "flow" : "block", lineWidth: 0, version: "1.2" });
        if (compare(text)) read++;
      }),
      { numRuns: Number(process.env["PLAIN_YAML_RUNS"] ?? 1000) },
    );
    expect(read).to.be.above(100);
  });
});
