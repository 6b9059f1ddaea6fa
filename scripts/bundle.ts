/**
 * Builds the shipped policy sets into bundles/, each with its public key beside it: `node dist/scripts/bundle.js`. The key is
 * a local one outside the tree, made on first use; `--ship` signs with a fresh one that nobody keeps.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildBundle } from "../src/bundle/build.js";
import { findOpa, type Opa } from "../src/bundle/opa.js";
import { SourceErrors } from "../src/bundle/source.js";
import { rehearse } from "../src/cli/policy/signing_options.js";
import { generateKeys } from "../src/cli/policy/keys.js";
import { commitOf, writeWhole } from "../src/cli/policy/sources.js";
import { sayFailure, sayNotes, terminal } from "../src/cli/ui.js";
import { asset, PACKAGE_ROOT } from "../src/system/paths.js";

const ui = terminal(process.stdout, process.stderr, process.env);

async function localKey(): Promise<KeyObject> {
  const path = join(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "remit", "dev-key");
  if (!existsSync(`${path}.pem`)) await generateKeys(path);
  return createPrivateKey(await readFile(`${path}.pem`));
}

async function ship(opa: Opa, set: string, key: KeyObject): Promise<void> {
  const commit = await commitOf(asset("rego"));
  if (commit === null) throw new Error("the bundles name their commit, and this is not a git repository");
  const built = await buildBundle(opa, {
    dir: asset("rego", "policies", set),
    key,
    sequence: commit.count,
    expiresMs: null,
    builtMs: commit.timeMs,
    commit: commit.clean ? commit.id : null,
  });
  sayNotes(
    ui,
    built.set.notes.filter(({ severity }) => severity !== "remark"),
  );
  await rehearse(built.archive, built.metadata.name, key, commit.timeMs);
  await writeWhole(asset("bundles", `${set}.tar.gz`), built.archive);
  await writeFile(
    asset("bundles", `${set}.pub.pem`),
    createPublicKey(key.export({ type: "pkcs8", format: "pem" })).export({ type: "spki", format: "pem" }),
  );
  ui.out(`bundles/${set}.tar.gz  ${built.revision}  ${built.digest}`);
}

const { values } = parseArgs({ options: { ship: { type: "boolean" }, help: { type: "boolean" } } });
if (values.help === true) {
  ui.out(`Builds the shipped policy sets into bundles/, each with its public key beside it.

Usage: node dist/scripts/bundle.js [--ship]

  --ship   sign with a fresh key that nobody keeps, as for a commit; else with a local one outside the tree`);
  process.exit(0);
}

try {
  const opa = await findOpa();
  const key = values.ship === true ? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey : await localKey();
  await mkdir(join(PACKAGE_ROOT, "bundles"), { recursive: true });
  for (const set of (await readdir(asset("rego", "policies"))).sort()) await ship(opa, set, key);
} catch (error) {
  if (!(error instanceof SourceErrors)) throw error;
  sayFailure(ui, error, false);
  process.exitCode = 1;
}
