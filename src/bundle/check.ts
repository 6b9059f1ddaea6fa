/** Everything that must hold of a policy set before it is compiled; every mistake of a stage is told at once. */
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inputSchema } from "../contract/index.js";
import { nearestWord } from "../contract/nearest.js";
import { asset } from "../system/paths.js";
import { whyRefused, type Capabilities } from "./capabilities.js";
import type { JsonSchema } from "../contract/schema.js";
import { buildCatalogue } from "./catalogue.js";
import { compilePolicySet, type PolicySet } from "./compile.js";
import { checkConventions, parseModules, ruleReasons, type ParsedModule } from "./conventions.js";
import { withReaders } from "./masks.js";
import { unfilledInRules } from "./messages.js";
import { nullComparisons } from "./nulls.js";
import { silentRules } from "./unknowns.js";
import { unknownKeys } from "./object_gets.js";
import { opaErrors, runOpa, type Opa } from "./opa.js";
import { LITERALS_MAX, readByRules } from "./reads.js";
import { SourceErrors, type SourceNote } from "./source.js";
import { isZone, zoneNames } from "./zones.js";

const ERRORS_MAX = 100;
export const CAPABILITIES_FILE = asset("rego", "capabilities.json");

/**
 * Reads and checks a policy set: its YAML, then format, types against the vocabulary's schema, builtins and conventions
 * of its Rego.
 * @returns the set, with the rules' codes in its catalogue too, what may read each masked field, and warnings and remarks in
 * its notes
 * @throws SourceErrors with all errors of the first stage that has any
 */
export async function checkPolicySet(opa: Opa, folder: string): Promise<PolicySet> {
  const set = compilePolicySet(folder);
  const notes = [...set.notes];
  const stop = (found: SourceNote[]): void => {
    // Not spread: a large set has more remarks than a call may have arguments.
    for (const note of found) notes.push(note);
    if (notes.some(({ severity }) => severity === "error")) throw new SourceErrors(notes);
  };
  stop(checkZones(set));
  const modules = await parseModules(opa, set.dir, set.rego);
  await parseModules(opa, set.dir, set.tests);
  const found = await Promise.all([checkTypes(opa, set), checkFormat(opa, set), checkConventions(opa, modules, Object.keys(set.purposes))]);
  const input = inputSchema(set.vocabulary);
  stop([...found.flat(), ...unknownKeys(modules, input), ...comparisons(modules, input)]);
  const reasons = ruleReasons(modules);
  const { catalogue, notes: taken } = buildCatalogue(set.catalogue, reasons);
  stop([...taken, ...unfilledInRules(reasons, set.vocabulary)]);
  const read = readByRules(modules);
  for (const { name, reads, literals } of read) {
    const entry = Object.hasOwn(catalogue, name) ? catalogue[name] : undefined;
    if (entry === undefined || reads === "everything") continue;
    entry.reads = distinct([...(entry.reads ?? []), ...reads]);
    entry.literals = [...new Set([...(entry.literals ?? []), ...literals])].slice(0, LITERALS_MAX);
  }
  const vocabulary = withReaders(set.vocabulary, set.purposes, catalogue, read);
  return { ...set, vocabulary, catalogue, notes };
}

/** Errors of rules that are silent where a value is unknown; at other places, warnings of nulls that are equal. */
function comparisons(modules: readonly ParsedModule[], input: JsonSchema): SourceNote[] {
  const silent = silentRules(modules, input);
  const places = new Set(silent.map(({ file, line }) => `${file}:${line ?? ""}`));
  return [...silent, ...nullComparisons(modules, input).filter(({ file, line }) => !places.has(`${file}:${line ?? ""}`))];
}

function distinct(paths: string[][]): string[][] {
  return [...new Map(paths.map((path) => [path.join("\u0000"), path])).values()];
}

function checkZones(set: PolicySet): SourceNote[] {
  return set.zones
    .filter((name) => !isZone(name))
    .map((name) => {
      const meant = nearestWord(name, zoneNames());
      const hint = meant === null ? "use an IANA name such as `Europe/Berlin`" : `did you mean \`${meant}\`?`;
      const message = `there is no time zone \`${name}\``;
      return { severity: "error", file: "purposes.yaml", line: null, message, hint };
    });
}

async function checkFormat(opa: Opa, set: PolicySet): Promise<SourceNote[]> {
  const files = [...set.rego, ...set.tests];
  if (files.length === 0) return [];
  const { stdout } = await runOpa(opa, ["fmt", "--list", ...files], set.dir);
  return files
    .filter((file) => stdout.split("\n").includes(file))
    .map((file) => ({
      severity: "error",
      file,
      line: null,
      message: "the file is not formatted as `opa fmt` does",
      hint: `run \`remit fmt ${set.dir}\``,
    }));
}

async function checkTypes(opa: Opa, set: PolicySet): Promise<SourceNote[]> {
  if (set.rego.length === 0) return [];
  return await staged(set, set.rego, async (stage) => {
    await mkdir(join(stage, "schemas"));
    await writeFile(join(stage, "schemas", "input.json"), JSON.stringify(opaSchema(inputSchema(set.vocabulary))));
    const output = await runOpa(
      opa,
      [
        ...["check", "--strict", "--format", "json", "--max-errors", String(ERRORS_MAX)],
        ...["--schema", "schemas", "--capabilities", CAPABILITIES_FILE, "remit", "rules"],
      ],
      stage,
    );
    if (output.code === 0) return [];
    const known = await builtinNames(opa);
    return opaErrors(output).map((note) => {
      const file = note.file.replace(/^rules\//, "");
      const builtin = /^undefined function (\S+)$/.exec(note.message)?.[1];
      if (builtin === undefined || !known.has(builtin)) return { ...note, file };
      return { ...note, file, message: `builtin \`${builtin}\` may not be used`, hint: whyRefused(builtin) };
    });
  });
}

/** The schema as OPA reads it: of `type: [string, null]` it takes the first, and `anyOf` whole. */
export function opaSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(opaSchema);
  if (typeof schema !== "object" || schema === null) return schema;
  const read = Object.fromEntries(Object.entries(schema).map(([key, member]) => [key, opaSchema(member)]));
  const { type, ...rest } = read;
  if (!Array.isArray(type)) return read;
  return { anyOf: type.map((one: unknown) => (one === "null" ? { type: one } : { ...rest, type: one })) };
}

async function builtinNames(opa: Opa): Promise<Set<string>> {
  const { stdout } = await runOpa(opa, ["capabilities", "--current"], ".");
  return new Set((JSON.parse(stdout) as Capabilities).builtins.map(({ name }) => name));
}

/**
 * Lays a set's Rego and the library's out as a bundle has them, in a folder that is gone afterwards. OPA runs inside it,
 * since the paths it is given end up in the module.
 * @param files of the set, relative to it
 */
export async function staged<T>(set: PolicySet, files: string[], use: (stage: string) => Promise<T>): Promise<T> {
  const stage = await mkdtemp(join(tmpdir(), "remit-stage-"));
  try {
    for (const file of await libraryFiles()) await cp(asset("rego", file), join(stage, file));
    for (const file of files) {
      const target = join(stage, "rules", file);
      await mkdir(dirname(target), { recursive: true });
      await cp(join(set.dir, file), target);
    }
    return await use(stage);
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** The library's modules without its own tests, as `remit/<name>.rego`. */
export async function libraryFiles(): Promise<string[]> {
  const names = await readdir(asset("rego", "remit"));
  return names
    .filter((name) => name.endsWith(".rego") && !name.endsWith("_test.rego"))
    .sort()
    .map((name) => `remit/${name}`);
}
