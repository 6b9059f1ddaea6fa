/** A process under load: appends without pause and prints the id of every record that was acknowledged. */
import { writeSync } from "node:fs";
import { SegmentLog } from "../../src/audit/log.js";
import { systemTimers } from "../../src/system/index.js";
import { SEALING } from "./sealing.js";

const [directory = "", firstId = "1"] = process.argv.slice(2);
const sizes = { segment_bytes: 8192, queue_records_max: 1000, queue_bytes_max: 1_000_000 };
const nothing = (): void => undefined;
const log = await SegmentLog.open(
  { directory, ...sizes, ...SEALING, checkpoint_ms: 20, durability: "synced" },
  systemTimers,
  { unavailable: nothing, ready: nothing, lost: nothing, unsealed: nothing },
);
let id = Number(firstId);
async function client(): Promise<void> {
  for (;;) {
    const mine = id++;
    await log.append(`"id":${mine}`, `"text":"${"x".repeat(mine % 300)}","v":2`);
    writeSync(1, `${mine}\n`);
  }
}
await Promise.all(Array.from({ length: 16 }, client));
