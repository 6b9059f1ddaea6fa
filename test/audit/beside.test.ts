import { appendFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect } from "chai";
import { BesideLines, type LineReference } from "../../src/audit/log/beside.js";
import { temporaryDirectory } from "./temporary.js";

const SEGMENT = "0000000000000001.jsonl";
const OTHER = "0000000000000009.jsonl";

function named(text: string): LineReference {
  return { digest: `sha256:${createHash("sha256").update(text).digest("hex")}`, bytes: Buffer.byteLength(text) };
}

describe("what stands beside a segment", () => {
  let folder: string;
  let lines: BesideLines;
  const file = (segment = SEGMENT): string => join(folder, segment.replace("jsonl", "beside"));
  beforeEach(() => {
    folder = temporaryDirectory();
    lines = new BesideLines(folder);
  });
  afterEach(() => {
    lines.close();
  });

  it("is found by its digest in any order, however long, over chunks, among lines that nobody names", () => {
    const texts = ["a", "", "b".repeat(3_000_000), "\u{1f600}".repeat(700), "c".repeat(1024 * 1024 - 1)];
    writeFileSync(file(), texts.map((text) => `${text}\n`).join("refused\n"));
    for (const at of [2, 0, 4, 3, 0]) expect(lines.text(SEGMENT, named(texts[at] ?? ""))).to.equal(texts[at]);
    expect(lines.bytesOf(SEGMENT, named("b".repeat(3_000_000)))).to.equal(3_000_000);
    expect(lines.text(SEGMENT, named("d"))).to.equal(null);
  });

  it("is found once it is there, and not while its line has no end", () => {
    expect(lines.text(SEGMENT, named("late"))).to.equal(null);
    writeFileSync(file(), "early\nla");
    expect(lines.text(SEGMENT, named("la"))).to.equal(null);
    appendFileSync(file(), "te\n");
    expect([lines.text(SEGMENT, named("late")), lines.text(SEGMENT, named("early"))]).to.deep.equal(["late", "early"]);
  });

  it("is that of its segment, and of the length that the record says", () => {
    writeFileSync(file(), "one\n");
    writeFileSync(file(OTHER), "other\n");
    expect([lines.text(OTHER, named("one")), lines.text(SEGMENT, named("one"))]).to.deep.equal([null, "one"]);
    expect(lines.text(OTHER, named("other"))).to.equal("other");
    expect(lines.text(OTHER, { ...named("other"), bytes: 4 })).to.equal(null);
  });
});
