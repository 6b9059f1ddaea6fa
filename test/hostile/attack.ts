/** Hostile clients that talk to a service until so many requests are sent. */
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { Opa } from "../../src/bundle/opa.js";
import { readUnverified } from "../../src/bundle/verify.js";
import { asset } from "../../src/system/paths.js";
import { Dice } from "../differential/dice.js";
import { Client } from "./client.js";
import { ATTACKING, host, type Hosted } from "./host.js";
import { Judge, type Figures, type Violation } from "./judge.js";
import { Requests } from "./requests.js";
import { makeWorld } from "./world.js";

const CALLER = "hostile";
const BODY_BYTES_MAX = 64 * 1024;
/** So many between two looks at the records. */
const ROUND = 10_000;
const QUIET_MS = 2000;

/** In full against a service that asks the policy whatever it is asked, and in part against one that learns. */
export const ATTACKS: readonly (Pick<Attack, "bundle" | "learns"> & { share: number })[] = [
  { bundle: "customer_support", learns: false, share: 0.45 },
  { bundle: "retail", learns: false, share: 0.45 },
  { bundle: "customer_support", learns: true, share: 0.1 },
];
/** Of the requests to a service that doesn't learn: fewer decisions that are held against OPA would show little. */
export const ASKED_SHARE_LEAST = 0.1;

export interface Attack {
  opa: Opa;
  /** Name of a shipped bundle. */
  bundle: string;
  /** Whether the service learns what is usual: it then narrows its attackers, and asks the policy little. */
  learns: boolean;
  seed: number;
  requests: number;
  connections: number;
  /** Called after each round, with what was found in it. */
  progress: (sent: number, found: readonly Violation[]) => void;
}

export interface Report extends Figures {
  bundle: string;
  learns: boolean;
  seed: number;
  seconds: number;
  /** Megabytes: means over the second quarter of the rounds and over the last (the heap fills and empties), at most, and at the end after some quiet. */
  rss_mb: { early: number; late: number; most: number; end: number };
  violated: number;
  violations: Violation[];
}

export async function attack({ opa, bundle: name, learns, seed, requests, connections, progress }: Attack): Promise<Report> {
  const archive = asset("bundles", `${name}.tar.gz`);
  const bytes = readFileSync(archive);
  const bundle = await readUnverified(bytes);
  const dice = new Dice(seed);
  const world = makeWorld(bundle, dice, Date.now());
  const service = await host(name, world, learns);
  const { records, token } = service;
  const judge = new Judge({ opa, archive, world, caller: CALLER, records, digest: bundle.identity.digest });
  try {
    const made = new Requests(dice, {
      world,
      tokens: { all: token(CALLER, ATTACKING), decide: token(CALLER, ["remit:decide"]) },
      bundle: bytes,
      body_bytes_max: BODY_BYTES_MAX,
    });
    const rss: number[] = [];
    const began = performance.now();
    let [sent, told] = [0, 0];
    const clients = Array.from({ length: connections }, () => new Client(service.port));
    const sendUntil = async (client: Client, upTo: number): Promise<void> => {
      while (sent < upTo && service.process.exitCode === null) {
        const exchange = made.next();
        sent += exchange.asked?.length ?? 1;
        judge.met(exchange, await client.send(exchange));
      }
    };
    let settled = Promise.resolve();
    while (sent < requests && service.process.exitCode === null) {
      const upTo = Math.min(requests, sent + ROUND);
      await Promise.all(clients.map((client) => sendUntil(client, upTo)));
      // OPA looks at one round while the next is sent.
      await settled;
      settled = judge.settle();
      rss.push(rssMb(service.process));
      progress(sent, judge.violations.slice(told));
      told = judge.violations.length;
    }
    await settled;
    for (const client of clients) client.close();
    const seconds = (performance.now() - began) / 1000;
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const end = rssMb(service.process);
    await isWell(service, judge);
    const { figures, violated, violations } = judge;
    return {
      bundle: name,
      learns,
      seed,
      seconds,
      ...figures,
      rss_mb: { early: meanOf(rss, 1), late: meanOf(rss, 3), most: Math.max(...rss), end },
      violated,
      violations,
    };
  } finally {
    await service.stop();
  }
}

/** After all that: it runs, is ready, and nothing failed unexpectedly on the way. */
async function isWell({ process: child, port, said }: Hosted, judge: Judge): Promise<void> {
  if (child.exitCode !== null) {
    judge.violate("alive", `the service ended with ${child.exitCode}: ${said().slice(-2000)}`);
    return;
  }
  const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
  if (ready.status !== 200) judge.violate("alive", `not ready: ${await ready.text()}`);
  if (said().includes("failed unexpectedly")) judge.violate("alive", said().slice(-2000));
}

/** @param quarter from 0 */
function meanOf(values: readonly number[], quarter: number): number {
  const part = values.slice((quarter * values.length) >> 2, Math.max(1, ((quarter + 1) * values.length) >> 2));
  return Math.round(part.reduce((sum, value) => sum + value, 0) / part.length);
}

/** Of a process on Linux; 0 where the kernel doesn't say. */
function rssMb({ pid, exitCode }: ChildProcess): number {
  const file = `/proc/${pid ?? 0}/status`;
  if (exitCode !== null || !existsSync(file)) return 0;
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(file, "utf8"))?.[1]) / 1024);
}
