/** A server that wants a login, and its authorization server, each of which may answer whatever a test makes it. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { stringify } from "yaml";
import { parseGuardConfig } from "../../../src/guards/mcp/config.js";
import { oauthServer, signIn, type FinishedLogin, type LoginPrompt } from "../../../src/guards/mcp/oauth/login.js";
import { system } from "../../../src/system/index.js";

export interface Answering {
  status?: number;
  headers?: Record<string, string>;
  json?: unknown;
  text?: string | Buffer;
}

export interface AskedFor {
  method: string;
  url: URL;
  headers: IncomingMessage["headers"];
  form: URLSearchParams;
}

type Route = (asked: AskedFor) => Answering | Promise<Answering>;

/** A server of routes: `GET /path`. */
export class Pretender {
  readonly routes: Record<string, Route> = {};
  readonly asked: AskedFor[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(({ status = 200, headers = {}, json, text }) => {
        const type = json === undefined ? {} : { "content-type": "application/json" };
        response.writeHead(status, { ...type, ...headers }).end(json === undefined ? text : JSON.stringify(json));
      });
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests for a route, so far. */
  to(route: string): AskedFor[] {
    return this.asked.filter(({ method, url }) => `${method} ${url.pathname}` === route);
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage): Promise<Answering> {
    const { method = "", url: path = "/", headers } = request;
    let body = "";
    for await (const chunk of request.setEncoding("utf8") as AsyncIterable<string>) body += chunk;
    const asked = { method, url: new URL(path, this.origin), headers, form: new URLSearchParams(body) };
    this.asked.push(asked);
    return (await this.routes[`${method} ${asked.url.pathname}`]?.(asked)) ?? { status: 404, text: "" };
  }
}

const RESOURCE_PLACE = "/.well-known/oauth-protected-resource/mcp";
const ISSUER_PLACE = "/.well-known/oauth-authorization-server";

/** A pair that keeps to the standards until a test changes it. */
export class LoginWorld {
  readonly server = new Pretender();
  readonly issuer = new Pretender();
  readonly other = new Pretender();
  /** Members of the two documents that a test changes. */
  resource: Record<string, unknown> = {};
  metadata: Record<string, unknown> = {};
  /** Parameters of the answer to a browser. */
  redirected: Record<string, string | null> = {};
  /** Members of an answer with tokens. */
  tokens: Record<string, unknown> = {};
  challenge: string | null = null;
  #tokens = 0;

  constructor(readonly dir: string) {}

  async start(): Promise<this> {
    await Promise.all([this.server.start(), this.issuer.start(), this.other.start()]);
    const { origin } = this.issuer;
    this.server.routes["POST /mcp"] = () => ({
      status: 401,
      headers: {
        "www-authenticate": this.challenge ?? `Bearer resource_metadata="${this.server.origin}${RESOURCE_PLACE}", scope="crm.read"`,
      },
    });
    this.server.routes[`GET ${RESOURCE_PLACE}`] = () => ({
      json: { resource: this.url, authorization_servers: [origin], ...this.resource },
    });
    this.issuer.routes[`GET ${ISSUER_PLACE}`] = () => ({
      json: {
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        registration_endpoint: `${origin}/register`,
        device_authorization_endpoint: `${origin}/device`,
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
        ...this.metadata,
      },
    });
    this.issuer.routes["POST /register"] = () => ({ status: 201, json: { client_id: "c-1" } });
    this.issuer.routes["GET /authorize"] = ({ url }) => {
      const to = new URL(url.searchParams.get("redirect_uri") ?? "");
      const parameters = { code: "the-code", state: url.searchParams.get("state"), iss: origin, ...this.redirected };
      for (const [name, value] of Object.entries(parameters)) if (value !== null) to.searchParams.set(name, value);
      return { status: 302, headers: { location: to.href } };
    };
    this.issuer.routes["POST /token"] = () => {
      const n = ++this.#tokens;
      return {
        json: { access_token: `access-${n}`, token_type: "Bearer", expires_in: 3600, refresh_token: `refresh-${n}`, ...this.tokens },
      };
    };
    return this;
  }

  /** Turns the server into one of before RFC 9728: it is its own authorization server, and has no metadata as a resource. */
  before9728(): void {
    const { origin } = this.server;
    this.challenge = "Bearer";
    Reflect.deleteProperty(this.server.routes, `GET ${RESOURCE_PLACE}`);
    for (const route of ["POST /register", "GET /authorize", "POST /token"]) {
      const answer = this.issuer.routes[route];
      if (answer !== undefined) this.server.routes[route] = answer;
    }
    const ends = { authorization_endpoint: "authorize", token_endpoint: "token", registration_endpoint: "register" };
    const endpoints = Object.fromEntries(Object.entries(ends).map(([name, path]) => [name, `${origin}/${path}`]));
    this.server.routes[`GET ${ISSUER_PLACE}`] = () => ({
      json: {
        ...{ issuer: origin, ...endpoints, code_challenge_methods_supported: ["S256"] },
        ...{ authorization_response_iss_parameter_supported: true, ...this.metadata },
      },
    });
    this.redirected = { iss: origin };
  }

  get url(): string {
    return `${this.server.origin}/mcp`;
  }

  /** Signs in as a person with a browser would. */
  signIn(
    oauth: object = {},
    browse: (prompt: LoginPrompt) => Promise<unknown> = ({ url }) => fetch(url),
    by: typeof signIn = signIn,
  ): Promise<FinishedLogin> {
    const server = oauthServer(this.config(oauth).server);
    if (server === null) throw new Error("no login in the configuration");
    return by(server, { device: false, show: (prompt) => void browse(prompt).catch(() => undefined) }, system);
  }

  config(oauth: object = {}): ReturnType<typeof parseGuardConfig> {
    const server = { url: this.url, oauth: { logins: "logins", ...oauth } };
    const text = stringify({ remit: { url: "http://127.0.0.1:9" }, agent: "a", purpose: "p", server });
    return parseGuardConfig(text, join(this.dir, "guard.yaml"));
  }

  async stop(): Promise<void> {
    await Promise.all([this.server.stop(), this.issuer.stop(), this.other.stop()]);
  }
}
