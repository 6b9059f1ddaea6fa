/**
 * What a process did to its files, written down by `disk.c` in front of libc, and what a disk may hold of it after the power
 * went: all that was synced, and of the rest nothing, a first part, any part, and perhaps half of a write.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import { asset } from "../../src/system/paths.js";
import type { Dice } from "../differential/dice.js";

export type Step =
  | { kind: "write" | "truncate" | "sync" | "write failed" | "sync failed"; file: string; offset: number; data: Buffer }
  | { kind: "rename"; file: string; to: string }
  | { kind: "print"; data: Buffer };
export type FileStep = Exclude<Step, { kind: "print" | "rename" }>;

const KINDS = { w: "write", t: "truncate", s: "sync", f: "write failed", g: "sync failed", a: "print", r: "rename" } as const;

/** @returns why it can't be built, or null */
export function buildShim(file: string): string | null {
  const { error, stderr } = spawnSync("cc", ["-O1", "-shared", "-fPIC", "-o", file, asset("test", "disk", "disk.c"), "-ldl", "-pthread"]);
  if (process.platform === "linux" && error === undefined && stderr.length === 0) return null;
  return `want of Linux and a C compiler: ${error?.message ?? String(stderr)}`;
}

export interface Traced {
  shim: string;
  /** Of the files' paths. */
  watch: string;
  /** To `node`, with its flags. */
  args: readonly string[];
  env: Readonly<Record<string, string>>;
}

/** Runs a load until it has acknowledged so many lines, then kills it. @returns what it acknowledged */
export async function underLoad({ shim, watch, args, env }: Traced, lines: number): Promise<string> {
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, LD_PRELOAD: shim, DISK_WATCH: watch, ...env },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    if (output.split("\n").length > lines) child.kill("SIGKILL");
  });
  await once(child, "close");
  return output;
}

export function stepsOf(trace: Buffer): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at + 17 <= trace.length;) {
    const kind = KINDS[String.fromCharCode(trace[at] ?? 0) as keyof typeof KINDS];
    const [nameLength, length] = [trace.readUInt32LE(at + 1), trace.readUInt32LE(at + 5)];
    const offset = Number(trace.readBigUInt64LE(at + 9));
    const file = basename(trace.toString("utf8", at + 17, at + 17 + nameLength));
    const end = at + 17 + nameLength + length;
    if (end > trace.length) break; // it was killed here
    const data = trace.subarray(end - length, end);
    if (kind === "print") steps.push({ kind, data });
    else if (kind === "rename") steps.push({ kind, file, to: basename(data.toString()) });
    else steps.push({ kind, file, offset, data });
    at = end;
  }
  return steps;
}

/** What had been printed before a step. */
export function printedBefore(steps: readonly Step[], cut: number): string {
  const printed = steps.slice(0, cut).flatMap((step) => (step.kind === "print" ? [step.data] : []));
  return Buffer.concat(printed).toString();
}

/**
 * What a disk may hold of one file. What a failed sync was to bring there is lost: the kernel forgets it.
 * @param steps of this file, up to the cut
 */
export function bytesAfterCut(steps: readonly FileStep[], dice: Dice): Buffer {
  const durable: FileStep[] = [];
  let unsynced: FileStep[] = [];
  for (const step of steps) {
    if (step.kind === "sync") durable.push(...unsynced);
    if (step.kind === "sync" || step.kind === "sync failed") unsynced = [];
    else unsynced.push(step);
  }
  const kept = dice.of([
    () => [],
    () => unsynced.slice(0, dice.below(unsynced.length + 1)),
    () => unsynced.filter(() => dice.chance(50)),
  ])();
  const ends = [...durable, ...kept].map((step) => (step.kind === "write" ? step.offset + step.data.length : 0));
  const bytes = Buffer.alloc(Math.max(0, ...ends));
  let length = 0;
  for (const [index, step] of [...durable, ...kept].entries()) {
    if (step.kind === "truncate") {
      bytes.fill(0, step.offset);
      length = step.offset;
    } else if (step.kind === "write") {
      const torn = index >= durable.length && dice.chance(10);
      const written = torn ? dice.below(step.data.length + 1) : step.data.length;
      step.data.copy(bytes, step.offset, 0, written);
      length = Math.max(length, step.offset + written);
    }
  }
  return bytes.subarray(0, length);
}

export function isFileStep(step: Step): step is FileStep {
  return step.kind !== "print" && step.kind !== "rename";
}
