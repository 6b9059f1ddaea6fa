/**
 * Checks how the sources are worded: run in `make static`, by `node dist/scripts/wording.js`. Each count may only fall: `--lower` writes lower
 * ones to `scripts/wording.json`.
 */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { asset } from "../src/system/paths.js";

/** A place in the sources, and what is wrong there. */
export interface Fault {
  file: string;
  line: number;
  text: string;
}

export type Kind = "headless_comments" | "phrases" | "duplicate_types" | "participle_types";

export type Faults = Record<Kind, Fault[]>;

const FLOOR_FILE = asset("scripts", "wording.json");

/** A comment that begins with one of these has no subject. */
const HEADLESS = /^(?:of|what|whose|whom|who|those|these|by|as|told|whether|where|how|in|none|also|so|nobody|nothing)\b/i;

/** Phrases that need a second reading, and what says the same. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\bis none\b/i, "isn't a, is missing, is invalid"],
  [/\banew\b/i, "again"],
  [/\bif unsaid\b/i, "by default"],
  [/\ball the same\b/i, "anyway"],
  [/\botherwise than\b/i, "differently from"],
  [/\bcan't be had\b/i, "isn't available"],
  [/\bwho asks\b/i, "caller"],
  [/\bwhat is usual\b/i, "baseline"],
  [/\bwhom a task is for\b/i, "principal"],
];

/** Names of types that say what was done to something, and not what it is. */
const PARTICIPLES =
  /^(?:Asked|Told|Said|Held|Heard|Seen|Known|Given|Kept|Begun|Judged|Noticed|Found|Counted|Opened|Readied|Followed|Learned|Taken|Shown|Written|Sent|Made|Used|Wanted|Named|Chosen)$/;

/** Returns what is wrong with the wording of these sources. @param sources texts by path */
export function faultsIn(sources: ReadonlyMap<string, string>): Faults {
  const faults: Faults = { headless_comments: [], phrases: [], duplicate_types: [], participle_types: [] };
  const types = new Map<string, Fault[]>();
  for (const [file, text] of sources) {
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
    const at = (position: number, what: string): Fault => ({
      file,
      line: source.getLineAndCharacterOfPosition(position).line + 1,
      text: what,
    });
    for (const { position, words } of commentsIn(text)) {
      const first = words.replace(/^@\w+\s+(?:\{[^}]*\}\s*)?/, "");
      // A parameter's name is its subject.
      if (!words.startsWith("@param") && HEADLESS.test(first)) faults.headless_comments.push(at(position, first.slice(0, 60)));
      for (const [phrase, better] of PHRASES) if (phrase.test(words)) faults.phrases.push(at(position, `${String(phrase)}: ${better}`));
    }
    ts.forEachChild(source, (node) => {
      if (!(
        ts.isInterfaceDeclaration(node) ||
        ts.isTypeAliasDeclaration(node) ||
        ts.isClassDeclaration(node) ||
        ts.isEnumDeclaration(node)
      ))
        return;
      const name = node.name?.text ?? "";
      const place = at(node.getStart(), name);
      if (PARTICIPLES.test(name)) faults.participle_types.push(place);
      if (node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true)
        types.set(name, [...(types.get(name) ?? []), place]);
    });
  }
  for (const places of types.values()) faults.duplicate_types.push(...places.slice(1));
  return faults;
}

/** Doc comments of a source: their words without the stars, and where they begin. */
function commentsIn(text: string): { position: number; words: string }[] {
  return [...text.matchAll(/\/\*\*(?!\*)([\s\S]*?)\*\//g)].map((found) => ({
    position: found.index,
    words: (found[1] ?? "").replace(/^\s*\* ?/gm, "").trim(),
  }));
}

/** Reads all sources below `src`. */
function sources(): Map<string, string> {
  const paths = readdirSync(asset("src"), { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  return new Map(paths.sort().map((path) => [join("src", path), readFileSync(join(asset("src"), path), "utf8")]));
}

function main(lower: boolean): number {
  const floor = JSON.parse(readFileSync(FLOOR_FILE, "utf8")) as Record<Kind, number>;
  const faults = faultsIn(sources());
  let worse = 0;
  for (const [kind, found] of Object.entries(faults) as [Kind, Fault[]][]) {
    const most = floor[kind];
    if (found.length <= most) {
      if (found.length < most && !lower) console.log(`wording: ${kind} fell from ${most} to ${found.length}; write it down with --lower`);
      continue;
    }
    worse++;
    console.log(`wording: ${found.length} ${kind}, at most ${most} are allowed; among them`);
    for (const { file, line, text } of found.slice(-20)) console.log(`  ${file}:${line} ${text}`);
  }
  if (worse > 0) return 1;
  if (lower)
    writeFileSync(
      FLOOR_FILE,
      `${JSON.stringify(Object.fromEntries(Object.entries(faults).map(([kind, found]) => [kind, found.length])), null, 2)}\n`,
    );
  return 0;
}

if (process.argv[1] === asset("dist", "scripts", "wording.js")) process.exitCode = main(process.argv.includes("--lower"));
