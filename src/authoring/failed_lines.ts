/** Finds the conditions at which a set's rules stopped for one input, by OPA's own trace: in the rule itself or in a helper that it uses. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseModules } from "../bundle/conventions.js";
import { OpaUnavailable, runOpa, type Opa } from "../bundle/opa.js";
import type { PolicySet } from "../bundle/compile.js";
import type { PolicyInput } from "../contract/index.js";

export interface FailedLine {
  /** `rules.rego:27` */
  source: string;
  text: string;
  /** True for a line of the rule itself, false for one of a helper that it uses. */
  own: boolean;
}

interface Block {
  file: string;
  name: string;
  first: number;
  last: number;
  lines: string[];
}

interface TraceEvent {
  Op: string;
  Location: { file: string; row: number };
}

/**
 * Returns, by the place of each rule (`rules.rego:27`), the lines at which it failed; of a rule that fired, those at which its helpers did.
 * @param folder laid out as a bundle
 * @param input one that the set's policy decides without failing
 * @throws OpaUnavailable if the compiler gives no trace, so that lines which weren't looked for aren't taken for none
 */
export async function failedLines(opa: Opa, folder: string, set: PolicySet, input: PolicyInput): Promise<Map<string, FailedLine[]>> {
  const failed = new Map<string, FailedLine[]>();
  if (set.rego.length === 0) return failed;
  const query = ["allow", "log", "flag", "deny"]
    .map((effect) => `x_${effect} = {r | some r in data.rules.${input.request.purpose}.${effect}}`)
    .join("; ");
  const data = ["remit", "rules", "data.json"].flatMap((source) => ["--data", source]);
  const args = ["eval", "--format", "json", "--explain", "fails", "--stdin-input", ...data, query];
  const output = await runOpa(opa, args, folder, JSON.stringify(input));
  if (output.code !== 0) throw new OpaUnavailable(`the trace failed: ${output.stderr.trim() || output.stdout.trim()}`, "report this");
  const { explanation = [] } = JSON.parse(output.stdout) as { explanation?: TraceEvent[] };
  const rows = new Set(
    explanation.filter(({ Op }) => Op === "Fail").map(({ Location: { file, row } }) => `${file.replace(/^rules\//, "")}:${row}`),
  );
  const blocks = await blocksOf(opa, set);
  for (const block of blocks) failed.set(`${block.file}:${block.first}`, linesOf(block, blocks, rows));
  return failed;
}

async function blocksOf(opa: Opa, set: PolicySet): Promise<Block[]> {
  const modules = await parseModules(opa, set.dir, set.rego);
  return modules.flatMap(({ file, module }) => {
    const text = readFileSync(join(set.dir, file), "utf8").split("\n");
    const rules = module.rules ?? [];
    return rules.map(({ head, location: { row } }, i) => {
      const last = (rules[i + 1]?.location.row ?? text.length + 1) - 1;
      return { file, name: String(head.ref[0]?.value), first: row, last, lines: text.slice(row - 1, last) };
    });
  });
}

function linesOf(block: Block, blocks: readonly Block[], rows: ReadonlySet<string>): FailedLine[] {
  const found: FailedLine[] = [];
  const seen = new Set<Block>();
  const visit = (one: Block): void => {
    if (seen.has(one)) return;
    seen.add(one);
    const body = one.lines.filter((line) => !line.startsWith("#")).join("\n");
    for (const [i, line] of one.lines.entries()) {
      const source = `${one.file}:${one.first + i}`;
      if (rows.has(source) && !line.startsWith("#")) found.push({ source, text: line.trim(), own: one === block });
    }
    for (const other of blocks) if (new RegExp(`\\b${other.name}\\b`).test(body) && other.name !== one.name) visit(other);
  };
  visit(block);
  return found;
}
