/** A certified authorization server on loopback, an MCP server that takes its tokens alone, and a person's browser. */
import { once } from "node:events";
import { createServer, request as requestHttp, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import Provider, { type Configuration } from "oidc-provider";
import { crmOverHttp, type CrmOverHttp } from "./crm.js";

const SCOPES = ["crm.read", "crm.write"];
const CLIENT = {
  client_name: "Remit",
  application_type: "native",
  token_endpoint_auth_method: "none",
  redirect_uris: ["http://127.0.0.1/callback"],
  grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
  response_types: ["code"],
} as const;
export const CLIENT_ID = "remit-desk";
/** Address of a client's document, which this provider alone can read. */
export const DOCUMENT = "https://app.example/remit.json";
const HOPS_MAX = 12;
/** Tools that need more than reading. */
const WRITING: ReadonlySet<string> = new Set(["get_invoice"]);

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

async function listening(handler: () => Handler): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => void handler()(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

export interface ProtectedCrm {
  url: string;
  issuer: string;
  crm: CrmOverHttp;
  /** Tokens that the server was shown, each once. */
  shown: Set<string>;
  /** Tokens that it takes no more. */
  refused: Set<string>;
  close: () => Promise<void>;
}

export async function protectedCrm(): Promise<ProtectedCrm> {
  let [answer, guard]: [Handler, Handler] = [() => undefined, () => undefined];
  const [at, front, crm] = [await listening(() => answer), await listening(() => guard), await crmOverHttp()];
  const url = `${front.url}/mcp`;
  const provider = new Provider(at.url, configuration(url));
  const callback = provider.callback();
  answer = async (request, response) => {
    if (request.url?.startsWith("/interaction/") === true)
      await provider.interactionFinished(request, response, { login: { accountId: "u-1" }, consent: {} });
    else await callback(request, response);
  };
  const [shown, refused] = [new Set<string>(), new Set<string>()];
  guard = async (request, response) => {
    if (request.url === "/.well-known/oauth-protected-resource/mcp") {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ resource: url, authorization_servers: [at.url], scopes_supported: ["crm.read"] }));
      return;
    }
    const challenge = (status: number, more: string): void => {
      const metadata = `resource_metadata="${front.url}/.well-known/oauth-protected-resource/mcp"`;
      response.writeHead(status, { "www-authenticate": `Bearer ${metadata}, ${more}` }).end();
    };
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (token !== undefined) shown.add(token);
    const known = token === undefined || refused.has(token) ? undefined : await provider.AccessToken.find(token);
    if (known?.aud !== url) {
      challenge(401, 'scope="crm.read"');
      return;
    }
    const tool = /"method":"tools\/call".*"name":"(\w+)"|"name":"(\w+)".*"method":"tools\/call"/.exec(body.toString());
    if (WRITING.has(tool?.[1] ?? tool?.[2] ?? "") && !known.scopes.has("crm.write")) {
      challenge(403, 'error="insufficient_scope", scope="crm.write"');
      return;
    }
    const passed = requestHttp(crm.url, { method: request.method, headers: { ...request.headers, host: new URL(crm.url).host } }, (got) => {
      response.writeHead(got.statusCode ?? 502, got.headers);
      got.pipe(response);
    });
    passed.on("error", () => response.destroy());
    response.on("close", () => passed.destroy());
    passed.end(body);
  };
  return {
    ...{ url, issuer: at.url, crm, shown, refused },
    close: async () => {
      for (const { server } of [at, front]) {
        server.closeAllConnections();
        server.close();
      }
      await crm.close();
    },
  };
}

function configuration(resource: string): Configuration {
  const known: object = { clientIdMetadataDocument: { enabled: true, ack: "draft-02" } };
  return {
    clients: [
      {
        client_id: CLIENT_ID,
        ...CLIENT,
        redirect_uris: [...CLIENT.redirect_uris],
        grant_types: [...CLIENT.grant_types],
        response_types: ["code"],
      },
    ],
    pkce: { required: () => true },
    scopes: ["openid", "offline_access"],
    ttl: { AccessToken: 3600, RefreshToken: 7200, Interaction: 60, Grant: 7200, Session: 60, DeviceCode: 60 },
    rotateRefreshToken: true,
    issueRefreshToken: () => Promise.resolve(true),
    features: {
      ...known,
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, asked) => {
          if (asked !== resource) throw new Error(`no such resource: ${asked}`);
          return { scope: SCOPES.join(" "), audience: resource, accessTokenFormat: "opaque" };
        },
      },
    },
    fetch: (input: unknown, init: unknown) =>
      String(input) === DOCUMENT
        ? Promise.resolve(Response.json({ ...CLIENT, client_id: DOCUMENT }))
        : fetch(input as string, init as RequestInit),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({ clientId: oidc.client?.clientId ?? "", accountId: oidc.session?.accountId ?? "" });
      grant.addOIDCScope("openid offline_access");
      grant.addResourceScope(resource, SCOPES.join(" "));
      await grant.save();
      return grant;
    },
  };
}

/** A browser as far as a login needs one: cookies, redirects and forms. */
export class Browser {
  readonly #jar = new Map<string, string>();

  /** Follows redirects to the last page. */
  async open(url: string, form?: Record<string, string>): Promise<{ url: string; text: string }> {
    let sent: Record<string, string> | undefined = form;
    let next = url;
    const hops: string[] = [];
    for (; hops.length < HOPS_MAX; hops.push(next)) {
      const cookie = [...this.#jar].map(([name, value]) => `${name}=${value}`).join("; ");
      const body = sent === undefined ? {} : { method: "POST", body: new URLSearchParams(sent) };
      const response = await fetch(next, { redirect: "manual", headers: { cookie }, ...body });
      for (const set of response.headers.getSetCookie()) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
        this.#jar.set(name, value);
      }
      const to = response.headers.get("location");
      if (to === null) return { url: next, text: await response.text() };
      [next, sent] = [new URL(to, next).href, undefined];
    }
    throw new Error(`${url} leads nowhere: ${hops.join(" ")}`);
  }

  /** Enters a code on a page, and confirms it. */
  async enter(url: string, code: string): Promise<string> {
    const first = await this.open(url);
    const second = await this.open(url, { xsrf: hidden(first.text, "xsrf"), user_code: code });
    const third = await this.open(url, { xsrf: hidden(second.text, "xsrf"), user_code: hidden(second.text, "user_code"), confirm: "yes" });
    return third.text;
  }
}

function hidden(page: string, name: string): string {
  return new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? "";
}
