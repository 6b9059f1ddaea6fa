import { randomInt } from "node:crypto";
import { join } from "node:path";
import { expect } from "chai";
import { Dice } from "../differential/dice.js";
import { buildShim } from "../disk/power.js";
import { lossesOf, traced } from "./cuts.js";
import { temporaryDirectory } from "./temporary.js";
import { skip } from "../skip.js";

/** Given again, the same cuts are made in what was written. */
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const CUTS = 300;

describe(`the record log when the power is cut (REMIT_SEED=${SEED})`, function () {
  this.timeout(600_000 + CUTS * 1000);
  let shim: string;

  before(function () {
    shim = join(temporaryDirectory(), "disk.so");
    const why = buildShim(shim);
    if (why === null) return;
    skip(this, `power cuts: ${why}`);
  });

  it(`has every answered record at ${CUTS} points, opens by itself and verifies`, async () => {
    const steps = await traced(shim, temporaryDirectory());
    for (const what of ["rename", "truncate", "sync"])
      expect(
        steps.some(({ kind }) => kind === what),
        what,
      ).to.be.true;
    const { lost, broken, acknowledged } = lossesOf(steps, CUTS, new Dice(SEED), join(temporaryDirectory(), "cut"));
    console.log(`      ${CUTS} cuts, ${acknowledged} records answered before them: ${lost.length} lost, ${broken.length} broken`);
    expect(lost).to.deep.equal([]);
    expect(broken).to.deep.equal([]);
  });

  it("would not have them if nothing were synced", async () => {
    const careless = new URL("./careless.js", import.meta.url).href;
    const { lost, broken } = lossesOf(
      await traced(shim, temporaryDirectory(), ["--import", careless]),
      50,
      new Dice(SEED),
      join(temporaryDirectory(), "cut"),
    );
    // Most are noticed at the start, since a checkpoint that was brought to the disk covers what was not.
    expect(lost.length + broken.length).to.be.above(25);
  });
});
