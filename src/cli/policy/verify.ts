/** `remit verify`: whether a service that trusts these keys would take the bundle. */
import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { buildBundle } from "../../bundle/build.js";
import { findOpa } from "../../bundle/opa.js";
import { PROVENANCE_FILE, verifyProvenance } from "../../bundle/provenance.js";
import { SIGNING_FILES, keyId, publicKey } from "../../bundle/signature.js";
import { verifyBundle, type VerifiedBundle } from "../../bundle/verify.js";
import { parseTime } from "../../contract/index.js";
import { systemClock } from "../../system/index.js";
import { readGiven } from "../../system/read_file.js";
import { CliError } from "../exit.js";
import { defaultKeyPath } from "./keys.js";
import { readable } from "../places.js";
import { inFolder, readBundle } from "./sources.js";
import { sayJson, type Ui } from "../ui.js";
import { collect } from "../values.js";
import { wholeNumber } from "./signing_options.js";

interface Options {
  key?: string[];
  name?: string;
  signers?: number;
  provenance?: string[];
  rebuild?: string;
  json?: true;
}

/** Files that differ in each build. */
const UNREPEATED: ReadonlySet<string> = new Set([...SIGNING_FILES, PROVENANCE_FILE]);

const EXAMPLES = `
Examples:
  $ remit verify support.tar.gz --key signing.pub.pem
  $ remit verify support.tar.gz --key old.pub.pem --key new.pub.pem --name support
  $ remit verify support.tar.gz --key signing.pub.pem --provenance ci.pub.pem --rebuild policies/support`;

export function addVerify(program: Command, ui: Ui): void {
  program
    .command("verify")
    .description("check a bundle's signature, every file, its shape and its expiry")
    .argument("<bundle>", "a .tar.gz")
    .option("--key <file>", `a public key to trust; may be given again (default: ${defaultKeyPath()}.pub.pem)`, collect)
    .option("--name <name>", "the name it must have (default: whichever it has)")
    .option("--signers <n>", "how many trusted keys must have signed it, 1 or 2 (default: 1)", wholeNumber)
    .option("--provenance <file>", "a builder's public key, which has to have signed the provenance; may be given again", collect)
    .option("--rebuild <folder>", "build this policy set again, and compare every file")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: Options) => {
      const keys = new Map(await Promise.all((options.key ?? [`${defaultKeyPath()}.pub.pem`]).map(trustedKey)));
      const bytes = readGiven(file);
      const name = options.name ?? (await readBundle(file)).metadata.name;
      const bundle = await verifyBundle(bytes, { keys, name, nowMs: systemClock.wall(), signers_min: options.signers ?? 1 });
      const { identity, metadata } = bundle;
      const builders = options.provenance === undefined ? null : new Map(await Promise.all(options.provenance.map(trustedKey)));
      const provenance = builders && verifyProvenance(bundle.files, metadata, builders);
      const differing = options.rebuild === undefined ? null : await rebuiltDifferently(bundle, options.rebuild);
      if (differing !== null && differing.length > 0) {
        const hint = "the sources, the compiler or the builder's version are others than the bundle's";
        throw new CliError("invalid", `a rebuild of \`${options.rebuild ?? ""}\` differs in ${differing.join(", ")}`, hint);
      }
      if (options.json === true) {
        sayJson(ui, { ok: true, ...identity, metadata, ...(provenance && { provenance }), ...(differing && { rebuilt: true }) });
        return;
      }
      ui.out(`${ui.paint("green", "verified")}  ${identity.bundle} ${identity.revision}`);
      ui.out(`  sequence  ${identity.sequence}`);
      ui.out(`  digest    ${identity.digest}`);
      ui.out(`  expires   ${metadata.expires ?? "never"}`);
      if (provenance !== null) {
        const { builder, commit, compiler, tests } = provenance;
        const covered = tests.coverage === null ? "no rules to cover" : `${tests.coverage.toFixed(1)} % of the rules' lines covered`;
        ui.out(`  built by  ${builder}, ${compiler}, of commit ${commit ?? "none named"}`);
        ui.out(`  tests     ${tests.passed} passed, ${covered}`);
      }
      if (differing !== null) ui.out(`  rebuilt   every file is what ${options.rebuild ?? ""} gives`);
    });
}

/** Names of files that a build of the set, as the bundle says it was built, doesn't give to the byte. */
async function rebuiltDifferently({ metadata, files }: VerifiedBundle, folder: string): Promise<string[]> {
  const rebuilt = await inFolder(folder, async () =>
    buildBundle(await findOpa(), {
      dir: folder,
      key: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
      name: metadata.name,
      sequence: metadata.sequence,
      expiresMs: metadata.expires === null ? null : parseTime(metadata.expires),
      builtMs: parseTime(metadata.built) ?? 0,
      commit: metadata.commit,
    }),
  );
  return [...new Set([...files.keys(), ...rebuilt.files.keys()])]
    .filter((name) => !UNREPEATED.has(name) && rebuilt.files.get(name)?.equals(files.get(name) ?? Buffer.of()) !== true)
    .sort();
}

export async function trustedKey(file: string): Promise<[string, ReturnType<typeof publicKey>]> {
  if (!existsSync(file)) throw new CliError("failed", `\`${file}\` does not exist`, "--key names a public key to trust");
  const text = await readFile(readable(file), "utf8");
  try {
    const key = publicKey(text);
    return [keyId(key), key];
  } catch (cause) {
    throw new CliError("invalid", `\`${file}\` is not a P-256 public key in PEM form`, null, { cause });
  }
}
