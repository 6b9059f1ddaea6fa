import { gzipSync } from "node:zlib";
import { generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { ARCHIVE_LIMITS } from "../../src/bundle/archive.js";

import { keyId, publicKey } from "../../src/bundle/signature.js";
import { BUNDLE_CODES, BundleError, readUnverified, verifyBundle, VerifiedBundle } from "../../src/bundle/verify.js";
import { archive, bundleBytes, content, json, KEY, KEYS, NAME, NOW_MS, policyData, publicPem, signed, STRANGER } from "./support.js";
import { BAD, afterSigning, good } from "./bad.js";

async function refusalOf(bytes: Uint8Array, options: Partial<Parameters<typeof verifyBundle>[1]> = {}): Promise<string> {
  try {
    await verifyBundle(bytes, { keys: KEYS, name: NAME, nowMs: NOW_MS, ...options });
  } catch (error) {
    if (error instanceof BundleError) return error.code;
    throw error;
  }
  return "accepted";
}

describe("bundle verification", () => {
  it("accepts a good bundle and says who it is", async () => {
    const bundle = await verifyBundle(await bundleBytes(), { keys: KEYS, name: NAME, nowMs: NOW_MS });
    expect(bundle.identity).to.include({ bundle: NAME, revision: "local-12", sequence: 12 });
    expect(bundle.identity.digest).to.match(/^sha256:[0-9a-f]{64}$/);
    expect(bundle.data).to.deep.equal(policyData());
    expect([...bundle.files.keys()]).to.include("remit/decide.rego");
    expect(VerifiedBundle.is(bundle)).to.equal(true);
  });

  it("accepts names with the one leading slash that OPA writes", async () => {
    const slashed = [...good()].map(([name, bytes]) => [`/${name}`, bytes] as const);
    expect(await refusalOf(await archive(new Map(slashed)))).to.equal("accepted");
  });

  it("accepts data.json with its keys in another order, as OPA does, and gives it the same digest", async () => {
    const { vocabulary, purposes, zones } = policyData();
    const reordered = await afterSigning((all) => all.set("data.json", json({ zones, vocabulary, purposes })));
    const options = { keys: KEYS, name: NAME, nowMs: NOW_MS };
    const [one, other] = [await verifyBundle(reordered, options), await verifyBundle(await bundleBytes(), options)];
    expect(one.identity.digest).to.equal(other.identity.digest);
  });

  it("accepts a bundle that never expires and one a second before it does", async () => {
    expect(await refusalOf(await bundleBytes({ expires: null }))).to.equal("accepted");
    expect(await refusalOf(await bundleBytes({ expires: "2026-03-03T09:15:01Z" }))).to.equal("accepted");
  });

  for (const [what, code, make] of BAD) {
    it(`refuses ${what}: ${code}`, async () => {
      expect(await refusalOf(await make())).to.equal(code);
    });
  }

  it("refuses what inflates beyond the raw limit, whatever its ratio", async () => {
    const limits = { ...ARCHIVE_LIMITS, raw_bytes_max: 100_000 };
    expect(await refusalOf(await bundleBytes(), { limits })).to.equal("archive_inflates_too_far");
  });

  it("does not inflate a bomb whole", async () => {
    const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024));
    const before = process.memoryUsage().arrayBuffers;
    let most = before;
    const sampling = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers)), 1);
    expect(await refusalOf(bomb)).to.equal("archive_ratio");
    clearInterval(sampling);
    expect(most - before).to.be.below(64 * 1024 * 1024);
  });

  it("trusts no one where no key is configured", async () => {
    expect(await refusalOf(await bundleBytes(), { keys: new Map() })).to.equal("signature_key_unknown");
  });

  it("refuses every mix of two good bundles' files", async () => {
    const [one, other] = [signed(content()), signed(content({ sequence: 13 }, policyData(["other"])))];
    const names = [...one.keys()];
    for (let mask = 1; mask < 2 ** names.length - 1; mask++) {
      const mix = new Map(names.map((name, bit) => [name, ((mask >> bit) & 1 ? one : other).get(name) as Buffer]));
      const whole = [one, other].some((all) => names.every((name) => all.get(name)?.equals(mix.get(name) as Buffer)));
      if (!whole) expect(await refusalOf(await archive(mix)), names.filter((_, bit) => (mask >> bit) & 1).join()).to.equal("file_altered");
    }
  });

  it("refuses or accepts unchanged every archive with one byte altered", async () => {
    const bytes = await bundleBytes();
    const wanted = (await verifyBundle(bytes, { keys: KEYS, name: NAME, nowMs: NOW_MS })).identity.digest;
    for (let at = 0; at < bytes.length; at += 997) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] ?? 0) ^ 0x10;
      const outcome = await verifyBundle(altered, { keys: KEYS, name: NAME, nowMs: NOW_MS }).then(
        (bundle) => bundle.identity.digest,
        (error: unknown) => (error instanceof BundleError ? "refused" : error),
      );
      expect(outcome, `byte ${at}`).to.be.oneOf(["refused", wanted]);
    }
  });

  it("has a bad bundle for every code that it can give", () => {
    const elsewhere =
      /^(archive_inflates_too_far|back_|bundle_older|bundle_not_named|bundle_changed|bundle_sequence_jump|file_un(readable|writable)|trust_|provenance_|keys_|signatures_too_few|signer_|stage_|wasm_|engine_|self_)/;
    const shown = new Set<string>(BAD.map(([, code]) => code));
    const unseen = Object.keys(BUNDLE_CODES).filter((code) => !shown.has(code) && !elsewhere.test(code));
    expect(unseen).to.deep.equal([]);
  });

  it("cannot be bypassed by making a verified bundle by hand", async () => {
    const bundle = await verifyBundle(await bundleBytes(), { keys: KEYS, name: NAME, nowMs: NOW_MS });
    expect(() => new VerifiedBundle(Symbol("verified") as never, bundle)).to.throw(TypeError);
    expect(VerifiedBundle.is(Object.assign({}, bundle))).to.equal(false);
    expect(VerifiedBundle.is(Object.create(VerifiedBundle.prototype, {}) as object)).to.equal(false);
  });

  it("shows an unsigned bundle to who asks, as one that is not verified", async () => {
    const bundle = await readUnverified(await archive(content({ expires: "2020-01-01T00:00:00Z" })));
    expect(bundle.verified).to.equal(false);
    expect(VerifiedBundle.is(bundle)).to.equal(false);
  });
});

describe("signing keys", () => {
  it("are P-256 and nothing else", () => {
    const others = [
      generateKeyPairSync("ec", { namedCurve: "P-384" }),
      generateKeyPairSync("ec", { namedCurve: "secp256k1" }),
      generateKeyPairSync("ed25519"),
      generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ];
    for (const { publicKey: other } of others) {
      expect(() => publicKey(other.export({ type: "spki", format: "pem" }))).to.throw(TypeError, "P-256");
    }
    expect(() => publicKey("not PEM")).to.throw(TypeError, "PEM");
  });

  it("have one name, the thumbprint of RFC 7638, for both halves", () => {
    expect(keyId(publicKey(publicPem(KEY)))).to.equal(keyId(KEY));
    expect(keyId(STRANGER)).to.not.equal(keyId(KEY));
  });
});
