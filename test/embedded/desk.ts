/** An engine inside this process, beside a service that runs as it ships. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DecisionRecord, LogRecord } from "../../src/contract/index.js";
import { openEmbedded, type Embedded, type EmbeddedOptions } from "../../src/embedded.js";
import { system, type System } from "../../src/system/index.js";
import { KEY, NAME, publicPem } from "../bundle/support.js";
import { deskBundle, giveTask, openDesk, until, type Desk } from "../client/desk.js";
import { tokenFor, type Running } from "../http/running.js";
import { Wire } from "./wire.js";

export { action, endOf, until } from "../client/desk.js";
export { deskBundle, giveTask };

export const APP = "app-1";
/** For how long who opens an engine by `impatientOnce` lets it wait until it can decide. */
export const PATIENCE_MS = 30_000;
export const APP_TOKEN = tokenFor("remit:embed remit:bundle remit:decide", APP);

export interface Beside {
  desk: Desk;
  service: Running;
  wire: Wire;
  folder: string;
  /** What it has reported, one a line. */
  said: string[];
  open: (options?: Partial<EmbeddedOptions>, system?: System) => Promise<Embedded>;
  close: () => Promise<void>;
}

export async function beside(sections: object = {}): Promise<Beside> {
  const desk = await openDesk({ sections });
  const wire = await Wire.to(desk.service.port);
  const folder = mkdtempSync(join(tmpdir(), "remit-embedded-"));
  const opened: Embedded[] = [];
  const said: string[] = [];
  return {
    desk,
    service: desk.service,
    wire,
    folder,
    said,
    async open(options = {}, outside = system) {
      const engine = await openEmbedded(
        {
          dir: join(folder, `engine-${opened.length}`),
          bundle: { name: NAME, keys: publicPem(KEY) },
          service: { url: wire.url, token: APP_TOKEN },
          report: (level, message, fields) => said.push(`${level}: ${message} ${JSON.stringify(fields)}`),
          ...options,
        },
        outside,
      );
      opened.push(engine);
      return engine;
    },
    async close() {
      for (const engine of opened) await engine.close();
      await wire.close();
      await desk.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A system whose clocks stand still, but for what they are told to be ahead by; its timers are the machine's. */
export function standing(): { outside: System; ahead: { wall_ms: number; monotonic_ms: number } } {
  const [wall_ms, monotonic_ms] = [system.clock.wall(), system.clock.monotonic()];
  const ahead = { wall_ms: 0, monotonic_ms: 0 };
  const clock = { wall: () => wall_ms + ahead.wall_ms, monotonic: () => monotonic_ms + ahead.monotonic_ms };
  return { outside: { ...system, clock }, ahead };
}

/** A system in which `PATIENCE_MS` pass between two looks at the clock, as soon as this holds. */
export function impatientOnce(holds: () => boolean): System {
  let passed_ms = 0;
  const monotonic = (): number => system.clock.monotonic() + (holds() ? (passed_ms += PATIENCE_MS) : 0);
  return { ...system, clock: { wall: () => system.clock.wall(), monotonic } };
}

/** All records of a folder, in their order. */
export function recordsIn(folder: string): LogRecord[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogRecord);
}

/** Decisions that an engine has handed in, as the service has them on record. */
export function handedIn(service: Running): DecisionRecord[] {
  return recordsIn(join(service.folder, "log")).filter(
    (record): record is DecisionRecord => record.kind === "decision" && record.engine !== undefined,
  );
}

export async function shipped(engine: Embedded): Promise<void> {
  await until(() => engine.status.unshipped === 0, "the last record's hand-over");
}
