import { readFileSync } from "node:fs";
import { expect } from "chai";
import { DENIALS, NO_ANSWERS } from "../../src/client/index.js";
import { REFUSALS } from "../../src/guards/http.js";
import { asset } from "../../src/system/paths.js";

/** The rows of the table below the heading with this first cell, without its rule. */
function rowsOf(text: string, first: string): string[][] {
  const lines = text.split("\n");
  const from = lines.findIndex((line) => line.split("|")[1]?.trim() === first) + 2;
  const to = lines.findIndex((line, i) => i >= from && !line.startsWith("|"));
  return lines.slice(from, to).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/^`(.*)`$/, "$1")),
  );
}

describe("docs/enforcement.md", () => {
  const text = readFileSync(asset("docs", "enforcement.md"), "utf8");

  it("lists the codes of what a client throws, as they are, and no others", () => {
    expect(rowsOf(text, "`Denied`")).to.deep.equal(Object.entries(DENIALS));
    expect(rowsOf(text, "`Undecided`")).to.deep.equal(Object.entries(NO_ANSWERS));
  });

  it("lists the codes of what a guarded server refuses, as they are, and no others", () => {
    const rows = Object.entries(REFUSALS).map(([code, { status, title }]) => [code, String(status), title]);
    expect(rowsOf(text, "code")).to.deep.equal(rows);
  });
});
