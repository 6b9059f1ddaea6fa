import { createPublicKey, sign, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { openEnvelope, preAuthEncoding, signEnvelope } from "../../src/bundle/dsse.js";
import { attest, PROVENANCE_FILE, type TestedBuild } from "../../src/bundle/provenance.js";
import { republishBundle } from "../../src/bundle/republish.js";
import { keyId } from "../../src/bundle/signature.js";
import { BundleError, verifyBundle } from "../../src/bundle/verify.js";
import { asset } from "../../src/system/paths.js";
import {
  archive,
  content,
  json,
  KEY,
  KEYS,
  metadata,
  NAME,
  NOW_MS,
  p256,
  policyData,
  signed,
  STRANGER,
  type Files,
  type Json,
} from "./support.js";

const BUILDER = p256();
const TESTS: TestedBuild = { passed: 12, failed: 0, coverage: 97.5 };
const keysOf = (...keys: KeyObject[]): Map<string, KeyObject> => new Map(keys.map((key) => [keyId(key), createPublicKey(key)]));

/** A bundle's files with provenance, not signed yet. */
function attested(tests = TESTS, key = BUILDER, files = content()): Files {
  const claims = { builder: "https://ci.example.com/policies", capabilities: Buffer.from("{}"), tests, key };
  return new Map(files).set(PROVENANCE_FILE, attest(files, metadata(), claims));
}

async function codeOf(files: Files, provenanceKeys = keysOf(BUILDER)): Promise<string> {
  try {
    await verifyBundle(await archive(signed(files)), { keys: KEYS, name: NAME, nowMs: NOW_MS, provenanceKeys });
  } catch (error) {
    if (error instanceof BundleError) return error.code;
    throw error;
  }
  return "accepted";
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

describe("the provenance of a bundle", () => {
  it("is accepted from a trusted builder, of these very files, with tests that passed", async () => {
    expect(await codeOf(attested())).to.equal("accepted");
  });

  it("isn't looked at where no builder is configured", async () => {
    const options = { keys: KEYS, name: NAME, nowMs: NOW_MS };
    for (const files of [content(), attested(TESTS, STRANGER)])
      expect((await verifyBundle(await archive(signed(files)), options)).identity.sequence).to.equal(12);
  });

  it("goes with the way back, whose zones and sequence are new", async () => {
    const old = await archive(signed(attested()));
    const { archive: bytes } = await republishBundle(old, { key: KEY, keys: KEYS, sequence: 14, expiresMs: null, builtMs: NOW_MS });
    const again = await verifyBundle(bytes, { keys: KEYS, name: NAME, nowMs: NOW_MS, provenanceKeys: keysOf(BUILDER) });
    expect(again.identity.sequence).to.equal(14);
  });

  /** Each is signed as a bundle by a trusted key: the provenance alone stops it. */
  const refused: [what: string, code: string, make: () => Files][] = [
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
  for (const [what, code, make] of refused) {
    it(`is asked of a bundle that ${what}: ${code}`, async () => {
      expect(await codeOf(make())).to.equal(code);
    });
  }
});

describe("a DSSE envelope", () => {
  const TYPE = "http://example.com/HelloWorld";

  it("is encoded and verified as its specification's example", async () => {
    const { vector } = JSON.parse(await readFile(asset("test", "vectors", "dsse", "vectors.json"), "utf8")) as {
      vector: { pae: string; payloadType: string; body: string; key: { x: string; y: string }; envelope: object };
    };
    expect(preAuthEncoding(vector.payloadType, Buffer.from(vector.body)).toString()).to.equal(vector.pae);
    const coordinate = (number: string): string => Buffer.from(BigInt(number).toString(16).padStart(64, "0"), "hex").toString("base64url");
    const jwk = { kty: "EC", crv: "P-256", x: coordinate(vector.key.x), y: coordinate(vector.key.y) };
    const key = createPublicKey({ key: jwk, format: "jwk" });
    expect(openEnvelope(JSON.stringify(vector.envelope), TYPE, new Map([["any", key]])).toString()).to.equal("hello world");
  });

  it("counts lengths in bytes", () => {
    expect(preAuthEncoding("ü", Buffer.from("ä")).toString()).to.equal("DSSEv1 2 ü 2 ä");
  });

  it("is opened with a signature in DER or URL-safe base64 too, and with one good signature of several", () => {
    const body = Buffer.from("hello");
    const der = sign("sha256", preAuthEncoding(TYPE, body), BUILDER).toString("base64url");
    const envelope = { payload: body.toString("base64url"), payloadType: TYPE, signatures: [{ sig: "AAAA" }, { sig: der, keyid: "lies" }] };
    expect(openEnvelope(JSON.stringify(envelope), TYPE, keysOf(STRANGER, BUILDER)).toString()).to.equal("hello");
  });

  it("isn't opened once anything of it is changed", () => {
    const good = JSON.parse(signEnvelope(TYPE, Buffer.from("hello"), BUILDER)) as Json;
    const bad: Json[] = [
      { ...good, payload: Buffer.from("hellO").toString("base64") },
      { ...good, payload: "not base64!" },
      { ...good, payloadType: "http://example.com/HelloWorlD" },
      { ...good, signatures: [{ sig: "" }] },
      { ...good, signatures: "none" },
    ];
    for (const one of bad) expect(() => openEnvelope(JSON.stringify(one), TYPE, keysOf(BUILDER))).to.throw(TypeError);
    expect(() => openEnvelope(JSON.stringify(good), TYPE, new Map())).to.throw(TypeError, /no trusted key/);
    expect(() => openEnvelope("{", TYPE, keysOf(BUILDER))).to.throw(TypeError, /not JSON/);
  });
});
