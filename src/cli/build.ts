/** `remit build`: a policy set's folder → a signed bundle. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { totals } from "../authoring/report.js";
import { testSet } from "../authoring/set.js";
import { buildBundle, type BuiltBundle } from "../bundle/build.js";
import { findOpa, type Opa } from "../bundle/opa.js";
import type { TestedBuild } from "../bundle/provenance.js";
import type { RepublishedBundle } from "../bundle/republish.js";
import { summarised } from "../bundle/source.js";
import { keyId, publicKey } from "../bundle/signature.js";
import { TrustedStore } from "../bundle/trusted.js";
import { verifyBundle } from "../bundle/verify.js";
import { parseTime } from "../contract/index.js";
import { PolicyEngine } from "../policy/engine.js";
import { systemClock } from "../system/index.js";
import { CliError } from "./exit.js";
import { defaultKeyPath } from "./keys.js";
import { republish, sayRepublished } from "./republish.js";
import { commitOf, inFolder, placed, readBundle, writeWhole, type Commit } from "./sources.js";
import { sayJson, sayNotes, type Ui } from "./ui.js";

/** Without `--expires`: long enough to notice, short enough that a forgotten bundle ends. */
export const EXPIRES_DAYS = 90;
const DAY_MS = 86_400_000;
const KEY_VARIABLE = "REMIT_SIGNING_KEY";

/** Describes `--key`. */
export const KEY_OPTION = `private key in PEM form (default: $${KEY_VARIABLE}, else ${defaultKeyPath()}.pem)`;

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
    .option("--sequence <n>", "only moves forward (default: how many commits led here)", wholeNumber)
    .option("--expires <time>", `RFC 3339 (default: ${EXPIRES_DAYS} days after it was built)`, time)
    .option("--no-expiry", "it never expires")
    .option("--name <name>", "of the bundle (default: the folder's)")
    .option("--commit <id>", "to name in the manifest (default: that of the repository, if nothing is uncommitted)")
    .option("--also <bundle>", "sign this earlier bundle's content under the next sequence too, as a way back: <out>.back.tar.gz")
    .option("--provenance", "run the set's tests, and put into the bundle who built it of what (in-toto, SLSA)")
    .option("--builder <uri>", "who builds, for --provenance", "urn:remit:builder")
    .option("--remarks", "list each entry that can apply together with others")
    .option("--json", "say it as JSON")
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
      await rehearse(built, key, builtMs);
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

/** Loads it as a service would and tries it: what only shows when rules run, such as two that contradict each other. */
export async function rehearse(built: BuiltBundle, key: KeyObject, builtMs: number): Promise<void> {
  await rehearseArchive(built.archive, built.metadata.name, key, builtMs);
}

/** As `rehearse`, of an archive. */
export async function rehearseArchive(archive: Uint8Array, name: string, key: KeyObject, builtMs: number): Promise<void> {
  const keys = new Map([[keyId(key), publicKey(key.export({ type: "pkcs8", format: "pem" }))]]);
  const verified = await verifyBundle(archive, { keys, name, nowMs: builtMs });
  const folder = await mkdtemp(join(tmpdir(), "remit-rehearsal-"));
  try {
    const engine = new PolicyEngine({
      trusted: await TrustedStore.open(folder),
      clock: { wall: () => builtMs, monotonic: () => systemClock.monotonic() },
    });
    await engine.activate(verified);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
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
    `${ui.paint("cyan", "hint:")} there is no git history to count, so the sequence is the second of the build; \`--sequence <n>\` gives another`,
  );
  return sequence;
}

export async function signingKey(file: string | undefined): Promise<KeyObject> {
  const given = process.env[KEY_VARIABLE];
  const path = file ?? `${defaultKeyPath()}.pem`;
  let text = given ?? "";
  if (file !== undefined || text === "") {
    try {
      text = await readFile(path, "utf8");
    } catch (cause) {
      const hint = "`remit keys generate` makes one; or name it with --key";
      throw new CliError("failed", `there is no signing key at \`${path}\``, hint, { cause });
    }
  }
  try {
    const key = createPrivateKey(text);
    keyId(key);
    return key;
  } catch (cause) {
    throw new CliError("invalid", "the signing key is not a P-256 private key in PEM form", null, { cause });
  }
}

export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new InvalidArgumentError("not a whole number.");
  return number;
}

export function time(text: string): number {
  const ms = parseTime(text);
  if (ms === null) throw new InvalidArgumentError("not an RFC 3339 time, such as 2027-01-01T00:00:00Z.");
  return ms;
}
