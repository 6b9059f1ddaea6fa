/**
 * Two ways from a decision to the disk, beside each other: a thread that writes and syncs (as the log does it), and a write on the
 * deciding thread with `fdatasync` in libuv's pool and hashing in a thread behind it. What a slow disk does to each is shown by
 * `bench/slow.ts`: the second blocks the deciding thread in `write`, and with it everything that needs no disk.
 */
import { createHash } from "node:crypto";
import { closeSync, fdatasync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { judge, type Mark } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";

const RECORD = `${"x".repeat(2990)}\n`;
/** Milliseconds after which what was written goes to the thread that hashes it. */
const HASH_AFTER_MS = 50;

type Write = (records: string) => Promise<void>;
interface Way {
  write: Write;
  close: () => Promise<unknown>;
}

if (isMainThread) await main();
else if (parentPort !== null) {
  const { file } = workerData as { file: string | null };
  const opened = file === null ? null : openSync(file, "a");
  parentPort.on("message", (message: string | Uint8Array) => {
    if (opened !== null) {
      writeSync(opened, message as string);
      fdatasyncSync(opened);
      parentPort?.postMessage(0);
    }
    createHash("sha256").update(message).digest();
  });
}

async function main(): Promise<void> {
  const { groups, json } = readOptions("handover", {
    about: "Compares two ways from a decision to the disk.",
    options: { groups: { says: "groups written each way", default: 4000, least: 10 }, json: AS_JSON },
    examples: ["", "--groups 500"],
  });
  const folder = mkdtempSync(join(tmpdir(), "remit-handover-"));
  const marks: Mark[] = [];
  try {
    for (const size of [1, 16]) {
      for (const [name, open] of [
        ["a thread writes", inThread],
        ["written in place", inPlace],
      ] as const) {
        const way = open(join(folder, `${size}-${name}`));
        const lines = RECORD.repeat(size);
        for (let i = 0; i < groups / 10; i++) await way.write(lines);
        const [cpu, times] = [process.cpuUsage(), [] as number[]];
        for (let i = 0; i < groups; i++) {
          const began = performance.now();
          await way.write(lines);
          times.push(performance.now() - began);
        }
        const { user, system } = process.cpuUsage(cpu);
        await way.close();
        times.sort((a, b) => a - b);
        const of = `${name}, ${size} at a time`;
        marks.push({ figure: `${of}: CPU a record`, found: (user + system) / groups / size, unit: "µs", most: null });
        marks.push({ figure: `${of}: p50 of a group`, found: (times[Math.floor(groups / 2)] ?? NaN) * 1000, unit: "µs", most: null });
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  judge(marks, json);
}

function inThread(file: string): Way {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { file } });
  let done = (): void => undefined;
  worker.on("message", () => {
    done();
  });
  return {
    write: (records) =>
      new Promise((resolve) => {
        done = resolve;
        worker.postMessage(records);
      }),
    close: () => worker.terminate(),
  };
}

function inPlace(file: string): Way {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { file: null } });
  const opened = openSync(file, "a");
  let written: Buffer[] = [];
  const hashing = setInterval(() => {
    for (const bytes of written) worker.postMessage(bytes);
    written = [];
  }, HASH_AFTER_MS);
  return {
    write: (records) =>
      new Promise((resolve, reject) => {
        const bytes = Buffer.from(records);
        writeSync(opened, bytes);
        written.push(bytes);
        fdatasync(opened, (cause) => {
          if (cause === null) resolve();
          else reject(cause);
        });
      }),
    close: () => {
      clearInterval(hashing);
      closeSync(opened);
      return worker.terminate();
    },
  };
}
