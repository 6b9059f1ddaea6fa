/** Go programs of the tests: found in the cache, else built there. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { cachedOpa, findOpa, pinnedOpaVersion, type Opa } from "../../src/bundle/opa.js";
import { PACKAGE_ROOT } from "../../src/system/paths.js";

const BUILD_MS_MAX = 900_000;

export interface NativeOpa extends Opa {
  path: string;
}

/**
 * Finds a native OPA of the pinned version, else builds it into the cache.
 * @throws Error if there is no Go, or it can't build
 */
export async function nativeOpa(say: (line: string) => void = () => undefined): Promise<NativeOpa> {
  const version = pinnedOpaVersion();
  const { path } = await findOpa();
  return { path: path ?? (await buildGo("github.com/open-policy-agent/opa", cachedOpa(version, process.env), say)), version };
}

/**
 * Builds a package of `go.mod` to `target`, unless that is there; `say` is told before that begins and when it is done.
 * @returns `target`
 * @throws Error if there is no Go, or it can't build
 */
export async function buildGo(goPackage: string, target: string, say: (line: string) => void): Promise<string> {
  if (existsSync(target)) return target;
  say(`building ${goPackage} with Go, once; this takes about a minute`);
  await mkdir(dirname(target), { recursive: true });
  // Its own name for each process, then renamed: two builds at once both end with a whole program.
  const partial = `${target}.${process.pid}`;
  try {
    await promisify(execFile)("go", ["build", "-trimpath", "-o", partial, goPackage], {
      cwd: PACKAGE_ROOT,
      timeout: BUILD_MS_MAX,
      env: { ...process.env, CGO_ENABLED: "0" },
    });
    await rename(partial, target);
  } catch (cause) {
    throw new Error(`${goPackage} can't be built: it needs Go, and the Go module proxy once`, { cause });
  } finally {
    await rm(partial, { force: true });
  }
  say(`built ${target}`);
  return target;
}
