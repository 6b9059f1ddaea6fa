/** Coverage of each room of `src` by the process that runs tests, without the threads and processes that tests start. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { relative, sep } from "node:path";
import { asset } from "../src/system/paths.js";

/** Folder into which each process writes what V8 counted, as `NODE_V8_COVERAGE`. */
export const RAW_COVERAGE = asset("coverage", "raw");
const FLOOR_FILE = asset("test", "coverage.json");
const METRICS = ["lines", "branches"] as const;

/** Percent of the lines and of the branches. */
type Reached = Record<(typeof METRICS)[number], number>;

interface Floor {
  /** Points by which a number may be lower: what a race reaches differs from run to run. */
  tolerance: number;
  rooms: Record<string, Reached>;
}

type Counts = Record<(typeof METRICS)[number], { total: number; covered: number }>;

/** Maps the raw coverage back to the sources with c8; returns its counts by file. */
function countsByFile(): Record<string, Counts> {
  const c8 = [
    ...[asset("node_modules", "c8", "bin", "c8.js"), "report", "--temp-directory", RAW_COVERAGE],
    ...["--reporter", "json-summary", "--reports-dir", asset("coverage")],
    ...["--all", "--src", asset("dist", "src"), "--include", "dist/src/**", "--extension", ".js"],
    // These run in a browser, where tests in Chromium reach them and V8 counts for no process of Node's.
    ...["browser", "page"].flatMap((part) => ["--exclude", `dist/src/console/${part}/**`]),
  ];
  const { status } = spawnSync(process.execPath, c8, { cwd: asset(), stdio: "inherit" });
  if (status !== 0) throw new Error("c8 cannot read the coverage");
  const { total, ...files } = JSON.parse(readFileSync(asset("coverage", "coverage-summary.json"), "utf8")) as Record<string, Counts>;
  if (total === undefined) throw new Error("c8 found no coverage");
  return files;
}

/** Returns true for a source that leaves no code behind, so that no test can reach it. */
function holdsTypesAlone(path: string): boolean {
  const built = readFileSync(asset("dist", relative(asset(), path).replace(/\.ts$/, ".js")), "utf8");
  return built.replace(/\/\*[^]*?\*\/|^\/\/.*$/gm, "").trim() === "export {};";
}

function coverageByRoom(): Record<string, Reached> {
  const rooms = new Map<string, Counts>();
  for (const [path, counts] of Object.entries(countsByFile())) {
    if (holdsTypesAlone(path)) continue;
    const [first = ""] = relative(asset("src"), path).split(sep);
    const room = first.replace(/\.ts$/, "");
    const sum = rooms.get(room) ?? { lines: { total: 0, covered: 0 }, branches: { total: 0, covered: 0 } };
    for (const metric of METRICS) {
      sum[metric].total += counts[metric].total;
      sum[metric].covered += counts[metric].covered;
    }
    rooms.set(room, sum);
  }
  const percent = ({ total, covered }: { total: number; covered: number }): number =>
    total === 0 ? 100 : Math.floor((1000 * covered) / total) / 10;
  return Object.fromEntries(
    [...rooms]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([room, { lines, branches }]) => [room, { lines: percent(lines), branches: percent(branches) }]),
  );
}

/**
 * Prints what was reached beside what may not fall.
 * @param raise writes what was reached to `test/coverage.json` instead of comparing with it
 * @returns whether every room keeps its numbers
 */
export function reportCoverage(raise: boolean): boolean {
  const floor = JSON.parse(readFileSync(FLOOR_FILE, "utf8")) as Floor;
  const reached = coverageByRoom();
  const fallen: string[] = [];
  console.log(`\n  ${"coverage of".padEnd(14)}${METRICS.map((metric) => `${metric} %`.padStart(20)).join("")}`);
  for (const [room, now] of Object.entries(reached)) {
    const cells = METRICS.map((metric) => {
      const wanted = floor.rooms[room]?.[metric] ?? 0;
      const kept = now[metric] >= wanted - floor.tolerance;
      if (!kept) fallen.push(`${room}: ${metric} ${now[metric]} %, at least ${wanted} % wanted`);
      return `${now[metric].toFixed(1)}${kept ? "" : " !"} (${wanted.toFixed(1)})`.padStart(20);
    });
    console.log(`  ${room.padEnd(14)}${cells.join("")}`);
  }
  if (raise) {
    writeFileSync(FLOOR_FILE, `${JSON.stringify({ ...floor, rooms: reached }, null, 2)}\n`);
    return true;
  }
  for (const line of fallen)
    console.log(`  coverage has fallen: ${line}; test what is new, or lower test/coverage.json in this commit and say why`);
  return fallen.length === 0;
}
