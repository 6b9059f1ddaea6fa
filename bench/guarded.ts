/**
 * What a client costs whoever enforces decisions, against asking by hand with `fetch`: microseconds of CPU a call, one after the other,
 * and how much coalescing gains where many are asked at once.
 *
 * Ways are measured in turn, round by round, so that a machine that is busy elsewhere is so for all of them.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../demo/ports.js";
import { makeSandbox } from "../demo/sandbox.js";
import { RemitClient, type Action } from "../src/client/index.js";
import { asset } from "../src/system/paths.js";
import { KEY, NAME, bundleBytes, publicPem } from "../test/bundle/support.js";
import { judge } from "./client.js";
import { median } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes, answers } from "./processes.js";

const { calls, rounds, atOnce, json } = readOptions("guarded", {
  about: "Compares the CPU time of a guarded call with asking by hand.",
  options: {
    calls: { says: "calls of each round", default: 2000, least: 1 },
    rounds: { says: "rounds of every way in turn", default: 5, least: 1 },
    atOnce: { says: "calls under way together", default: 64, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--calls 200 --at-once 16"],
});

const processes = new Processes();
const dir = join(processes.folder, "remit");
mkdirSync(dir);
writeFileSync(join(dir, "guarded.tar.gz"), await bundleBytes({ expires: null }));
writeFileSync(join(dir, "guarded.pem"), publicPem(KEY));
const port = await freePort();
const sandbox = makeSandbox({
  dir,
  bundle: { name: NAME, path: join(dir, "guarded.tar.gz"), keys: [join(dir, "guarded.pem")] },
  facts: "agents: {a-1: {owner: bench, purposes: [testing]}}\n",
  port,
});
processes.start("remit", "measured", process.execPath, [asset("dist", "src", "cli", "main.js"), ...["serve", "--config", sandbox.config]]);
const url = `http://127.0.0.1:${port}`;
await answers(`${url}/readyz`);

const token = sandbox.token("bench", ["remit:decide"]);
const action: Action = {
  agent: "a-1",
  purpose: "testing",
  verb: "read",
  resource: { type: "note", id: "n-1", attributes: { customer: "ada" } },
};
const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };

/** What is done by hand, without looking at what came. */
async function byHand(path: string, said: object): Promise<void> {
  const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(said) });
  const { proceed } = (await response.json()) as { proceed?: boolean };
  if (path === "/decide" && proceed !== true) throw new Error("it was not permitted");
}

const WAYS: Readonly<Record<"fetch" | "decide" | "guard", (client: RemitClient) => Promise<unknown>>> = {
  fetch: () => byHand("/decide", action),
  decide: (client) => client.decide(action),
  guard: (client) => client.guard(action, () => undefined),
};
type Way = keyof typeof WAYS;

interface Measured {
  cpu_us: number;
  /** A second. */
  rate: number;
}

let outcomesLost = 0;

/** So many calls, so many of them at once, until the last outcome is reported. */
async function measured(way: Way, together: number, total: number): Promise<Measured> {
  const client = new RemitClient({ url, token, deadline_ms: 30_000, outcomes_max: 1_000_000 });
  await client.ready();
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  let left = total;
  const loop = async (): Promise<void> => {
    while (left-- > 0) await WAYS[way](client);
  };
  await Promise.all(Array.from({ length: together }, loop));
  const rate = total / ((performance.now() - began) / 1000);
  await client.close();
  const { user, system } = process.cpuUsage(cpu);
  outcomesLost += client.outcomes_lost;
  return { cpu_us: (user + system) / total, rate };
}

const found: Record<string, Measured[]> = {};
for (let round = -1; round < rounds; round++) {
  for (const way of Object.keys(WAYS) as Way[]) {
    for (const together of [1, atOnce]) {
      const total = together === 1 ? calls : calls * 4;
      const one = await measured(way, together, round < 0 ? 200 : total);
      // The first round warms up.
      if (round >= 0) (found[`${way} ${together}`] ??= []).push(one);
    }
  }
}

const of = (name: string, figure: keyof Measured): number => median((found[name] ?? []).map((one) => one[figure]));
/** Of each round, and then the middle one: what was busy in one is left out of the others. */
const over = (name: string, other: string, figure: keyof Measured): number =>
  median((found[name] ?? []).map((one, round) => one[figure] / (found[other]?.[round]?.[figure] ?? Number.NaN)));
const many = String(atOnce);

judge(
  [
    { figure: "`fetch` by hand, CPU of whoever asks", found: of("fetch 1", "cpu_us"), unit: "µs", most: null },
    { figure: "`decide`, × `fetch` by hand", found: over("decide 1", "fetch 1", "cpu_us"), unit: "", most: 1.6 },
    { figure: "`guard` with its outcome reported, × `fetch` by hand", found: over("guard 1", "fetch 1", "cpu_us"), unit: "", most: 3.2 },
    { figure: `\`fetch\` by hand, ${many} at once`, found: of(`fetch ${many}`, "rate"), unit: "/s", most: null },
    {
      figure: `\`decide\`, ${many} at once, × that rate`,
      found: over(`decide ${many}`, `fetch ${many}`, "rate"),
      unit: "",
      most: null,
      least: 2,
    },
    {
      figure: `\`decide\`, ${many} at once, CPU × \`fetch\` by hand`,
      found: over(`decide ${many}`, `fetch ${many}`, "cpu_us"),
      unit: "",
      most: 0.6,
    },
    { figure: "outcomes that were not reported", found: outcomesLost, unit: "", most: 0 },
  ],
  json,
);
process.exit();
