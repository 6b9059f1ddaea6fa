/**
 * Bundles swapped under load, in full: a service by itself, connections that decide without pause and then at half of that rate, and bundles of
 * opposite verdicts published one after the other. Each answer has to be explained by the bundle that it names, and each record has to replay.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../demo/ports.js";
import { makeSandbox } from "../demo/sandbox.js";
import type { BundleContent } from "../src/bundle/verify.js";
import { ReplayBundles } from "../src/replay/bundles.js";
import { replay } from "../src/replay/replay.js";
import { sleep, system } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";
import { KEY, NAME, publicPem } from "../test/bundle/support.js";
import { AGENT, REQUEST } from "../test/http/running.js";
import { VerdictBundles, deciding, publish, type SwapLoad } from "../test/service/swaps.js";
import { Client, judge, quantile, requestOf, type Mark } from "./client.js";
import { cpuSeconds, syncMs } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes, answers } from "./processes.js";

const { swaps, connections, own, json } = readOptions("swaps", {
  about: "Swaps bundles of opposite verdicts while connections decide, without pause and at half of that rate.",
  options: {
    swaps: { says: "swaps at each of the two rates", default: 1000, least: 1 },
    connections: { says: "connections that decide", default: 64, least: 1 },
    own: { says: "give each bundle a module of its own, to be compiled when it is published; else two take turns" },
    json: AS_JSON,
  },
  examples: ["--swaps 100", "--swaps 100 --own"],
});
const SWAP_MS_MAX = 50;
/** Of the p99 of decisions, beside what it is while nothing is swapped. */
const STALL_MS_MAX = 50;
const ALONE_MS = 3000;

const processes = new Processes();
const dir = join(processes.folder, "remit");
mkdirSync(dir);
const bundles = await VerdictBundles.open(own);
const first = await bundles.makeWhole(0);
writeFileSync(join(dir, "swaps.tar.gz"), first.bytes);
writeFileSync(join(dir, "swaps.pem"), publicPem(KEY));
const port = await freePort();
const bundle = { name: NAME, path: join(dir, "swaps.tar.gz"), keys: [join(dir, "swaps.pem")] };
const sandbox = makeSandbox({ dir, bundle, facts: "agents: {}\n", port });
const service = processes.start("remit", "measured", process.execPath, [
  asset("dist", "src", "cli", "main.js"),
  ...["serve", "--config", sandbox.config],
]);
await answers(`http://127.0.0.1:${port}/readyz`);
const authorization = `Bearer ${sandbox.token("bench", ["remit:decide", "remit:register", "remit:publish"])}`;
const target = { host: "127.0.0.1", port, path: "", headers: { authorization, "content-type": "application/json" } };

try {
  const operator = await Client.open(target);
  const registered = await operator.ask(requestOf({ ...target, path: "/agents" }, JSON.stringify({ id: REQUEST.agent, ...AGENT })));
  if (registered.status !== 201) throw new Error(`POST /agents: ${registered.status} ${registered.body}`);
  operator.close();

  const contents: BundleContent[] = [first.content];
  let sequence = 0;
  const swapped = async (name: string, pause_ms: number): Promise<Swapped> => {
    const stopAlone = deciding(target, connections, bundles.digests, pause_ms);
    const began = performance.now();
    await sleep(ALONE_MS);
    const alone = await stopAlone();
    const seconds = (performance.now() - began) / 1000;
    const stop = deciding(target, connections, bundles.digests, pause_ms);
    const took: number[] = [];
    const refused: string[] = [];
    const before = cpuSeconds(service);
    for (let nth = 1; nth <= swaps; nth++) {
      const { bytes, content } = await bundles.makeWhole(++sequence);
      contents.push(content);
      const { status, code, ms } = await publish(target, bytes);
      took.push(ms);
      if (status !== 200) refused.push(`${sequence}: ${status} ${code}`);
      if (nth % 20 === 0) process.stderr.write(`\r${name}: ${nth} of ${swaps} swaps  `);
    }
    process.stderr.write("\n");
    const load = await stop();
    const cpu_s = cpuSeconds(service) - before;
    for (const violation of [...refused, ...load.failed, ...load.mixed].slice(0, 10)) process.stderr.write(`${violation}\n`);
    return { name, took, refused, alone, load, cpu_s, rate: alone.answers / seconds };
  };
  const full = await swapped("without pause", 0);
  const half = await swapped("at half of that rate", (1000 * connections) / (full.rate / 2));
  await processes.stop(service);

  const again = await replay(join(dir, "records"), { from: null, to: null }, new ReplayBundles(contents), system.timers, {
    differing: ({ seq }) => process.stderr.write(`record ${seq} doesn't replay\n`),
    unreadable: ({ seq, why }) => process.stderr.write(`record ${seq}: ${why}\n`),
    progress: () => undefined,
  });
  judge(
    [
      { figure: "one sync of this disk", found: syncMs(processes.folder), unit: "ms", most: null },
      ...marks(full),
      ...marks(half),
      { figure: "records of decisions that replay the same", found: again.identical, unit: "", most: null },
      { figure: "that replay differently, or not at all", found: again.decisions + again.unreadable - again.identical, unit: "", most: 0 },
    ],
    json,
  );
} finally {
  await processes.stopAll();
}

interface Swapped {
  name: string;
  /** Milliseconds of each publication. */
  took: number[];
  refused: string[];
  alone: SwapLoad;
  load: SwapLoad;
  /** Of the service, over the swaps. */
  cpu_s: number;
  /** Decisions a second while nothing was swapped. */
  rate: number;
}

function marks({ name, took, refused, alone, load, cpu_s, rate }: Swapped): Mark[] {
  const shown = (figure: string, found: number, unit = ""): Mark => ({ figure: `${name}: ${figure}`, found, unit, most: null });
  const most = (figure: string, found: number, limit: number, unit = ""): Mark => ({ ...shown(figure, found, unit), most: limit });
  const p99 = quantile(load.took, 0.99);
  return [
    shown("swaps", took.length),
    most("swaps refused", refused.length, 0),
    shown("decisions", load.answers),
    most("decisions failed", load.failed.length, 0),
    most("not explained by the bundle they name", load.mixed.length, 0),
    shown("load before the swaps", rate, "/s"),
    shown("a swap, p50", quantile(took, 0.5), "ms"),
    most("a swap, p99", quantile(took, 0.99), SWAP_MS_MAX, "ms"),
    shown("a swap, longest", quantile(took, 1), "ms"),
    shown("a decision, p99", p99, "ms"),
    most("more than without swaps", p99 - quantile(alone.took, 0.99), STALL_MS_MAX, "ms"),
    shown("longest without an answer", load.silence_ms, "ms"),
    shown("the same without swaps", alone.silence_ms, "ms"),
    shown("CPU of the service, over the swaps", cpu_s, "s"),
  ];
}
