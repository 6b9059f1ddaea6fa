/**
 * A service killed with SIGKILL under a mixed load of changes and decisions, in full: what `test/service` does, for as long as
 * one likes.
 *
 *   node dist/bench/kills.js [--kills 200] [--seed 17] [--json]
 */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { placeIn } from "../test/service/child.js";
import { killService } from "../test/service/kills.js";
import { judge, quantile } from "./client.js";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    json: { type: "boolean", default: false },
  },
});
const [kills, seed] = [Number(values.kills), Number(values.seed)];

const folder = mkdtempSync(join(tmpdir(), "remit-kills-"));
process.once("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});
const found = await killService(placeIn(folder, { behavior: { enabled: false }, log: { segment_bytes: 1024 * 1024 } }), {
  kills,
  seed,
  progress: (done, { violations }) => process.stderr.write(`\r${done} of ${kills} kills, ${violations.length} violations  `),
}); // prettier-ignore
process.stderr.write("\n");
for (const violation of found.violations) process.stderr.write(`${violation}\n`);
const { ready_ms } = found;
const shown = (figure: string, count: number, unit = "") => ({ figure, found: count, unit, most: null });
const none = (figure: string, count: number) => ({ figure, found: count, unit: "", most: 0 });
judge(
  [
    shown("seed", seed),
    { figure: "kills", found: found.kills + found.kills_at_start, unit: "", most: null, least: kills },
    shown("of them while the service was starting", found.kills_at_start),
    shown("changes acknowledged", found.changes),
    shown("decisions answered", found.decisions),
    shown("imports applied", found.imports),
    shown("imports interrupted", found.imports_interrupted),
    shown("calls cut off from their answer", found.unanswered),
    shown("of them in the store all the same", found.unanswered_applied),
    none("changes acknowledged that are lost, or are something else", found.lost),
    none("changes and imports of which a part is there", found.half),
    none("decisions answered without their record", found.unrecorded),
    shown("grants with so many uses", found.grants),
    shown("uses that clients were told of", found.uses_told),
    shown("uses on record", found.uses_recorded),
    none("grants used more often than they say, by clients or on record", found.over_used),
    none("grants asked for to the end and used less often", found.under_used),
    shown("revocations looked at after a kill", found.revocations),
    none("of them not denying", found.revocations_lost),
    shown("checkpoints kept elsewhere, one after each kill", found.checkpoints),
    none("contradictions of the log to them, or within it", found.unproven),
    none("anything else that isn't as it should be", found.other),
    shown("from the first look to ready, p50", quantile(ready_ms, 0.5), "ms"),
    shown("from the first look to ready, p99", quantile(ready_ms, 0.99), "ms"),
  ],
  values.json,
);
