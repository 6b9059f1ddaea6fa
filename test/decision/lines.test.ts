/** A stream's bytes as lines: the same however they are cut, and no longer than a line may be. */
import { expect } from "chai";
import { Lines, isBlank } from "../../src/decision/lines.js";

const BYTES_MAX = 5000;

/** Returns all lines of the chunks, the last without its newline. */
function linesOf(chunks: readonly Buffer[], bytesMax = BYTES_MAX): string[] {
  const lines = new Lines(bytesMax);
  const found: string[] = [];
  for (const chunk of chunks) {
    lines.push(chunk);
    // Each takes a byte at least.
    for (let i = 0; lines.more; i++) {
      if (i > chunk.length) return expect.fail("it doesn't end");
      const line = lines.next();
      if (line !== null) found.push(line.toString());
    }
    expect(lines.next()).to.equal(null);
  }
  const rest = lines.rest();
  return rest === null ? found : [...found, `${rest.toString()} (rest)`];
}

function cut(text: string, every: number): Buffer[] {
  const bytes = Buffer.from(text);
  return Array.from({ length: Math.ceil(bytes.length / every) }, (_, i) => bytes.subarray(i * every, (i + 1) * every));
}

describe("lines of a stream", () => {
  const long = "x".repeat(BYTES_MAX);
  const letters = Array.from({ length: BYTES_MAX }, (_, i) => String.fromCharCode(0x61 + (i % 26))).join("");
  const streams: [what: string, text: string, lines: string[]][] = [
    ["no line", "", []],
    ["a line", "a\n", ["a"]],
    ["a last line without a newline", "a\nbc", ["a", "bc (rest)"]],
    ["empty lines", "\n\na\n\n", ["", "", "a", ""]],
    ["a carriage return", "a\r\nb", ["a\r", "b (rest)"]],
    ["the longest that may be", `${letters}\n${long}\n`, [letters, long]],
    ["the longest at the end", `a\n${long}`, ["a", `${long} (rest)`]],
    ["one that is longer", `a\n${long}x\nb\n`, ["a", "too_long", "b"]],
    ["two that are longer", `${long}x\n${long}${long}${long}\nb`, ["too_long", "too_long", "b (rest)"]],
    ["a longer one at the end", `b\n${long}x`, ["b", "too_long (rest)"]],
    ["lines that grow", [1, 10, 100, 1000, 4000, 4096, 4097, 5000].map((n) => `${letters.slice(0, n)}\n`).join(""), []],
  ];
  for (const [what, text, wanted] of streams) {
    it(`are the same however they are cut: ${what}`, () => {
      const lines = wanted.length > 0 || text === "" ? wanted : text.split("\n").slice(0, -1);
      for (const every of [1, 7, 1000, 4095, 4096, 4097, 5001, 100_000]) expect(linesOf(cut(text, every)), `${every}`).to.deep.equal(lines);
    });
  }

  it("begin anew after one that was too long, whatever was kept of it", () => {
    expect(linesOf(cut("abcdef\nabc\nabcd\n", 2), 3)).to.deep.equal(["too_long", "abc", "too_long"]);
    expect(linesOf(cut("abcdef\nabc\n", 3), 0)).to.deep.equal(["too_long", "too_long"]);
  });

  it("have a rest once, and none after their last newline", () => {
    const lines = new Lines(BYTES_MAX);
    lines.push(Buffer.from("a\nb"));
    expect([lines.next()?.toString(), lines.next(), lines.more]).to.deep.equal(["a", null, false]);
    expect([lines.rest()?.toString(), lines.rest()]).to.deep.equal(["b", null]);
    expect(new Lines(BYTES_MAX).rest()).to.equal(null);
  });

  const blank: [line: string, isBlank: boolean][] = [
    ["", true],
    [" ", true],
    [" \t\r", true],
    [" \u00a0", false],
    ["\ufeff", false],
    ["\u000b", false],
    [" {}", false],
    ["0 ", false],
  ];
  for (const [line, is] of blank)
    it(`are ${is ? "" : "not "}blank: ${JSON.stringify(line)}`, () => {
      expect(isBlank(Buffer.from(line))).to.equal(is);
    });
});
