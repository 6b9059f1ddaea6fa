/** Command lines of the benchmarks: `--help` with examples, and exit code 2 for an option that is unknown or has no valid value. */
import { Command, InvalidArgumentError, Option } from "commander";
import { nearestWord } from "../src/contract/nearest.js";

/** One option. A number, several numbers or a text if it has such a default, a list if it has names to choose from, else a switch. */
export interface OptionSpec {
  says: string;
  default?: number | readonly number[] | string;
  /** Least number. @default 0 */
  least?: number;
  /** Names of which it takes some, separated by commas. */
  among?: readonly string[];
  /** `text`: a text without a default. `rest`: the arguments that belong to no option. */
  takes?: "text" | "rest";
}

/** `--json` of every benchmark that has it. */
export const AS_JSON = { says: "print the figures as JSON" } as const;

type Specs = Readonly<Record<string, OptionSpec>>;

type ValueOf<S extends OptionSpec> = S extends { default: number }
  ? number
  : S extends { default: readonly number[] }
    ? readonly number[]
    : S extends { default: string }
      ? string
      : S extends { among: readonly string[] }
        ? string[] | undefined
        : S extends { takes: "rest" }
          ? string[]
          : S extends { takes: "text" }
            ? string | undefined
            : boolean;

export interface Usage<S extends Specs> {
  about: string;
  options: S;
  /** Arguments after the program's name. */
  examples: readonly string[];
}

const USAGE_ERROR = 2;

/**
 * Reads the options of a benchmark from its command line; an option `atOnce` is `--at-once`. Ends the process with 0 after `--help`, and
 * with 2, naming the option, if one is unknown or its value is invalid.
 * @param program file in `bench`, without its ending
 */
export function readOptions<const S extends Specs>(
  program: string,
  { about, options, examples }: Usage<S>,
): { [K in keyof S]: ValueOf<S[K]> } {
  const call = `node dist/bench/${program}.js`;
  const command = new Command(call)
    .description(about)
    .addHelpText("after", `\nExamples:\n${examples.map((args) => `  $ ${`${call} ${args}`.trimEnd()}`).join("\n")}`)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE_ERROR));
  for (const [name, spec] of Object.entries<OptionSpec>(options)) {
    if (spec.takes === "rest") command.argument(`[${name}...]`, spec.says);
    else command.addOption(optionOf(name, spec));
  }
  const found: Record<string, unknown> = command.parse().opts();
  const values = Object.entries<OptionSpec>(options).map(([name, spec]): [string, unknown] => [
    name,
    spec.takes === "rest" ? command.args : (found[name] ?? (isSwitch(spec) ? false : undefined)),
  ]);
  return Object.fromEntries(values) as { [K in keyof S]: ValueOf<S[K]> };
}

/**
 * The names that an option lists; every known one if it is left out. Ends the process with 2 for one that is unknown. For names that are
 * known once data was read; others are an option's `among`.
 */
export function namesOf(option: string, text: string | undefined, known: readonly string[]): readonly string[] {
  if (text === undefined) return known;
  try {
    return namesFrom(text, known);
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError)) throw cause;
    console.error(`error: option '--${option}' is invalid. ${cause.message}`);
    process.exit(USAGE_ERROR);
  }
}

/**
 * Splits a list of names at its commas.
 * @throws InvalidArgumentError naming one that is unknown, and what may have been meant
 */
function namesFrom(text: string, known: readonly string[]): string[] {
  const names = text.split(",");
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names;
  const meant = nearestWord(unknown, known);
  throw new InvalidArgumentError(
    `\`${unknown}\` is unknown; ${meant === null ? `expected ${known.join(", ")}` : `did you mean \`${meant}\``}.`,
  );
}

function optionOf(name: string, spec: OptionSpec): Option {
  const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  if (isSwitch(spec)) return new Option(flag, spec.says);
  const { among, least = 0 } = spec;
  const takes = among !== undefined ? "names" : Array.isArray(spec.default) ? "n,…" : typeof spec.default === "number" ? "n" : "text";
  const option = new Option(`${flag} <${takes}>`, among === undefined ? spec.says : `${spec.says}: ${among.join(", ")}`);
  if (spec.default !== undefined) option.default(spec.default);
  if (among !== undefined) return option.argParser((text: string) => namesFrom(text, among));
  if (takes === "n,…")
    return option
      .default(spec.default, String(spec.default))
      .argParser((text: string) => text.split(",").map((one) => numberFrom(one, least)));
  return takes === "n" ? option.argParser((text: string) => numberFrom(text, least)) : option;
}

function isSwitch({ default: value, among, takes }: OptionSpec): boolean {
  return value === undefined && among === undefined && takes === undefined;
}

function numberFrom(text: string, least: number): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || value < least) throw new InvalidArgumentError(`Expected a number of at least ${least}.`);
  return value;
}
