/**
 * Memory over time: a constant load with a share of refused requests, RSS once a round, a line of least squares through the
 * later two thirds. The mark is missed where the slope is above it by more than twice its standard error: a short run says
 * little, and an hour or more is what it is made for.
 */
import { judge } from "./client.js";
import { measure, rssMb } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";
import { startRemit } from "./servers.js";

const { minutes, rate, json } = readOptions("memory", {
  about: "Looks at memory under a constant load.",
  options: {
    minutes: { says: "minutes under load", default: 60, least: 0.1 },
    rate: { says: "requests a second", default: 2000, least: 1 },
    json: AS_JSON,
  },
  examples: ["--minutes 5", "--minutes 60 --rate 1000"],
});

const ROUND_SECONDS = 5;
const CONNECTIONS = 16;
/** One request in so many is none. */
const HOSTILE = 100;
const SLOPE_MB_PER_HOUR = 1;

const processes = new Processes();
try {
  const remit = await startRemit(processes, "remit");
  const bodies = remit.job.bodies.map((body, i) => (i % HOSTILE === 0 ? body.slice(0, -1 - (i % 7)) : body));
  const server = { ...remit, job: { ...remit.job, bodies } };
  const rounds = Math.max(6, Math.round((minutes * 60) / ROUND_SECONDS));
  const samples: [hours: number, mb: number][] = [];
  let decided = 0;
  const began = performance.now();
  for (let round = 0; round < rounds; round++) {
    const { requests } = await measure(processes, server, { connections: CONNECTIONS, seconds: ROUND_SECONDS, rate });
    decided += requests;
    samples.push([(performance.now() - began) / 3_600_000, rssMb(remit.process)]);
    process.stderr.write(`\rround ${round + 1} of ${rounds}: ${samples.at(-1)?.[1].toFixed(1)} MB  `);
  }
  process.stderr.write("\n");
  const late = samples.slice(Math.floor(rounds / 3));
  const { slope, error } = leastSquares(late);
  judge(
    [
      { figure: "requests", found: decided, unit: "", most: null },
      { figure: "RSS after the first third", found: late[0]?.[1] ?? Number.NaN, unit: "MB", most: null },
      { figure: "RSS at the end", found: samples.at(-1)?.[1] ?? Number.NaN, unit: "MB", most: 150 },
      { figure: "slope", found: slope, unit: "MB/h", most: null },
      { figure: "its standard error", found: error, unit: "MB/h", most: null },
      { figure: "slope less two standard errors", found: slope - 2 * error, unit: "MB/h", most: SLOPE_MB_PER_HOUR },
    ],
    json,
  );
} finally {
  await processes.stopAll();
}

function leastSquares(points: readonly [number, number][]): { slope: number; error: number } {
  const mean = (of: 0 | 1): number => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [at]) => sum + (at - x) ** 2, 0);
  const slope = points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0) / spread;
  const left = points.reduce((sum, [at, value]) => sum + (value - y - slope * (at - x)) ** 2, 0);
  return { slope, error: Math.sqrt(left / (points.length - 2) / spread) };
}
