/** R12, F1, F2: whatever is done to a log's files is found, and where is said. */
import { join } from "node:path";
import { expect } from "chai";
import { temporaryDirectory } from "../temporary.js";
import { mutateOften, SMALL } from "./mutations.js";
import { writeLog } from "./written.js";
import { verify, named } from "./tamper_support.js";

const MUTATIONS = Number(process.env["REMIT_TAMPER_MUTATIONS"] ?? 1000);
const SEED = 4711;

describe("a log whose files were tampered with", () => {
  const scratch = temporaryDirectory();

  it(`shows each of ${MUTATIONS} random mutations, and where`, () => {
    const small = writeLog(join(scratch, "small"), SMALL);
    const { counts, missed } = mutateOften(small.folder, MUTATIONS, SEED);
    expect(named(verify(small.folder).damage), "afterwards").to.equal("");
    console.log(`      tamper: ${MUTATIONS} mutations, seed ${SEED} (${counts.join(", ")}): ${missed.length} not found where they were`);
    expect(missed).to.deep.equal([]);
  }).timeout(600_000 + MUTATIONS * 500);
});
