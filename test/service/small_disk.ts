/** A disk of two megabytes or more, mounted where a service keeps something, that can be filled and given room again. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

export class SmallDisk {
  readonly #ballast: string;

  /** Mounts a disk at this path; null if nothing can be mounted. */
  static at(path: string, size = "2m"): SmallDisk | null {
    mkdirSync(path, { recursive: true });
    const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]);
    return status === 0 ? new SmallDisk(path) : null;
  }

  private constructor(readonly path: string) {
    this.#ballast = join(path, "ballast");
  }

  /** Takes what room there is; again, what has become free since. */
  fill(): void {
    spawnSync("dd", ["if=/dev/zero", `of=${this.#ballast}`, "bs=4k", "oflag=append", "conv=notrunc"], { stdio: "ignore" });
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  unmount(): void {
    spawnSync("umount", ["--lazy", this.path]);
  }
}
