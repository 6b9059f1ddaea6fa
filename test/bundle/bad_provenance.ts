/** Bundles that a trusted key has signed, whose provenance isn't good. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { signEnvelope } from "../../src/bundle/dsse.js";
import { attest, PROVENANCE_FILE, type TestedBuild } from "../../src/bundle/provenance.js";
import { keyId } from "../../src/bundle/signature.js";
import { content, json, KEY, metadata, p256, policyData, STRANGER, type Files, type Json } from "./support.js";

export const BUILDER = p256();
export const TESTS: TestedBuild = { passed: 12, failed: 0, coverage: 97.5 };
export const keysOf = (...keys: KeyObject[]): Map<string, KeyObject> => new Map(keys.map((key) => [keyId(key), createPublicKey(key)]));

/** A bundle's files with provenance, not signed yet. */
export function attested(tests = TESTS, key = BUILDER, files = content()): Files {
  const claims = { builder: "https://ci.example.com/policies", capabilities: Buffer.from("{}"), tests, key };
  return new Map(files).set(PROVENANCE_FILE, attest(files, metadata(), claims));
}

/** The statement as it is, changed by a trusted builder. */
function changed(change: (statement: Json) => void, type = "application/vnd.in-toto+json"): Files {
  const files = attested();
  const { payload } = JSON.parse(String(files.get(PROVENANCE_FILE))) as { payload: string };
  const statement = JSON.parse(Buffer.from(payload, "base64").toString()) as Json;
  change(statement);
  return files.set(PROVENANCE_FILE, Buffer.from(signEnvelope(type, json(statement), BUILDER)));
}

const inside = (value: unknown, ...path: string[]): Json => path.reduce((at, name) => at[name] as Json, value as Json);

/** Each is signed as a bundle by a trusted key: the provenance alone stops it. */
export const BAD_PROVENANCE: readonly [what: string, code: string, make: () => Files][] = [
  ["has none", "provenance_missing", () => content()],
  ["is garbage", "provenance_invalid", () => content().set(PROVENANCE_FILE, Buffer.from("garbage"))],
  ["is another JSON", "provenance_invalid", () => content().set(PROVENANCE_FILE, json({ payload: "" }))],
  [
    "has no signatures",
    "provenance_invalid",
    () => content().set(PROVENANCE_FILE, json({ payload: "", payloadType: "x", signatures: [] })),
  ],
  ["is by another builder", "provenance_invalid", () => attested(TESTS, STRANGER)],
  ["is by the key that signs bundles", "provenance_invalid", () => attested(TESTS, KEY)],
  ["is of another type", "provenance_invalid", () => changed(() => undefined, "text/plain")],
  [
    "is of another build type",
    "provenance_invalid",
    () => changed((all) => (inside(all, "predicate", "buildDefinition")["buildType"] = "other")),
  ],
  [
    "has parameters that nobody knows",
    "provenance_invalid",
    () => changed((all) => (inside(all, "predicate", "buildDefinition", "externalParameters")["patch"] = "evil")),
  ],
  ["says nothing of tests", "provenance_invalid", () => changed((all) => (inside(all, "predicate", "runDetails")["byproducts"] = []))],
  ["has a test that failed", "provenance_untested", () => attested({ ...TESTS, failed: 1 })],
  ["had no tests", "provenance_untested", () => attested({ ...TESTS, passed: 0 })],
  [
    "is of another module",
    "provenance_mismatch",
    () => attested().set("policy.wasm", Buffer.concat([content().get("policy.wasm") ?? Buffer.of(), Buffer.of(0, 1, 0)])),
  ],
  ["is of other purposes", "provenance_mismatch", () => attested().set("data.json", json(policyData(["other"])))],
  ["is of other sources", "provenance_mismatch", () => attested().set("remit/decide.rego", Buffer.from("package other\n"))],
  ["has a source more", "provenance_mismatch", () => attested().set("rules/evil.rego", Buffer.from("package rules.evil\n"))],
  [
    "has a source less",
    "provenance_mismatch",
    () => {
      const files = attested();
      files.delete("remit/decide.rego");
      return files;
    },
  ],
  [
    "is of another name",
    "provenance_mismatch",
    () => changed((all) => (inside(all, "predicate", "buildDefinition", "externalParameters")["name"] = "other")),
  ],
  [
    "names another commit",
    "provenance_mismatch",
    () =>
      changed(
        (all) =>
          (inside(all, "predicate", "buildDefinition")["resolvedDependencies"] = [
            { uri: "git+commit", digest: { gitCommit: "f".repeat(40) } },
          ]),
      ),
  ],
];
