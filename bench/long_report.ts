/** `bench/notes/long_runs.md`. */
import type { Judged } from "./client.js";
import type { Machine } from "./machine.js";

export interface LongResult {
  machine: Machine;
  command: string;
  /** RFC 3339. */
  finished: string;
  seconds: number;
  passed: boolean;
  marks: Judged[];
}

const INTRODUCTION = `# Long runs

Written by \`make bench-long\`. Each run is a program of its own, which prints its progress, takes \`--json\` and its numbers as
options, and ends with 1 where a mark is missed. Rates and latencies need a machine that does nothing else; what must be
zero must be zero anywhere.`;

/**
 * @param before what the page said; sections of runs that have no result now stay
 * @param order of the runs
 */
export function longRuns(results: Readonly<Record<string, LongResult>>, before: string, order: readonly string[]): string {
  const kept = sectionsOf(before);
  const sections = order.map((name) => (results[name] === undefined ? kept.get(name) : section(name, results[name])));
  return `${[INTRODUCTION, ...sections.filter((text) => text !== undefined)].join("\n\n")}\n`;
}

/** Of the page, by the names of runs. */
export function sectionsOf(page: string): Map<string, string> {
  return new Map(page.split(/^(?=## )/m).map((text) => [/^## (\w+)/.exec(text)?.[1] ?? "", text.trim()]));
}

function section(name: string, { machine, command, finished, seconds, passed, marks }: LongResult): string {
  const { processor, cores, kernel, node } = machine;
  return [
    `## ${name}: ${passed ? "passed" : "**missed**"}\n`,
    `\`${command}\` on ${finished.slice(0, 10)}, ${seconds} s on ${processor}, ${cores} cores, Linux ${kernel}, Node ${node}.\n`,
    ...(marks.length === 0 ? ["It broke down."] : ["|  | found | wanted |  |", "| --- | --: | --: | --- |"]),
    ...marks.map(row),
  ].join("\n");
}

function row({ figure, found, unit, most, least, passed }: Judged): string {
  const wanted = most !== null ? `at most ${most}` : least !== undefined ? `at least ${least}` : "";
  const number = Number.isInteger(found) ? String(found) : found.toFixed(2);
  const verdict = wanted === "" ? "" : passed ? "met" : "**missed**";
  return `| ${figure} | ${`${number} ${unit}`.trim()} | ${wanted} | ${verdict} |`;
}
