/**
 * Faults of a policy under bystanders, in full: inputs on which evaluations abort, rules that run away, memory. The service
 * runs by itself on the bundle of `test/faults`, whose policy shows a fault where it is asked to.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../demo/ports.js";
import { makeSandbox } from "../demo/sandbox.js";
import type { Answer } from "../src/contract/index.js";
import { asset } from "../src/system/paths.js";
import { KEY, NAME, publicPem } from "../test/bundle/support.js";
import { action, faultsBundle, permitted, told, type Fault } from "../test/faults/support.js";
import { Client, judge, quantile, requestOf, type Mark, type Target } from "./client.js";
import { rssMb } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { answers, Processes } from "./processes.js";

const {
  aborts,
  runaways,
  every_ms: everyMs,
  json,
} = readOptions("faults", {
  about: "Faults of a policy under bystanders: aborted evaluations, rules that do not end, memory.",
  options: {
    aborts: { says: "evaluations that abort", default: 100_000, least: 1 },
    runaways: { says: "rules that do not end", default: 10, least: 0 },
    every_ms: { says: "milliseconds between two of them", default: 5000, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--aborts 1000 --runaways 2"],
});

/** Connections that ask well, one request after the other with a pause between, and those beside them. */
const BYSTANDERS = 4;
const BYSTANDER_PAUSE_MS = 5;
const CULPRITS = 8;
const WARM_UP = 5000;
const LARGE = 200;
const STOPPED_MS_MAX = 50;

interface Tally {
  /** Answers that aren't 200, and those that say something else than they should. */
  refused: number;
  wrong: number;
  ms: number[];
}

const processes = new Processes();
const dir = join(processes.folder, "remit");
mkdirSync(dir);
writeFileSync(join(dir, "faults.tar.gz"), await faultsBundle());
writeFileSync(join(dir, "faults.pem"), publicPem(KEY));
const port = await freePort();
const sandbox = makeSandbox({
  dir,
  bundle: { name: NAME, path: join(dir, "faults.tar.gz"), keys: [join(dir, "faults.pem")] },
  facts: JSON.stringify({ agents: { "a-1": { owner: "bench", purposes: ["testing"] } } }),
  port,
});
const service = processes.start("remit", "measured", process.execPath, [
  asset("dist", "src", "cli", "main.js"),
  ...["serve", "--config", sandbox.config],
]);
await answers(`http://127.0.0.1:${port}/readyz`);
const target: Target = {
  host: "127.0.0.1",
  port,
  path: "/decide",
  headers: { authorization: `Bearer ${sandbox.token("bench", ["remit:decide"])}`, "content-type": "application/json" },
};
let ids = 0;

try {
  const marks: Mark[] = [];
  await beside(() => culprits(WARM_UP, undefined, "warm-up"));
  const quiet = await beside(() => culprits(Math.min(aborts, 50_000), undefined, "well"));
  const rss = rssMb(service);
  const loud = await beside(() => culprits(aborts, "conflict", "aborting"));
  const ratio = quantile(loud.by.ms, 0.99) / quantile(quiet.by.ms, 0.99);
  marks.push(
    { figure: "aborting inputs", found: loud.work.ms.length, unit: "", most: null, least: aborts },
    { figure: "of them not answered 200", found: loud.work.refused, unit: "", most: 0 },
    { figure: "of them not denied `evaluation_failed`", found: loud.work.wrong, unit: "", most: 0 },
    { figure: "bystanders beside them", found: loud.by.ms.length, unit: "", most: null },
    { figure: "of them wrong or not answered", found: loud.by.wrong + loud.by.refused, unit: "", most: 0 },
    { figure: "bystanders' p99 beside well inputs", found: quantile(quiet.by.ms, 0.99), unit: "ms", most: null },
    { figure: "bystanders' p99 beside aborting ones", found: quantile(loud.by.ms, 0.99), unit: "ms", most: null },
    { figure: "ratio", found: ratio, unit: "x", most: 2 },
    { figure: "RSS gained by all of it", found: rssMb(service) - rss, unit: "MB", most: 32 },
  );

  const idle = await beside(() => wait(Math.min(runaways * everyMs, 10_000)));
  const stopped: Tally = { refused: 0, wrong: 0, ms: [] };
  const during = await beside(async () => {
    for (let i = 0; i < runaways; i++) {
      await ask(await Client.open(target), "endless", stopped, true);
      process.stderr.write(`\rrunaways: ${i + 1} of ${runaways}  `);
      await wait(everyMs);
    }
  });
  const runawayRatio = quantile(during.by.ms, 0.99) / quantile(idle.by.ms, 0.99);
  marks.push(
    { figure: `runaways, one every ${everyMs} ms`, found: stopped.ms.length, unit: "", most: null, least: runaways },
    { figure: "of them not denied `evaluation_budget`", found: stopped.wrong + stopped.refused, unit: "", most: 0 },
    { figure: "from a runaway's request to its answer, median", found: quantile(stopped.ms, 0.5), unit: "ms", most: STOPPED_MS_MAX },
    { figure: "from a runaway's request to its answer, longest", found: quantile(stopped.ms, 1), unit: "ms", most: STOPPED_MS_MAX },
    { figure: "bystanders wrong or not answered", found: during.by.wrong + during.by.refused, unit: "", most: 0 },
    { figure: "bystanders' p99 alone", found: quantile(idle.by.ms, 0.99), unit: "ms", most: null },
    { figure: "bystanders' p99 beside runaways", found: quantile(during.by.ms, 0.99), unit: "ms", most: null },
    { figure: "bystanders' longest beside runaways", found: quantile(during.by.ms, 1), unit: "ms", most: null },
    { figure: "ratio of p99", found: runawayRatio, unit: "x", most: 2 },
  );

  const before = rssMb(service);
  const large = await culprits(LARGE, "large", "large");
  await culprits(1000, undefined, "well");
  marks.push(
    { figure: "inputs that take ten megabytes each, answered wrong", found: large.wrong + large.refused, unit: "", most: 0 },
    { figure: `RSS gained by ${LARGE} of them`, found: rssMb(service) - before, unit: "MB", most: 32 },
  );
  judge(marks, json);
} finally {
  await processes.stopAll();
}

async function ask(client: Client, fault: Fault | undefined, tally: Tally, last = false): Promise<void> {
  const id = `n-${ids++}`;
  const { status, body, ms } = await client.ask(requestOf(target, JSON.stringify(action(id, fault))));
  tally.ms.push(ms);
  if (status !== 200) tally.refused++;
  else if (told(JSON.parse(body) as Answer) !== right(id, fault)) tally.wrong++;
  if (last) client.close();
}

function right(id: string, fault: Fault | undefined): string {
  if (fault === "conflict") return "deny evaluation_failed";
  return fault === "endless" ? "deny evaluation_budget" : permitted(id);
}

async function culprits(count: number, fault: Fault | undefined, name: string): Promise<Tally> {
  const tally: Tally = { refused: 0, wrong: 0, ms: [] };
  let asked = 0;
  const one = async (): Promise<void> => {
    const client = await Client.open(target);
    while (asked++ < count) {
      await ask(client, fault, tally);
      if (tally.ms.length % 1000 === 0) process.stderr.write(`\r${name}: ${tally.ms.length} of ${count}  `);
    }
    client.close();
  };
  await Promise.all(Array.from({ length: CULPRITS }, one));
  process.stderr.write("\n");
  return tally;
}

/** What bystanders meet while something is done beside them. */
async function beside<T>(act: () => Promise<T>): Promise<{ work: T; by: Tally }> {
  const by: Tally = { refused: 0, wrong: 0, ms: [] };
  const state = { over: false };
  const stand = async (): Promise<void> => {
    const client = await Client.open(target);
    while (!state.over) {
      await ask(client, undefined, by);
      await wait(BYSTANDER_PAUSE_MS);
    }
    client.close();
  };
  const standing = Array.from({ length: BYSTANDERS }, stand);
  const work = await act();
  state.over = true;
  await Promise.all(standing);
  return { work, by };
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
