import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { makeFolder } from "../../src/system/folder.js";
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
