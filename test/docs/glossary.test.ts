import { readFileSync, readdirSync } from "node:fs";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { NOUNS, firstUses } from "./glossary.js";

const GENERATED = ["reference.md"];
const text = (page: string): string => readFileSync(asset("docs", page), "utf8");

describe("a page of the documents", () => {
  const pages = readdirSync(asset("docs")).filter((file) => file.endsWith(".md") && !GENERATED.includes(file));
  for (const page of pages) {
    it(`links to what a noun is where it first uses it: ${page}`, () => {
      const lines = firstUses(text(page)).flatMap(({ isLinked, noun, line }) => (isLinked ? [] : [`${page}:${line + 1} ${noun}`]));
      expect(lines).to.deep.equal([]);
    });
  }

  it("would be found without a link, in code it would not", () => {
    const found = firstUses(
      "# A page\n\n`floor` in code.\n\n```\nfloor\n```\n\nThe floor comes first, [the barrier](x.md) last.\n\n**Fuel** is this.\nFuel ends.\n",
    );
    expect(found.map(({ noun, line, isLinked }) => [noun, line, isLinked])).to.deep.equal([
      ["floor", 8, false],
      ["barrier", 8, true],
    ]);
  });
});

describe("the glossary", () => {
  it("has each noun that pages link to, in the part that they name", () => {
    const parts = text("explain/glossary.md").split(/^## /m);
    for (const [noun, part] of Object.entries(NOUNS)) {
      const named = parts.find((one) => one.split("\n")[0]?.toLowerCase().replaceAll(" ", "-") === part) ?? "";
      expect(named, noun).to.match(new RegExp(`^\\| \\*\\*(?:[^*|]*\\b)?${noun}\\b`, "m"));
    }
  });
});
