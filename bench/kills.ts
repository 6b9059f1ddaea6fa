/**
 * A service killed with SIGKILL under a mixed load of changes and decisions, in full: what `test/service` does, for as long as
 * one likes. Once it is started again each time, and once a standby takes over each time and another is started.
 */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { placeIn } from "../test/service/child.js";
import { killService, type KillsFound } from "../test/service/kills.js";
import { judge, quantile, type Mark } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";

const { kills, takeovers, seed, json } = readOptions("kills", {
  about: "Kills the service with SIGKILL under load, and checks what was promised after each start.",
  options: {
    kills: { says: "kills followed by a start", default: 200 },
    takeovers: { says: "kills followed by a standby's take-over", default: 200 },
    seed: { says: "seed of the random numbers; drawn if left out", default: randomInt(2 ** 31) },
    json: AS_JSON,
  },
  examples: ["--kills 10 --takeovers 10", "--seed 17"],
});
const TAKEOVER_MS_MAX = 500;

const folder = mkdtempSync(join(tmpdir(), "remit-kills-"));
process.once("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});

/** @returns what was found, and how many kills were asked for */
async function kill(name: string, kills: number, standby: boolean): Promise<[KillsFound, number]> {
  const place = placeIn(join(folder, name), { behavior: { enabled: false }, log: { segment_bytes: 1024 * 1024 } });
  const progress = (done: number, { violations }: KillsFound): void => {
    process.stderr.write(`\r${name}: ${done} of ${kills} kills, ${violations.length} violations  `);
  };
  const found = await killService(place, { kills, seed, standby, progress });
  process.stderr.write("\n");
  for (const violation of found.violations) process.stderr.write(`${violation}\n`);
  return [found, kills];
}

const shown = (figure: string, count: number, unit = ""): Mark => ({ figure, found: count, unit, most: null });
const none = (figure: string, count: number): Mark => ({ figure, found: count, unit: "", most: 0 });

/** What was asked, and what must not be. */
function marksOf([found, kills]: [KillsFound, number], during: string): Mark[] {
  return [
    { figure: "kills", found: found.kills + found.kills_at_start, unit: "", most: null, least: kills },
    shown(`of them while ${during}`, found.kills_at_start),
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
  ];
}

const restarted = await kill("restarts", kills, false);
const taken = await kill("take-overs", takeovers, true);
const [{ ready_ms }] = restarted;
const [{ takeover_ms }] = taken;
judge(
  [
    shown("seed", seed),
    ...marksOf(restarted, "the service was starting"),
    shown("plain restart: from its start to ready, p50", quantile(ready_ms, 0.5), "ms"),
    shown("plain restart: from its start to ready, p99", quantile(ready_ms, 0.99), "ms"),
    ...marksOf(taken, "a standby was taking over").map((mark) => ({ ...mark, figure: `standby: ${mark.figure}` })),
    shown("standby: take-overs", takeover_ms.length),
    shown("standby: from the kill to its first answered decision, p50", quantile(takeover_ms, 0.5), "ms"),
    {
      figure: "standby: from the kill to its first answered decision, p99",
      found: quantile(takeover_ms, 0.99),
      unit: "ms",
      most: TAKEOVER_MS_MAX,
    },
    shown("standby: from the kill to its first answered decision, most", Math.max(...takeover_ms), "ms"),
  ],
  json,
);
