/**
 * A wall clock that jumps under a service that runs by itself, by libfaketime (Debian: `faketime`); the monotonic clock goes
 * on. Nobody may act past an end, and what is recorded keeps its order.
 *
 * Says so and ends well where there is no libfaketime.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../demo/ports.js";
import { makeSandbox } from "../demo/sandbox.js";
import type { Answer } from "../src/contract/index.js";
import { asset } from "../src/system/paths.js";
import { KEY, NAME, publicPem } from "../test/bundle/support.js";
import { action, faultsBundle, type LogRecord } from "../test/faults/support.js";
import { libfaketime, NO_WALL_CLOCK, WallClock } from "../test/service/wall.js";
import { judge } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";
import { answers, Processes } from "./processes.js";

const { jumps, json } = readOptions("clock", {
  about: "Lets the wall clock jump under a running service (needs libfaketime).",
  options: { jumps: { says: "jumps of the clock", default: 500, least: 1 }, json: AS_JSON },
  examples: ["", "--jumps 50"],
});

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** The sandbox's. */
const TOKEN_MS = 12 * HOUR_MS;
/** Task → when it ends, from the start on. */
const ENDS: Readonly<Record<string, number>> = {
  half: 30 * MINUTE_MS,
  hours: 2 * HOUR_MS,
  evening: 11 * HOUR_MS,
  days: 2 * DAY_MS,
};
/** How far ahead of the true time the wall clock is set, in turn: around each end, and back to before the start. */
const AHEAD = [
  0,
  HOUR_MS,
  -HOUR_MS,
  29 * MINUTE_MS,
  31 * MINUTE_MS,
  0,
  DAY_MS,
  2 * HOUR_MS,
  -DAY_MS,
  10 * HOUR_MS,
  13 * HOUR_MS,
  3 * HOUR_MS,
];
/** Nearer to an end than this, either side of it is right: two clocks are read one after the other. */
const SLACK_MS = 2 * SECOND_MS;

const library = libfaketime();
if (library === null) {
  console.error(`SKIPPED: ${NO_WALL_CLOCK}`);
  if (json) console.log(JSON.stringify({ skipped: NO_WALL_CLOCK }));
} else {
  await run(library);
}

interface Seen {
  task: string;
  /** Host's time before and after, as the service should see it. */
  from_ms: number;
  to_ms: number;
  said: string;
  id: string | null;
}

async function run(preload: string): Promise<void> {
  const processes = new Processes();
  try {
    const dir = join(processes.folder, "remit");
    mkdirSync(dir);
    writeFileSync(join(dir, "faults.tar.gz"), await faultsBundle());
    writeFileSync(join(dir, "faults.pem"), publicPem(KEY));
    const port = await freePort();
    const startMs = Date.now();
    const tasks = Object.entries(ENDS).map(([id, ms]) => [
      id,
      { agent: "a-1", purpose: "testing", expires: new Date(startMs + ms).toISOString() },
    ]);
    const sandbox = makeSandbox({
      dir,
      bundle: { name: NAME, path: join(dir, "faults.tar.gz"), keys: [join(dir, "faults.pem")] },
      facts: JSON.stringify({
        agents: { "a-1": { owner: "bench", purposes: ["testing"] } },
        tasks: Object.fromEntries(tasks) as object,
      }),
      port,
    });
    const authorization = `Bearer ${sandbox.token("bench", ["remit:decide"])}`;
    const clock = new WallClock(join(dir, "clock"), preload);
    const service = processes.start("remit", "measured", "env", [
      ...Object.entries(clock.env).map(([name, value]) => `${name}=${value}`),
      ...[process.execPath, asset("dist", "src", "cli", "main.js"), "serve", "--config", sandbox.config],
    ]);
    await answers(`http://127.0.0.1:${port}/readyz`);

    const wall = (): number => Date.now() + clock.ahead_ms;
    const decide = async (task: string, n: number): Promise<Seen> => {
      const from_ms = wall();
      const response = await fetch(`http://127.0.0.1:${port}/decide`, {
        method: "POST",
        headers: { authorization, "content-type": "application/json" },
        body: JSON.stringify({ ...action(`n-${n}`), task }),
      });
      const { code, reasons, decision_id: id } = (await response.json()) as Partial<Answer> & { code?: string };
      const decided = response.status === 200;
      const said = decided ? (reasons?.[0]?.code ?? "") : `${response.status} ${code ?? ""}`;
      return { task, from_ms, to_ms: wall(), said, id: decided ? (id ?? "") : null };
    };
    const right = (task: string, atMs: number): string => {
      if (atMs >= startMs + TOKEN_MS) return "401 token_expired";
      return atMs >= startMs + (ENDS[task] ?? 0) ? "task_expired" : "permitted";
    };
    const fits = ({ task, from_ms, to_ms, said }: Seen): boolean =>
      [from_ms - SLACK_MS, from_ms, to_ms, to_ms + SLACK_MS].some((ms) => right(task, ms) === said);

    const seen: Seen[] = [];
    let [wrong, past] = [0, 0];
    const take = (one: Seen): void => {
      seen.push(one);
      if (fits(one)) return;
      wrong++;
      if (one.said === "permitted") past++;
      if (wrong <= 5) console.error(`\n${JSON.stringify(one)}, and not ${right(one.task, one.from_ms)}`);
    };
    for (let jump = 0; jump < jumps; jump++) {
      const round = (): Promise<Seen>[] => Object.keys(ENDS).map((task) => decide(task, seen.length));
      const across = round();
      clock.set(AHEAD[(jump + 1) % AHEAD.length] ?? 0);
      // Decided before the jump, or after it.
      for (const one of await Promise.all(across))
        take({ ...one, from_ms: Math.min(one.from_ms, one.to_ms), to_ms: Math.max(one.from_ms, one.to_ms) });
      for (const one of await Promise.all(round())) take(one);
      if (jump % 10 === 9) process.stderr.write(`\r${jump + 1} of ${jumps} jumps  `);
    }
    process.stderr.write("\n");
    await processes.stop(service);

    const records = recordsIn(join(dir, "records"));
    const decisions = records.filter(({ kind }) => kind === "decision");
    const taskOf = new Map(seen.map(({ id, task }) => [id, task]));
    const leftOver = decisions.filter(({ answer, time }) => {
      const end = startMs + (ENDS[taskOf.get(answer.decision_id) ?? ""] ?? Infinity);
      return answer.proceed && Date.parse(time) + answer.valid_for_ms > end + SLACK_MS;
    });
    const counts = new Map<string, number>();
    for (const { said } of seen) counts.set(said, (counts.get(said) ?? 0) + 1);
    judge(
      [
        { figure: "jumps of the wall clock", found: jumps, unit: "", most: null },
        { figure: "requests across them and after them", found: seen.length, unit: "", most: null },
        ...["permitted", "task_expired", "401 token_expired"].map((said) => ({
          figure: `answered ${said}`,
          found: counts.get(said) ?? 0,
          unit: "",
          most: null,
          least: 1,
        })),
        { figure: "permitted past an end", found: past, unit: "", most: 0 },
        { figure: "answered otherwise than is right", found: wrong, unit: "", most: 0 },
        { figure: "answers that hold past an end", found: leftOver.length, unit: "", most: 0 },
        { figure: "records out of order", found: records.filter(({ seq }, i) => seq !== i + 1).length, unit: "", most: 0 },
        { figure: "decisions without a record, or with two", found: missing(seen, decisions), unit: "", most: 0 },
      ],
      json,
    );
  } finally {
    await processes.stopAll();
  }
}

function missing(seen: readonly Seen[], decisions: readonly LogRecord[]): number {
  const ids = seen.flatMap(({ id }) => (id === null ? [] : [id]));
  const recorded = new Set(decisions.map(({ answer }) => answer.decision_id));
  return ids.filter((id) => !recorded.has(id)).length + Math.abs(decisions.length - recorded.size);
}

function recordsIn(folder: string): LogRecord[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"))
    .map((line) => JSON.parse(line) as LogRecord);
}
