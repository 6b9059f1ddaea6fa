/** A service as its operator runs it: `remit serve` in a process of its own and a folder of its own, asked over HTTP. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { makeSandbox } from "../../demo/sandbox.js";
import { SCOPES, type Scope } from "../../src/contract/index.js";
import { readConfig } from "../../src/system/config.js";
import { asset } from "../../src/system/paths.js";
import { SEARCH_WAIT_MS } from "../http/running.js";

export type Json = Record<string, unknown>;

const NAME = "customer_support";
const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const LISTENING = /"message":"listening","url":"([^"]+)"/;
const READY_EVERY_MS = 5;
/** Ends what hangs; on a busy machine a start takes a minute. */
const READY_WITHIN_MS = 300_000;

/** What outlives its processes. */
export interface Place {
  folder: string;
  /** Of the build that is run. */
  main: string;
  config: string;
  /** Of a caller with every scope. */
  token: string;
  /** Of its records. */
  records: string;
}

/**
 * A place with the shipped bundle for customer support, without facts.
 * @param sections of the configuration, laid over what a sandbox has
 */
export function placeIn(folder: string, sections: Readonly<Record<string, Json>> = {}, main = MAIN): Place {
  const bundle = { name: NAME, path: asset("bundles", `${NAME}.tar.gz`), keys: [asset("bundles", `${NAME}.pub.pem`)] };
  const { config, token } = makeSandbox({
    ...{ dir: folder, bundle, port: 0 },
    // A node of a cluster has no file of facts.
    ...(sections["cluster"] === undefined && { facts: "{}\n" }),
  });
  const said = parse(readFileSync(config, "utf8")) as Record<string, Json>;
  const patient = { log: { index: { wait_ms: SEARCH_WAIT_MS } } };
  for (const [name, section] of [...Object.entries<Json>(patient), ...Object.entries(sections)]) said[name] = { ...said[name], ...section };
  writeFileSync(config, stringify(said));
  return {
    folder,
    main,
    config,
    token: token("tests", Object.keys(SCOPES) as Scope[]),
    records: readConfig(config).log.dir,
  };
}

export interface Told {
  status: number;
  text: string;
  body: Json;
  /** `503 store_unavailable`, or the status alone. */
  outcome: string;
}

export interface Asking {
  /** Text and bytes are sent as they are. */
  body?: unknown;
  type?: string;
  headers?: Record<string, string>;
}

/** None outlives this process. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class Child {
  readonly #place: Place;
  readonly #process: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #ended: Promise<unknown>;
  #said = "";
  #url = "";

  /**
   * @param env of the process, beside this one's
   * @param options of `remit serve`
   * @param launcher command that runs it, such as one that makes a container
   */
  constructor(place: Place, env: Readonly<Record<string, string>> = {}, options: readonly string[] = [], launcher: readonly string[] = []) {
    this.#place = place;
    const [command = "", ...given] = [...launcher, process.execPath, place.main, "serve", "--config", place.config, ...options];
    this.#process = spawn(command, given, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#said += text));
    running.add(this.#process);
    this.#ended = once(this.#process, "close").finally(() => running.delete(this.#process));
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Port on which it listens; 0 until it does. */
  get port(): number {
    const url = LISTENING.exec(this.#said)?.[1];
    return url === undefined ? 0 : Number(new URL(url).port);
  }

  /** What the operational log has said. */
  get said(): string {
    return this.#said;
  }

  /** Resolves when the operational log has said one of these. @throws Error where it ends before */
  async says(...what: readonly string[]): Promise<void> {
    while (!what.some((one) => this.#said.includes(one))) {
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) throw new Error(`the service has ended: ${this.#said}`);
      await sleep(READY_EVERY_MS);
    }
  }

  /**
   * Resolves when it is ready, with the milliseconds since the call.
   * @throws Error with what it said, where it ends instead
   */
  async ready(): Promise<number> {
    const began = performance.now();
    while (performance.now() - began < READY_WITHIN_MS) {
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) break;
      if (LISTENING.test(this.#said) && (await this.ask("GET", "/readyz"))?.status === 200) return performance.now() - began;
      await sleep(READY_EVERY_MS);
    }
    throw new Error(`the service doesn't get ready: ${this.#said}`);
  }

  /** @returns null where no answer came */
  ask(method: string, path: string, { body, type = "application/json", headers = {} }: Asking = {}): Promise<Told | null> {
    this.#url ||= LISTENING.exec(this.#said)?.[1] ?? "";
    if (this.#url === "") return Promise.resolve(null);
    const text = body === undefined ? "" : typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const given = body === undefined ? {} : { "content-type": type, "content-length": Buffer.byteLength(text) };
    const authorization = `Bearer ${this.#place.token}`;
    return new Promise((resolve) => {
      const nothing = (): void => {
        resolve(null);
      };
      const options = { method, agent: this.#agent, headers: { authorization, ...given, ...headers } };
      request(`${this.#url}${path}`, options, (response) => {
        let told = "";
        response.setEncoding("utf8").on("data", (part: string) => (told += part));
        response.once("end", () => {
          // Facts are exported as JSON Lines.
          const isJson = /[/+]json\b/.test(response.headers["content-type"] ?? "");
          if (response.complete) resolve(toldOf(response.statusCode ?? 0, told, isJson));
          else nothing();
        });
        response.once("error", nothing);
      })
        .once("error", nothing)
        .end(text);
    });
  }

  /** @throws Error where no answer came */
  async told(method: string, path: string, body?: unknown): Promise<Told> {
    const told = await this.ask(method, path, body === undefined ? {} : { body });
    if (told === null) throw new Error(`${method} ${path}: no answer; ${this.#said.slice(-2000)}`);
    return told;
  }

  /**
   * Every item of what is answered in pages.
   * @param by the parameter that goes on, and what it begins with
   */
  async all(path: string, by: "after" | "cursor" = "cursor", from: string | null = ""): Promise<Json[]> {
    const items: Json[] = [];
    for (let next = from; next !== null;) {
      const at = next === "" ? "" : `&${by}=${encodeURIComponent(next)}`;
      const { body, outcome } = await this.told("GET", `${path}?limit=1000${at}`);
      if (outcome !== "200") throw new Error(`GET ${path}: ${outcome}`);
      items.push(...(body["items"] as Json[]));
      next = body["next"] as string | null;
    }
    return items;
  }

  /** The code that it ends with by itself. @throws Error where it goes on for longer */
  async exit(within_ms: number): Promise<number | null> {
    const over = await Promise.race([this.#ended.then(() => true), sleep(within_ms).then(() => false)]);
    if (!over) throw new Error(`it goes on: ${this.#said}`);
    return this.#process.exitCode;
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
    this.#agent.destroy();
  }

  /** @returns the exit code */
  async stop(): Promise<number | null> {
    this.#agent.destroy();
    this.#process.kill("SIGTERM");
    await this.#ended;
    return this.#process.exitCode;
  }
}

function toldOf(status: number, text: string, isJson: boolean): Told {
  const body = isJson && text.startsWith("{") ? (JSON.parse(text) as Json) : {};
  const { code } = body as { code?: string };
  return { status, text, body, outcome: code === undefined ? String(status) : `${status} ${code}` };
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
