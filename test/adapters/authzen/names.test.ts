import { createHash } from "node:crypto";
import { expect } from "chai";
import { nameOf } from "../../../src/adapters/authzen/mapping.js";

const digestOf = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;

describe("the name that an AuthZEN identifier stands for", () => {
  for (const name of ["a-1", "alice@example.com", "sha256", "spiffe://example.org/ns/desk"])
    it(`is itself if it may be a name: ${name}`, () => {
      expect(nameOf(name)).to.equal(name);
    });

  for (const identifier of ["", "two words", "a\u200bb", "x".repeat(1000), digestOf("two words"), "sha256:short"])
    it(`is its digest otherwise, so that nobody is named by another's: ${JSON.stringify(identifier.slice(0, 20))}`, () => {
      expect(nameOf(identifier)).to.equal(digestOf(identifier));
    });

  it("is another for each of these", () => {
    const identifiers = ["two words", digestOf("two words"), digestOf(digestOf("two words"))];
    expect(new Set(identifiers.map(nameOf)).size).to.equal(3);
  });
});
