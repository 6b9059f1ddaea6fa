import { mkdtemp, readdir, readFile, rm, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { BundleError } from "../../src/bundle/errors.js";
import { SEQUENCE_STEP_MAX, TrustedStore } from "../../src/bundle/trusted_store.js";
import type { PolicyIdentity } from "../../src/contract/index.js";
import { codeOf } from "./support.js";

function identity(sequence: number, content = "a", bundle = "set"): PolicyIdentity {
  return { bundle, revision: `local-${sequence}`, sequence, digest: `sha256:${content.repeat(64)}` };
}

describe("trust in bundles", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "remit-trusted-"));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const AFTER_12A: [string, PolicyIdentity, string][] = [
    ["the same bundle", identity(12), "accepted"],
    ["the next sequence", identity(13, "b"), "accepted"],
    ["the largest step", identity(12 + SEQUENCE_STEP_MAX, "b"), "accepted"],
    ["a first bundle of another name", identity(1, "b", "other"), "accepted"],
    ["an older sequence", identity(11, "b"), "bundle_older"],
    ["an older sequence with the trusted bytes", identity(11), "bundle_older"],
    ["sequence zero", identity(0), "bundle_older"],
    ["the same sequence with other bytes", identity(12, "b"), "bundle_changed"],
    ["a step beyond the largest", identity(13 + SEQUENCE_STEP_MAX, "b"), "bundle_sequence_jump"],
    ["the end of the range", identity(Number.MAX_SAFE_INTEGER, "b"), "bundle_sequence_jump"],
  ];
  for (const [what, next, outcome] of AFTER_12A) {
    it(`answers ${outcome} to ${what}, also after a restart`, async () => {
      const store = await TrustedStore.open(folder);
      await store.advance(identity(12));
      if (outcome !== "accepted") expect(await codeOf(store.advance(next))).to.equal(outcome);
      const restarted = await TrustedStore.open(folder);
      expect(await codeOf(restarted.advance(next))).to.equal(outcome);
      expect((await TrustedStore.open(folder)).trusted("set")?.sequence).to.equal(
        outcome === "accepted" && next.bundle === "set" ? next.sequence : 12,
      );
    });
  }

  it("takes any first sequence and leaves one file", async () => {
    const store = await TrustedStore.open(join(folder, "made", "when", "absent"));
    await store.advance(identity(20_260_303));
    expect(await readdir(join(folder, "made", "when", "absent"))).to.deep.equal(["trusted.json"]);
  });

  it("never takes an altered or half-written state for a good one or for none", async () => {
    await (await TrustedStore.open(folder)).advance(identity(12));
    const path = join(folder, "trusted.json");
    const whole = await readFile(path);
    const images: Buffer[] = [];
    for (let length = 0; length < whole.length - 1; length++) images.push(whole.subarray(0, length));
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      images.push(flipped);
    }
    images.push(Buffer.from("{}"), Buffer.from("null"), Buffer.alloc(whole.length));
    expect(images.length).to.be.above(1000);
    for (const [index, image] of images.entries()) {
      await writeFile(path, image);
      const found = await TrustedStore.open(folder).then(
        (store) => store.trusted("set"),
        (error: unknown) => (error as BundleError).code,
      );
      // White space may change without changing what is said.
      if (typeof found === "object") expect(found, `image ${index}`).to.deep.equal({ sequence: 12, digest: identity(12).digest });
      else expect(found, `image ${index}`).to.equal("trust_unreadable");
    }
  });

  it("reads the old state where a crash left the new one beside it, and goes on from there", async () => {
    await (await TrustedStore.open(folder)).advance(identity(12));
    await writeFile(join(folder, "trusted.json.new"), "{ half");
    const store = await TrustedStore.open(folder);
    expect(store.trusted("set")?.sequence).to.equal(12);
    await store.advance(identity(13, "b"));
    expect((await TrustedStore.open(folder)).trusted("set")?.sequence).to.equal(13);
  });

  it("trusts nothing that could not be written", async () => {
    const store = await TrustedStore.open(folder);
    await store.advance(identity(12));
    await mkdir(join(folder, "trusted.json.new")); // where the next state would go
    expect(await codeOf(store.advance(identity(13, "b")))).to.equal("trust_unwritable");
    expect(store.trusted("set")?.sequence).to.equal(12);
    expect((await TrustedStore.open(folder)).trusted("set")?.sequence).to.equal(12);
  });

  it("puts no state in place before what has to come first has, nor where that fails, and leaves one file", async () => {
    const store = await TrustedStore.open(folder);
    await store.advance(identity(12));
    const onDisk = async (): Promise<number | undefined> => (await TrustedStore.open(folder)).trusted("set")?.sequence;
    const failing = store.advance(identity(13, "b"), () => Promise.reject(new BundleError("file_unwritable")));
    expect(await codeOf(failing)).to.equal("file_unwritable");
    expect([store.trusted("set")?.sequence, await onDisk()]).to.deep.equal([12, 12]);
    let before: number | undefined;
    await store.advance(identity(13, "b"), async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      before = await onDisk();
    });
    expect([before, await onDisk()]).to.deep.equal([12, 13]);
    expect(await readdir(folder)).to.deep.equal(["trusted.json"]);
  });

  it("refuses a state that cannot be read and a folder that is none", async () => {
    await mkdir(join(folder, "trusted.json"));
    expect(await codeOf(TrustedStore.open(folder))).to.equal("trust_unreadable");
    await writeFile(join(folder, "file"), "");
    expect(await codeOf(TrustedStore.open(join(folder, "file")))).to.equal("trust_unwritable");
  });
});
