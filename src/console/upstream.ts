/** Requests to the service, each by a person's own short-lived token; only routes that a page needs. */
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { Scope } from "../contract/index.js";
import { readAuthorities } from "../system/authorities.js";
import type { Timers } from "../system/index.js";
import type { ConsoleConfig } from "./config.js";
import { ConsoleProblem } from "./problems.js";

/** A route of the service that pages use. */
export interface PassedRoute {
  method: "GET" | "POST" | "PATCH";
  path: RegExp;
  /** Scopes that the token has of those that the person has; without any of them nothing is asked. Empty: the route asks for none. */
  scopes: readonly Scope[];
  /** True if the request widens what may be done, and needs a recent sign-in. */
  widens?: (body: unknown) => boolean;
  /** Takes bytes of a bundle in place of JSON. */
  takesBundle?: true;
  /** Answers with bytes of a bundle in place of JSON. */
  givesBundle?: true;
}

const always = (): boolean => true;
const READ_FACTS: readonly Scope[] = ["remit:audit", "remit:register", "remit:revoke"];
const READ_FINDINGS: readonly Scope[] = ["remit:audit", "remit:review"];
const REVOKES: readonly Scope[] = ["remit:revoke", "remit:revoke_all"];
const ID = "[^/?#]+";
const at = (path: string): RegExp => new RegExp(`^${path.replaceAll("*", ID)}$`);

/** Routes by method and path; a request that fits none is not passed on. */
export const PASSED: readonly PassedRoute[] = [
  { method: "GET", path: at("/readyz"), scopes: [] },
  { method: "GET", path: at("/decisions"), scopes: ["remit:audit"] },
  { method: "GET", path: at("/decisions/summary"), scopes: ["remit:audit"] },
  { method: "GET", path: at("/decisions/histogram"), scopes: ["remit:audit"] },
  { method: "GET", path: at("/decisions/*"), scopes: ["remit:audit"] },
  { method: "GET", path: at("/decisions/*/receipt"), scopes: ["remit:audit"] },
  { method: "GET", path: at("/log/checkpoint"), scopes: ["remit:audit"] },
  { method: "GET", path: at("/metrics"), scopes: ["remit:audit"] },
  { method: "GET", path: at("/facts/events"), scopes: ["remit:audit"] },
  { method: "GET", path: at("/findings"), scopes: READ_FINDINGS },
  { method: "GET", path: at("/findings/*"), scopes: READ_FINDINGS },
  { method: "GET", path: at("/approvals"), scopes: READ_FINDINGS },
  { method: "GET", path: at("/agents"), scopes: READ_FACTS },
  { method: "GET", path: at("/agents/*"), scopes: READ_FACTS },
  { method: "GET", path: at("/agents/*/narrowing"), scopes: READ_FACTS },
  { method: "GET", path: at("/agents/*/profile"), scopes: READ_FINDINGS },
  { method: "GET", path: at("/narrowings"), scopes: READ_FACTS },
  { method: "GET", path: at("/tasks"), scopes: READ_FACTS },
  { method: "GET", path: at("/tasks/*"), scopes: READ_FACTS },
  { method: "GET", path: at("/grants"), scopes: READ_FACTS },
  { method: "GET", path: at("/revocations"), scopes: [...READ_FACTS, "remit:revoke_all"] },
  { method: "GET", path: at("/cluster"), scopes: [...READ_FACTS, "remit:publish"] },
  { method: "GET", path: at("/bundles"), scopes: ["remit:publish"] },
  { method: "GET", path: at("/bundles/*"), scopes: ["remit:publish"], givesBundle: true },
  { method: "POST", path: at("/explain"), scopes: ["remit:audit"] },
  { method: "POST", path: at("/findings/*"), scopes: ["remit:review", "remit:revoke"], widens: (body) => stateOf(body) === "expected" },
  { method: "POST", path: at("/findings/*/approvals"), scopes: ["remit:review"], widens: always },
  { method: "POST", path: at("/agents/*/narrowing"), scopes: ["remit:revoke"] },
  { method: "POST", path: at("/agents/*/narrowing/lift"), scopes: ["remit:revoke"], widens: always },
  { method: "PATCH", path: at("/agents/*"), scopes: ["remit:revoke"], widens: (body) => !isNarrowing(body) },
  { method: "POST", path: at("/revocations"), scopes: REVOKES },
  { method: "POST", path: at("/revocations/everything/lift"), scopes: ["remit:revoke_all"], widens: always },
  { method: "POST", path: at("/revocations/*/*/lift"), scopes: ["remit:revoke"], widens: always },
  { method: "POST", path: at("/bundles"), scopes: ["remit:publish"], widens: always, takesBundle: true },
  { method: "POST", path: at("/bundles/staged/drop"), scopes: ["remit:publish"] },
  { method: "POST", path: at("/bundles/back"), scopes: ["remit:publish"], widens: always },
];

/** Returns the route of a request; null if it isn't passed on. */
export function passedRoute(method: string | undefined, path: string): PassedRoute | null {
  return PASSED.find((route) => route.method === method && route.path.test(path)) ?? null;
}

const member = (body: unknown, name: string): unknown =>
  typeof body === "object" && body !== null ? (body as Record<string, unknown>)[name] : undefined;
const stateOf = (body: unknown): unknown => member(body, "state");
const isNarrowing = (body: unknown): boolean => ["suspended", "revoked"].includes(String(member(body, "status")));

export interface ServiceAnswer {
  status: number;
  type: string;
  etag: string | null;
  body: Buffer;
}

export interface ServiceRequest {
  method: string;
  /** Path with its query. */
  path: string;
  token: string | null;
  headers?: Readonly<Record<string, string>>;
  body?: Buffer | undefined;
}

const ANSWER_MS = 30_000;
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;

export class ServiceUpstream {
  readonly #url: URL;
  readonly #timers: Pick<Timers, "after">;
  readonly #agent: HttpAgent | HttpsAgent;

  /** @throws NotCertificates; the file system's error */
  constructor({ url, ca }: ConsoleConfig["service"], timers: Pick<Timers, "after">) {
    this.#url = new URL(url);
    this.#timers = timers;
    const authorities = ca === undefined ? {} : { ca: readAuthorities(ca) };
    // What stops everything finds a connection open.
    this.#agent =
      this.#url.protocol === "https:" ? new HttpsAgent({ keepAlive: true, ...authorities }) : new HttpAgent({ keepAlive: true });
  }

  /** Returns the service's whole answer, whatever its status. @throws ConsoleProblem `service_unreachable` */
  async ask(asked: ServiceRequest): Promise<ServiceAnswer> {
    const response = await this.#send(asked, null);
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) throw new Error(`more than ${ANSWER_BYTES_MAX} bytes`);
        chunks.push(chunk);
      }
    } catch (cause) {
      response.destroy();
      throw new ConsoleProblem("service_unreachable", null, { cause });
    }
    const { "content-type": type = "", etag = null } = response.headers;
    return { status: response.statusCode ?? 0, type, etag, body: Buffer.concat(chunks) };
  }

  /** Returns an answer that goes on. @throws ConsoleProblem `service_unreachable` */
  open(path: string, token: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
    return this.#send({ method: "GET", path, token, headers }, signal);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send({ method, path, token, headers = {}, body }: ServiceRequest, signal: AbortSignal | null): Promise<IncomingMessage> {
    const secure = this.#url.protocol === "https:";
    return new Promise((resolve, reject) => {
      const fail = (cause: Error): void => {
        cancel();
        reject(new ConsoleProblem("service_unreachable", null, { cause }));
      };
      const request = (secure ? requestHttps : requestHttp)(new URL(path, this.#url), {
        method,
        agent: this.#agent,
        headers: {
          ...headers,
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { "content-length": body.length }),
        },
        ...(signal !== null && { signal }),
      });
      const cancel = this.#timers.after(ANSWER_MS, () => request.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
      request.on("error", fail);
      request.on("response", (response) => {
        cancel();
        resolve(response);
      });
      request.end(body);
    });
  }
}
