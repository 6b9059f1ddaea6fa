/** Policy sources that commands share: folders, repositories, bundles and keys. */
import { execFile } from "node:child_process";
import { rename, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { BundleError } from "../../bundle/errors.js";
import { readUnverified, type UnverifiedBundle } from "../../bundle/verify.js";
import { SourceErrors, type SourceNote } from "../../bundle/source.js";
import { readGiven } from "../../system/read_file.js";
import { CliError } from "../exit.js";

/** Runs `work` on a policy set; the places in what it throws are then relative to the working directory. */
export async function inFolder<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SourceErrors) throw new SourceErrors(placed(dir, error.notes));
    throw error;
  }
}

export function placed(dir: string, notes: readonly SourceNote[]): SourceNote[] {
  return notes.map((note) => ({ ...note, file: join(relative(process.cwd(), resolve(dir)), note.file) }));
}

export interface Commit {
  id: string;
  /** Milliseconds since the epoch. */
  timeMs: number;
  /** Number of commits that led here. */
  count: number;
  /** False where the folder differs from the commit. */
  clean: boolean;
}

/** The commit that a folder's sources are of; null outside a git repository. */
export async function commitOf(dir: string): Promise<Commit | null> {
  const log = await git(dir, ["log", "-1", "--format=%H %ct"]);
  const [id, seconds] = log?.trim().split(" ") ?? [];
  if (id === undefined || seconds === undefined) return null;
  const count = Number((await git(dir, ["rev-list", "--count", "HEAD"])) ?? Number.NaN);
  const status = await git(dir, ["status", "--porcelain", "--", "."]);
  return { id, timeMs: Number(seconds) * 1000, count, clean: status === "" };
}

/** Returns true if the folder is in a git repository that ignores all of these. */
export async function areIgnored(dir: string, paths: readonly string[]): Promise<boolean> {
  const ignored = await git(dir, ["check-ignore", "--", ...paths]);
  return ignored?.trimEnd().split("\n").length === paths.length;
}

async function git(dir: string, args: string[]): Promise<string | null> {
  return await new Promise((done) => {
    execFile("git", ["-C", dir, ...args], { timeout: 30_000 }, (error, stdout) => {
      done(error === null ? stdout : null);
    });
  });
}

/** @throws CliError naming the file, where it is no bundle */
export async function readBundle(file: string): Promise<UnverifiedBundle> {
  return await ofBundle(file, () => readUnverified(readGiven(file)));
}

/** Names the file in what is wrong with a bundle: a command may be given several. */
export async function ofBundle<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof BundleError)) throw cause;
    throw new CliError("invalid", `\`${file}\`: ${cause.message}`, null, { cause, code: cause.code });
  }
}

/** Whole or not at all: a reader that watches the path never sees half of it. */
export async function writeWhole(file: string, content: Uint8Array): Promise<void> {
  const partial = `${file}.${process.pid}.partial`;
  await writeFile(partial, content);
  await rename(partial, file);
}
