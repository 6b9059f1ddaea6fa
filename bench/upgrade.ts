/**
 * An upgrade while a cluster works: three nodes of an earlier commit on three servers of an earlier version become those of today one
 * after another, one goes back in between, and at no time is anything allowed that was revoked.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { natsServer, pinnedNatsVersion, startNats, stopNats, type NatsServer } from "../demo/nats/servers.js";
import { asset } from "../src/system/paths.js";
import { allowedByAll, decided, inForceOnFleet, registered, until } from "../test/cluster/asking.js";
import { ClusterNode } from "../test/cluster/nodes.js";
import { traffic } from "../test/cluster/traffic.js";
import { sleep } from "../test/service/child.js";
import { judge, quantile } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";

const {
  before,
  servers: earlierServer,
  rate,
  json,
} = readOptions("upgrade", {
  about: "Upgrades the nodes and the servers of a working cluster one after another. Needs git with the project's history, and Go once.",
  options: {
    before: { says: "commit that the nodes run before", default: "HEAD~100" },
    servers: { says: "version of nats-server that runs before", default: "2.12.1" },
    rate: { says: "decisions a second, of all nodes together", default: 60, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--before HEAD~10 --servers 2.12.1"],
});

const LEASE_MS = 2000;
const REVOKE_EVERY_MS = 250;
/** Time that each mixture of versions works. */
const MIXED_MS = 8000;
/** What a client goes on to the next node for. */
const ASK_ANOTHER = /: (no answer|nothing|503 .*)$/;

const say = (what: string): void => void process.stderr.write(`${what}\n`);
const processes = new Processes({ own: true });
const main = asset("dist", "src", "cli", "main.js");
const earlier = builtFrom(before);
const servers = await startNats(3, join(processes.folder, "nats"), { program: serverOf(earlierServer) });
const nodes: ClusterNode[] = [];
/** Agents whose revocation is in force on the fleet. */
const revoked: string[] = [];
let wrong = 0;
try {
  const options = { lease_ms: LEASE_MS, replicas: 3, main: earlier.main };
  for (const name of ["a", "b", "c"]) nodes.push(await ClusterNode.start(name, processes.folder, servers, options));
  for (const { child } of nodes) await child.ready();
  await sleep(LEASE_MS * 1.5);

  const [a, b, c] = nodes as [ClusterNode, ClusterNode, ClusterNode];
  const pinned = await natsServer();
  const steps: [what: string, step: () => Promise<void>][] = [
    ["before", () => Promise.resolve()],
    ...servers.map((server): [string, () => Promise<void>] => [`server ${server.name} becomes today's`, () => upgraded(server, pinned)]),
    ["node a becomes today's", () => a.becomes(main)],
    ["node b becomes today's", () => b.becomes(main)],
    ["node b goes back", () => b.becomes(earlier.main)],
    ["node b becomes today's again", () => b.becomes(main)],
    ["node c becomes today's", () => c.becomes(main)],
  ];
  let [decisions, revocations] = [0, 0];
  const refused: string[] = [];
  const another: string[] = [];
  const unclaimed: string[] = [];
  const claims: number[] = [];
  for (const [what, step] of steps) {
    say(what);
    await revokeOne();
    const over = new AbortController();
    const looking = lookFor(over.signal);
    const found = await traffic(nodes, { rate, revoke_every_ms: REVOKE_EVERY_MS }, async () => {
      await step();
      await sleep(MIXED_MS);
    });
    over.abort();
    await looking;
    decisions += found.decisions;
    revocations += found.claim_ms.length + found.unclaimed.length;
    another.push(...found.refused.filter((one) => ASK_ANOTHER.test(one)));
    for (const one of found.refused.filter((one) => !ASK_ANOTHER.test(one))) refused.push(`${what}: ${one}`);
    unclaimed.push(...found.unclaimed);
    claims.push(...found.claim_ms);
    await oneChain();
  }
  for (const one of refused.slice(0, 10)) say(one);
  const shown = (figure: string, count: number) => ({ figure, found: count, unit: "", most: null });
  judge(
    [
      shown("upgrades and one way back", steps.length - 1),
      shown("decisions meanwhile", decisions),
      shown("of them that a client asks another node for: no answer, or 503", another.length),
      { ...shown("of them refused otherwise", refused.length), most: 0 },
      { ...shown("revoked agents allowed", wrong), most: 0 },
      shown("revocations meanwhile", revocations),
      { ...shown("of them never in force on the fleet", unclaimed.length), most: 0 },
      { figure: "revocation to the fleet, p50", found: quantile(claims, 0.5), unit: "ms", most: null },
      { figure: "revocation to the fleet, longest", found: Math.max(...claims), unit: "ms", most: null },
    ],
    json,
  );
} finally {
  for (const node of nodes) await node.close();
  await stopNats(servers);
  earlier.remove();
}

/** Builds a commit in a folder of its own. */
function builtFrom(commit: string): { main: string; remove: () => void } {
  mkdirSync(asset(".work"), { recursive: true });
  const folder = mkdtempSync(join(asset(".work"), "upgrade-"));
  const hash = execFileSync("git", ["rev-parse", "--short", `${commit}^{commit}`], { cwd: asset(), encoding: "utf8" }).trim();
  say(`building ${hash}, which takes about a minute`);
  const archive = execFileSync("git", ["archive", hash], { cwd: asset(), maxBuffer: 2 ** 30 });
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
  symlinkSync(asset("node_modules"), join(folder, "node_modules"));
  execFileSync("npm", ["run", "--silent", "build"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  return {
    main: join(folder, "dist", "src", "cli", "main.js"),
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Returns the path of a version of nats-server, which Go gets if it isn't in the cache. */
function serverOf(version: string): string {
  const folder = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", `nats-server-v${version}`);
  const path = join(folder, "nats-server");
  if (existsSync(path)) return path;
  say(`building nats-server ${version}; today's is ${pinnedNatsVersion()}`);
  execFileSync("go", ["install", `github.com/nats-io/nats-server/v2@v${version}`], {
    env: { ...process.env, GOBIN: folder, CGO_ENABLED: "0" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return path;
}

async function upgraded(server: NatsServer, path: string): Promise<void> {
  await server.kill("SIGTERM");
  server.use(path);
  server.start();
  await server.ready();
}

async function revokeOne(): Promise<void> {
  const agent = `agent-${revoked.length + 1}`;
  const [first] = nodes as [ClusterNode];
  await registered(first, agent);
  await allowedByAll(nodes, agent);
  await until(
    async () => (await first.child.ask("POST", "/revocations", { body: { scope: { agent }, reason: "tests" } })) !== null,
    "a revocation",
  );
  await inForceOnFleet(first, agent);
  revoked.push(agent);
}

/** Asks every node for every revoked agent until it is told to end. */
async function lookFor(over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    for (const { child } of nodes) for (const agent of revoked) if ((await decided(child, agent)) === "allow") wrong++;
    await sleep(50);
  }
}

/** Waits until all nodes have the same digest over the same feed. */
async function oneChain(): Promise<void> {
  await until(async () => {
    const told = await Promise.all(nodes.map(({ child }) => child.ask("GET", "/cluster")));
    return new Set(told.map((one) => one?.body["chain"] ?? one)).size === 1;
  }, "one chain");
}
