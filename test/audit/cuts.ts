/** Cuts the power under a log that was written under load, and looks at what a start then has. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeFiles } from "../../src/audit/log/files.js";
import { CHECKPOINT, Seal } from "../../src/audit/log/seal.js";
import { Segments } from "../../src/audit/log/segments.js";
import { readSigner } from "../../src/audit/tree/note.js";
import { nodeTiles } from "../../src/audit/tree/tiles.js";
import { verifyLog } from "../../src/audit/tree/verify.js";
import type { Dice } from "../differential/dice.js";
import { bytesAfterCut, printedBefore, stepsOf, underLoad, type FileStep, type Step } from "../disk/power.js";
import { SEALING } from "./sealing.js";
import { readLog } from "./temporary.js";

const RECORDS = 1500;
const LOAD = fileURLToPath(new URL("./load.js", import.meta.url));
const SIGNERS = SEALING.keys.map((pem) => readSigner(SEALING.origin, pem).verifier);

/** What a process did to a log in `folder`/log, until it was killed under load. */
export async function traced(shim: string, folder: string, flags: readonly string[] = []): Promise<Step[]> {
  const log = join(folder, "log");
  const trace = `${log}.trace`;
  await underLoad({ shim, watch: log, args: [...flags, LOAD, log], env: { DISK_TRACE: trace } }, RECORDS);
  return stepsOf(readFileSync(trace));
}

export interface Losses {
  /** Cuts after which something that was answered is missing. */
  lost: string[];
  /** Cuts after which the log can't be opened, or doesn't verify. */
  broken: string[];
  /** Records answered before the cuts, summed up. */
  acknowledged: number;
}

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

/**
 * What a start after each of the cuts finds missing, or refuses.
 * @param folder where nothing is; used for each cut in turn
 */
export function lossesOf(steps: readonly Step[], cuts: number, dice: Dice, folder: string, progress?: (cuts: number) => void): Losses {
  const trace = new Trace(steps);
  const first = steps.findIndex(({ kind }) => kind === "print");
  const found: Losses = { lost: [], broken: [], acknowledged: 0 };
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
    progress?.(i + 1);
  }
  return found;
}
