import { expect } from "chai";
import { nearestWord } from "../../src/contract/nearest.js";

const KNOWN = ["listen", "limits", "log", "dir", "id", "body_bytes_max", "age_ms_max", "state_dir", "read", "refund"];

describe("the word that was meant", () => {
  const meant: [written: string, meant: string][] = [
    ["lisen", "listen"],
    ["logs", "log"],
    ["raed", "read"],
    ["dri", "dir"],
    ["age_max_ms", "age_ms_max"],
    ["max_body_bytes", "body_bytes_max"],
    ["bodyBytesMax", "body_bytes_max"],
    ["body-bytes-max", "body_bytes_max"],
    ["STATE_DIR", "state_dir"],
  ];
  for (const [written, wanted] of meant) {
    it(`is ${wanted} where ${written} is written`, () => {
      expect(nearestWord(written, KNOWN)).to.equal(wanted);
    });
  }

  const nothing: [why: string, written: string][] = [
    ["it is like none", "folder"],
    ["a letter alone is like any", "x"],
    ["two of three letters are others", "foo"],
    ["two letters share none with it", "db"],
    ["nothing is written", ""],
    ["it is too long to be a slip", `listen${"n".repeat(251)}`],
  ];
  for (const [why, written] of nothing) {
    it(`is not guessed where ${why}`, () => {
      expect(nearestWord(written, KNOWN)).to.equal(null);
    });
  }
});
