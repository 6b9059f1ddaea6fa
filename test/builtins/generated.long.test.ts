/** Builtins of the host on generated operands beside OPA's own evaluator, all results compared; `REMIT_CALLS` says how many of each. */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { HOSTED } from "../../src/bundle/builtins/index.js";
import { readTerm, termText } from "../../src/bundle/builtins/term.js";
import { runOpa } from "../../src/bundle/opa.js";
import { COMPILER_BUILD_MS_MAX, nativeCompiler } from "../build/support.js";
import { Dice } from "../differential/dice.js";
import { nativeOpa } from "../oracle/go.js";

const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const CALLS = Number(process.env["REMIT_CALLS"] ?? 1_500);

/** JSON of one operand. */
type DrawOperand = (dice: Dice) => string;

const text = (of: (dice: Dice) => string): DrawOperand => {
  return (dice) => (dice.chance(2) ? dice.of(["1", "null", "[]", "true"]) : JSON.stringify(of(dice)));
};
const digits = (dice: Dice, most: number): string => Array.from({ length: 1 + dice.below(most) }, () => dice.below(10)).join("");
const two = (dice: Dice, most: number): string => (dice.chance(5) ? digits(dice, 3) : String(dice.below(most)).padStart(2, "0"));

const moment = text((dice) => {
  const year = dice.chance(15) ? digits(dice, 5) : String(dice.of([1677, 1678, 1900, 2000, 2023, 2024, 2100, 2261, 2262]));
  const date = [year.padStart(4, "0"), two(dice, 14), two(dice, 33)].join("-");
  const fraction = dice.chance(40) ? dice.of([".", ",", ".", ".."]) + digits(dice, 13) : "";
  const zone = dice.chance(50) ? dice.of(["Z", "z", "", "+1:00"]) : `${dice.of(["+", "-"])}${two(dice, 26)}:${two(dice, 62)}`;
  const hour = dice.chance(10) ? String(dice.below(10)) : two(dice, 25);
  return `${date}${dice.of(["T", "T", "T", "T", "T", " ", "t"])}${hour}:${two(dice, 61)}:${two(dice, 61)}${fraction}${zone}`;
});

const duration = text((dice) => {
  const units = dice.chance(50) ? ["h", "m", "s", "ms", "us", "µs", "μs", "ns"] : ["d", "w", "y", "h", "m", "s", "ms", "ns", "x", ""];
  const part = (): string => {
    const number = dice.of([
      digits(dice, 3),
      `${digits(dice, 4)}.${digits(dice, 6)}`,
      `.${digits(dice, 20)}`,
      `${digits(dice, 2)}.`,
      digits(dice, 20),
      "1.2.3",
    ]);
    return number + dice.of(units);
  };
  return dice.of(["", "", "", "-", "+", " "]) + Array.from({ length: 1 + dice.below(3) }, part).join("");
});

const NS = [
  "0",
  "-1",
  "1585852421593912000",
  "-9223372036854775808",
  "9223372036854775807",
  "9223372036854775808",
  "1.5",
  "1e18",
  "null",
  '"0"',
];
const nanoseconds = (dice: Dice): string => (dice.chance(20) ? dice.of(NS) : `${dice.of(["", "-"])}${BigInt(digits(dice, 19))}`);
const inUtc: DrawOperand = (dice) => {
  const ns = nanoseconds(dice);
  return dice.of([ns, ns, ns, `[${ns}]`, `[${ns},""]`, `[${ns},"UTC"]`, `[${ns},"UTC","x"]`, "[]", `[${ns},1]`, `[${ns},"",1]`, "{}"]);
};
const step: DrawOperand = (dice) => {
  return dice.chance(10)
    ? dice.of(["1.5", "1000", "null", "9999999"])
    : `${dice.of(["", "-"])}${BigInt(digits(dice, 4)) % BigInt(dice.of([3, 20, 400, 9999]))}`;
};

const SIMPLE = ["a", "b", "c", "x", "é", "😀", "ſ", "K", "1", "_", " ", "-", "."];
const CLASSES = ["[abc]", "[^a]", "[a-c]", "[[:alpha:]]", "[^[:digit:]x]", "[\\d_]", "[a\\-z]", "[é-ü]", "[]a]", "[^]a]"];
const ESCAPES = String.raw`\d \w \s \D \W \S \b \B \A \z \pL \p{Greek} \PN \n \x41 \x{1F600} \Qa.b\E \. \Z \pN \p{Lu} \C \1`.split(" ");
const FLAGS = ["(?i)", "(?s)", "(?m)", "(?U)", "(?-i)", "(?i:a)", "(?x)", "(?=a)", "(?:)", "()"];
const BROKEN = [
  "(",
  "[",
  ")",
  "a{2,1}",
  "*",
  "(?",
  "\\",
  "{",
  "}",
  "a{1001}",
  "]",
  "a{,2}",
  "(?P<n>",
  "[[:foo:]]",
  "[z-a]",
  "((a{30}){40})",
];
const COUNTS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}", "**", "{0}"];

/** Expression of Go's kind, with names that come once; one in ten is broken. */
function expression(dice: Dice, named = true): string {
  let names = 0;
  const atom = (depth: number): string => {
    const kind = dice.below(20);
    if (kind < 7) return dice.of(SIMPLE);
    if (kind < 9) return dice.of(CLASSES);
    if (kind < 11) return dice.of(ESCAPES);
    if (kind < 12) return dice.of(["^", "$"]);
    if (kind < 13) return dice.of(FLAGS);
    if (depth === 0) return "a";
    return `${dice.of(["(", "(", "(?:", named ? `(?P<n${names++}>` : "("])}${either(depth - 1)})`;
  };
  const piece = (depth: number): string => atom(depth) + (dice.chance(45) ? dice.of(COUNTS) : "");
  const sequence = (depth: number): string => Array.from({ length: 1 + dice.below(3) }, () => piece(depth)).join("");
  const either = (depth: number): string => [sequence(depth), ...dice.many(dice.chance(30) ? 2 : 0, () => sequence(depth))].join("|");
  return either(2) + (dice.chance(10) ? dice.of(BROKEN) : "");
}

const LETTERS = ["a", "b", "c", "x", "A", "B", "é", "É", "😀", "ſ", "s", "k", "K", "1", "_", " ", "-", "\n", "α", "ab", "aa", "\u0000"];
const word = (dice: Dice): string => dice.many(8, () => dice.of(LETTERS)).join("");
const REFERENCES = ["$1", "$0", "$2", "${1}", "${n1}", "$n0", "$$", "$", "x", "$1x", "${1}x", "${", "$01", "é", "$é", "${n1", "$10"];
const replacement = (dice: Dice): string => dice.many(3, () => dice.of(REFERENCES)).join("");
const template = (dice: Dice): string => {
  return dice
    .many(3, () => dice.of([word(dice), `{${expression(dice, false)}}`, `{${dice.of([".*", "[a-c]+", "a|b", "\\d{2}"])}}`, "{", "}"]))
    .join("");
};
const delimiter = (of: string): DrawOperand => text((dice) => (dice.chance(95) ? of : dice.of(["", "é", "<>", "a"])));

const DRAWS: Readonly<Record<string, readonly DrawOperand[]>> = {
  "time.parse_rfc3339_ns": [moment],
  "time.parse_duration_ns": [duration],
  "time.date": [inUtc],
  "time.clock": [inUtc],
  "time.weekday": [inUtc],
  "time.add_date": [inUtc, step, step, step],
  "time.diff": [inUtc, inUtc],
  "regex.find_n": [text(expression), text(word), (dice) => dice.of(["-1", "-1", "0", "1", "2", "3", "1.5"])],
  "regex.replace": [text(word), text(expression), text(replacement)],
  "regex.template_match": [text(template), text(word), delimiter("{"), delimiter("}")],
};

describe(`builtins of the host beside OPA (REMIT_SEED=${SEED})`, function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let folder = "";
  before(async function () {
    await nativeCompiler(this);
    folder = mkdtempSync(join(tmpdir(), "remit-generated-"));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** Results by OPA, as JSON; undefined where it has none. */
  async function ofOpa(name: string, calls: readonly string[]): Promise<(string | undefined)[]> {
    const operands = (DRAWS[name] ?? []).map((_, i) => `c[${i}]`).join(", ");
    // As text, since whoever reads JSON with doubles would lose digits of nanoseconds.
    const query = `[r | some i, c in input; x := ${name}(${operands}); r := sprintf("%d %s", [i, json.marshal(x)])]`;
    const { code, stdout, stderr } = await runOpa(
      await nativeOpa(),
      ["eval", "--format", "raw", "--stdin-input", query],
      folder,
      `[${calls.join(",")}]`,
    );
    expect(code, stderr).to.equal(0);
    const results = new Array<string | undefined>(calls.length).fill(undefined);
    for (const line of JSON.parse(stdout) as string[]) results[Number.parseInt(line, 10)] = line.slice(line.indexOf(" ") + 1);
    return results;
  }

  for (const name of Object.keys(DRAWS)) {
    it(`answer as OPA does: ${name}, ${CALLS} calls`, async () => {
      const builtin = HOSTED.get(name);
      const dice = new Dice(SEED);
      const calls = Array.from({ length: CALLS }, () => `[${(DRAWS[name] ?? []).map((draw) => draw(dice)).join(",")}]`);
      const wanted = await ofOpa(name, calls);
      const found = calls.map((call) => {
        const result = builtin?.(readTerm(call) as never, () => undefined);
        return result === undefined ? undefined : termText(result);
      });
      const differing = calls.flatMap((call, i) =>
        found[i] === wanted[i] ? [] : [`${call}: ${found[i] ?? "undefined"}, OPA ${wanted[i] ?? "undefined"}`],
      );
      expect(differing.slice(0, 5)).to.deep.equal([]);
      expect(wanted.filter((one) => one !== undefined).length).to.be.within(CALLS / 20, CALLS);
      expect(wanted).to.include(undefined);
    });
  }
});
