/** Asking a service about facts, as a host or an operator does. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IncomingMessage } from "node:http";
import supertest, { type Response } from "supertest";
import { REQUEST, run, tokenFor, type Running } from "./running.js";

export type Json = Record<string, unknown>;

/** A token with every scope. */
export const EVERY = tokenFor(
  "remit:decide remit:register remit:revoke remit:revoke_all remit:review remit:publish remit:audit remit:admin",
);

export interface Told {
  status: number;
  headers: Headers;
  text: string;
  body: Json;
  /** `400 field_missing /owner`, or the status alone. */
  outcome: string;
}

export interface Asking {
  body?: unknown;
  token?: string;
  headers?: Record<string, string>;
}

/** Reads a body as text, so that a test sees what was sent, whatever its type. */
function readText(response: Response, done: (error: Error | null, text: string) => void): void {
  let text = "";
  const message = response as unknown as IncomingMessage;
  message
    .setEncoding("utf8")
    .on("data", (chunk: string) => (text += chunk))
    .on("end", () => {
      done(null, text);
    });
}

/** @param body text is sent as it is */
export async function ask(service: Running, method: string, path: string, asking: Asking = {}): Promise<Told> {
  const { body, token = EVERY, headers = {} } = asking;
  const request = supertest(service.url)
    [method.toLowerCase() as "post"](path)
    .set({
      ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    })
    .redirects(0)
    .buffer(true)
    .parse(readText);
  const response = await (body === undefined ? request : request.send(typeof body === "string" ? body : JSON.stringify(body)));
  // An answer to HEAD has no body to read.
  const text = method === "HEAD" ? "" : (response.body as string);
  const type = response.type;
  const read = type.includes("json") && !type.includes("jsonl") ? (JSON.parse(text) as Json) : {};
  const { code, field } = read as { code?: string; field?: string };
  const outcome = [response.status, code, field].filter((part) => part !== undefined).join(" ");
  return { status: response.status, headers: new Headers(response.headers), text, body: read, outcome };
}

export const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();

/** The codes of the reasons that a decision gives, or of the problem there was instead. */
export async function decided(service: Running, changes: object = {}, token = EVERY): Promise<string> {
  const { body, outcome } = await ask(service, "POST", "/decide", { body: { ...REQUEST, ...changes }, token });
  const { decision, reasons } = body as { decision?: string; reasons?: { code: string }[] };
  return reasons === undefined ? outcome : `${decision ?? ""} ${reasons.map(({ code }) => code).join()}`;
}

/** Of the key that signs task tokens; made once. */
const keyFile = ((): string => {
  const folder = mkdtempSync(join(tmpdir(), "remit-keys-"));
  process.once("exit", () => {
    rmSync(folder, { recursive: true, force: true });
  });
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(join(folder, "tasks.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
  return join(folder, "tasks.pem");
})();

/** A service without a facts file, that issues task tokens. */
export function runWithFacts(sections: object = {}, bundle: Buffer | boolean = true): Promise<Running> {
  const issuers = [
    {
      issuer: "https://issuer.example",
      audience: { callers: "remit" },
      keys: [{ kid: "k1", algorithm: "ES256", file: "issuer.pem" }],
    },
  ];
  return run(
    {
      facts: { store: "store" },
      identity: { issuers, task_tokens: { key: keyFile, kid: "tasks" } },
      ...sections,
    },
    bundle,
  );
}

export const AGENT = { id: "a-1", owner: "tests@example.com", purposes: ["testing"] };

export async function withAgent(service: Running, changes: object = {}): Promise<void> {
  const { outcome } = await ask(service, "POST", "/agents", { body: { ...AGENT, ...changes } });
  if (!outcome.startsWith("20")) throw new Error(`no agent: ${outcome}`);
}
