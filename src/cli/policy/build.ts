/** `remit build`: a policy set's folder → a signed bundle. */
import type { KeyObject } from "node:crypto";
import type { Command } from "commander";
import { totals } from "../../authoring/report.js";
import { testSet } from "../../authoring/set.js";
import { buildBundle, type BuiltBundle } from "../../bundle/build.js";
import { findOpa, type Opa } from "../../bundle/opa.js";
import type { TestedBuild } from "../../bundle/provenance.js";
import type { RepublishedBundle } from "../../bundle/republish.js";
import { summarised } from "../../bundle/source.js";
import { keyId } from "../../bundle/signature.js";
import { parseTime } from "../../contract/index.js";
import { systemClock } from "../../system/index.js";
import { CliError } from "../exit.js";
import { defaultKeyPath } from "./keys.js";
import { republish, sayRepublished } from "./republish.js";
import { EXPIRES_DAYS, KEY_OPTION, KEY_VARIABLE, rehearse, signingKey, time, wholeNumber } from "./signing_options.js";
import { commitOf, inFolder, placed, readBundle, writeWhole, type Commit } from "./sources.js";
import { sayJson, sayNotes, type Ui } from "../ui.js";

const DAY_MS = 86_400_000;

interface Options {
  also?: string;
  provenance?: true;
  builder: string;
  out?: string;
  key?: string;
  sequence?: number;
  expires?: number;
  /** commander makes `--no-expiry` this. */
  expiry: boolean;
  name?: string;
  commit?: string;
  remarks?: true;
  json?: true;
}

const EXAMPLES = `
Examples:
  $ remit build                                    # the set in this folder, signed with ${defaultKeyPath()}.pem
  $ remit build policies/support --out support.tar.gz --sequence 12 --expires 2027-01-01T00:00:00Z
  $ ${KEY_VARIABLE}="$(cat signing.pem)" remit build --no-expiry

With \`--also\` the default sequence is twice the number of commits: give it to every build from then on, or none.
The same commit gives the same bundle, byte for byte but for its signature. SOURCE_DATE_EPOCH (seconds), where set, is the
time it says it was built at; else that is the commit's.`;

export function addBuild(program: Command, ui: Ui): void {
  program
    .command("build")
    .description("check a policy set, compile it to WASM, sign it")
    .argument("[folder]", "of the policy set", ".")
    .option("--out <file>", "the bundle (default: <name>.tar.gz)")
    .option("--key <file>", KEY_OPTION)
    .option("--sequence <n>", "only moves forward (default: how many commits led here; outside git, the second of the build)", wholeNumber)
    .option("--expires <time>", `RFC 3339 (default: ${EXPIRES_DAYS} days after it was built)`, time)
    .option("--no-expiry", "it never expires")
    .option("--name <name>", "of the bundle (default: the folder's)")
    .option("--commit <id>", "to name in the manifest (default: that of the repository, if nothing is uncommitted)")
    .option("--also <bundle>", "sign this earlier bundle's content under the next sequence too, as a way back: <out>.back.tar.gz")
    .option("--provenance", "run the set's tests, and put into the bundle who built it of what (in-toto, SLSA)")
    .option("--builder <uri>", "who builds, for --provenance", "urn:remit:builder")
    .option("--remarks", "list each entry that can apply together with others")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (folder: string, options: Options) => {
      const opa = await findOpa();
      const commit = await commitOf(folder);
      const builtMs = builtAt(commit);
      if (options.expires !== undefined && options.expires <= builtMs) {
        throw new CliError("usage", "--expires lies before the bundle is built");
      }
      const key = await signingKey(options.key);
      const tests = options.provenance === true ? await inFolder(folder, () => tested(opa, folder)) : null;
      const built = await inFolder(folder, async () => {
        return await buildBundle(opa, {
          dir: folder,
          key,
          sequence: options.sequence ?? sequenceOf(commit, builtMs, options.also !== undefined, ui),
          expiresMs: options.expiry ? (options.expires ?? builtMs + EXPIRES_DAYS * DAY_MS) : null,
          builtMs,
          commit: options.commit ?? (commit?.clean === true ? commit.id : null),
          ...(options.name !== undefined && { name: options.name }),
          ...(tests !== null && { provenance: { builder: options.builder, tests } }),
        });
      });
      await rehearse(built.archive, built.metadata.name, key, builtMs);
      const out = options.out ?? `${built.metadata.name}.tar.gz`;
      const back = options.also === undefined ? null : await wayBack(options.also, built, key, builtMs);
      await writeWhole(out, built.archive);
      say(ui, built, key, out, folder, options);
      if (back === null) return;
      const file = `${out.replace(/\.tar\.gz$/, "")}.back.tar.gz`;
      await writeWhole(file, back.archive);
      if (options.json !== true) sayRepublished(ui, file, back);
    });
}

/** @throws CliError if a test fails */
async function tested(opa: Opa, folder: string): Promise<TestedBuild> {
  const { report } = await testSet(opa, folder, { filter: null, coverage: 0 });
  const { passed, failed } = totals(report);
  if (failed > 0 || passed === 0) throw new CliError("failed", `${failed} of ${passed + failed} tests failed`, "`remit test` says which");
  return { passed, failed, coverage: report.coverage?.percent ?? null };
}

/** @throws CliError if the earlier bundle is another one's, or not earlier */
async function wayBack(file: string, { metadata }: BuiltBundle, key: KeyObject, builtMs: number): Promise<RepublishedBundle> {
  const { identity } = await readBundle(file);
  if (identity.bundle !== metadata.name) {
    throw new CliError("usage", `--also names a bundle \`${identity.bundle}\`; this one is \`${metadata.name}\``);
  }
  const expiresMs = metadata.expires === null ? null : parseTime(metadata.expires);
  return await republish(file, key, null, { sequence: metadata.sequence + 1, expiresMs, builtMs });
}

function say(ui: Ui, built: BuiltBundle, key: KeyObject, out: string, folder: string, { json, remarks }: Options): void {
  const { metadata, revision, digest, archive, set } = built;
  const notes = placed(folder, remarks === true ? set.notes : summarised(set.notes));
  if (json === true) {
    sayJson(ui, { ok: true, file: out, bytes: archive.length, revision, digest, key_id: keyId(key), metadata, notes });
    return;
  }
  sayNotes(ui, notes);
  ui.out(`${ui.paint("bold", out)}  ${metadata.name} ${revision}, ${Math.ceil(archive.length / 1024)} KiB`);
  ui.out(`  sequence  ${metadata.sequence}`);
  ui.out(`  built     ${metadata.built}   commit ${metadata.commit ?? "none named"}`);
  ui.out(`  expires   ${metadata.expires ?? "never"}`);
  ui.out(`  digest    ${digest}`);
  ui.out(`  key id    ${keyId(key)}`);
}

function builtAt(commit: Commit | null): number {
  const epoch = process.env["SOURCE_DATE_EPOCH"];
  if (epoch === undefined || epoch === "") return commit?.timeMs ?? systemClock.wall();
  if (/^\d{1,11}$/.test(epoch)) return Number(epoch) * 1000;
  throw new CliError("usage", "SOURCE_DATE_EPOCH is not a number of seconds since 1970");
}

/**
 * Outside git seconds count: each build comes after those before it, and after any count of commits. A way back has a sequence of its own:
 * commits then count twice, so that the build after it comes after both.
 */
function sequenceOf(commit: Commit | null, builtMs: number, hasWayBack: boolean, ui: Ui): number {
  if (commit !== null && Number.isSafeInteger(commit.count)) return commit.count * (hasWayBack ? 2 : 1);
  const sequence = Math.floor(builtMs / 1000);
  ui.err(
    `${ui.paint("cyan", "hint:")} there is no git history to count, so the sequence is the second of the build. Keep to one way of counting: a service that runs sequence 1 refuses ${sequence} (\`bundle_sequence_jump\`), and one that runs ${sequence} a later count of commits (\`bundle_older\`). \`--sequence <n>\` gives another`,
  );
  return sequence;
}
