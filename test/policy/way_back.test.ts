import { readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { NOW_MS, STRANGER, KEYS, archive, bundleBytes, codeOf, content, policyData, signed } from "../bundle/support.js";
import { NEVER, Place, again, old12 } from "./place.js";

describe("the way back that a service keeps", () => {
  let place: Place;
  beforeEach(async () => (place = await Place.open()));
  afterEach(() => place.close());

  it("is the policy of an earlier bundle, signed under a later sequence, and outlives the process", async () => {
    const bytes = await again(14, old12());
    const wayBack = await place.wayBack();
    expect(wayBack.status).to.equal(null);
    const identity = await wayBack.keep(bytes);
    expect(identity.sequence).to.equal(14);
    for (const one of [wayBack, await place.wayBack()]) {
      expect(one.status).to.deep.include({ identity, expires_ms: null });
      expect(one.status?.of.sequence).to.equal(12);
      expect(one.archive(identity.digest)).to.deep.equal(bytes);
    }
  });

  it("is of the last that had this policy, if there were several", async () => {
    for (const name of await readdir(join(place.folder, "active"))) await utimes(join(place.folder, "active", name), 1, 1);
    await place.activate(await again(14, old12()));
    await place.activate(await bundleBytes({ ...NEVER, sequence: 15 }, policyData(["testing", "third"])));
    const wayBack = await place.wayBack();
    await wayBack.keep(await again(16, old12()));
    expect(wayBack.status?.of.sequence).to.equal(14);
  });

  const refused: [what: string, code: string, make: () => Promise<Buffer>][] = [
    ["a policy that never decided here", "back_unknown", () => bundleBytes({ ...NEVER, sequence: 14 }, policyData(["another"]))],
    [
      "an earlier policy with another module",
      "back_unknown",
      () =>
        archive(signed(content({ ...NEVER, sequence: 14 }, policyData(["testing"])).set("remit/decide.rego", Buffer.from("package x\n")))),
    ],
    ["the active policy under another sequence", "back_unknown", () => again(14, Promise.resolve(Buffer.from(place.active.bytes)))],
    ["the earlier bundle itself", "bundle_older", old12],
    ["the active bundle's sequence", "bundle_changed", () => again(13, old12())],
    ["a sequence far ahead", "bundle_sequence_jump", () => again(2_000_000, old12())],
    ["a bundle that has expired", "bundle_expired", () => again(14, old12(), NOW_MS - 1000)],
    [
      "one that somebody else has signed",
      "signature_key_unknown",
      () => archive(signed(content({ ...NEVER, sequence: 14 }, policyData(["testing"])), STRANGER)),
    ],
    ["one that nobody has signed", "signature_missing", () => archive(content({ ...NEVER, sequence: 14 }, policyData(["testing"])))],
    ["garbage", "archive_not_gzip", () => Promise.resolve(Buffer.from("garbage"))],
  ];
  for (const [what, code, make] of refused)
    it(`isn't ${what}: ${code}; the one before stays`, async () => {
      const wayBack = await place.wayBack();
      const before = await wayBack.keep(await again(14, old12()));
      expect(await codeOf(wayBack.keep(await make()))).to.equal(code);
      expect(wayBack.status?.identity).to.deep.equal(before);
      expect((await place.wayBack()).status?.identity).to.deep.equal(before);
    });

  it("is over once a later bundle is trusted, once it decides itself, and once it has expired", async () => {
    const wayBack = await place.wayBack();
    const { digest } = await wayBack.keep(await again(14, old12(), NOW_MS + 1000));
    place.now_ms = NOW_MS + 1000;
    expect(wayBack.status).to.equal(null);
    expect(() => wayBack.archive(digest)).to.throw("no way back with this digest is kept");
    place.now_ms = NOW_MS;
    await place.activate(wayBack.archive(digest));
    expect(wayBack.status).to.equal(null);
    await place.activate(await bundleBytes({ ...NEVER, sequence: 15 }, policyData(["testing", "third"])));
    expect(wayBack.status).to.equal(null);
  });

  it("is given by its own digest alone", async () => {
    const wayBack = await place.wayBack();
    await wayBack.keep(await again(14, old12()));
    for (const digest of ["", place.active.identity.digest, `sha256:${"0".repeat(64)}`])
      expect(() => wayBack.archive(digest), digest).to.throw("no way back with this digest is kept");
  });

  it("isn't taken up at a start if its key was removed, its file was changed, or what it goes back to is kept no more", async () => {
    await (await place.wayBack()).keep(await again(14, old12()));
    place.keys = new Map();
    expect(await codeOf(place.wayBack())).to.equal("signature_key_unknown");
    place.keys = KEYS;
    for (const name of await readdir(join(place.folder, "active"))) await writeFile(join(place.folder, "active", name), "damaged");
    expect(await codeOf(place.wayBack())).to.equal("back_unknown");
    await writeFile(join(place.folder, "back.tar.gz"), await bundleBytes({ ...NEVER, sequence: 14 }, policyData(["another"])));
    expect(await codeOf(place.wayBack())).to.equal("back_unknown");
    await writeFile(join(place.folder, "back.tar.gz"), "damaged");
    expect(await codeOf(place.wayBack())).to.equal("archive_not_gzip");
  });
});
