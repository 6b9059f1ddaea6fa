/** What someone puts where bundles come from. */
import { createPublicKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { TrustedStore } from "../../src/bundle/trusted_store.js";
import type { PolicyIdentity } from "../../src/contract/index.js";
import type { Config } from "../../src/system/config.js";
import type { Logger } from "../../src/system/logger.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { BAD } from "../bundle/bad.js";
import { BAD_PROVENANCE, BUILDER, attested, keysOf } from "../bundle/bad_provenance.js";
import { COSIGNATURES_FILE, SIGNATURES_FILE, cosignFiles, keyId, signFiles } from "../../src/bundle/signature.js";
import { KEY, KEYS, NAME, NOW_MS, STRANGER, archive, bundleBytes, signed, type Files } from "../bundle/support.js";
import { cut } from "./cut.js";
import { codeOf, threat, type Tree } from "./threat.js";

type Bad = (typeof BAD)[number];

/** The first of these bundles that isn't refused with its own code. */
async function firstThrough(tree: Tree, bad: readonly Bad[], least: number): Promise<string | null> {
  const { verifyBundle } = await tree("bundle/verify.js");
  const verify = (bytes: Buffer): Promise<string> => codeOf(() => verifyBundle(bytes, { keys: KEYS, name: NAME, nowMs: NOW_MS }));
  if (bad.length < least) return `only ${bad.length} bad bundles`;
  if ((await verify(await bundleBytes())) !== "accepted") return "the good bundle was refused";
  for (const [what, code, make] of bad) {
    const found = await verify(await make());
    if (found !== code) return `${what}: ${found}`;
  }
  return null;
}

threat("C1", "one signature of a pinned key over every file, no more and no fewer", {
  check: (tree) =>
    firstThrough(
      tree,
      BAD.filter(([, code]) => !code.startsWith("archive_")),
      60,
    ),
  without: {
    "the signature": [cut.call("bundle/signature.js", "readClaims", "verify", "jwt.decode(token)")],
    "pinned keys": [cut.call("bundle/signature.js", "verifySignature.check", "get", "keys.get(kid) ?? [...keys.values()][0]")],
    "the key's algorithm": [cut.refusal("bundle/signature.js", "verifySignature", "signature_algorithm")],
    "each file being listed": [
      cut.text("bundle/signature.js", "compare", 'throw new BundleError("file_not_signed", { file: name });', "continue;"),
    ],
    "each file's hash": [cut.refusal("bundle/signature.js", "compare", "file_altered")],
    "each listed file being there": [cut.refusal("bundle/signature.js", "compare", "file_not_present")],
    "the ABI": [cut.refusal("bundle/verify.js", "readMetadata", "abi_unsupported")],
  },
});

threat("C3", "a bundle older than one that decided isn't trusted again, whatever became of the state folder", {
  async check(tree) {
    const { openTrusted } = await tree("service/trust.js");
    const policy = (sequence: number): PolicyIdentity => ({ bundle: NAME, digest: `sha256:${"a".repeat(64)}`, revision: "r", sequence });
    const log = temporaryDirectory();
    const lines = [
      { kind: "bundle", change: "activated", policy: policy(1023) },
      // Staged, and activated by nobody.
      { kind: "decision", answer: { policy: policy(1024) } },
      { kind: "service", change: "stopped" },
    ];
    writeFileSync(join(log, "0000000000000001.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const config = (state_dir: string): Config => ({ bundle: { state_dir }, log: { dir: log } }) as unknown as Config;
    const quiet = { warn: () => undefined } as unknown as Logger;
    const [lost, restored] = [temporaryDirectory(), temporaryDirectory()];
    await (await TrustedStore.open(restored)).advance(policy(1001));
    for (const [what, folder] of [
      ["lost", lost],
      ["put back", restored],
    ] as const) {
      const trusted = await openTrusted(config(folder), quiet);
      const outcome = await codeOf(() => {
        trusted.check(policy(1022));
      });
      if (outcome !== "bundle_older") return `with the folder ${what}: ${outcome}`;
      if (!trusted.isBehind) return `that the folder is ${what} goes unnoticed`;
      // The active one has to start again.
      trusted.check(policy(1023));
    }
    return null;
  },
  without: {
    "what the log says": [cut.returns("audit/log/last_policy.js", "lastPolicy", "null")],
    "its counting": [cut.never("service/trust.js", "openTrusted", "remember")],
    "the comparison": [cut.refusal("bundle/trusted_store.js", "check", "bundle_older")],
  },
});

threat("C9", "members are read in memory: regular files, plain names, each once, nothing after the end", {
  check: (tree) =>
    firstThrough(
      tree,
      BAD.filter(([, code]) => code.startsWith("archive_")),
      40,
    ),
  without: {
    "plain names": [cut.never("bundle/archive.js", "plainName", "NAME")],
    "each name once": [cut.refusal("bundle/archive.js", "readTar", "archive_name_twice")],
    "regular files only": [cut.refusal("bundle/archive.js", "readTar", "archive_entry_type")],
    "no records between members": [cut.refusal("bundle/archive.js", "readTar", "archive_extension")],
    "the end of the gzip member": [cut.refusal("bundle/archive.js", "gunzip", "archive_trailing")],
    "the end of the archive": [cut.never("bundle/archive.js", "readTar", "length", "isZero")],
    "a ratio for bombs": [cut.call("bundle/archive.js", "gunzip", "max", "Infinity")],
    "a count of members": [cut.refusal("bundle/archive.js", "readHeaders", "archive_member_count")],
  },
});

threat("C10", "a bundle needs a trusted builder's statement about its very files, and a second signer, where they are configured", {
  async check(tree) {
    const { verifyBundle } = await tree("bundle/verify.js");
    const options = { keys: KEYS, name: NAME, nowMs: NOW_MS, provenanceKeys: keysOf(BUILDER) };
    const verify = async (files: Files): Promise<string> => {
      const bytes = await archive(signed(files));
      return await codeOf(() => verifyBundle(bytes, options));
    };
    if ((await verify(attested())) !== "accepted") return "a good bundle was refused";
    for (const [what, code, make] of BAD_PROVENANCE) {
      const found = await verify(make());
      if (found !== code) return `one whose provenance ${what}: ${found}`;
    }
    const both = new Map([...KEYS, [keyId(STRANGER), createPublicKey(STRANGER)]]);
    const two = async (files: Files): Promise<string> => {
      const bytes = await archive(files);
      return await codeOf(() => verifyBundle(bytes, { ...options, keys: both, signers_min: 2 }));
    };
    const one = signed(attested());
    if ((await two(cosignFiles(one, STRANGER, KEYS))) !== "accepted") return "a bundle by two signers was refused";
    if ((await two(one)) !== "signatures_too_few") return "one key alone signed a bundle";
    const again = new Map(one).set(COSIGNATURES_FILE, one.get(SIGNATURES_FILE) ?? Buffer.of());
    if ((await two(again.set(SIGNATURES_FILE, signFiles(again, KEY)))) !== "signatures_too_few") return "one key signed a bundle twice";
    return null;
  },
  without: {
    "the number of signers": [cut.refusal("bundle/signature.js", "verifySignature", "signatures_too_few")],
    "signers being told apart": [
      cut.text("bundle/signature.js", "verifySignature.check", "signers.add(kid)", "signers.add(`${signers.size} ${kid}`)"),
    ],
    "the look at it": [cut.never("bundle/verify.js", "verifyBundle", "provenanceKeys")],
    "its being there": [
      cut.text(
        "bundle/provenance.js",
        "verifyProvenance",
        "if (content === undefined)",
        "if (content === undefined) return null; if (false)",
      ),
    ],
    "the signature": [cut.returns("bundle/dsse.js", "isSignature", "true")],
    "its type": [cut.text("bundle/dsse.js", "openEnvelope", "if (envelope.payloadType !== type)", "if (false)")],
    "each file's digest": [cut.text("bundle/provenance.js", "verifyProvenance", "if (subjects[name] !== digest.sha256)", "if (false)")],
    "each file being named": [cut.text("bundle/provenance.js", "verifyProvenance", "if (!named.has(name))", "if (false)")],
    "what the manifest says": [cut.text("bundle/provenance.js", "verifyProvenance", "if (wanted !== found)", "if (false)")],
    "the tests": [cut.refusal("bundle/provenance.js", "verifyProvenance", "provenance_untested")],
  },
});
