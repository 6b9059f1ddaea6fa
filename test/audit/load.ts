/** A process under load: appends without pause and prints the id of every record that was acknowledged. */
import { writeSync } from "node:fs";
import { SegmentLog } from "../../src/audit/log.js";
import { systemTimers } from "../../src/system/index.js";

const [directory = "", firstId = "1"] = process.argv.slice(2);
const log = await SegmentLog.open(
  { directory, segment_bytes: 8192, queue_records_max: 1000, queue_bytes_max: 1_000_000 },
  systemTimers,
  { unavailable: () => undefined, ready: () => undefined },
);
let id = Number(firstId);
async function client(): Promise<void> {
  for (;;) {
    const mine = id++;
    await log.append(`"id":${mine}`, `"text":"${"x".repeat(mine % 300)}"`);
    writeSync(1, `${mine}\n`);
  }
}
await Promise.all(Array.from({ length: 16 }, client));
