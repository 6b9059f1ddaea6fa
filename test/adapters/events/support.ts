/** A transmitter of security events, and a service that takes what it tells. */
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { Algorithm } from "jsonwebtoken";
import { stringify } from "yaml";
import { CAEP, RISC, SSF } from "../../../src/adapters/events/event_types.js";
import { startService } from "../../../src/service.js";
import { parseConfig } from "../../../src/system/config.js";
import { system } from "../../../src/system/index.js";
import { logger } from "../../../src/system/logger.js";
import { NAME } from "../../bundle/support.js";
import { ask, runWithFacts } from "../../http/asking.js";
import { SEARCH_WAIT_MS, type Running } from "../../http/running.js";

export { CAEP, RISC, SSF };

export const IDP = "https://idp.example.com/";
export const AUDIENCE = "https://remit.example.com/events";
export const OTHER = "https://other.example.com/";

const idp = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
export const IDP_KEY = idp.privateKey;
export const OTHER_KEY = other.privateKey;

/** Where public keys and secrets lie; gone with the process. */
export const FILES = mkdtempSync(join(tmpdir(), "remit-events-"));
process.once("exit", () => {
  rmSync(FILES, { recursive: true, force: true });
});
const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();
export const IDP_PEM = pem(idp.publicKey);
writeFileSync(join(FILES, "idp.pem"), IDP_PEM);
writeFileSync(join(FILES, "other.pem"), pem(other.publicKey));
writeFileSync(join(FILES, "authorization"), "Bearer what-the-stream-was-given\n");

export const now_s = (): number => Math.floor(Date.now() / 1000);

let made = 0;

/** A token's claims; what is given replaces what it would have, and undefined leaves it out. */
export function claimsOf(type: string, event: object, changes: object = {}): Record<string, unknown> {
  const sub_id = { format: "iss_sub", iss: IDP, sub: "a-1" };
  const claims = { iss: IDP, aud: AUDIENCE, iat: now_s(), jti: `jti-${++made}`, txn: "8675309", sub_id };
  const all: Record<string, unknown> = { ...claims, events: { [type]: event }, ...changes };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

export interface Signing {
  key?: KeyObject;
  algorithm?: Algorithm;
  header?: object;
}

export function signed(claims: object, { key = IDP_KEY, algorithm = "RS256", header = {} }: Signing = {}): string {
  const head = { alg: algorithm, typ: "secevent+jwt", kid: "k1", ...header };
  const parts = [head, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  // The library adds what a test leaves out.
  const signature = signatureOf(parts, key);
  return `${parts}.${signature}`;
}

function signatureOf(text: string, key: KeyObject): string {
  return sign("sha256", Buffer.from(text), key).toString("base64url");
}

/** A token as its transmitter signs it. */
export function setOf(type: string, event: object = {}, changes: object = {}, signing: Signing = {}): string {
  return signed(claimsOf(type, event, changes), signing);
}

export function transmitter(changes: object = {}): object {
  return {
    name: "idp",
    issuer: IDP,
    keys: [{ kid: "k1", algorithm: "RS256", file: join(FILES, "idp.pem") }],
    subjects: [
      { format: "iss_sub", issuer: IDP, is: "agent" },
      { format: "opaque", is: "principal" },
      { format: "email", is: "owner" },
      { format: "opaque", member: "session", is: "task" },
      { format: "email", member: "user", is: "principal" },
      { format: "jwt_id", issuer: IDP, is: "token" },
    ],
    ...changes,
  };
}

export const OTHER_TRANSMITTER = transmitter({
  name: "other",
  issuer: OTHER,
  keys: [{ kid: "k1", algorithm: "RS256", file: join(FILES, "other.pem") }],
});

export function sections(receiver: object = {}, more: object = {}): object {
  return {
    security_events: {
      dir: "security_events",
      receiver: { audience: AUDIENCE, transmitters: [transmitter(), OTHER_TRANSMITTER], ...receiver },
    },
    ...more,
  };
}

export function runReceiver(receiver: object = {}, more: object = {}): Promise<Running> {
  return runWithFacts(sections(receiver, more));
}

export interface PushAnswer {
  status: number;
  body: string;
  err: string | null;
  description: string;
  headers: Headers;
}

export async function push(service: Running, token: string, headers: Record<string, string> = {}): Promise<PushAnswer> {
  const response = await fetch(`${service.url}/events/sets`, {
    method: "POST",
    headers: { "content-type": "application/secevent+jwt", accept: "application/json", ...headers },
    body: token,
  });
  const body = await response.text();
  const said = (response.status === 400 ? JSON.parse(body) : {}) as { err?: string; description?: string };
  return {
    status: response.status,
    body,
    err: said.err ?? null,
    description: said.description ?? "",
    headers: response.headers,
  };
}

/** What it came to: `202`, or the status and what was said. */
export async function pushed(service: Running, token: string, headers: Record<string, string> = {}): Promise<string> {
  const { status, err } = await push(service, token, headers);
  return err === null ? String(status) : `${status} ${err}`;
}

export async function recordsOf(service: Running, action: string): Promise<Record<string, unknown>[]> {
  const { body } = await ask(service, "GET", "/decisions?kind=admin&limit=1000");
  const { items } = body as { items: { record: Record<string, unknown> }[] };
  return items.map(({ record }) => record).filter((record) => record["action"] === action);
}

/** Another service on the files that a stopped one has left, configured as it was. */
export async function reopened(stopped: Running, more: object): Promise<Running> {
  const { folder } = stopped;
  const key = { kid: "k1", algorithm: "ES256", file: "issuer.pem" };
  const config = stringify({
    listen: { port: 0 },
    identity: { issuers: [{ issuer: "https://issuer.example", audience: { callers: "remit" }, keys: [key] }] },
    bundle: { name: NAME, path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state" },
    facts: { store: "store" },
    log: { dir: "log", index: { wait_ms: SEARCH_WAIT_MS } },
    ...more,
  });
  const stream = new PassThrough();
  let said = "";
  stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const log = logger(system.clock, stream);
  const service = await startService(parseConfig(config, join(folder, "remit.yaml")), system, log);
  return { ...stopped, ...service, port: Number(new URL(service.url).port), said: () => said };
}
