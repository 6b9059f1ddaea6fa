import { expect } from "chai";
import { Problem, type BundleActivation } from "../../src/contract/index.js";
import type { Commands } from "../../src/facts/commands.js";
import type { Json } from "../../src/store/store.js";
import { World, at } from "./world.js";

const NAME = "support";
const KEY = `bundle/${NAME}`;
const ACT = { by: "ops", reason: "tests" };
const bundle = (sequence: number): Pick<BundleActivation, "id" | "digest" | "sequence" | "revision"> => ({
  ...{ id: NAME, digest: `sha256:${sequence}`, sequence, revision: "r" },
});
const stage = (sequence: number, share: number): Parameters<Commands["bundles"]["stage"]>[2] => ({
  ...{ digest: `sha256:${sequence}`, sequence, revision: "r", share },
});
const reasonOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    return await promise;
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    return [cause.code, cause.detail.reason];
  }
};

describe("what the feed of a cluster says of bundles", () => {
  let world: World;
  let commands: Commands;
  beforeEach(async () => {
    world = new World();
    commands = await world.open();
  });
  const bundles = (): Commands["bundles"] => commands.bundles;
  const named = (): BundleActivation | undefined => commands.registry.bundle(NAME);
  const staged = (): BundleActivation["staged"] => named()?.staged;
  /** Another node changes it between this one's look and its write. */
  const meanwhile = (value: BundleActivation, change: string): void => {
    world.store.fate = () => {
      world.store.fate = () => "written";
      const expected = commands.registry.revisionOf(KEY);
      void world.store.inner.write([{ key: KEY, expected, value: value as unknown as Json, ...ACT, time: at(0), change }]);
      return "written";
    };
  };

  it("is which one decides, and which one is tried beside it for how many, on record with who has said so", async () => {
    await bundles().name(bundle(5), ACT);
    const revision = await bundles().stage(NAME, "sha256:5", stage(6, 10), ACT);
    expect(named()).to.deep.equal({
      ...{ ...bundle(5), since: at(0), ...ACT, facts_revision: revision },
      staged: { ...stage(6, 10), since: at(0), ...ACT },
    });
    expect(world.records.map(({ change, caller, reason }) => [change, caller, reason])).to.deep.equal([
      ["bundle_named", "ops", "tests"],
      ["bundle_staged", "ops", "tests"],
    ]);
  });

  it("is the same after the same again, and another share after another", async () => {
    await bundles().name(bundle(5), ACT);
    const first = await bundles().stage(NAME, "sha256:5", stage(6, 10), ACT);
    expect(await bundles().stage(NAME, "sha256:5", stage(6, 10), ACT)).to.equal(first);
    expect(await bundles().name(bundle(5), ACT), "and its stage goes on").to.equal(first);
    expect(await bundles().stage(NAME, "sha256:5", stage(6, 50), ACT)).to.be.above(first);
    expect(staged()?.share).to.equal(50);
  });

  for (const [what, before, beside] of [
    ["nothing that is named", [], "sha256:5"],
    ["an earlier one than the named", [bundle(5), bundle(6)], "sha256:5"],
    ["another than the named", [bundle(5)], "sha256:7"],
  ] as const)
    it(`has none tried beside ${what}`, async () => {
      for (const one of before) await bundles().name(one, ACT);
      const revision = commands.registry.revisionOf(KEY);
      expect(await reasonOf(bundles().stage(NAME, beside, stage(8, 10), ACT))).to.deep.equal(["bundle_refused", "stage_unnamed"]);
      expect(commands.registry.revisionOf(KEY)).to.equal(revision);
    });

  for (const sequence of [4, 5, 3])
    it(`never leads back: sequence ${sequence} is refused after 5`, async () => {
      await bundles().name(bundle(5), ACT);
      const other = { ...bundle(sequence), digest: "sha256:other" };
      const reason = sequence === 5 ? "bundle_changed" : "bundle_older";
      expect(await reasonOf(bundles().name(other, ACT))).to.deep.equal(["bundle_refused", reason]);
      expect(named()?.digest).to.equal("sha256:5");
    });

  it("has none tried any more once another is named, or somebody ends it", async () => {
    await bundles().name(bundle(5), ACT);
    await bundles().stage(NAME, "sha256:5", stage(6, 10), ACT);
    await bundles().name(bundle(6), ACT);
    expect([named()?.sequence, staged()]).to.deep.equal([6, undefined]);
    await bundles().stage(NAME, "sha256:6", stage(7, 10), ACT);
    await bundles().endStage(NAME, "sha256:7", { by: "remit", reason: "flips" });
    expect([named()?.sequence, staged(), named()?.by]).to.deep.equal([6, undefined, "ops"]);
    expect(world.records.at(-1)).to.include({ change: "bundle_stage_ended", caller: "remit", reason: "flips" });
  });

  it("isn't ended for another bundle than the one that was meant, nor twice", async () => {
    expect(await bundles().endStage(NAME, "sha256:7", ACT), "nothing is named").to.equal(0);
    await bundles().name(bundle(5), ACT);
    const revision = await bundles().stage(NAME, "sha256:5", stage(6, 10), ACT);
    expect(await bundles().endStage(NAME, "sha256:7", ACT)).to.equal(revision);
    expect(staged()?.sequence).to.equal(6);
    const ended = await bundles().endStage(NAME, "sha256:6", ACT);
    expect(await bundles().endStage(NAME, "sha256:6", ACT)).to.equal(ended);
  });

  it("is looked at again if another node has changed it meanwhile", async () => {
    await bundles().name(bundle(5), ACT);
    meanwhile({ ...bundle(6), since: at(0), ...ACT }, "bundle_named");
    expect(await reasonOf(bundles().stage(NAME, "sha256:5", stage(7, 10), ACT))).to.deep.equal(["bundle_refused", "stage_unnamed"]);
    expect([named()?.sequence, staged()]).to.deep.equal([6, undefined]);
    meanwhile({ ...bundle(6), since: at(0), ...ACT, staged: { ...stage(7, 10), since: at(0), ...ACT } }, "bundle_staged");
    await bundles().name(bundle(8), ACT);
    expect([named()?.sequence, staged()]).to.deep.equal([8, undefined]);
  });

  it("is unchanged if the store can't take it", async () => {
    await bundles().name(bundle(5), ACT);
    world.store.fate = () => "before";
    expect(await reasonOf(bundles().stage(NAME, "sha256:5", stage(6, 10), ACT))).to.deep.equal(["store_unavailable", undefined]);
    world.store.fate = () => "written";
    expect(staged()).to.equal(undefined);
  });

  it("is the same after a start", async () => {
    await bundles().name(bundle(5), ACT);
    await bundles().stage(NAME, "sha256:5", stage(6, 10), ACT);
    const again = await world.reopened();
    expect(again.registry.dump()).to.deep.equal(commands.registry.dump());
  });
});
