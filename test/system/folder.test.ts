import { mkdirSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { contains, makeFolder, overlap } from "../../src/system/folder.js";
import { temporaryDirectory } from "../audit/temporary.js";

describe("a folder that a start makes", () => {
  it("is made with those above it, for its owner alone", () => {
    const folder = join(temporaryDirectory(), "a", "b", "c");
    makeFolder(folder);
    expect(statSync(folder).mode & 0o777).to.equal(0o700);
  });

  it("is left as it is if it is there", () => {
    const folder = join(temporaryDirectory(), "a");
    mkdirSync(folder, { mode: 0o755 });
    makeFolder(folder);
    expect(statSync(folder).mode & 0o777).to.equal(0o755);
  });
});

describe("two folders", () => {
  it("overlap by links too, whether what is behind them exists or not", () => {
    const parent = temporaryDirectory();
    const log = join(parent, "log");
    mkdirSync(join(log, "tile"), { recursive: true });
    mkdirSync(join(parent, "other"));
    symlinkSync(log, join(parent, "link"));
    symlinkSync(parent, join(parent, "other", "up"));
    for (const place of ["log", "link", "link/tile", "link/not/yet", "other/up", "other/up/log"])
      expect(overlap(log, join(parent, place)), place).to.equal(true);
    for (const place of ["other", "log-2", "..log", "other/up/public"]) expect(overlap(log, join(parent, place)), place).to.equal(false);
    expect(contains(log, join(parent, "link", "tile"))).to.equal(true);
    expect(contains(join(log, "tile"), log)).to.equal(false);
  });
});
