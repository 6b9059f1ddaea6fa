import { expect } from "chai";
import { Sheet } from "../../src/bundle/source.js";

/** What another reader of YAML could take for something else: [what, text, line, part of the message]. */
const UNREADABLE: [string, string, number | null, string][] = [
  ["an anchor", "verbs: &v {read: {class: read}}\n", 1, "anchors"],
  ["an alias", "a: &x 1\nb: *x\n", 1, "anchors"],
  ["an alias to nowhere", "a: 1\nb: *x\n", 2, "alias"],
  ["a tag", "a: 1\nb: !!str 2\n", 2, "tags"],
  ["a tag of its own", "a: !secret x\n", 1, "tag"],
  ["a merge key", "a: {<<: {b: 1}}\n", 1, "`<<`"],
  ["a key twice", "verbs: {}\ntask: {}\nverbs: {}\n", 3, "stands twice"],
  ["a key twice in one line", "verbs: {read: {class: read}, read: {class: write}}\n", 1, "stands twice"],
  ["a key twice, once quoted", 'a: 1\n"a": 2\n', 2, "stands twice"],
  ["two documents", "a: 1\n---\na: 2\n", 2, "document"],
  ["a boolean as a key", "true: 1\n", 1, "`true` cannot be a key"],
  ["a list as a key", "[a, b]: 1\n", 1, "string"],
  ["a null as a key", "a: {~: 1}\n", 1, "`~` cannot be a key"],
  ["`on` as a key", "a:\n  on: 1\n", 2, "`on` cannot be a key"],
  ["`off` as a key, in other case", "a:\n  b: 1\n  Off: 1\n", 3, "`Off` cannot be a key"],
  ["`yes` as a key, quoted", 'a: {"yes": 1}\n', 1, "`yes` cannot be a key"],
  ["`no` as a key, in a list", "a:\n  - {x: 1}\n  - {no: 1}\n", 3, "`no` cannot be a key"],
  ["a tab for indentation", "a:\n\tb: 1\n", 2, ""],
  ["a bracket that stays open", "a: [1, 2\n", null, ""],
  ["a quote that stays open", 'a: "x\n', null, ""],
  ["an infinite number", "a: .inf\n", 1, "finite"],
  ["no number", "a: .nan\n", 1, "finite"],
  ["a number too large for a double", "a: 1e400\n", 1, "finite"],
  ["an integer that a double rounds", "a: 9007199254740993\n", 1, "2^53"],
  ["half of a surrogate pair", 'a: 1\nb: "\\ud83d"\n', 2, "surrogate"],
  ["the halves of a surrogate pair the wrong way round", 'a: ["\\ude00\\ud83d"]\n', 1, "surrogate"],
  ["half of a surrogate pair in a key", '"x\\ude00": 1\n', 1, "surrogate"],
  ["another version of YAML", "%YAML 1.1\n---\na: yes\n", 1, "1.2"],
  ["an unknown directive", "%FOO bar\n---\na: 1\n", 1, ""],
];

describe("reading what authors write", () => {
  for (const [what, text, line, message] of UNREADABLE) {
    it(`refuses ${what}`, () => {
      const { notes } = new Sheet("x.yaml", text);
      expect(notes).to.have.length(1);
      expect(notes[0]).to.include({ severity: "error", file: "x.yaml" });
      expect(notes[0]?.message).to.contain(message);
      if (line !== null) expect(notes[0]?.line).to.equal(line);
    });
  }

  it("reads YAML 1.2, where only true and false are booleans and a leading zero means nothing", () => {
    const sheet = new Sheet("x.yaml", "a: [true, no, on, 010, 0x10, 12:30, 2027-01-01, ~]\n");
    expect(sheet.notes).to.deep.equal([]);
    expect(sheet.value).to.deep.equal({ a: [true, "no", "on", 10, 16, "12:30", "2027-01-01", null] });
  });
});
