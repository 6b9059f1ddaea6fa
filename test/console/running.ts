/** A console beside a support desk's service, each as it is, on loopback. */
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as sendRequest, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { stringify } from "yaml";
import { parseConsoleConfig, type ConsoleConfig } from "../../src/console/config.js";
import { startConsole, type RunningConsole } from "../../src/console/server.js";
import { pinnedOpaVersion, wasmArtefact } from "../../src/bundle/opa.js";
import { system, type Clock } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { Desk } from "../findings/desk.js";

export const SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
export const PERSON = "ada@example.com";
const SCOPES = ["remit:audit", "remit:review", "remit:register", "remit:revoke", "remit:revoke_all", "remit:publish"];
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

/** Sections of a service that takes a desk's callers and the console's. */
const issuer = (name: string, kid: string, more: object = {}): object => ({
  issuer: name === "desk" ? "https://issuer.example" : "https://console.example",
  name,
  audience: { callers: "remit" },
  keys: [{ kid, algorithm: "ES256", file: name === "desk" ? "issuer.pem" : "console.pub.pem" }],
  ...more,
});

export interface ConsoleAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  code: string | undefined;
}

export interface Asked {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer;
}

export interface ConsoleDeskOptions {
  local?: boolean;
  agents?: number;
  page?: string;
  flows?: boolean;
  /** Sections of the service, in the place of the desk's. */
  service?: object;
  /** Puts what these sections name into the service's folder. */
  prepare?: (folder: string) => void;
}

export class ConsoleDesk {
  readonly folder = mkdtempSync(join(tmpdir(), "remit-console-"));
  desk!: Desk;
  running!: RunningConsole;
  said = "";
  announced: string[] = [];

  /** Opens a desk and a console whose pages nobody has looked at. */
  static async open(
    sections: object = {},
    { local = true, agents = 3, page, flows = false, service = {}, prepare }: ConsoleDeskOptions = {},
  ): Promise<ConsoleDesk> {
    const opened = new ConsoleDesk();
    const pem = createPublicKey(privateKey).export({ type: "spki", format: "pem" });
    const scopes_max = SCOPES;
    opened.desk = await Desk.open(
      { identity: { issuers: [issuer("desk", "k1"), issuer("console", "c1", { scopes_max })] }, ...service },
      ["customer_support"],
      agents,
      (folder) => {
        writeFileSync(join(folder, "console.pub.pem"), pem);
        prepare?.(folder);
      },
    );
    const { clock } = opened.desk;
    const begun = clock.monotonic();
    // Tokens live by two clocks: where a test takes longer than a token, both have to go on.
    if (flows) clock.wall = () => clock.wall_ms + (clock.monotonic() - begun);
    await opened.start(sections, local, page ?? opened.pageFolder());
    return opened;
  }

  /** Writes a page that is none: what the server sends of it is all that counts. */
  pageFolder(): string {
    for (const [name, text] of [
      ["app-ABCD1234.js", "export {};"],
      ["playground-ABCD1234.js", "export {};"],
      ["playground-worker-ABCD1234.js", "export {};"],
      ["replay-worker-ABCD1234.js", "export {};"],
      ["library-ABCD1234.json", "{}"],
      ["app-ABCD1234.css", "body{}"],
      ["icon.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"],
    ] as const)
      writeFileSync(join(this.folder, name), text);
    return this.folder;
  }

  config(sections: object = {}): ConsoleConfig {
    writeFileSync(join(this.folder, "console.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    writeFileSync(join(this.folder, "slack.secret"), `${SLACK_SECRET}\n`);
    const whole = {
      listen: { port: 0 },
      service: { url: this.desk.service.url },
      issuer: { issuer: "https://console.example", audience: "remit", kid: "c1", key: "console.pem" },
      local: { person: PERSON, scopes: SCOPES },
      ...sections,
    };
    return parseConsoleConfig(stringify(whole), join(this.folder, "console.yaml"));
  }

  async start(sections: object, local: boolean, page: string): Promise<void> {
    const stream = new PassThrough();
    stream.on("data", (chunk: Buffer) => (this.said += chunk.toString()));
    const clock: Clock = this.desk.clock;
    const announce = (url: string): void => {
      this.announced.push(url);
    };
    const outside = { ...system, clock };
    this.running = await startConsole(
      this.config(sections),
      { local, page, opa: wasmArtefact(pinnedOpaVersion()), announce },
      outside,
      logger(clock, stream),
    );
  }

  async close(): Promise<void> {
    await this.running.stop();
    await this.desk.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get host(): string {
    return new URL(this.running.url).host;
  }

  /** Sends a request with exactly these headers. */
  ask(path: string, { method = "GET", headers = {}, body }: Asked = {}): Promise<ConsoleAnswer> {
    const { port, hostname } = new URL(this.running.url);
    return new Promise((resolve, reject) => {
      const request = sendRequest(
        { host: hostname, port, method, path, headers: { host: this.host, ...headers }, agent: false },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => (text += chunk));
          response.on("end", () => {
            const { code } = (/json/.test(response.headers["content-type"] ?? "") ? JSON.parse(text) : {}) as { code?: string };
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, code });
          });
        },
      );
      request.on("error", reject);
      request.end(body);
    });
  }

  /** Signs in by the address that the console prints. */
  async signIn(): Promise<SignedIn> {
    const { pathname, search } = new URL(this.running.signIn() ?? "");
    const answer = await this.ask(`${pathname}${search}`);
    const [cookie = ""] = (answer.headers["set-cookie"]?.[0] ?? "").split(";");
    const me = await this.ask("/api/me", { headers: { cookie, "sec-fetch-site": "same-origin" } });
    const { csrf } = JSON.parse(me.text) as { csrf: string };
    return new SignedIn(this, cookie, csrf);
  }
}

/** A browser with a session, which sends what a browser sends from the console's own pages. */
export class SignedIn {
  constructor(
    readonly console: ConsoleDesk,
    readonly cookie: string,
    readonly csrf: string,
  ) {}

  /** Headers of a request that changes something. */
  get headers(): Record<string, string> {
    return {
      ...this.reads,
      origin: this.console.running.url,
      "x-remit-csrf": this.csrf,
      "content-type": "application/json",
    };
  }

  /** Headers of a request that reads. */
  get reads(): Record<string, string> {
    return { cookie: this.cookie, "sec-fetch-site": "same-origin" };
  }

  get(path: string): Promise<ConsoleAnswer> {
    return this.console.ask(path, { headers: this.reads });
  }

  service(path: string): Promise<ConsoleAnswer> {
    return this.get(`/api/service${path}`);
  }

  send(
    path: string,
    body: object,
    { method = "POST", headers = {} }: { method?: string; headers?: Record<string, string> } = {},
  ): Promise<ConsoleAnswer> {
    return this.console.ask(`/api/service${path}`, { method, headers: { ...this.headers, ...headers }, body: JSON.stringify(body) });
  }
}
