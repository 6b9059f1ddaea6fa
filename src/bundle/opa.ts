/** The OPA compiler: a Go program without an npm package, pinned in go.mod and found or built here. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { asset, PACKAGE_ROOT } from "../system/paths.js";
import { nearestWord } from "../contract/nearest.js";
import type { SourceNote } from "./source.js";

const MODULE = "github.com/open-policy-agent/opa";
const RUN_MS_MAX = 120_000;
const BUILD_MS_MAX = 900_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface OpaOutput {
  /** Exit code; OPA answers 1 or 2 for what it refuses. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface Opa {
  path: string;
  version: string;
}

/** The compiler is absent, of another version, or broke. `hint` says what to do. */
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
 * Finds the pinned compiler: `OPA_BIN`, an `opa` of that version on PATH, the cache; else builds it with Go into the
 * cache, which takes a minute or so, once. `say` is told before that begins and when it is done.
 * @throws OpaUnavailable
 */
export async function findOpa(say: (line: string) => void = () => undefined, env: NodeJS.ProcessEnv = process.env): Promise<Opa> {
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
  const cached = join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", `opa-${version}`);
  for (const path of [...onPath, cached]) {
    if (existsSync(path) && (await versionOf(path)) === version) return { path, version };
  }
  await build(cached, version, say, env);
  return { path: cached, version };
}

/** Runs the compiler in `cwd` and captures what it says. Never throws for a non-zero exit. */
export async function runOpa(opa: Opa, args: string[], cwd: string, input?: string): Promise<OpaOutput> {
  return await new Promise((resolve, reject) => {
    const child = execFile(
      opa.path,
      args,
      { cwd, timeout: RUN_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX, encoding: "utf8" },
      (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, stdout, stderr });
        else if (typeof error.code === "number") resolve({ code: error.code, stdout, stderr });
        else {
          const what = error.killed === true ? `did not finish within ${RUN_MS_MAX / 1000} s` : "could not be run";
          reject(new OpaUnavailable(`\`opa ${args[0] ?? ""}\` ${what}`, "run it by hand to see why", { cause: error }));
        }
      },
    );
    // An opa that ends before it has read its input closes the pipe; its exit code then says why.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

interface OpaReport {
  errors?: OpaError[];
}

interface OpaError {
  message: string;
  code?: string;
  location?: { file: string; row: number; col: number };
  /** Of a type error: both sides of a comparison, or the last known step of a path and what may follow it. */
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

async function build(target: string, version: string, say: (line: string) => void, env: NodeJS.ProcessEnv): Promise<void> {
  say(`building the OPA compiler ${version} with Go, once; this takes about a minute`);
  await mkdir(join(target, ".."), { recursive: true });
  // Its own name for each process, then renamed: two builds at once both end with a whole program.
  const partial = `${target}.${process.pid}`;
  try {
    await new Promise<void>((resolve, reject) => {
      const options = {
        cwd: PACKAGE_ROOT,
        timeout: BUILD_MS_MAX,
        maxBuffer: OUTPUT_BYTES_MAX,
        env: { ...env, CGO_ENABLED: "0" },
      };
      execFile("go", ["build", "-trimpath", "-o", partial, MODULE], options, (error, _, stderr) => {
        if (error === null) resolve();
        else if (error.code === "ENOENT") {
          reject(
            new OpaUnavailable(
              `the OPA compiler ${version} is not installed, and there is no Go to build it`,
              `install Go, or put opa ${version} on PATH, or set OPA_BIN; running a shipped bundle needs neither`,
            ),
          );
        } else {
          const last = stderr.trim().split("\n").slice(-5).join("\n");
          reject(
            new OpaUnavailable(
              `\`go build\` of the OPA compiler failed: ${last}`,
              `it needs the Go module proxy once; or put opa ${version} on PATH, or set OPA_BIN`,
              { cause: error },
            ),
          );
        }
      });
    });
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
  }
  say(`built ${target}`);
}
