import { readFileSync } from "node:fs";
import { expect } from "chai";
import { recordsTableText } from "../../scripts/records_table.js";
import { asset } from "../../src/system/paths.js";

describe("docs/reference/records-table.md", () => {
  it("lists the columns as they are", () => {
    expect(readFileSync(asset("docs", "reference", "records-table.md"), "utf8")).to.equal(recordsTableText());
  });
});
