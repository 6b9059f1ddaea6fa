/** A service with a policy set of flow, that can be stopped and started again on the same records. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Registrar } from "../../demo/parties.js";
import { makeSandbox, type Sandbox } from "../../demo/sandbox.js";
import { buildBundle } from "../../src/bundle/build.js";
import { RemitClient } from "../../src/client/index.js";
import type { ObservedAnswer } from "../../src/contract/index.js";
import { startService } from "../../src/service.js";
import { readConfig } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { compiler } from "../build/support.js";

export const VOCABULARY = `
verbs:
  read: {class: read, effect: look}
  send: {class: send, collection: true, effect: add}
  refund: {class: write, effect: commit}
task:
  attributes: {instruction: {string: {max: 2000}}}
agent:
  attributes: {domains: {list: string, max: 10}}
flow: {instruction: task.instruction, members: [agent.domains]}
types:
  mail:
    arguments: {recipients: {list: string, max: 10}, body: string}
    roles: {recipients: destination, body: content}
    writes: {id: service, sender: author}
    author: sender
  order:
    arguments: {amount: integer, kind: string, change: string}
    writes: {"*": service}
    labels: [confidential]
`;

/** One user's mail, by the standard rules. */
export const MAIL_PURPOSES = `
office:
  statement: help one user with their mail
  owner: office@example.com
  task: required
  flow: standard
  allow:
    - {read: mail, send: mail}
`;

interface SetOf {
  vocabulary: string;
  purpose: string;
  attributes: Record<string, unknown>;
}

export interface FlowDesk {
  client: RemitClient;
  registrar: Registrar;
  token: string;
  /** Of a guard, which makes tasks too. */
  guardToken: string;
  /** Of a person who reviews. */
  reviewerToken: (name: string) => string;
  /** Reports actions that were done without asking. @returns the answer's status and body */
  observe: (...lines: object[]) => Promise<{ status: number; body: ObservedAnswer }>;
  /** Of a person who reads records. */
  auditToken: string;
  url: string;
  bundle: Buffer;
  /** Folder of the records. */
  folder: string;
  records: () => Record<string, unknown>[];
  again: () => Promise<void>;
  close: () => Promise<void>;
}

const OFFICE: SetOf = { vocabulary: VOCABULARY, purpose: "office", attributes: { domains: ["org.example"] } };

/** Folder of a policy set that is built, with the service that is to run it. */
export interface FlowOffice {
  dir: string;
  archive: Buffer;
  sandbox: Sandbox;
  records: string;
}

export async function makeFlowOffice(purposes: string, vocabulary: string): Promise<FlowOffice> {
  const dir = mkdtempSync(join(tmpdir(), "remit-flow-"));
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const set = join(dir, "office");
  mkdirSync(set);
  writeFileSync(join(set, "vocabulary.yaml"), vocabulary);
  writeFileSync(join(set, "purposes.yaml"), purposes);
  const [path, key] = [join(dir, "office.tar.gz"), join(dir, "office.pem")];
  const opa = await compiler();
  const built = { key: privateKey, sequence: 1, expiresMs: null, builtMs: 0, commit: null };
  const { archive } = await buildBundle(opa, { dir: set, ...built });
  writeFileSync(path, archive);
  writeFileSync(key, publicKey.export({ type: "spki", format: "pem" }));
  const sandbox = makeSandbox({ dir: join(dir, "service"), bundle: { name: "office", path, keys: [key] }, port: 0, learns: false });
  return { dir, archive, sandbox, records: join(dir, "service", "records") };
}

export async function openFlowDesk(purposes: string, { vocabulary, purpose, attributes } = OFFICE): Promise<FlowDesk> {
  const { dir, archive, sandbox, records } = await makeFlowOffice(purposes, vocabulary);
  const desk = { bundle: archive, folder: records, token: sandbox.token("office", ["remit:decide"]) } as FlowDesk;
  desk.guardToken = sandbox.token("guard", ["remit:decide", "remit:register"]);
  desk.reviewerToken = (name) => sandbox.token(name, ["remit:review"]);
  desk.auditToken = sandbox.token("auditor", ["remit:audit"]);
  const observer = sandbox.token("sensor", ["remit:observe"]);
  desk.observe = async (...lines) => {
    const response = await fetch(`${desk.url}/observe`, {
      method: "POST",
      headers: { authorization: `Bearer ${observer}`, "content-type": "application/x-ndjson" },
      body: lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
    });
    return { status: response.status, body: (await response.json()) as ObservedAnswer };
  };
  let stop = await open(desk, sandbox);
  desk.records = () => {
    return recordsIn(records);
  };
  desk.again = async () => {
    await stop();
    stop = await open(desk, sandbox);
  };
  desk.close = async () => {
    await stop();
    rmSync(dir, { recursive: true, force: true });
  };
  await desk.registrar.register({
    id: "a-1",
    owner: "o@org.example",
    purposes: [purpose],
    delegates: [purpose],
    attributes,
  });
  return desk;
}

export function recordsIn(folder: string): Record<string, unknown>[] {
  const segments = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
  const lines = segments.flatMap((name) => readFileSync(join(folder, name), "utf8").trimEnd().split("\n"));
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function open(desk: FlowDesk, sandbox: Sandbox): Promise<() => Promise<void>> {
  const service = await startService(readConfig(sandbox.config), system, logger(system.clock, new PassThrough()));
  desk.url = service.url;
  desk.registrar = new Registrar(service.url, sandbox.token("office", ["remit:register"]));
  const client = new RemitClient({ url: service.url, token: desk.token, deadline_ms: 20_000 });
  desk.client = client;
  await client.ready();
  return async () => {
    await client.close();
    await service.stop();
  };
}
