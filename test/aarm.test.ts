import { existsSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { asset } from "../src/system/paths.js";

describe("docs/aarm.md", () => {
  const text = readFileSync(asset("docs", "aarm.md"), "utf8");
  const sections = text.split(/^## /m).slice(1);
  const named = [...text.matchAll(/^- `([^`]+)`: (.+)$/gm)].map(([, file = "", title = ""]) => ({ file, title }));

  it("speaks of each requirement, once and in order, and of each in its table", () => {
    const ids = ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9"];
    expect(sections.map((section) => section.slice(0, 2))).to.deep.equal(ids);
    expect([...text.matchAll(/^\| (R\d) +\|/gm)].map(([, id]) => id)).to.deep.equal(ids);
  });

  it("names tests for each, and what isn't there yet where it is met in part", () => {
    const state = new Map([...text.matchAll(/^\| (R\d) +\|.*\| (yes|in part) +\|$/gm)].map(([, id, met]) => [id, met]));
    for (const section of sections) {
      const id = section.slice(0, 2);
      expect(section.match(/^- `/gm)?.length ?? 0, id).to.be.above(2);
      expect(section.includes("**Not yet:**"), id).to.equal(state.get(id) === "in part");
    }
  });

  it("claims no conformance", () => {
    expect(text).to.contain("Remit claims no conformance");
    expect(text).to.not.match(/\bAARM[- ](?:conformant|compliant|certified)\b/i);
  });

  it("names tests that there are", () => {
    expect(named.length).to.be.above(30);
    const missing = named.filter(({ file, title }) => !existsSync(asset(file)) || !isTest(readFileSync(asset(file), "utf8"), title));
    expect(missing).to.deep.equal([]);
  });

  it("would not name one that there isn't", () => {
    const own = readFileSync(asset("test", "aarm.test.ts"), "utf8");
    expect(isTest(own, "claims no conformance")).to.equal(true);
    expect(isTest(own, "Remit claims no conformance")).to.equal(false);
    expect(isTest("test_a[name] if {", "test_a")).to.equal(true);
    expect(isTest("# test_a is gone", "test_a")).to.equal(false);
  });
});

/** Whether a title, or the beginning of one, is that of a test, and not what merely stands in its file. */
function isTest(source: string, title: string): boolean {
  const quoted = title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`\\b(?:it|describe)\\(\\s*["'\`]${quoted}|^${quoted}\\b`, "m").test(source);
}
