import { expect } from "chai";
import fc from "fast-check";
import { isCanonicalId } from "../../src/contract/index.js";
import { CHARACTER } from "../characters.js";

describe("identifiers are canonical or refused", () => {
  it("takes no two spellings of one text: what it takes is NFC and shows every character", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: CHARACTER }), fc.string({ unit: "grapheme" }), fc.string()), (id) => {
        if (!isCanonicalId(id)) return;
        expect(id.normalize("NFC")).to.equal(id);
        expect(id.trim()).to.equal(id);
        expect(/[\p{C}\p{Zl}\p{Zp}]/u.test(id.replace(/\p{Cn}/gu, ""))).to.be.false;
      }),
      { numRuns: 3000 },
    );
  });
});
