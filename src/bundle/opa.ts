/** The OPA compiler: a native program where there is one, else the same code as WebAssembly, which the package has. go.mod pins the version. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { asset } from "../system/paths.js";
import { nearestWord } from "../contract/nearest.js";
import { filesNamed, OpaProcesses, OpaProcessError } from "./opa_process.js";
import type { SourceNote } from "./source.js";

const MODULE = "github.com/open-policy-agent/opa";
const RUN_MS_MAX = 120_000;
/** `opa test`, with as long for one test as for the run: the five seconds of its own are too few on a busy machine. */
export const OPA_TEST: readonly string[] = ["test", "--timeout", `${RUN_MS_MAX}ms`];
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface OpaOutput {
  /** Exit code; OPA answers 1 or 2 for what it refuses. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface Opa {
  /** The native program; null: WebAssembly. */
  path: string | null;
  version: string;
}

/** The compiler is absent, of another version, or broken. `hint` says what to do. */
export class OpaUnavailable extends Error {
  override readonly name = "OpaUnavailable";

  constructor(
    message: string,
    readonly hint: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The version that go.mod pins, as `1.2.3`. */
export function pinnedOpaVersion(): string {
  const version = new RegExp(`^\\s*${MODULE} v(\\d+\\.\\d+\\.\\d+)`, "m").exec(readFileSync(asset("go.mod"), "utf8"));
  if (version?.[1] === undefined) throw new OpaUnavailable(`go.mod does not pin ${MODULE}`, "restore go.mod");
  return version[1];
}

/**
 * Finds the pinned compiler: `OPA_BIN`, a native `opa` of that version on PATH or in the cache, which is three times as fast, else the
 * WebAssembly of the package.
 * @throws OpaUnavailable
 */
export async function findOpa(env: NodeJS.ProcessEnv = process.env): Promise<Opa> {
  const version = pinnedOpaVersion();
  const chosen = env["OPA_BIN"];
  if (chosen !== undefined && chosen !== "") {
    const found = await versionOf(chosen);
    if (found === version) return { path: chosen, version };
    throw new OpaUnavailable(
      `OPA_BIN \`${chosen}\` is ${found === null ? "not an OPA that runs" : `OPA ${found}`}, the pinned version is ${version}`,
      "another version compiles other bytes: point OPA_BIN to the pinned one, or unset it",
    );
  }
  const onPath = (env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "opa"));
  for (const path of [...onPath, cachedOpa(version, env)]) {
    if (existsSync(path) && (await versionOf(path)) === version) return { path, version };
  }
  return wasmOpa();
}

/** The place of a native compiler in the cache. */
export function cachedOpa(version: string, env: NodeJS.ProcessEnv): string {
  return join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", `opa-${version}`);
}

/**
 * The compiler as WebAssembly.
 * @throws OpaUnavailable
 */
export function wasmOpa(): Opa {
  const version = pinnedOpaVersion();
  if (existsSync(wasmArtefact(version))) return { path: null, version };
  throw new OpaUnavailable(`the package has no OPA ${version} as WebAssembly`, "run `make compiler`, or put opa of that version on PATH");
}

export function wasmArtefact(version: string): string {
  return asset("compiler", `opa-${version}.wasm.br`);
}

/**
 * Runs the compiler in `cwd` and captures its output. Never throws for a non-zero exit.
 * @throws OpaUnavailable if it can't be run
 */
export async function runOpa(opa: Opa, args: string[], cwd: string, input = ""): Promise<OpaOutput> {
  return opa.path === null ? await runWasm(args, cwd, input) : await runNative(opa.path, args, cwd, input);
}

async function runNative(path: string, args: string[], cwd: string, input: string): Promise<OpaOutput> {
  return await new Promise((fulfil, reject) => {
    const child = execFile(
      path,
      args,
      { cwd, timeout: RUN_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX, encoding: "utf8" },
      (error, stdout, stderr) => {
        if (error === null) fulfil({ code: 0, stdout, stderr });
        else if (typeof error.code === "number") fulfil({ code: error.code, stdout, stderr });
        else reject(broken(args, error.killed === true ? `did not finish within ${RUN_MS_MAX / 1000} s` : "could not be run", error));
      },
    );
    // An opa that ends before it has read its input closes the pipe; its exit code then says why.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

let wasmProcesses: OpaProcesses | undefined;

async function runWasm(args: string[], cwd: string, stdin: string): Promise<OpaOutput> {
  wasmProcesses ??= new OpaProcesses(wasmArtefact(pinnedOpaVersion()));
  // The first argument is the command.
  const files = await filesNamed(args.slice(1), cwd);
  try {
    const { files: written, ...output } = await wasmProcesses.ask({ args, files, stdin }, RUN_MS_MAX);
    for (const [file, content] of Object.entries(written)) await writeFile(resolve(cwd, file), content);
    return output;
  } catch (error) {
    if (error instanceof OpaProcessError) throw broken(args, error.message, error);
    throw error;
  }
}

function broken([command = ""]: string[], what: string, cause: unknown): OpaUnavailable {
  return new OpaUnavailable(`\`opa ${command}\` ${what}`, "run it by hand to see why", { cause });
}

interface OpaReport {
  errors?: OpaError[];
}

interface OpaError {
  message: string;
  code?: string;
  location?: { file: string; row: number; col: number };
  /** Details of a type error: both sides of a comparison, or the last known step of a path and its possible successors. */
  details?: { a?: OpaType; b?: OpaType; ref?: { value: unknown }[]; pos?: number; oneOf?: string[] };
}

interface OpaType {
  type?: string;
  of?: OpaType[];
}

/** The errors of a run with `--format json`. What isn't such a report is one note about the sources as a whole. */
export function opaErrors({ stdout, stderr }: OpaOutput): SourceNote[] {
  for (const text of [stdout, stderr]) {
    if (!text.trimStart().startsWith("{")) continue;
    const { errors = [] } = JSON.parse(text) as OpaReport;
    if (errors.length > 0) return errors.map(({ message, location, details }) => errorNote(message, location, hintOf(details)));
  }
  return [errorNote(`${stdout}${stderr}`.trim())];
}

function errorNote(message: string, location?: OpaError["location"], hint: string | null = null): SourceNote {
  if (location === undefined) return { severity: "error", file: "*.rego", line: null, message, hint };
  const { file, row, col } = location;
  return { severity: "error", file, line: row, column: col, message, hint };
}

function hintOf({ a, b, ref, pos, oneOf }: NonNullable<OpaError["details"]> = {}): string | null {
  if (oneOf !== undefined && ref !== undefined && pos !== undefined) {
    const meant = nearestWord(String(ref[pos]?.value), oneOf);
    return meant === null ? `known: ${oneOf.slice(0, 24).join(", ")}` : `did you mean \`${meant}\`?`;
  }
  if (a === undefined || b === undefined) return null;
  const [left, right] = [typeText(a), typeText(b)];
  if (left === "null" || right === "null") return `this ${left === "null" ? right : left} is never null: leave the comparison out`;
  return `the left side is of type ${left}, the right one of type ${right}`;
}

function typeText({ type = "any", of = [] }: OpaType): string {
  return type === "any" && of.length > 0 ? of.map(typeText).join(" or ") : type;
}

async function versionOf(path: string): Promise<string | null> {
  return await new Promise((resolve) => {
    execFile(path, ["version"], { timeout: RUN_MS_MAX, encoding: "utf8" }, (_, stdout) => {
      resolve(/^Version: (\S+)$/m.exec(stdout)?.[1] ?? null);
    });
  });
}
