/** Python environments of pinned packages, each made once and kept between runs. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** An environment is made once: long, if its packages have to be fetched. */
export const INSTALL_MS_MAX = 900_000;

/**
 * Returns the interpreter of an environment with these packages; null if they can't be had.
 * @param requirements file of pinned packages
 * @param included files that it includes
 */
export function environment(requirements: string, ...included: string[]): string | null {
  const hash = createHash("sha256");
  for (const file of [requirements, ...included]) hash.update(readFileSync(file));
  const digest = hash.digest("hex").slice(0, 16);
  const folder = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", `python-${digest}`);
  const interpreter = join(folder, "bin", "python");
  if (existsSync(interpreter)) return interpreter;
  const made = `${folder}.${process.pid}`;
  mkdirSync(made, { recursive: true });
  const options = { stdio: "ignore", timeout: INSTALL_MS_MAX } as const;
  const good =
    spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"], options).status === 0 &&
    spawnSync("python3", ["-m", "venv", made], options).status === 0 &&
    spawnSync(join(made, "bin", "python"), ["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r", requirements], options)
      .status === 0;
  if (good) renameSync(made, folder);
  else rmSync(made, { recursive: true, force: true });
  return good ? interpreter : null;
}
