/**
 * Decisions beside questions about the records: in turns, alone and while somebody asks, one after another, what looks at every record. The process
 * that searches shares the service's core, at a lower priority. Each round's two figures are compared with each other. Then how soon a
 * record is found after its answer.
 */
import { join } from "node:path";
import { judge, quantile } from "./client.js";
import { measure, median, medians, type Measured } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";
import { NARROWS_NOBODY, sandboxIn, serveRemit } from "./servers.js";

const { fill, seconds, rounds, json } = readOptions("questions", {
  about: "Compares decisions alone with decisions beside questions about all records.",
  options: {
    fill: { says: "seconds for which records are made before", default: 30, least: 0.1 },
    seconds: { says: "seconds of each measurement", default: 5, least: 0.1 },
    rounds: { says: "rounds", default: 9, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--fill 5 --seconds 1 --rounds 3"],
});

const LOAD = { connections: 16, rate: 200, seconds };
const RATIO_MAX = 1.05;
const FOUND_MS_MAX = 1000;
const SOUGHT = 40;
const QUESTIONS = [
  "/decisions/summary?by=agent,verb&limit=100",
  "/decisions/histogram?by=agent,decision&step=hour",
  "/decisions?reason=never&order=oldest",
  "/decisions/summary?by=rule&resource_prefix=a",
];

interface Page {
  items: { record: { answer?: { decision_id: string } } }[];
}

const processes = new Processes();
try {
  const sandbox = await sandboxIn(join(processes.folder, "remit"));
  const server = await serveRemit(processes, "remit", sandbox, processes.copy("remit", [NARROWS_NOBODY]));
  const origin = `http://${server.job.host}:${server.job.port}`;
  const headers = { authorization: `Bearer ${sandbox.token("auditor", ["remit:audit"])}` };
  const { requests } = await measure(processes, server, { connections: 64, seconds: fill });
  const found: Record<"alone" | "beside", Measured[]> = { alone: [], beside: [] };
  let answered = 0;
  const beside = async (): Promise<Measured> => {
    const state = { over: false };
    const asking = (async (): Promise<void> => {
      for (; !state.over; answered++) {
        const path = QUESTIONS[answered % QUESTIONS.length] ?? "";
        const response = await fetch(`${origin}${path}`, { headers });
        const text = await response.text();
        if (!response.ok) throw new Error(`a question was answered ${response.status}: ${text}`);
      }
    })();
    const measured = await measure(processes, server, LOAD);
    state.over = true;
    await asking;
    return measured;
  };
  for (let round = 0; round < rounds; round++) {
    // Each is the first of its round as often as the other.
    if (round % 2 === 0) found.alone.push(await measure(processes, server, LOAD));
    found.beside.push(await beside());
    if (round % 2 === 1) found.alone.push(await measure(processes, server, LOAD));
  }
  const waited: number[] = [];
  for (let i = 0; i < SOUGHT; i++) {
    const body = server.job.bodies[i % server.job.bodies.length] ?? "";
    const answer = await fetch(`${origin}${server.job.path}`, { method: "POST", headers: server.job.headers, body });
    const { decision_id } = (await answer.json()) as { decision_id: string };
    const began = performance.now();
    for (let newest = ""; newest !== decision_id;) {
      const page = (await (await fetch(`${origin}/decisions?limit=1`, { headers })).json()) as Page;
      newest = page.items[0]?.record.answer?.decision_id ?? "";
    }
    waited.push(performance.now() - began);
  }
  const ratio = (of: (one: Measured) => number): number => median(found.beside.map((one, i) => of(one) / of(found.alone[i] ?? one)));
  const [alone, asked] = [medians(found.alone), medians(found.beside)];
  const shown = (figure: string, value: number, unit: string) => ({ figure, found: value, unit, most: null });
  judge(
    [
      shown("records", requests, ""),
      shown("questions answered meanwhile, a second", answered / (rounds * seconds), "/s"),
      { figure: "decisions' p99 beside questions, of that alone", found: ratio(({ p99 }) => p99), unit: "×", most: RATIO_MAX },
      shown(
        "decisions' p50 beside questions, of that alone",
        ratio(({ p50 }) => p50),
        "×",
      ),
      shown(
        "the service's CPU a decision beside questions, of that alone",
        ratio(({ cpu_us }) => cpu_us),
        "×",
      ),
      { figure: "a record is found after its answer, p99", found: quantile(waited, 0.99), unit: "ms", most: FOUND_MS_MAX },
      shown("p99 alone", alone.p99, "ms"),
      shown("p99 beside questions", asked.p99, "ms"),
      {
        figure: "decisions not answered beside questions",
        found: found.beside.reduce((sum, { failures }) => sum + failures, 0),
        unit: "",
        most: 0,
      },
    ],
    json,
  );
} finally {
  await processes.stopAll();
}
