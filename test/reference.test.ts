import { readFileSync } from "node:fs";
import { expect } from "chai";
import { referenceText } from "../scripts/reference.js";
import { asset } from "../src/system/paths.js";

describe("the reference", () => {
  it("says what the sources say: run `node dist/scripts/reference.js` when it doesn't", async () => {
    expect(readFileSync(asset("docs", "reference.md"), "utf8")).to.equal(await referenceText());
  });
});
