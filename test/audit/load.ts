/** A process under load: appends without pause and prints the id of every record that was acknowledged. */
import { hash } from "node:crypto";
import { writeSync } from "node:fs";
import { SegmentLog } from "../../src/audit/log/log.js";
import { RECORD_VERSION, aroundSeq, canonical } from "../../src/contract/index.js";
import { systemTimers } from "../../src/system/index.js";
import { SEALING } from "./sealing.js";

const [directory = "", firstId = "1"] = process.argv.slice(2);
const sizes = { segment_bytes: 8192, queue_records_max: 1000, queue_bytes_max: 1_000_000 };
const nothing = (): void => undefined;
const log = await SegmentLog.open({ directory, ...sizes, ...SEALING, checkpoint_ms: 20, durability: "synced" }, systemTimers, {
  unavailable: nothing,
  ready: nothing,
  lost: nothing,
  unsealed: nothing,
});
let id = Number(firstId);

/** One in so many is too large for a leaf. */
const LARGE = 7;

/** A change of facts, numbered by its revision, as the log has them. */
function append(mine: number): Promise<void> {
  const load = { text: "x".repeat(mine % 300) };
  const common = {
    kind: "facts",
    caller: "load",
    change: "set",
    facts_revision: mine,
    reason: null,
    v: RECORD_VERSION,
  };
  const record = { ...common, time: new Date().toISOString() };
  if (mine % LARGE > 0) {
    const { before, after } = aroundSeq({ ...record, load });
    return log.append(before, after);
  }
  const text = canonical({ load });
  const digest = `sha256:${hash("sha256", text)}`;
  const { before, after } = aroundSeq({ ...record, beside: { bytes: text.length, digest } });
  return log.append(before, after, { digest, text });
}

async function client(): Promise<void> {
  for (;;) {
    const mine = id++;
    await append(mine);
    say(mine);
  }
}

/** At once, as far as whoever reads keeps up: what isn't said when it is killed counts as not acknowledged. */
function say(acknowledged: number): void {
  for (;;) {
    try {
      writeSync(1, `${acknowledged}\n`);
      return;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EAGAIN") throw cause;
    }
  }
}

await Promise.all(Array.from({ length: 16 }, client));
