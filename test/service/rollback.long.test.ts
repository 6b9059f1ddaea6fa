/** A service that is started again with other bundles at its path, or without the folder that says what it trusted. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { temporaryDirectory } from "../audit/temporary.js";
import { KEY, NAME, bundleBytes, publicPem } from "../bundle/support.js";
import { readConfig } from "../../src/system/config.js";
import { Child, placeIn, type Json, type Place } from "./child.js";

describe("a service that is started again", function () {
  const children: Child[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) await child.kill();
  });

  async function place(): Promise<Place> {
    const folder = temporaryDirectory();
    writeFileSync(join(folder, "bundle.pem"), publicPem(KEY));
    await put(folder, 12);
    return placeIn(folder, { bundle: { path: "bundle.tar.gz", name: NAME, keys: ["bundle.pem"] }, behavior: { enabled: false } });
  }

  async function put(folder: string, sequence: number): Promise<void> {
    writeFileSync(join(folder, "bundle.tar.gz"), await bundleBytes({ expires: null, sequence }));
  }

  /** The sequence that runs, and the code of why another doesn't. */
  async function started(at: Place): Promise<[number | null, string | null]> {
    const child = new Child(at);
    children.push(child);
    await child.says('"message":"listening"');
    const { body } = await child.told("GET", "/bundles");
    await child.stop();
    const [running, refused] = [body["running"] as Json | null, body["refused"] as Json | null];
    return [(running?.["sequence"] as number | undefined) ?? null, (refused?.["code"] as string | undefined) ?? null];
  }

  const stateOf = (at: Place): string => readConfig(at.config).bundle.state_dir;

  it("doesn't run an older bundle once its state folder is lost, since its log says what ran", async () => {
    const at = await place();
    expect(await started(at)).to.deep.equal([12, null]);
    rmSync(stateOf(at), { recursive: true });
    await put(at.folder, 11);
    expect(await started(at)).to.deep.equal([null, "bundle_older"]);
    expect(children.at(-1)?.said).to.match(/"code":"trust_behind".*"sequence":12/);
    await put(at.folder, 12);
    expect(await started(at)).to.deep.equal([12, null]);
  });

  for (const [what, spoil, code] of [
    [
      "is lost",
      (path: string) => {
        rmSync(path);
      },
      "file_unreadable",
    ],
    [
      "is damaged",
      (path: string) => {
        writeFileSync(path, "no bundle");
      },
      "archive_not_gzip",
    ],
  ] as const)
    it(`runs the last good bundle if the one at its path ${what}`, async () => {
      const at = await place();
      expect(await started(at)).to.deep.equal([12, null]);
      spoil(join(at.folder, "bundle.tar.gz"));
      expect(await started(at)).to.deep.equal([12, code]);
      await put(at.folder, 13);
      expect(await started(at)).to.deep.equal([13, null]);
    });

  it("runs nothing if the copy of the last good bundle is damaged as well, and says so", async () => {
    const at = await place();
    expect(await started(at)).to.deep.equal([12, null]);
    rmSync(join(at.folder, "bundle.tar.gz"));
    writeFileSync(join(stateOf(at), "bundle.tar.gz"), "damaged");
    expect(await started(at)).to.deep.equal([null, "file_unreadable"]);
    expect(children.at(-1)?.said).to.match(/"from":"kept"/);
  });
});
