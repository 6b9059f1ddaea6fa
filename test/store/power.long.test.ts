import { expect } from "chai";
import { randomInt } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { StoreFile } from "../../src/store/file.js";
import { changeOf } from "../../src/store/rows.js";
import type { Change } from "../../src/store/store.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { Dice } from "../differential/dice.js";
import { buildShim, bytesAfterCut, isFileStep, printedBefore, stepsOf, underLoad, type Step } from "../disk/power.js";
import { LOAD, acknowledgedIn, broken } from "./kills.js";
import { skip } from "../skip.js";

/** Given again, the same cuts are made in what was written; more of them with `REMIT_CUTS=10000`. */
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const CUTS = Number(process.env["REMIT_CUTS"] ?? 60);

let shim: string;

/** Runs the load behind `disk.c` until it has acknowledged `calls`, then kills it. */
function loaded(file: string, calls: number, env: Record<string, string>, flags: string[] = []): Promise<string> {
  return underLoad({ shim, watch: file, args: [...flags, LOAD, file, "0", "4"], env }, calls);
}

function diskAfterCut(steps: readonly Step[], cut: number, dice: Dice): Map<string, Buffer> {
  const onFiles = steps.slice(0, cut).filter(isFileStep);
  const names = new Set(onFiles.map(({ file }) => file));
  // A journal is of the file's first moments; it was removed before anything was acknowledged.
  return new Map(
    [...names]
      .filter((name) => !name.endsWith("-journal"))
      .map((name) => [
        name,
        bytesAfterCut(
          onFiles.filter(({ file }) => file === name),
          dice,
        ),
      ]),
  );
}

/** What a start after each of the cuts finds missing or halved. */
function lossesOf(steps: readonly Step[], cuts: number): string[] {
  const dice = new Dice(SEED);
  const first = steps.findIndex(({ kind }) => kind === "print");
  const folder = join(temporaryDirectory(), "cut");
  return Array.from({ length: cuts }, () => first + 1 + dice.below(steps.length - first)).flatMap((cut) => {
    mkdirSync(folder);
    for (const [name, bytes] of diskAfterCut(steps, cut, dice)) writeFileSync(join(folder, name), bytes);
    const acknowledged = acknowledgedIn(printedBefore(steps, cut));
    try {
      const found = broken(acknowledged, changesIn(join(folder, "store.db")));
      return found.map((what) => `cut at ${cut}: ${what}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

function changesIn(path: string): Change[] {
  const file = new StoreFile(path);
  const changes: Change[] = [];
  for (let after: number | null = 0; after !== null;) {
    const { rows, next } = file.page(after, 1000, {}, false);
    changes.push(...rows.map(changeOf));
    after = next;
  }
  file.close();
  if (changes.some(({ revision }, i) => revision !== i + 1)) throw new Error("a revision is missing");
  return changes;
}

describe(`the store's promises to whom it answered (REMIT_SEED=${SEED})`, function () {
  this.timeout(600_000 + CUTS * 1500);

  before(function () {
    shim = join(temporaryDirectory(), "disk.so");
    const why = buildShim(shim);
    if (why === null) return;
    skip(this, `power cuts: ${why}`);
  });

  async function traced(flags: string[] = []): Promise<Step[]> {
    const folder = temporaryDirectory();
    const trace = join(folder, "trace");
    await loaded(join(folder, "store.db"), 1500, { DISK_TRACE: trace }, flags);
    const steps = stepsOf(readFileSync(trace));
    // Long enough that the write-ahead log went into the file and began again.
    expect(steps.some((step) => step.kind === "write" && step.file === "store.db" && step.offset > 2 ** 20)).to.be.true;
    return steps;
  }

  it(`hold wherever the power is cut, ${CUTS} times`, async () => {
    expect(lossesOf(await traced(), CUTS)).to.deep.equal([]);
  });

  it("would not hold if a commit returned before it is synced", async () => {
    const careless = new URL("./careless.js", import.meta.url).href;
    const losses = lossesOf(await traced(["--import", careless]), 30);
    expect(losses.filter((what) => what.includes("acknowledged and is lost"))).to.not.be.empty;
    // Losing is all that happens: what is left is whole.
    expect(losses.filter((what) => what.includes("changes of"))).to.deep.equal([]);
  });

  const faults: [operation: string, errno: string, first: number, step: number][] = [
    ["sync", "EIO", 15, 9],
    ["write", "EIO", 60, 31],
    ["write", "ENOSPC", 75, 37],
  ];
  for (const [operation, errno, first, step] of faults) {
    it(`hold whichever ${operation} fails with ${errno}, and the load goes on afterwards`, async () => {
      for (let run = 0; run < 4; run++) {
        const file = join(temporaryDirectory(), "store.db");
        const fault = { DISK_FAIL: `${operation}${first + run * step}`, DISK_ERRNO: errno };
        const trace = `${file}.trace`;
        const output = await loaded(file, 400, { ...fault, DISK_TRACE: trace });
        const acknowledged = acknowledgedIn(output);
        const steps = stepsOf(readFileSync(trace));
        expect(
          steps.filter(({ kind }) => kind === `${operation} failed`),
          JSON.stringify(fault),
        ).to.have.length(1);
        expect(lossesOf(steps, 10), JSON.stringify(fault)).to.deep.equal([]);
        expect(acknowledged.length, JSON.stringify(fault)).to.be.at.least(390);
        expect(broken(acknowledged, changesIn(file)), JSON.stringify(fault)).to.deep.equal([]);
      }
    });
  }
});
