/** A whole service on loopback: a real bundle, real tokens, real records, in a folder of its own. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import jwt from "jsonwebtoken";
import { stringify } from "yaml";
import { startService, type Service } from "../../src/service.js";
import { parseConfig } from "../../src/system/config.js";
import { system, type System } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { KEY, NAME, bundleBytes, publicPem } from "../bundle/support.js";

const issuer = generateKeyPairSync("ec", { namedCurve: "P-256" });

/** Tokens are made once a process, and a busy machine's run lasts for hours. */
const LIFETIME_S = 12 * 3600;

export function tokenFor(
  scope: string,
  subject = "gateway-1",
  lifetime_s = LIFETIME_S,
  claims: object = {},
  by: { issuer?: string; audience?: string } = {},
): string {
  return jwt.sign({ scope, ...claims }, issuer.privateKey, {
    algorithm: "ES256",
    keyid: "k1",
    issuer: "https://issuer.example",
    audience: "remit",
    subject,
    expiresIn: lifetime_s,
    ...by,
  });
}

export const ALL = tokenFor("remit:decide remit:register remit:publish remit:audit");

export const AGENT = { owner: "tests", purposes: ["testing"] };
export const REQUEST = {
  agent: "a-1",
  purpose: "testing",
  verb: "read",
  resource: { type: "note", id: "n-1", attributes: { customer: "ada" } },
};

export interface Running extends Service {
  folder: string;
  port: number;
  /** What the operational log has said. */
  said: () => string;
  /** Stops it and leaves its folder; `stop` after that removes it. */
  stopKeeping: () => Promise<void>;
}

type Sections = Record<string, unknown>;

/** A search waits for all that is on record, however long that takes on a busy machine. */
export const SEARCH_WAIT_MS = 60_000;

/**
 * @param bundle its bytes; `false` starts without one
 * @param outside the clock and all else that may be moved
 * @param start a service, perhaps of another build
 */
export async function run(
  sections: Sections = {},
  bundle: Buffer | boolean = true,
  outside: System = system,
  start: typeof startService = startService,
): Promise<Running> {
  const { log = {} } = sections as { log?: { index?: object } };
  const folder = mkdtempSync(join(tmpdir(), "remit-http-"));
  writeFileSync(join(folder, "issuer.pem"), issuer.publicKey.export({ type: "spki", format: "pem" }));
  writeFileSync(join(folder, "bundle.pem"), publicPem(KEY));
  writeFileSync(join(folder, "facts.yaml"), stringify({ agents: { "a-1": AGENT } }));
  if (bundle !== false) {
    const bytes = bundle === true ? await bundleBytes({ expires: null }) : bundle;
    writeFileSync(join(folder, "bundle.tar.gz"), bytes);
  }
  const config = stringify({
    listen: { port: 0 },
    identity: {
      issuers: [
        {
          issuer: "https://issuer.example",
          audience: { callers: "remit" },
          keys: [{ kid: "k1", algorithm: "ES256", file: "issuer.pem" }],
        },
      ],
    },
    bundle: { name: NAME, path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state", poll_ms: 50 },
    facts: { store: "store", file: "facts.yaml", poll_ms: 50 },
    ...sections,
    log: { dir: "log", ...log, index: { wait_ms: SEARCH_WAIT_MS, ...log.index } },
  });
  const stream = new PassThrough();
  let said = "";
  stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const service = await start(parseConfig(config, join(folder, "remit.yaml")), outside, logger(outside.clock, stream));
  let stopped: Promise<void> | undefined;
  const stopKeeping = (): Promise<void> => (stopped ??= service.stop());
  return {
    ...service,
    folder,
    port: Number(new URL(service.url).port),
    said: () => said,
    stopKeeping,
    async stop() {
      await stopKeeping();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function post(service: Running, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${service.url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${ALL}`, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

export interface RawAnswer {
  status: number;
  headers: string;
  body: string;
}

/** Sends bytes as they are and reads every answer until the server closes, or until `answers` have come. */
export async function raw(port: number, text: string | string[], answers = Infinity): Promise<RawAnswer[]> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const closed = once(socket, "close");
  let received = "";
  const found: RawAnswer[] = [];
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
    for (let next = parse(received); next !== null; next = parse(received)) {
      found.push(next.answer);
      received = received.slice(next.length);
    }
    if (found.length >= answers) socket.destroy();
  });
  socket.on("error", () => undefined);
  for (const part of typeof text === "string" ? [text] : text) {
    if (!socket.destroyed) socket.write(part, "latin1");
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  if (received !== "") throw new Error(`something else came: ${received.slice(0, 200)}`);
  return found;
}

function parse(received: string): { answer: RawAnswer; length: number } | null {
  const end = received.indexOf("\r\n\r\n");
  if (end === -1) return null;
  const headers = received.slice(0, end);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(headers)?.[1]);
  const length = Number(/content-length: (\d+)/i.exec(headers)?.[1] ?? 0);
  if (received.length < end + 4 + length) return null;
  return { answer: { status, headers, body: received.slice(end + 4, end + 4 + length) }, length: end + 4 + length };
}

/** A request's text; `extra` are header lines. */
export function requestText(port: number, body: string, extra: string[] = [], line = "POST /decide HTTP/1.1"): string {
  const host = extra.some((header) => /^host:/i.test(header)) ? [] : [`Host: 127.0.0.1:${port}`];
  const sized = extra.some((header) => /^(content-length|transfer-encoding):/i.test(header))
    ? []
    : [`Content-Length: ${Buffer.byteLength(body)}`];
  const typed = extra.some((header) => /^content-type:/i.test(header)) ? [] : ["Content-Type: application/json"];
  const lines = [line, ...host, `Authorization: Bearer ${ALL}`, ...typed, ...sized, ...extra];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

export function codeOf({ body }: RawAnswer): string {
  return (JSON.parse(body) as { code: string }).code;
}
