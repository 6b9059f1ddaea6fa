/**
 * What a program did to its files, as strace has written it down, and what a disk may hold of them after the power went. For programs that
 * `disk.c` can't stand in front of, such as those of Go.
 *
 * Names follow a journal, as those of ext4 do: a sync of any file brings all of them to the disk that were given before it.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Dice } from "../differential/dice.js";
import { bytesAfterCut, type FileStep } from "./power.js";

const CALLS = "openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";

/** @returns why nothing can be traced, or null */
export function straceMissing(): string | null {
  return spawnSync("strace", ["-V"]).status === 0 ? null : "there is no strace";
}

/** Writes a program that runs another behind strace, and traces it into its second argument with `.trace` after it. */
export function tracedProgram(path: string, program: string): string {
  const options = `-f -qq -xx -s 4000000 -ttt -T -e trace=${CALLS}`;
  writeFileSync(path, `#!/bin/sh\nexec strace ${options} -o "$2.trace" ${program} "$@"\n`, { mode: 0o755 });
  return path;
}

/** What was done to files below a folder, in the order in which it was over. */
export type Done = ToFile | ToName;
interface ToFile {
  at_s: number;
  kind: "write" | "truncate" | "sync";
  inode: number;
  offset: number;
  data: Buffer;
}
type ToName =
  | { at_s: number; kind: "made"; path: string; inode: number | null }
  | { at_s: number; kind: "renamed"; path: string; to: string }
  | { at_s: number; kind: "gone"; path: string };

interface Call {
  at_s: number;
  name: string;
  args: string;
  result: number;
}

function callsIn(trace: string): Call[] {
  const begun = new Map<string, string>();
  const calls: Call[] = [];
  for (const line of trace.split("\n")) {
    const [, pid = "", stamp = "", rest = ""] = /^(\d+) +(\d+\.\d+) (.*)$/.exec(line) ?? [];
    const unfinished = /^(\w+\(.*?),? <unfinished \.\.\.>$/.exec(rest)?.[1];
    if (unfinished !== undefined) {
      begun.set(pid, unfinished);
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>,? ?(.*)$/.exec(rest)?.[1];
    // One that was interrupted is written in two lines, the second when it was over.
    const first = begun.get(pid) ?? "";
    const whole =
      resumed === undefined ? rest : `${first}${resumed === "" || resumed.startsWith(")") || first.endsWith("(") ? "" : ", "}${resumed}`;
    if (resumed !== undefined) begun.delete(pid);
    const [, name = "", args = "", result = "", lasted = "0"] = /^(\w+)\((.*)\)\s+= (-?\d+)[^<]*(?:<([\d.]+)>)?$/.exec(whole) ?? [];
    if (name === "") continue;
    calls.push({ name, args, result: Number(result), at_s: Number(stamp) + (resumed === undefined ? Number(lasted) : 0) });
  }
  return calls.filter(({ result }) => result >= 0).sort((a, b) => a.at_s - b.at_s);
}

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll("\\x", ""), "hex");
/** Texts among the arguments of a call. */
const textsOf = (args: string): Buffer[] => [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = ""]) => bytesOf(hex));

/** Returns what was done below a folder. */
export function doneIn(trace: string, folder: string): Done[] {
  const done: Done[] = [];
  const inodes = new Map<string, number>();
  const lengths: number[] = [];
  const open = new Map<number, { inode: number; at: number; appends: boolean; syncs: boolean }>();
  const isBelow = (path: string): boolean => path === folder || path.startsWith(`${folder}/`);
  const nothing = Buffer.alloc(0);
  for (const { at_s, name, args, result } of callsIn(trace)) {
    const texts = textsOf(args);
    const [path = "", to = ""] = texts.map(String);
    const file = open.get(Number(/^\d+/.exec(args)?.[0] ?? -1));
    const wrote = (offset: number, data: Buffer): void => {
      if (file === undefined) return;
      done.push({ at_s, kind: "write", inode: file.inode, offset, data });
      if (file.syncs) done.push({ at_s, kind: "sync", inode: file.inode, offset: 0, data: nothing });
      lengths[file.inode] = Math.max(lengths[file.inode] ?? 0, offset + data.length);
    };
    switch (name) {
      case "openat": {
        open.delete(result);
        if (!isBelow(path) || args.includes("O_DIRECTORY")) break;
        let inode = inodes.get(path);
        if (inode === undefined) {
          if (!args.includes("O_CREAT")) break;
          inode = lengths.push(0) - 1;
          inodes.set(path, inode);
          done.push({ at_s, kind: "made", path, inode });
        } else if (args.includes("O_TRUNC")) {
          done.push({ at_s, kind: "truncate", inode, offset: 0, data: nothing });
          lengths[inode] = 0;
        }
        open.set(result, { inode, at: 0, appends: args.includes("O_APPEND"), syncs: /O_D?SYNC/.test(args) });
        break;
      }
      case "write": {
        if (file === undefined) break;
        const offset = file.appends ? (lengths[file.inode] ?? 0) : file.at;
        wrote(offset, (texts[0] ?? nothing).subarray(0, result));
        file.at = offset + result;
        break;
      }
      case "pwrite64":
        wrote(Number(/(\d+)$/.exec(args)?.[1]), (texts[0] ?? nothing).subarray(0, result));
        break;
      case "ftruncate":
        if (file === undefined) break;
        lengths[file.inode] = Number(/(\d+)$/.exec(args)?.[1]);
        done.push({ at_s, kind: "truncate", inode: file.inode, offset: lengths[file.inode] ?? 0, data: nothing });
        break;
      case "fsync":
      case "fdatasync":
        if (file !== undefined) done.push({ at_s, kind: "sync", inode: file.inode, offset: 0, data: nothing });
        break;
      case "mkdir":
      case "mkdirat":
        if (isBelow(path)) done.push({ at_s, kind: "made", path, inode: null });
        break;
      case "unlink":
      case "unlinkat":
        if (isBelow(path)) done.push({ at_s, kind: "gone", path });
        inodes.delete(path);
        break;
      default: {
        if (!isBelow(path)) break;
        done.push({ at_s, kind: "renamed", path, to });
        // Of a folder, what is in it has other paths too.
        for (const [one, inode] of [...inodes])
          if (one === path || one.startsWith(`${path}/`)) {
            inodes.delete(one);
            inodes.set(`${to}${one.slice(path.length)}`, inode);
          }
      }
    }
  }
  return done;
}

/**
 * Writes into a folder what a disk may hold once the power is gone.
 * @param done up to the cut, below `from`
 */
export function writeAfterCut(done: readonly Done[], dice: Dice, from: string, into: string): void {
  const files = new Map<number, FileStep[]>();
  const names: ToName[] = [];
  let durable = 0;
  for (const step of done) {
    if (step.kind === "sync") durable = names.length;
    if ("inode" in step && step.kind !== "made") {
      const steps = files.get(step.inode) ?? [];
      if (steps.length === 0) files.set(step.inode, steps);
      steps.push({ kind: step.kind, file: "", offset: step.offset, data: step.data });
    } else names.push(step);
  }
  const kept = names.slice(0, durable + dice.below(names.length - durable + 1));
  const paths = new Map<string, number | null>();
  for (const step of kept) {
    if (step.kind === "made") paths.set(step.path, step.inode);
    else if (step.kind === "gone") paths.delete(step.path);
    else
      for (const [path, inode] of [...paths])
        if (path === step.path || path.startsWith(`${step.path}/`)) {
          paths.delete(path);
          paths.set(`${step.to}${path.slice(step.path.length)}`, inode);
        }
  }
  for (const [path, inode] of paths) {
    const at = join(into, relative(from, path));
    mkdirSync(inode === null ? at : dirname(at), { recursive: true });
    if (inode !== null) writeFileSync(at, bytesAfterCut(files.get(inode) ?? [], dice));
  }
}
