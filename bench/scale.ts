/**
 * A service that knows many agents and tasks, beside one that knows few: how long it takes to start, what it needs of memory,
 * and what a decision costs it, in process and over HTTP. The two are asked by turns, and each turn's costs are compared, so
 * that a moment in which the machine is busy falls on both.
 */
import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { freePort } from "../demo/ports.js";
import { makeSandbox, type Sandbox } from "../demo/sandbox.js";
import { compileGrantEntry } from "../src/bundle/grant_entry.js";
import { decider } from "../src/decision/decide.js";
import type { ActivePolicy, DecisionLog, Log } from "../src/decision/ports.js";
import { fixedProfile } from "../src/decision/fixed_ports.js";
import { Commands } from "../src/facts/commands.js";
import { configuredIdentity } from "../src/identity/configured_identity.js";
import { PolicyInstance } from "../src/policy/instance.js";
import { startService } from "../src/service.js";
import { storeFile } from "../src/store/folder.js";
import { SqliteStore } from "../src/store/sqlite.js";
import { readConfig, type Config } from "../src/system/config.js";
import { system } from "../src/system/index.js";
import { judge, type Mark } from "./client.js";
import { cpuSeconds, measure, median, rssMb, type Server } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes, program } from "./processes.js";
import { BUNDLE, shippedBundle } from "./servers.js";
import { action, agentId, PURPOSE } from "./workload.js";

const {
  agents: many,
  rounds,
  json,
  parts,
} = readOptions("scale", {
  about: "Compares a service that knows many agents and tasks with one that knows few.",
  options: {
    agents: { says: "agents of the larger one", default: 100_000, least: 1 },
    rounds: { says: "rounds", default: 9, least: 1 },
    json: AS_JSON,
    parts: { says: "one part with its files, for the program's own use", takes: "rest" },
  },
  examples: ["", "--agents 10000 --rounds 3"],
});

const FEW = 100;
const STARTS = 5;
const RATIO_MAX = 1.15;
const EXTRAPOLATED = 1_000_000;
/**
 * Different requests, spread over all agents. As many for both are judged: that is what knowing many agents costs. That more
 * of them ask costs the processor's caches something too, wherever few or many are known; it is shown beside.
 */
const REQUESTS = 100;
const MORE_REQUESTS = 1000;
const OPERATIONS = 20_000;
const HTTP = { connections: 64, seconds: 3 };
const IMPORTED_AT_ONCE = 10_000;
const READY_EVERY_MS = 10;
const READY_WITHIN_MS = 300_000;
const LIFETIME_MS = 6 * 24 * 3_600_000;
const MAIN = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));
const MB = 1024 * 1024;

/** The parts that run as a process of their own print this. */
interface Heap {
  heap: number;
  rss: number;
}
type Costs = [few: number, many: number, moreRequests: number][];

async function compare(): Promise<void> {
  const processes = new Processes();
  try {
    judge(await figures(processes), json);
  } finally {
    await processes.stopAll();
  }
}

async function figures(processes: Processes): Promise<Mark[]> {
  const [few, lots] = [await Place.make(processes, "few", FEW), await Place.make(processes, "many", many)];
  await few.fill("agent");
  await few.fill("task");
  const heapFew = await few.heap();
  const importMs = [await lots.fill("agent")];
  const heapOfAgents = await lots.heap();
  importMs.push(await lots.fill("task"));
  const heapOfBoth = await lots.heap();
  const bytes = {
    agent: (heapOfAgents.heap - heapFew.heap) / (many - FEW),
    task: (heapOfBoth.heap - heapOfAgents.heap) / many,
  };

  const starts: { few: Started[]; many: Started[] } = { few: [], many: [] };
  for (let i = 0; i < STARTS; i++) {
    starts.few.push(await few.started());
    starts.many.push(await lots.started());
    process.stderr.write(`\rstarts: ${i + 1} of ${STARTS}  `);
  }
  const inProcess = await inProcessCosts(processes, few, lots);
  const overHttp = await overHttpCosts(processes, few, lots);
  process.stderr.write("\n");

  const of = (all: Started[], what: keyof Started): number => median(all.map((one) => one[what]));
  const shown = (figure: string, found: number, unit: string): Mark => ({ figure, found, unit, most: null });
  const rss = of(starts.many, "rss") - of(starts.few, "rss");
  const extrapolated = heapFew.heap + EXTRAPOLATED * (bytes.agent + bytes.task);
  const thousands = (count: number): string => count.toLocaleString("en");
  return [
    shown("agents, and as many tasks", many, ""),
    shown("imported, agents and tasks together", ((2 * many) / ((importMs[0] ?? 0) + (importMs[1] ?? 0))) * 1000, "facts/s"),
    shown(`start to ready, ${FEW} agents and tasks`, of(starts.few, "ms"), "ms"),
    shown(`start to ready, ${thousands(many)} agents and tasks`, of(starts.many, "ms"), "ms"),
    shown("CPU until ready, few", of(starts.few, "cpu") * 1000, "ms"),
    shown("CPU until ready, many", of(starts.many, "cpu") * 1000, "ms"),
    shown("RSS when ready, few", of(starts.few, "rss"), "MB"),
    shown("RSS when ready, many", of(starts.many, "rss"), "MB"),
    shown("heap after a collection, few", heapFew.heap / MB, "MB"),
    shown("heap after a collection, many", heapOfBoth.heap / MB, "MB"),
    shown("heap for an agent", bytes.agent, "bytes"),
    shown("heap for a task", bytes.task, "bytes"),
    shown("RSS for an agent and a task", (rss * MB) / (many - FEW), "bytes"),
    shown(`heap for ${thousands(EXTRAPOLATED)} agents and tasks, from these`, extrapolated / MB, "MB"),
    ...ratioOf("a decision in process", inProcess),
    ...ratioOf("a decision over HTTP", overHttp),
  ];
}

function ratioOf(what: string, costs: Costs): Mark[] {
  return [
    { figure: `CPU of ${what}, few`, found: median(costs.map(([few]) => few)), unit: "µs", most: null },
    { figure: `CPU of ${what}, many`, found: median(costs.map(([, lots]) => lots)), unit: "µs", most: null },
    {
      figure: `CPU of ${what}, many, and ${MORE_REQUESTS} different requests instead of ${REQUESTS}`,
      found: median(costs.map(([, , more]) => more)),
      unit: "µs",
      most: null,
    },
    { figure: `${what}, many × few, median of rounds`, found: median(costs.map(([few, lots]) => lots / few)), unit: "x", most: RATIO_MAX },
  ];
}

async function inProcessCosts(processes: Processes, few: Place, lots: Place): Promise<Costs> {
  const stores = [few, lots].flatMap(({ sandbox, authorization }) => [sandbox.config, authorization]);
  const asked = [program("scale"), "decide", ...stores, "--rounds", String(rounds), "--agents", String(many)];
  return JSON.parse(await processes.run("measured", process.execPath, asked)) as Costs;
}

async function overHttpCosts(processes: Processes, few: Place, lots: Place): Promise<Costs> {
  const servers = [await few.serve(), await lots.serve()] as const;
  const more = { ...servers[1], job: { ...servers[1].job, bodies: bodiesFor(many, MORE_REQUESTS) } };
  const costs: Costs = [];
  for (let round = 0; round <= rounds; round++) {
    const found: Costs[number] = [0, 0, 0];
    for (const [i, server] of [...servers, more].entries()) found[i] = (await measure(processes, server, HTTP)).cpu_us;
    // The first warms up.
    if (round > 0) costs.push(found);
    process.stderr.write(`\rover HTTP: ${round} of ${rounds}  `);
  }
  for (const server of servers) await processes.stop(server.process);
  return costs;
}

interface Started {
  ms: number;
  cpu: number;
  rss: number;
}

/** Where a service keeps so many agents with a task each, as it ships. */
class Place {
  readonly authorization: string;

  static async make(processes: Processes, name: string, count: number): Promise<Place> {
    const dir = join(processes.folder, name);
    mkdirSync(dir);
    const port = await freePort();
    return new Place(processes, name, count, port, makeSandbox({ dir, bundle: BUNDLE, facts: "{}\n", port }));
  }

  private constructor(
    readonly processes: Processes,
    readonly name: string,
    readonly count: number,
    readonly port: number,
    readonly sandbox: Sandbox,
  ) {
    this.authorization = `Bearer ${sandbox.token("bench", ["remit:decide", "remit:admin"])}`;
  }

  /** @returns milliseconds that the imports took */
  async fill(kind: "agent" | "task"): Promise<number> {
    const child = this.#start();
    await this.#ready();
    const began = performance.now();
    for (let from = 0; from < this.count; from += IMPORTED_AT_ONCE) {
      const numbers = Array.from({ length: Math.min(IMPORTED_AT_ONCE, this.count - from) }, (_, i) => from + i);
      const response = await fetch(`${this.#url}/facts/import?id=${kind}-${from}`, {
        method: "POST",
        headers: { authorization: this.authorization, "content-type": "application/jsonl" },
        body: numbers.map((i) => `${JSON.stringify({ [kind]: kind === "agent" ? agentOf(i) : taskOf(i) })}\n`).join(""),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`an import was refused: ${text}`);
      process.stderr.write(`\r${this.name}, ${kind}s: ${from + numbers.length} of ${this.count}  `);
    }
    const ms = performance.now() - began;
    await this.processes.stop(child);
    return ms;
  }

  async heap(): Promise<Heap> {
    const asked = ["--expose-gc", program("scale"), "heap", this.sandbox.config];
    return JSON.parse(await this.processes.run("measuring", process.execPath, asked)) as Heap;
  }

  async started(): Promise<Started> {
    const began = performance.now();
    const child = this.#start();
    await this.#ready();
    const found = { ms: performance.now() - began, cpu: cpuSeconds(child), rss: rssMb(child) };
    await this.processes.stop(child);
    return found;
  }

  async serve(): Promise<Server> {
    const child = this.#start();
    await this.#ready();
    const headers = { authorization: this.authorization, "content-type": "application/json" };
    const bodies = bodiesFor(this.count, REQUESTS);
    const job = { host: "127.0.0.1", port: this.port, path: "/decide", headers, bodies };
    return { name: this.name, process: child, job };
  }

  get #url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  #start(): ChildProcess {
    return this.processes.start(this.name, "measured", process.execPath, [MAIN, "serve", "--config", this.sandbox.config]);
  }

  async #ready(): Promise<void> {
    const began = performance.now();
    while (performance.now() - began < READY_WITHIN_MS) {
      if (
        await fetch(`${this.#url}/readyz`).then(
          (answer) => answer.ok,
          () => false,
        )
      )
        return;
      await new Promise((resolve) => setTimeout(resolve, READY_EVERY_MS));
    }
    throw new Error(`${this.name} doesn't get ready`);
  }
}

function agentOf(i: number): object {
  return { id: agentId(i), owner: `team-${i % 100}@example.com`, purposes: [PURPOSE] };
}

function taskOf(i: number): object {
  const subjects = { ticket: [`TCK-${i}`], customer: [`customer-${i}`] };
  const expires = new Date(Date.now() + LIFETIME_MS).toISOString();
  return { id: `T-${i}`, agent: agentId(i), purpose: PURPOSE, subjects, attributes: { topic: "billing" }, expires };
}

/** Spread over all agents; the mix is the same, however many there are. */
function bodiesFor(count: number, requests: number): string[] {
  const spread = count / requests;
  // Five kinds of actions differ by number modulo five.
  const numberOf = (i: number): number => (Math.floor((i * spread) / 5) * 5 + (i % 5)) % count;
  return Array.from({ length: requests }, (_, i) => JSON.stringify(action(numberOf(i))));
}

/** A whole service in this process: its heap when all that is garbage is gone. */
async function printHeap(file: string): Promise<void> {
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const service = await startService(readConfig(file), system, quiet);
  // What begins to live is moved about before it is old.
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  const { heapUsed: heap, rss } = process.memoryUsage();
  console.log(JSON.stringify({ heap, rss } satisfies Heap));
  await service.stop();
}

/** Decisions on the facts of two stores by turns, without HTTP and without a disk. */
async function printCosts([few = "", ofFew = "", lots = "", ofLots = ""]: string[]): Promise<void> {
  const [askFew] = await asking(few, ofFew, FEW);
  const [askLots, askMore] = await asking(lots, ofLots, many);
  const costs: Costs = [];
  for (let round = 0; round <= rounds; round++) {
    const found: Costs[number] = [await cpuOf(askFew), await cpuOf(askLots), await cpuOf(askMore)];
    if (round > 0) costs.push(found);
  }
  console.log(JSON.stringify(costs));
  process.exit(0);
}

type Ask = (i: number) => Promise<unknown>;

/** As many requests, and more. */
async function asking(file: string, authorization: string, count: number): Promise<[Ask, Ask]> {
  const config = readConfig(file);
  const active = await shippedPolicy();
  const log: DecisionLog = { seq: 0, append: () => Promise.resolve() };
  const facts = await factsIn(config, log, active);
  const identity = configuredIdentity(config, system, false, { loaded: () => undefined, failed: () => undefined });
  const limits = { ...config.limits, ...config.decision };
  const { decide } = decider({ system, identity, engine: { active }, facts, log, profile: fixedProfile(), limits });
  const askingFor = (requests: number): Ask => {
    const bodies = bodiesFor(count, requests).map((body) => Buffer.from(body));
    return (i) => decide(bodies[i % bodies.length] ?? Buffer.alloc(0), authorization);
  };
  return [askingFor(REQUESTS), askingFor(MORE_REQUESTS)];
}

async function factsIn(config: Config, log: Log, active: ActivePolicy): Promise<Commands["registry"]> {
  const { store: folder, queue_calls_max, queue_bytes_max, durable_within_ms, ...limits } = config.facts;
  const events = { unavailable: () => undefined, ready: () => undefined };
  const store = await SqliteStore.open({ file: storeFile(folder), queue_calls_max, queue_bytes_max }, system.timers, events);
  const commands = await Commands.open({
    store,
    log,
    past: { revision: store.revision, uses: () => Readable.from([]) },
    system,
    policy: () => active,
    compile: compileGrantEntry,
    barrier: () => Promise.resolve(),
    limits: { ...limits, counted_grants: true },
    ledger: { retry_ms: 250, durable_within_ms },
  });
  await store.close();
  return commands.registry;
}

async function cpuOf(ask: Ask): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < OPERATIONS; i++) await ask(i);
  const { user, system: kernel } = process.cpuUsage(before);
  return (user + kernel) / OPERATIONS;
}

async function shippedPolicy(): Promise<ActivePolicy> {
  const bundle = await shippedBundle(system.clock);
  const instance = new PolicyInstance(bundle);
  return {
    identity: bundle.identity,
    vocabulary: bundle.data.vocabulary,
    purposes: new Map(Object.entries(bundle.data.purposes)),
    catalogue: bundle.catalogue,
    expires_ms: null,
    evaluate: (input) => instance.evaluate(input),
  };
}

const [part, ...given] = parts;
if (part === "heap") await printHeap(given[0] ?? "");
else if (part === "decide") await printCosts(given);
else await compare();
