import { createPublicKey } from "node:crypto";
import { expect } from "chai";
import { republishBundle, type RepublishOptions } from "../../src/bundle/republish.js";
import { keyId } from "../../src/bundle/signature.js";
import { TrustedStore } from "../../src/bundle/trusted_store.js";
import { verifyBundle, type VerifiedBundle } from "../../src/bundle/verify.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { archive, bundleBytes, codeOf, content, KEY, KEYS, NAME, NOW_MS, policyData, signed, STRANGER } from "./support.js";

const BACK: RepublishOptions = { key: KEY, keys: KEYS, sequence: 14, expiresMs: null, builtMs: NOW_MS };
const verify = (bytes: Uint8Array): Promise<VerifiedBundle> => verifyBundle(bytes, { keys: KEYS, name: NAME, nowMs: NOW_MS });

describe("the way back to an earlier bundle", () => {
  it("has the earlier policy to the byte, under a sequence that may follow", async () => {
    const [old, bad] = [await bundleBytes({ sequence: 12 }), await bundleBytes({ sequence: 13 }, policyData(["broken"]))];
    const made = await republishBundle(old, BACK);
    const [before, broken, after] = [await verify(old), await verify(bad), await verify(made.archive)];
    for (const name of ["policy.wasm", "catalogue.json", "remit/decide.rego"]) {
      expect(after.files.get(name)?.equals(before.files.get(name) ?? Buffer.of()), name).to.equal(true);
    }
    expect(after.data).to.deep.equal(before.data);
    expect(after.identity).to.deep.include({ sequence: 14, revision: "local-14", digest: made.digest });
    expect(made.from).to.deep.equal(before.identity);

    const trusted = await TrustedStore.open(temporaryDirectory());
    await trusted.advance(before.identity);
    await trusted.advance(broken.identity);
    expect(await codeOf(trusted.advance(before.identity))).to.equal("bundle_older");
    expect(await codeOf(trusted.advance(after.identity))).to.equal("accepted");
  });

  it("is the same archive each time but for its signature", async () => {
    const old = await bundleBytes();
    const [one, other] = [await republishBundle(old, BACK), await republishBundle(old, BACK)];
    expect(one.digest).to.equal(other.digest);
  });

  it("is made of a bundle that has expired, and gives its zones a new life", async () => {
    const data = { ...policyData(), zones: { "Europe/Berlin": { first: 0, weeks: [] } } };
    const old = await bundleBytes({ built: "2024-01-01T00:00:00Z", expires: "2024-02-01T00:00:00Z" }, data);
    expect(await codeOf(verify(old))).to.equal("bundle_expired");
    const expiresMs = NOW_MS + 90 * 86_400_000;
    const { data: renewed, metadata } = await verify((await republishBundle(old, { ...BACK, expiresMs })).archive);
    expect(Date.parse(metadata.expires ?? "")).to.equal(expiresMs);
    const weeks = renewed.zones["Europe/Berlin"]?.weeks.flat() ?? [];
    expect(weeks[0]?.[0]).to.be.at.most(NOW_MS);
    expect(weeks.at(-1)?.[1]).to.be.at.least(expiresMs);
  });

  it("takes on what another trusted key had signed, once a key was rotated", async () => {
    const old = await archive(signed(content(), STRANGER));
    const keys = new Map([...KEYS, [keyId(STRANGER), createPublicKey(STRANGER)]]);
    expect((await verify((await republishBundle(old, { ...BACK, keys })).archive)).identity.sequence).to.equal(14);
  });

  const refused: [what: string, code: string, make: () => Promise<Buffer>, changes?: Partial<RepublishOptions>][] = [
    ["of what nobody trusted has signed", "signature_key_unknown", () => archive(signed(content(), STRANGER))],
    ["of what isn't signed", "signature_missing", () => archive(content())],
    ["of what was altered", "file_altered", () => archive(signed(content()).set("remit/decide.rego", Buffer.from("package x\n")))],
    ["of garbage", "archive_not_gzip", () => Promise.resolve(Buffer.from("garbage"))],
    ["under its own sequence", "bundle_older", () => bundleBytes(), { sequence: 12 }],
    ["under an earlier sequence", "bundle_older", () => bundleBytes(), { sequence: 3 }],
  ];
  for (const [what, code, make, changes] of refused) {
    it(`isn't made ${what}: ${code}`, async () => {
      expect(await codeOf(republishBundle(await make(), { ...BACK, ...changes }))).to.equal(code);
    });
  }
});
