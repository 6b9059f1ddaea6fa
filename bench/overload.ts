/**
 * Four times as many requests as can be decided: an open loop, which asks on whatever comes of it. What is decided must stay
 * close to what a closed loop reaches; the rest is refused with 503 and `Retry-After`. On a machine that others use too
 * neither rate says much; what a decision costs of the service's processor, refusals included, still does.
 */
import type { Answer } from "../src/contract/index.js";
import { Client, judge, quantile, requestOf } from "./client.js";
import { cpuSeconds, measure } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";
import { startRemit } from "./servers.js";

const {
  seconds,
  times,
  connections: count,
  json,
} = readOptions("overload", {
  about: "Asks for more decisions than can be made, in an open loop.",
  options: {
    seconds: { says: "seconds of overload", default: 60, least: 0.1 },
    times: { says: "times what a closed loop reaches", default: 4, least: 0.1 },
    connections: { says: "connections at once", default: 1000, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--seconds 10 --times 2"],
});

const CLOSED = { connections: 64, seconds: 5 };
const GOODPUT_MIN = 0.9;
const P99_RATIO_MAX = 3;

const processes = new Processes();
try {
  // One caller may have half of them.
  const remit = await startRemit(processes, "remit", `limits: { connections_max: ${2 * count + 200} }\n`);
  await measure(processes, remit, CLOSED);
  const alone = await measure(processes, remit, CLOSED);
  const capacity = alone.requests / alone.seconds;
  const clients = await Promise.all(Array.from({ length: count }, () => Client.open(remit.job)));
  const requests = remit.job.bodies.map((body) => requestOf(remit.job, body));
  const expected = new Map<number, string>();
  const accepted: number[] = [];
  let [refused, other, wrong, unsent] = [0, 0, 0, 0];

  const ask = async (client: Client, request: number): Promise<void> => {
    const { status, head, body, ms } = await client.ask(requests[request] ?? Buffer.alloc(0));
    if (status === 200) {
      accepted.push(ms);
      const { decision, reasons } = JSON.parse(body) as Answer;
      const said = `${decision} ${reasons.map(({ code }) => code).join()}`;
      // The same request is decided the same, however busy it is.
      if ((expected.get(request) ?? said) !== said) wrong++;
      expected.set(request, said);
    } else if (status === 503 && /^retry-after: \d+$/im.test(head)) refused++;
    else other++;
    free.push(client);
  };
  const free = [...clients];
  const rate = times * capacity;
  const cpuBefore = cpuSeconds(remit.process);
  const began = performance.now();
  let due = 0;
  let told = 0;
  await new Promise<void>((resolve) => {
    const turn = (): void => {
      const now = performance.now() - began;
      for (; due < (now / 1000) * rate; due++) {
        const client = free.pop();
        // Every connection waits for an answer: whoever asks now cannot even be heard.
        if (client === undefined) unsent++;
        else void ask(client, due % requests.length);
      }
      if (now - told > 1000) {
        told = now;
        process.stderr.write(`\r${(now / 1000).toFixed(0)} of ${seconds} s  `);
      }
      if (now > seconds * 1000) resolve();
      else setImmediate(turn);
    };
    turn();
  });
  const goodput = (accepted.length * 1000) / (performance.now() - began);
  const cpuUs = ((cpuSeconds(remit.process) - cpuBefore) * 1e6) / accepted.length;
  process.stderr.write("\n");
  for (const client of clients) client.close();
  judge(
    [
      { figure: "capacity, closed loop of 64", found: capacity, unit: "/s", most: null },
      { figure: "p99 at capacity", found: alone.p99, unit: "ms", most: null },
      { figure: `asked, open loop on ${count} connections`, found: (due * 1000) / (seconds * 1000), unit: "/s", most: null },
      { figure: "decided", found: goodput, unit: "/s", most: null },
      { figure: "decided, of capacity", found: goodput / capacity, unit: "x", most: null, least: GOODPUT_MIN },
      { figure: "CPU for each decision, at capacity", found: alone.cpu_us, unit: "us", most: null },
      { figure: "CPU for each decision, with what is refused", found: cpuUs, unit: "us", most: null },
      { figure: "p99 of what was decided", found: quantile(accepted, 0.99), unit: "ms", most: null },
      {
        figure: "p99 of what was decided, of that at capacity",
        found: quantile(accepted, 0.99) / alone.p99,
        unit: "x",
        most: P99_RATIO_MAX,
      },
      { figure: "refused with 503 and Retry-After", found: refused, unit: "", most: null },
      { figure: "never sent, since no connection was free", found: unsent, unit: "", most: null },
      { figure: "answered otherwise", found: other, unit: "", most: 0 },
      { figure: "decided otherwise than before", found: wrong, unit: "", most: 0 },
    ],
    json,
  );
} finally {
  await processes.stopAll();
}
