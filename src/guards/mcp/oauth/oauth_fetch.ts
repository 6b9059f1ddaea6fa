/**
 * Requests of a login: without redirects, bounded in time and bytes, and to addresses that may be asked. A server names whom to ask in its metadata, so
 * that else it could make the guard ask what is inside its network.
 */
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { checkedLookup, isPrivate, literalAddress } from "../../../system/addresses.js";
import { answerBody } from "../../../system/answer_body.js";
import { errorMessage } from "../../../system/error_message.js";
import { isLoopback, isOutgoingUrl, OUTGOING } from "../../../system/config/urls.js";
import type { Timers } from "../../../system/index.js";
import { ServerLoginError } from "./login_error.js";

/** The part of `fetch` that a login needs. */
export type OAuthFetch = (url: string, init: OAuthRequest) => Promise<Response>;

export interface OAuthRequest {
  method: string;
  headers: Record<string, string>;
  body?: string | URLSearchParams | undefined;
  signal?: AbortSignal | undefined;
}

export interface OAuthReach {
  /** The guarded server. */
  server: URL;
  /** True if the configuration names the authorization server: then it may be anywhere, as the guarded server may. */
  isIssuerNamed: boolean;
}

const TIMEOUT_MS = 10_000;
const BYTES_MAX = 256 * 1024;
/** Fetch, section 2.2.3: a `Response` of these has no body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/** Returns a function that sends one request. @throws ServerLoginError `address_refused`, `authorization_unavailable` */
export function oauthFetch({ server, isIssuerNamed }: OAuthReach, timers: Pick<Timers, "after">): OAuthFetch {
  const isLocal = isLoopback(literalAddress(server) ?? server.hostname);
  const isRefused = (address: string): boolean => isPrivate(address) && !(isLocal && isLoopback(address));
  const lookup = checkedLookup(isRefused);
  return async (text, init) => {
    if (!isOutgoingUrl(text)) throw new ServerLoginError("address_refused", `\`${text}\` must not be asked: ${OUTGOING}`);
    const url = new URL(text);
    const isNamed = isIssuerNamed || url.origin === server.origin;
    const address = literalAddress(url);
    if (!isNamed && address !== null && isRefused(address))
      throw new ServerLoginError(
        "address_refused",
        `\`${url.origin}\` is a private address; \`server.oauth.issuer\` can name a server there`,
      );
    try {
      return await send(url, init, timers, isNamed ? undefined : lookup);
    } catch (cause) {
      throw new ServerLoginError("authorization_unavailable", `\`${url.origin}\` can't be asked: ${errorMessage(cause)}`, { cause });
    }
  };
}

function send(
  url: URL,
  { method, headers, body, signal }: OAuthRequest,
  timers: Pick<Timers, "after">,
  lookup: LookupFunction | undefined,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, {
      agent: false,
      method,
      headers: { "user-agent": "Remit", ...headers, "accept-encoding": "identity" },
      ...(lookup !== undefined && { lookup }),
      ...(signal !== undefined && { signal }),
    });
    const fail = (cause: unknown): void => {
      cancel();
      request.destroy();
      reject(cause instanceof Error ? cause : new Error(String(cause)));
    };
    const cancel = timers.after(TIMEOUT_MS, () => {
      fail(new Error(`no whole answer within ${TIMEOUT_MS} ms`));
    });
    request.on("error", fail);
    request.on("response", (response) => {
      readWhole(response).then((read) => {
        cancel();
        resolve(read);
      }, fail);
    });
    request.end(body === undefined ? undefined : String(body));
  });
}

async function readWhole(response: IncomingMessage): Promise<Response> {
  const { statusCode: status = 0 } = response;
  const body = await answerBody(response, BYTES_MAX);
  const raw = response.rawHeaders;
  const fields = raw.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, raw[i + 1] ?? ""]] : []));
  return new Response(BODILESS.has(status) ? null : body, { status, headers: fields });
}
