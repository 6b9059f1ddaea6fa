/**
 * Cuts the power under the record log, at points drawn from what it wrote under load: what was answered before must be there,
 * the log must open by itself and verify.
 */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lossesOf, traced } from "../test/audit/cuts.js";
import { Dice } from "../test/differential/dice.js";
import { buildShim } from "../test/disk/power.js";
import { judge } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";

const { cuts, seed, json } = readOptions("power", {
  about: "Cuts the power under the record log, at points drawn from what it wrote under load.",
  options: {
    cuts: { says: "power cuts", default: 10_000, least: 1 },
    seed: { says: "seed of the random numbers; drawn if left out", default: randomInt(2 ** 31) },
    json: AS_JSON,
  },
  examples: ["--cuts 100", "--cuts 100 --seed 17"],
});
const SAID_EVERY = 100;

const folder = mkdtempSync(join(tmpdir(), "remit-power-"));
try {
  const shim = join(folder, "disk.so");
  const why = buildShim(shim);
  if (why !== null) throw new Error(`nothing can be cut, for ${why}`);
  const steps = await traced(shim, folder);
  const { lost, broken, acknowledged } = lossesOf(steps, cuts, new Dice(seed), join(folder, "cut"), (done) => {
    if (done % SAID_EVERY === 0) process.stderr.write(`\r${done} of ${cuts} cuts  `);
  });
  process.stderr.write("\n");
  for (const what of [...lost, ...broken].slice(0, 20)) process.stderr.write(`${what}\n`);
  const shown = (figure: string, found: number) => ({ figure, found, unit: "", most: null });
  judge(
    [
      shown("seed", seed),
      { ...shown("cuts", cuts), least: cuts },
      shown("records answered before them, summed up", acknowledged),
      { figure: "cuts after which an answered record is missing", found: lost.length, unit: "", most: 0 },
      { figure: "cuts after which the log doesn't open or verify", found: broken.length, unit: "", most: 0 },
    ],
    json,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
