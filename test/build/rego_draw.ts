/** Policy modules drawn at random, one in four with a mistake in it: what two builds of a compiler are compared on. */
import type { Dice } from "../differential/dice.js";

const PATHS = [
  "input.request.verb",
  "input.request.resource.id",
  "input.facts.agent.attributes.level",
  "data.words",
  "data.limits.most",
  "input[x]",
];
const VALUES = ["1", "2.50", "-7", "1e3", '"a"', '"ü\\n"', "true", "null", '["a", 1]', '{"k": [1, {"l": null}]}', "{1, 2}", "`raw`"];
const COMPARISONS = ["==", "!=", "<", "<=", ">", ">="];
const CALLS = [
  "count(PATH)",
  'startswith(PATH, "a")',
  "lower(PATH)",
  "sum(PATH)",
  "PATH | {1}",
  "abs(PATH)",
  'sprintf("%v", [PATH])',
  'object.get(PATH, "k", 1)',
];
const MISTAKES = [
  "unsafe_of(y)",
  "x :=",
  "http.send({})",
  'trim(1, 2) == "a"',
  "input.request.verb == == 1",
  "some z",
  "now := time.now_ns()",
  "p with q",
];

export function drawModule(dice: Dice, name: string): string {
  let names = 0;
  const one = (words: readonly string[]): string => dice.of(words);
  const term = (): string =>
    one([one(PATHS), one(VALUES), one(CALLS).replaceAll("PATH", one(PATHS)), `helper_${dice.below(3)}(${one(VALUES)})`]);
  const line = (depth: number): string => {
    const nested = depth > 0 ? dice.below(9) : 0;
    if (nested === 7) return `every e in ${one(PATHS)} { e != ${one(VALUES)} }`;
    if (nested === 6) return `some k${++names}, v${names} in ${one(PATHS)}\n\tk${names} == v${names}`;
    if (nested === 5) return `not ${line(0)}`;
    if (nested === 4) return `[v | some v in ${one(PATHS)}; ${line(0)}] ${one(COMPARISONS)} [${one(VALUES)}]`;
    if (nested === 3) return `x${++names} := {k: v | some k, v in ${one(PATHS)}}`;
    return `${term()} ${one(COMPARISONS)} ${term()}`;
  };
  const body = (): string => Array.from({ length: 1 + dice.below(4) }, () => `\t${line(1)}`).join("\n");
  const rule = (i: number): string =>
    one([
      `deny contains reason if {\n${body()}\n\treason := {"code": "c${i}", "params": {"v": ${one(VALUES)}}}\n}`,
      `allow if {\n${body()}\n} else := ${one(VALUES)} if {\n${body()}\n}`,
      `level_${i} := ${one(VALUES)} if {\n${body()}\n}`,
      `by_key[k] := v if {\n\tsome k, v in ${one(PATHS)}\n${body()}\n}`,
      `default found_${i} := ${one(VALUES)}\n\nfound_${i} := ${one(VALUES)} if {\n${body()}\n}`,
    ]);
  const rules = Array.from({ length: 1 + dice.below(5) }, (_, i) => rule(i));
  const helpers = Array.from({ length: 3 }, (_, i) => `helper_${i}(a) := a if {\n\ta != ${one(VALUES)}\n}`);
  if (dice.below(4) === 0) rules.push(`broken if {\n\t${one(MISTAKES)}\n}`);
  const module = [`package rules.${name}`, 'x := "verb"', 'allow if input.request.verb == "read"', ...rules, ...helpers].join("\n\n");
  return dice.below(2) === 0 ? `${module}\n` : `${module.replaceAll("\t", "  ")}\n\n`;
}
