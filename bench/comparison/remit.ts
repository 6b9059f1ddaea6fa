/** Remit as it ships, on the comparison's policy: a bearer token verified, records durable before an answer, the behaviour profile on. */
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePort } from "../../demo/ports.js";
import { makeSandbox } from "../../demo/sandbox.js";
import { buildBundle } from "../../src/bundle/build.js";
import type { Opa } from "../../src/bundle/opa.js";
import type { Answer } from "../../src/contract/index.js";
import { systemClock } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { answers, type Processes } from "../processes.js";
import { verdictOf, type Engine } from "./engine.js";
import { TYPES, WITH_AMOUNT, type Purpose, type Type, type Verb, type World } from "./world.js";

const NAME = "comparison";
/** Enforcement points are several: no more of one caller's requests are decided at once than its share. */
const CALLERS = ["bench-1", "bench-2", "bench-3", "bench-4"];
const POLL_MS = 5;

export interface RemitEngine extends Engine {
  /** Folder of its configuration, bundle, state and records. */
  dir: string;
  /** Milliseconds from the start of the process to its first decision. */
  first_decision_ms: number;
}

/** Surroundings of a service: its signed bundle, its facts and its configuration. */
export interface Ready {
  dir: string;
  bundle: string;
  bundle_key: string;
  facts: string;
  config: string;
  token: ReturnType<typeof makeSandbox>["token"];
  port: number;
}

export async function prepareRemit(opa: Opa, dir: string, world: World): Promise<Ready> {
  const set = join(dir, NAME);
  mkdirSync(set, { recursive: true });
  writeFileSync(join(set, "vocabulary.yaml"), stringify(vocabulary(), { aliasDuplicateObjects: false }));
  writeFileSync(join(set, "purposes.yaml"), stringify(purposes(world), { aliasDuplicateObjects: false }));
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { archive } = await buildBundle(opa, {
    dir: set,
    key: privateKey,
    sequence: 1,
    expiresMs: null,
    builtMs: systemClock.wall(),
    commit: null,
  });
  const bundle = join(dir, `${NAME}.tar.gz`);
  const bundleKey = join(dir, `${NAME}.pub.pem`);
  writeFileSync(bundle, archive);
  writeFileSync(bundleKey, createPublicKey(publicKey.export({ type: "spki", format: "pem" })).export({ type: "spki", format: "pem" }));
  const port = await freePort();
  const text = JSON.stringify(facts(world));
  const { config, token } = makeSandbox({ dir, bundle: { name: NAME, path: bundle, keys: [bundleKey] }, facts: text, port });
  return { dir, bundle, bundle_key: bundleKey, facts: join(dir, "facts.yaml"), config, token, port };
}

export async function startRemit(processes: Processes, name: string, ready: Ready, { requests }: World): Promise<RemitEngine> {
  const { dir, config, token, port } = ready;
  const authorizations = CALLERS.map((caller) => `Bearer ${token(caller, ["remit:decide"])}`);
  const headers = { "content-type": "application/json", authorization: authorizations[0] ?? "" };
  const bodies = requests.map((request) => JSON.stringify(request));
  const main = asset("dist", "src", "cli", "main.js");
  const child = processes.start(name, "measured", process.execPath, [main, "serve", "--config", config]);
  const first = { method: "POST", headers, body: bodies[0] ?? "" };
  const firstDecisionMs = await answers(`http://127.0.0.1:${port}/decide`, first, POLL_MS);
  return {
    name: "Remit",
    process: child,
    job: { host: "127.0.0.1", port, path: "/decide", headers, authorizations, bodies },
    requests,
    verdict: (body) => verdictOf(JSON.parse(body.toString()) as Answer),
    dir,
    first_decision_ms: firstDecisionMs,
  };
}

/** The registry's content. */
export function facts({ agents, tasks }: World): object {
  return {
    agents: Object.fromEntries(
      Object.entries(agents).map(([id, { purposes: its }]) => [id, { owner: "bench@example.com", purposes: its }]),
    ),
    tasks: Object.fromEntries(
      Object.entries(tasks).map(([id, { agent, purpose, customer }]) => [id, { agent, purpose, subjects: { customer: [customer] } }]),
    ),
  };
}

function vocabulary(): object {
  const classes: Record<Verb, string> = {
    ...{ read: "read", export: "send", send: "send" },
    ...{ update: "write", close: "write", cancel: "write", void: "write", refund: "write", delete: "write" },
  };
  const about = { customer: "customer" };
  return {
    verbs: Object.fromEntries(Object.entries(classes).map(([verb, its]) => [verb, { class: its }])),
    task: { subjects: ["customer"] },
    types: Object.fromEntries(
      TYPES.map((type) => [
        type,
        { about, attributes: { customer: "id", ...(WITH_AMOUNT.includes(type) && { amount_cents: "integer" }) } },
      ]),
    ),
  };
}

function purposes(world: World): object {
  return Object.fromEntries(Object.entries(world.purposes).map(([id, purpose]) => [id, purposeEntry(id, purpose)]));
}

function purposeEntry(id: string, { permits, never, limit_cents: limit }: Purpose): object {
  const [reads, writes] = [lines(permits, isRead), lines(permits, isWrite)];
  const [moneyReads, moneyWrites] = [lines(permits, isRead, WITH_AMOUNT), lines(permits, isWrite, WITH_AMOUNT)];
  const large = { when: { amount_cents: { at_least: limit + 1 } }, code: "large_amount", severity: "medium", proceed: false };
  const message = "{verb} {type} {id}: more than the limit of this purpose";
  return {
    statement: `do the work of ${id}`,
    owner: "bench@example.com",
    task: "required",
    answer_lasts: "5s",
    // A load of thousands a second is unusual for any agent, and right answers must not change by it: it is scored and logged.
    behavior: { flag: "never", hold: "never", narrow: "never", suspend: "never" },
    allow: [{ ...reads, ...writes, about: "task" }],
    flag: [
      {
        ...{ ...reads, about: "other", code: "other_customer", severity: "medium", proceed: true },
        message: "{type} {id} belongs to {customer}, the task is about {task.customer}",
      },
      { ...moneyReads, ...large, message },
      ...(Object.keys(moneyWrites).length > 0 ? [{ ...moneyWrites, about: "task", ...large, message }] : []),
    ],
    never: [{ ...lines(never, isAny), code: "never_permitted", severity: "high", message: "{verb} {type} is out of the question" }],
  };
}

const isRead = (verb: Verb): boolean => verb === "read";
const isWrite = (verb: Verb): boolean => verb !== "read";
const isAny = (): boolean => true;

/** `{read: [order, invoice], refund: [payment]}`. */
function lines(
  verbs: Record<Type, Verb[]>,
  wanted: (verb: Verb) => boolean,
  types: readonly Type[] = TYPES,
): Partial<Record<Verb, Type[]>> {
  const found: Partial<Record<Verb, Type[]>> = {};
  for (const type of types) for (const verb of verbs[type]) if (wanted(verb)) (found[verb] ??= []).push(type);
  return found;
}
