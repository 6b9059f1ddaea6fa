import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { segmentName } from "../../src/audit/log/segments.js";
import type { KeptLog } from "../../src/service/recorded_profile.js";

/** A log whose disk can be made to fail: what it has taken and isn't on disk is then no more. */
export class FakeLog implements KeptLog {
  seq = 0;
  durable = 0;
  healthy = true;
  #waiting: { line: string; resolve: () => void; reject: (cause: Error) => void }[] = [];

  constructor(readonly folder: string) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, segmentName(1)), "");
  }

  append(before: string, after: string): Promise<void> {
    if (!this.healthy) return Promise.reject(new Error("log_unavailable"));
    const line = `{${before},"seq":${++this.seq},${after}}\n`;
    return new Promise((resolve, reject) => void this.#waiting.push({ line, resolve, reject }));
  }

  sync(): void {
    const written = this.#waiting.splice(0);
    writeFileSync(join(this.folder, segmentName(1)), written.map(({ line }) => line).join(""), { flag: "a" });
    this.durable += written.length;
    for (const { resolve } of written) resolve();
  }

  fail(): void {
    this.healthy = false;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error("EIO"));
  }

  recover(): void {
    this.seq = this.durable;
    this.healthy = true;
  }
}
