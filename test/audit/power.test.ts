import { randomInt } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { nodeFiles } from "../../src/audit/files.js";
import { CHECKPOINT, Seal } from "../../src/audit/seal.js";
import { Segments } from "../../src/audit/segments.js";
import { readSigner } from "../../src/audit/tree/note.js";
import { nodeTiles } from "../../src/audit/tree/tiles.js";
import { verifyLog } from "../../src/audit/tree/verify.js";
import { Dice } from "../differential/dice.js";
import { buildShim, bytesAfterCut, printedBefore, stepsOf, underLoad, type FileStep, type Step } from "../disk/power.js"; // prettier-ignore
import { SEALING } from "./sealing.js";
import { readLog, temporaryDirectory } from "./temporary.js";

/** Given again, the same cuts are made in what was written; more of them with `REMIT_CUTS=10000`. */
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const CUTS = Number(process.env["REMIT_CUTS"] ?? 300);
const RECORDS = 1500;

const LOAD = fileURLToPath(new URL("./load.js", import.meta.url));
const SIGNERS = SEALING.keys.map((pem) => readSigner(SEALING.origin, pem).verifier);

interface At {
  at: number;
  step: FileStep;
}

/** What a process did, by file. */
class Trace {
  readonly files = new Map<string, At[]>();
  /** Of each time that the checkpoint was replaced: when, and when that was durable. */
  readonly checkpoints: { at: number; durable_at: number; written: FileStep[] }[] = [];

  constructor(readonly steps: readonly Step[]) {
    let written: FileStep[] = [];
    for (const [at, step] of steps.entries()) {
      if (step.kind === "print") continue;
      if (step.kind === "rename") {
        if (step.to === CHECKPOINT) this.checkpoints.push({ at, durable_at: Infinity, written });
        written = [];
      } else if (step.file === `${CHECKPOINT}.new`) written.push(step);
      else if (step.kind === "sync" && step.file === "log") {
        for (const replaced of this.checkpoints) replaced.durable_at = Math.min(replaced.durable_at, at);
      } else if (/\.(jsonl|beside)$/.test(step.file)) {
        const file = this.files.get(step.file) ?? [];
        file.push({ at, step });
        this.files.set(step.file, file);
      }
    }
  }

  put(folder: string, cut: number, dice: Dice): void {
    mkdirSync(folder);
    for (const [name, steps] of this.files) {
      const before = steps.filter(({ at }) => at < cut).map(({ step }) => step);
      if (before.length > 0) writeFileSync(join(folder, name), bytesAfterCut(before, dice));
    }
    // The last that is durable, or one that came after it.
    const replaced = this.checkpoints.filter(({ at }) => at < cut);
    const durable = replaced.findLastIndex(({ durable_at }) => durable_at < cut);
    const found = dice.of(durable < 0 ? [undefined, ...replaced] : replaced.slice(durable));
    if (found !== undefined) writeFileSync(join(folder, CHECKPOINT), bytesAfterCut(found.written, dice));
  }
}

/** What a start finds, as the writer opens a log. @throws LogDamaged */
function started(folder: string): void {
  const segments = new Segments(nodeFiles(folder), 8192);
  const seal = new Seal(nodeFiles(folder), nodeTiles(folder), SEALING);
  const checkpoint = seal.read();
  const { seq } = segments.open(null, checkpoint?.size);
  seal.open(checkpoint, seq, (from) => segments.lines(from));
  seal.sign();
  segments.close();
}

/** What a start after each of the cuts finds missing, or refuses. */
function lossesOf(steps: readonly Step[], cuts: number): { lost: string[]; broken: string[]; acknowledged: number } {
  const dice = new Dice(SEED);
  const trace = new Trace(steps);
  const first = steps.findIndex(({ kind }) => kind === "print");
  const folder = join(temporaryDirectory(), "log");
  const found = { lost: [] as string[], broken: [] as string[], acknowledged: 0 };
  for (let i = 0; i < cuts; i++) {
    const cut = first + 1 + dice.below(steps.length - first);
    trace.put(folder, cut, dice);
    const answered = printedBefore(steps, cut).split("\n").slice(0, -1).map(Number);
    found.acknowledged += answered.length;
    try {
      started(folder);
      const held = new Set(readLog(folder).map(({ facts_revision }) => facts_revision));
      const missing = answered.filter((id) => !held.has(id));
      if (missing.length > 0) found.lost.push(`cut at ${cut}: ${missing.length} of ${answered.length} are lost`);
      const { damage } = verifyLog({ folder, keys: SIGNERS, elsewhere: [] });
      found.broken.push(...damage.map(({ message }) => `cut at ${cut}: ${message}`));
    } catch (cause) {
      found.broken.push(`cut at ${cut}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
    rmSync(folder, { recursive: true });
  }
  return found;
}

describe(`the record log when the power is cut (REMIT_SEED=${SEED})`, function () {
  this.timeout(60_000 + CUTS * 200);
  let shim: string;

  before(function () {
    shim = join(temporaryDirectory(), "disk.so");
    const why = buildShim(shim);
    if (why === null) return;
    console.warn(`NOT TESTED: the record log when the power is cut, for ${why}`);
    this.skip();
  });

  async function traced(flags: string[] = []): Promise<Step[]> {
    const folder = join(temporaryDirectory(), "log");
    const trace = `${folder}.trace`;
    const args = [...flags, LOAD, folder];
    await underLoad({ shim, watch: folder, args, env: { DISK_TRACE: trace } }, RECORDS);
    return stepsOf(readFileSync(trace));
  }

  it(`has every answered record at ${CUTS} points, opens by itself and verifies`, async () => {
    const steps = await traced();
    for (const what of ["rename", "truncate", "sync"]) expect(steps.some(({ kind }) => kind === what), what).to.be.true; // prettier-ignore
    const { lost, broken, acknowledged } = lossesOf(steps, CUTS);
    console.log(
      `      ${CUTS} cuts, ${acknowledged} records answered before them: ${lost.length} lost, ${broken.length} broken`,
    );
    expect(lost).to.deep.equal([]);
    expect(broken).to.deep.equal([]);
  });

  it("would not have them if nothing were synced", async () => {
    const careless = new URL("./careless.js", import.meta.url).href;
    const { lost, broken } = lossesOf(await traced(["--import", careless]), 50);
    // Most are noticed at the start, since a checkpoint that was brought to the disk covers what was not.
    expect(lost.length + broken.length).to.be.above(25);
  });
});
