/** The support desk's service with its shipped bundle, in working hours, in a folder in which it can be started again. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import jwt from "jsonwebtoken";
import { stringify } from "yaml";
import type { Answer, Finding } from "../../src/contract/index.js";
import { startService, type Service } from "../../src/service.js";
import { parseConfig } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { asset } from "../../src/system/paths.js";
import { SEARCH_WAIT_MS } from "../http/running.js";

export type Json = Record<string, unknown>;

export interface Told {
  status: number;
  headers: Headers;
  body: Json;
  /** `409 finding_state /state`, or the status alone. */
  outcome: string;
}

/** A Tuesday, 10:00 in Berlin. */
const START_MS = Date.UTC(2027, 2, 2, 9);
const HOUR_S = 3600;
const issuer = generateKeyPairSync("ec", { namedCurve: "P-256" });

export class Desk {
  readonly folder = mkdtempSync(join(tmpdir(), "remit-desk-"));
  readonly clock = { wall_ms: START_MS, wall: () => this.clock.wall_ms, monotonic: () => system.clock.monotonic() };
  said = "";
  service!: Service;
  readonly #sections: object;

  /** @param prepare puts what the configuration names into the folder */
  static async open(
    sections: object = {},
    purposes = ["customer_support"],
    agents = 1,
    prepare: (folder: string) => void = () => undefined,
  ): Promise<Desk> {
    const desk = new Desk(sections);
    prepare(desk.folder);
    writeFileSync(join(desk.folder, "issuer.pem"), issuer.publicKey.export({ type: "spki", format: "pem" }));
    await desk.start();
    for (let i = 1; i <= agents; i++) {
      await desk.ask("POST", "/agents", { id: `support-${i}`, owner: "desk", purposes });
      const subjects = { ticket: [`TCK-${i}`], customer: [`customer-${i}`] };
      const expires = new Date(START_MS + 7 * 24 * HOUR_S * 1000).toISOString();
      const task = {
        id: `T-${i}`,
        agent: `support-${i}`,
        purpose: "customer_support",
        subjects,
        attributes: { topic: "billing" },
        expires,
      };
      const { outcome } = await desk.ask("POST", "/tasks", task);
      if (outcome !== "201") throw new Error(outcome);
    }
    desk.clock.wall_ms += 1000;
    return desk;
  }

  private constructor(sections: object) {
    this.#sections = sections;
  }

  async start(): Promise<void> {
    const keys = [{ kid: "k1", algorithm: "ES256", file: "issuer.pem" }];
    const config = stringify({
      listen: { port: 0 },
      identity: { issuers: [{ issuer: "https://issuer.example", audience: { callers: "remit" }, keys }] },
      bundle: {
        name: "customer_support",
        path: asset("bundles", "customer_support.tar.gz"),
        keys: [asset("bundles", "customer_support.pub.pem")],
        state_dir: "state",
      },
      facts: { store: "store" },
      log: { dir: "log", index: { wait_ms: SEARCH_WAIT_MS } },
      ...this.#sections,
    });
    const stream = new PassThrough();
    stream.on("data", (chunk: Buffer) => (this.said += chunk.toString()));
    const outside = { ...system, clock: this.clock };
    this.service = await startService(parseConfig(config, join(this.folder, "remit.yaml")), outside, logger(this.clock, stream));
  }

  get port(): number {
    return Number(new URL(this.service.url).port);
  }

  async restart(): Promise<void> {
    await this.service.stop();
    await this.start();
  }

  async close(): Promise<void> {
    await this.service.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  token(scope: string, subject = "desk-1"): string {
    const iat = Math.floor(this.clock.wall_ms / 1000);
    const claims = { scope, iat, exp: iat + HOUR_S, iss: "https://issuer.example", aud: "remit", sub: subject };
    return jwt.sign(claims, issuer.privateKey, { algorithm: "ES256", keyid: "k1" });
  }

  async ask(
    method: string,
    path: string,
    body?: unknown,
    { token = this.token(ALL), headers = {} }: { token?: string; headers?: Record<string, string> } = {},
  ): Promise<Told> {
    const response = await fetch(`${this.service.url}${path}`, {
      method,
      headers: {
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    const read = (text.startsWith("{") ? JSON.parse(text) : {}) as Json;
    const { code, field } = read as { code?: string; field?: string };
    const outcome = response.ok ? String(response.status) : [response.status, code, field].filter((part) => part !== undefined).join(" ");
    return { status: response.status, headers: response.headers, body: read, outcome };
  }

  /** `read invoice/I-9 customer-3`: the agent with this number on its own task. */
  action(asked: string, agent = 1): object {
    const [verb = "", name = "", customer] = asked.split(" ");
    const [type = "", id = null] = name.split("/");
    const attributes = customer === undefined ? {} : { customer };
    return { agent: `support-${agent}`, purpose: "customer_support", task: `T-${agent}`, verb, resource: { type, id, attributes } };
  }

  async decide(asked: string, agent = 1): Promise<Answer> {
    const { body, outcome } = await this.ask("POST", "/decide", this.action(asked, agent));
    if (outcome !== "200") throw new Error(`${outcome}: ${JSON.stringify(body)}`);
    return body as unknown as Answer;
  }

  async finding(id: string): Promise<Finding> {
    const { body, outcome } = await this.ask("GET", `/findings/${id}`);
    if (outcome !== "200") throw new Error(outcome);
    return body as unknown as Finding;
  }

  /** Approves an action that waits, as somebody else than who asked. */
  approve({ finding = "", decision_id }: Answer, token = this.token("remit:review", REVIEWER)): Promise<Told> {
    return this.ask("POST", `/findings/${finding}/approvals`, { reason: "fine", decision: decision_id }, { token });
  }

  /** @param revision what it is said of; left out, as it is now */
  async judge(id: string, asked: object, revision?: number, token = this.token(ALL)): Promise<Told> {
    const seen = revision ?? (await this.finding(id)).revision;
    return this.ask("POST", `/findings/${id}`, { reason: "looked into", ...asked }, { token, headers: { "if-match": `"${seen}"` } });
  }
}

/** Looks into findings, and asks for nothing. */
export const REVIEWER = "reviewer-1";
export const ALL = "remit:decide remit:observe remit:register remit:revoke remit:review remit:audit";
