/**
 * Every constant of the behaviour profile in one table: its value, its reason, and what becomes of the figures on a set of labelled events when it
 * is halved and doubled. Written to `bench/notes/behavior_constants.md`. Each variant is a run over all events; what was measured is kept in
 * `bench/results/behavior_constants.json`, so that a run that was stopped goes on.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import ts from "typescript";
import type { BehaviorProfile } from "../src/behavior/profile.js";
import { eventOf } from "../src/cli/behavior/profile_event.js";
import { asset } from "../src/system/paths.js";
import { Copies } from "../test/threats/copies.js";
import type { Edit } from "../test/threats/cut.js";
import { readOptions } from "./options.js";

const { data = process.env["REMIT_BEHAVIOR_DATA"], only } = readOptions("behavior_constants", {
  about: "Measures what halving and doubling each constant of the behaviour profile does to what it finds.",
  options: {
    data: { says: "folder of labelled events; REMIT_BEHAVIOR_DATA if left out", takes: "text" },
    only: { says: "only constants whose name has this text", takes: "text" },
  },
  examples: ["--data ../events", "--data ../events --only MEMORY"],
});

/** Modules whose constants change what an act scores. */
const MODULES = ["score", "look", "pace", "order", "evidence", "histogram", "teach", "peers", "profile"];
/** Not tuned: units, indexes, sizes of fields, and what only people see. */
const FIXED =
  /^(?:EPOCH_S|DAY_S|DAY_MS|HOUR_MS|SHUFFLED|BESIDE|LEVELS|TOUCHED|KNOWN|AFTER|\w+_BITS|RUN_AT|TALLY_AT|LABELLED|RUN_SCALE|RUN_MAX|LAST_FROM|SUBJECTS_MAX|PURPOSES_MAX|NAMES_MAX|REASONS_MAX|NAMED_FROM|GONE_AFTER|EXPECTED_ACTS)$/;
const SET = "simulated";

interface Constant {
  module: string;
  /** Name, and of a member of a table its name behind a dot. */
  name: string;
  value: string;
  reason: string;
  at: { start: number; end: number };
}

interface Figures {
  auc: number;
  few: number;
  more: number;
  /** Of ten thousand benign acts, how many have risk 60 or more. */
  flagged: number;
}

/** Numbers that a module gives names to at its top level. */
function constantsOf(module: string): Constant[] {
  const text = readFileSync(asset("src", "behavior", `${module}.ts`), "utf8");
  const source = ts.createSourceFile(`${module}.ts`, text, ts.ScriptTarget.ES2022, true);
  const found: Constant[] = [];
  source.forEachChild((statement) => {
    if (!ts.isVariableStatement(statement)) return;
    const comment = /\/\*\*([\s\S]*?)\*\//.exec(statement.getFullText());
    const reason = (comment?.[1] ?? "").replace(/\s*\n\s*\* ?/g, " ").trim();
    const add = (name: string, value: ts.Node): void => {
      if (!FIXED.test(name.split(".")[0] ?? "") && isNumber(value))
        found.push({ module, name, value: value.getText(), reason, at: { start: value.getStart(), end: value.end } });
    };
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (initializer === undefined) continue;
      const plain = ts.isAsExpression(initializer) ? initializer.expression : initializer;
      if (ts.isArrayBindingPattern(name) && ts.isArrayLiteralExpression(plain))
        name.elements.forEach((element, i) => {
          const value = plain.elements[i];
          if (value !== undefined) add(element.getText(), value);
        });
      else if (ts.isIdentifier(name)) {
        add(name.text, plain);
        const table = ts.isCallExpression(plain) ? plain.arguments[0] : plain;
        if (table !== undefined && ts.isObjectLiteralExpression(table))
          for (const member of table.properties)
            if (ts.isPropertyAssignment(member)) add(`${name.text}.${member.name.getText()}`, member.initializer);
      }
    }
  });
  return found;
}

function isNumber(node: ts.Node): boolean {
  return ts.isNumericLiteral(node) || (ts.isBinaryExpression(node) && isNumber(node.left) && isNumber(node.right));
}

function scaled({ module, value, at }: Constant, by: string): Edit {
  return { file: `behavior/${module}.js`, kind: "value", find: () => ({ ...at, text: `((${value}) ${by})` }) };
}

type Event = Record<string, unknown> & { label?: number; ts: number; warmup_end?: number };

function figuresOf(
  Profile: typeof BehaviorProfile,
  events: readonly Event[],
  files: { judge: string; events: string; scores: string },
): Figures {
  const profile = new Profile({ agents_max: 10_000 });
  const warm = events[0]?.warmup_end ?? 0;
  let [flagged, benign] = [0, 0];
  const scores = events.map((event) => {
    const { act, outcome } = eventOf(JSON.stringify(event));
    const { risk } = profile.assess(act);
    const score = profile.scoreOf(act);
    profile.learn(act, outcome);
    if (event.label !== 1 && event.ts >= warm) {
      benign++;
      if (risk >= 60) flagged++;
    }
    return score;
  });
  writeFileSync(files.scores, scores.join("\n"));
  const judged = JSON.parse(
    execFileSync("python3", [files.judge, files.events, files.scores, "--json"], { maxBuffer: 1 << 26 }).toString(),
  ) as {
    auc: number;
    at: Record<"0.001" | "0.01", { campaigns: number }>;
  };
  return { auc: judged.auc, few: judged.at["0.001"].campaigns, more: judged.at["0.01"].campaigns, flagged: (10_000 * flagged) / benign };
}

async function main(): Promise<number> {
  const judge = join(data ?? "", "evaluate.py");
  const set = join(data ?? "", SET, "events.jsonl.gz");
  if (data === undefined || !existsSync(judge) || !existsSync(set)) {
    console.error("SKIPPED: no folder of labelled events with its judge is given (--data, REMIT_BEHAVIOR_DATA)");
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), "remit-constants-"));
  const kept = asset("bench", "results", "behavior_constants.json");
  mkdirSync(asset("bench", "results"), { recursive: true });
  const known = new Map<string, Figures>(existsSync(kept) ? (JSON.parse(readFileSync(kept, "utf8")) as [string, Figures][]) : []);
  try {
    const text = gunzipSync(readFileSync(set)).toString("utf8").trim();
    const files = { judge, events: join(folder, "events.jsonl"), scores: join(folder, "scores") };
    writeFileSync(files.events, text);
    const events = text.split("\n").map((line) => JSON.parse(line) as Event);
    let variants = 0;
    const measure = async (name: string, edits: readonly Edit[]): Promise<Figures> => {
      const before = known.get(name);
      if (before !== undefined) return before;
      // Copies stand among the compiled modules, so that what they import is found.
      const copies = asset("dist", "bench", `.constants-${process.pid}-${variants++}`);
      try {
        const module = (await new Copies(copies, edits).load("behavior/profile.js")) as { BehaviorProfile: typeof BehaviorProfile };
        const figures = figuresOf(module.BehaviorProfile, events, files);
        known.set(name, figures);
        writeFileSync(kept, JSON.stringify([...known]));
        return figures;
      } finally {
        rmSync(copies, { recursive: true, force: true });
      }
    };
    const all = MODULES.flatMap(constantsOf).filter(({ name }) => only === undefined || name.includes(only));
    const now = await measure("now", []);
    const rows: string[] = [];
    for (const [i, one] of all.entries()) {
      const name = `${one.module}.${one.name} = ${one.value}`;
      console.error(`${i + 1} of ${all.length}: ${name}`);
      const halved = await measure(`${name} / 2`, [scaled(one, "/ 2")]);
      const doubled = await measure(`${name} * 2`, [scaled(one, "* 2")]);
      rows.push(`| \`${one.name}\` (${one.module}) | ${one.value} | ${one.reason} | ${shown(halved, now)} | ${shown(doubled, now)} |`);
    }
    if (only === undefined) writeFileSync(asset("bench", "notes", "behavior_constants.md"), page(now, rows));
    else console.log(rows.join("\n"));
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const digits = (value: number, places: number): string => value.toFixed(places);

/** Figures of a variant, or a dash if none of them is another. */
function shown({ auc, few, more, flagged }: Figures, now: Figures): string {
  const isSame = Math.abs(auc - now.auc) < 0.0005 && few === now.few && more === now.more && Math.abs(flagged - now.flagged) < 0.05;
  return isSame ? "–" : `${digits(auc, 3)}; ${digits(few, 2)} / ${digits(more, 2)}; ${digits(flagged, 1)}`;
}

function page({ auc, few, more, flagged }: Figures, rows: readonly string[]): string {
  return `# Constants of the behaviour profile

Written by \`node dist/bench/behavior_constants.js\`. Each constant with its reason, and what becomes of the figures on the first simulated seed when it alone is halved and doubled:
AUC; campaigns caught at 0.1 % / at 1 % of benign acts flagged; benign acts of ten thousand with risk 60 or more. A dash: the figures are the same.
One campaign is 0.02, so a step of 0.02 or 0.04 says little. Units, indexes and sizes of fields are left out.

As they are: AUC ${digits(auc, 3)}; campaigns ${digits(few, 2)} / ${digits(more, 2)}; ${digits(flagged, 1)} of ten thousand benign acts flagged.

<!-- prettier-ignore -->
| constant | value | reason | halved | doubled |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}

process.exitCode = await main();
