/** Documents as pages: each has its place, and its pictures can be drawn. `make site` builds them. */
import { expect } from "chai";
import { readFileSync, readdirSync } from "node:fs";
import { asset } from "../../src/system/paths.js";

const PAGES = readdirSync(asset("docs"), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".md"));
const CONFIG = readFileSync(asset("tools", "site", ".vitepress", "config.ts"), "utf8");
/** Reached from the page of decisions. */
const isListedElsewhere = (file: string): boolean => /^explain\/decisions\/\d/.test(file);

describe("the documents' site", () => {
  for (const file of PAGES.filter((one) => !isListedElsewhere(one)))
    it(`has ${file} in its sidebar`, () => {
      expect(CONFIG).to.include(`"${file.replace(/\.md$/, "")}"`);
    });

  it("has no semicolon in the lines of a sequence diagram, which would end the statement there", () => {
    const diagrams = PAGES.flatMap((file) =>
      Array.from(
        readFileSync(asset("docs", file), "utf8").matchAll(/```mermaid\nsequenceDiagram\n([\s\S]*?)```/g),
        ([, text]) => text ?? "",
      ),
    );
    expect(diagrams).to.have.length.above(4);
    expect(diagrams.filter((text) => text.includes(";"))).to.deep.equal([]);
  });
});
