import { expect } from "chai";
import { Utf8 } from "../../src/audit/log/utf8.js";

const TEXTS = ["", "a", "ä", "€", "𝕏", "\ud800", "x".repeat(70_000), "€".repeat(50_000), '{"a":"ß"}\n'];

describe("text gathered as bytes", () => {
  it("is what it would be as one text, in any order and size, again and again", () => {
    const utf8 = new Utf8();
    for (let from = 0; from < TEXTS.length; from++) {
      utf8.clear();
      const all = [...TEXTS.slice(from), ...TEXTS.slice(0, from)];
      for (const text of all) utf8.add(text);
      const wanted = Buffer.concat(all.map((text) => Buffer.from(text)));
      expect(utf8.bytes().equals(wanted)).to.equal(true);
      expect(utf8.length).to.equal(wanted.length);
    }
  });

  it("is whole again after a group that was larger than what is kept", () => {
    const utf8 = new Utf8();
    for (const length of [9_000_000, 10, 200_000]) {
      utf8.clear();
      utf8.add("a".repeat(length));
      expect(utf8.bytes().toString()).to.equal("a".repeat(length));
    }
    utf8.clear();
    expect(utf8.length).to.equal(0);
  });
});
