/** The lock of a log or store, handed over by kills: what `test/system/lock.long.test.ts` does, for as long as one likes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Contest, hasContainers } from "../test/system/handovers.js";
import { judge, type Mark } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";

const { kills, waiting, json } = readOptions("handovers", {
  about: "Kills whoever has a lock, with others waiting for it in containers and on the host, and checks that two never had it.",
  options: {
    kills: { says: "kills of each contest", default: 200 },
    waiting: { says: "processes that wait for it", default: 3 },
    json: AS_JSON,
  },
  examples: ["--kills 1000"],
});

const folder = mkdtempSync(join(tmpdir(), "remit-handovers-"));
process.once("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});

async function contest(name: string, contained: (contender: number) => boolean): Promise<Mark[]> {
  const one = new Contest(mkdtempSync(join(folder, "contest-")), contained);
  await one.run(kills, waiting);
  const holders = one.holders();
  return [
    { figure: `${name}: holders killed`, found: holders.length, unit: "", most: null, least: kills },
    { figure: `${name}: of them beside another holder`, found: holders.length - new Set(holders).size, unit: "", most: 0 },
  ];
}

if (!hasContainers()) throw new Error("this machine lets no process make PID namespaces (unshare)");
const marks = [
  ...(await contest("containers", () => true)),
  ...(await contest("containers and the host in turn", (contender) => contender % 2 === 0)),
];
judge(marks, json);
