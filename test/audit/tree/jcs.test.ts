import { createHash } from "node:crypto";
import { expect } from "chai";
import { canonical } from "../../../src/contract/index.js";
import { vectorBytes } from "./vectors.js";

describe("canonical: the RFC's test data", () => {
  for (const name of ["arrays", "french", "structures", "unicode", "values", "weird"]) {
    it(name, () => {
      const text = canonical(JSON.parse(vectorBytes("jcs", "input", `${name}.json`).toString()));
      expect(text).to.equal(vectorBytes("jcs", "output", `${name}.json`).toString());
      const hex = vectorBytes("jcs", "outhex", `${name}.txt`).toString().replaceAll(/\s/g, "");
      expect(Buffer.from(text).toString("hex")).to.equal(hex);
    });
  }

  it("10,000 numbers", () => {
    const bytes = vectorBytes("jcs", "es6-numbers-10000.txt");
    expect(createHash("sha256").update(bytes).digest("hex")).to.equal("b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892");
    const lines = bytes.toString().trimEnd().split("\n");
    expect(lines).to.have.lengthOf(10_000);
    for (const line of lines) {
      const [bits = "", wanted] = line.split(",");
      expect(canonical(Buffer.from(bits.padStart(16, "0"), "hex").readDoubleBE()), bits).to.equal(wanted);
    }
  });
});
