/** Pages in browsers at the MCP guard's door: which may call, what a browser has to be told for it, and who stays out. */
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { expect } from "chai";
import { configOf, folderWith, guarded, openDesk, type Desk, type Guarded } from "./mcp/support.js";
import { crmOverHttp, type CrmOverHttp } from "./mcp/crm.js";
import { INITIALIZE } from "./mcp/rough.js";

const PAGE = "http://localhost:5173";
const TYPES = { accept: "application/json, text/event-stream", "content-type": "application/json" };
const CORS = /^access-control-/;

interface Asked {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: object;
}

interface Heard {
  status: number | undefined;
  headers: IncomingHttpHeaders;
  text: string;
}

function knock(url: string, { method = "POST", path = "/mcp", headers = {}, body }: Asked): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(new URL(path, url), { method, headers }, (response) => {
      let text = "";
      response
        .setEncoding("utf8")
        .on("data", (chunk: string) => (text += chunk))
        .on("end", () => {
          resolve({ status: response.statusCode, headers: response.headers, text });
        });
    });
    asked.on("error", reject);
    asked.end(body === undefined ? "" : JSON.stringify({ jsonrpc: "2.0", ...body }));
  });
}

const corsOf = ({ headers }: Heard): [string, unknown][] => Object.entries(headers).filter(([name]) => CORS.test(name));

describe("a page in a browser before the MCP guard", () => {
  let desk: Desk;
  let crm: CrmOverHttp;
  let open: Guarded;
  let shut: Guarded;
  const files = folderWith({ token: "secret-of-the-host\n" });
  const authorization = "Bearer secret-of-the-host";
  const preflight = { origin: PAGE, "access-control-request-method": "POST", "access-control-request-headers": "content-type" };
  before(async () => {
    desk = await openDesk();
    crm = await crmOverHttp();
    const listen = { port: 0, token_file: `${files.dir}/token` };
    open = await guarded(desk, crm, { listen: { ...listen, origins: [PAGE, "https://app.example"] } }, undefined, { authorization });
    shut = await guarded(desk, crm, { listen }, undefined, { authorization });
  });
  after(async () => {
    await open.close();
    await shut.close();
    await crm.close();
    await desk.stop();
    files.remove();
  });
  const asking = (given: Asked, of = open): Promise<Heard> => knock(of.guard.url ?? "", given);

  it("whose origin is listed asks first, begins a session, calls in it and ends it, each answer for that page alone", async () => {
    const names = "authorization, Content-Type, mcp-session-id, mcp-param-region, x-other";
    const first = await asking({ method: "OPTIONS", headers: { ...preflight, "access-control-request-headers": names } });
    expect([first.status, first.text]).to.deep.equal([204, ""]);
    expect(Object.fromEntries(corsOf(first))).to.deep.equal({
      "access-control-allow-origin": PAGE,
      "access-control-expose-headers": "mcp-session-id, mcp-protocol-version",
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": "authorization, content-type, mcp-session-id, mcp-param-region",
    });
    const begun = await asking({ headers: { ...TYPES, authorization, origin: PAGE }, body: { id: 1, ...INITIALIZE } });
    const session = String(begun.headers["mcp-session-id"]);
    const within = { ...TYPES, authorization, origin: PAGE, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" };
    await asking({ headers: within, body: { method: "notifications/initialized" } });
    const params = { name: "get_customer", arguments: { customer_id: "ada" } };
    const called = await asking({ headers: within, body: { id: 2, method: "tools/call", params } });
    expect(called.text).to.contain('"structuredContent":{"tool":"get_customer","customer_id":"ada"}');
    const ended = await asking({ method: "DELETE", headers: within });
    for (const answer of [begun, called, ended]) {
      expect(answer.status).to.equal(200);
      expect(answer.headers["access-control-allow-origin"]).to.equal(PAGE);
      expect(answer.headers.vary).to.equal("origin");
    }
  });

  it("reads why it is refused, as the other page that is listed does", async () => {
    for (const origin of [PAGE, "https://app.example"]) {
      const answer = await asking({ headers: { ...TYPES, origin }, body: { id: 1, ...INITIALIZE } });
      expect([answer.status, answer.headers["access-control-allow-origin"]]).to.deep.equal([401, origin]);
    }
  });

  it("doesn't change what a client without a browser hears", async () => {
    const answer = await asking({ headers: { ...TYPES, authorization }, body: { id: 1, ...INITIALIZE } });
    expect([answer.status, corsOf(answer), answer.headers.vary]).to.deep.equal([200, [], "origin"]);
  });

  const OTHERS: [what: string, origin: string][] = [
    ["of another port", "http://localhost:5174"],
    ["without the port", "http://localhost"],
    ["of another scheme", "https://localhost:5173"],
    ["of another name for the same host", "http://127.0.0.1:5173"],
    ["whose origin begins alike", "http://localhost:51733"],
    ["whose origin begins with all of it", "http://localhost:5173.evil.example"],
    ["below a listed host", "https://evil.app.example"],
    ["that ends alike", "https://evilapp.example"],
    ["in other letters", "http://LOCALHOST:5173"],
    ["with a slash behind it", "http://localhost:5173/"],
    ["of two origins", `${PAGE}, https://evil.example`],
    ["without an origin of its own", "null"],
    ["of any origin", "*"],
    ["of an empty one", ""],
    ["of a stranger", "https://evil.example"],
  ];
  for (const [what, origin] of OTHERS) {
    it(`${what} stays out, and hears nothing that a browser would let it read`, async () => {
      const called = await asking({ headers: { ...TYPES, authorization, origin }, body: { id: 1, ...INITIALIZE } });
      const asked = await asking({ method: "OPTIONS", headers: { ...preflight, origin } });
      for (const answer of [called, asked]) {
        expect([answer.status, corsOf(answer)]).to.deep.equal([403, []]);
        expect(answer.text).to.contain("requests from browsers are not served");
      }
    });
  }

  for (const origin of [PAGE, "https://evil.example"]) {
    it(`stays out where no origin is listed: ${origin}`, async () => {
      const called = await asking({ headers: { ...TYPES, authorization, origin }, body: { id: 1, ...INITIALIZE } }, shut);
      const asked = await asking({ method: "OPTIONS", headers: { ...preflight, origin } }, shut);
      for (const answer of [called, asked])
        expect([answer.status, corsOf(answer), answer.headers.vary]).to.deep.equal([403, [], undefined]);
    });
  }

  const REBOUND: [host: string, origin: string][] = [
    ["evil.example", PAGE],
    ["evil.example:8182", "http://evil.example:8182"],
    ["localhost.evil.example", PAGE],
    ["app.example", "https://app.example"],
  ];
  for (const [host, origin] of REBOUND) {
    it(`stays out by a name that leads here, ${host}, as ${origin}`, async () => {
      for (const method of ["POST", "OPTIONS", "GET"]) {
        const answer = await asking({ method, headers: { ...TYPES, ...preflight, authorization, host, origin } });
        expect([answer.status, corsOf(answer)]).to.deep.equal([421, []]);
      }
    });
  }

  const PREFLIGHTS: [what: string, asked: Asked, status: number, allowed: object][] = [
    ["of a method that nobody has", { headers: { ...preflight, "access-control-request-method": "PUT" } }, 204, { methods: undefined }],
    [
      "of headers that no client sends",
      { headers: { ...preflight, "access-control-request-headers": "x-a, cookie, remit-tasks, mcp-param-, mcp-param-ä" } },
      204,
      { headers: undefined },
    ],
    ["at another path", { path: "/", headers: preflight }, 404, { methods: undefined, headers: undefined }],
    ["that doesn't say of what", { headers: { origin: PAGE } }, 401, { methods: undefined, headers: undefined }],
  ];
  for (const [what, asked, status, allowed] of PREFLIGHTS) {
    it(`is permitted nothing by a question ${what}`, async () => {
      const answer = await asking({ method: "OPTIONS", ...asked });
      expect(answer.status).to.equal(status);
      for (const [name, value] of Object.entries(allowed)) expect(answer.headers[`access-control-allow-${name}`]).to.equal(value);
      expect(answer.headers["access-control-allow-credentials"]).to.equal(undefined);
    });
  }

  it("asks before it has a token, and begins nothing by that", async () => {
    const answer = await asking({ method: "OPTIONS", headers: preflight, body: { id: 1, ...INITIALIZE } });
    expect([answer.status, answer.headers["mcp-session-id"], answer.text]).to.deep.equal([204, undefined, ""]);
  });

  const REFUSED: [origin: string, problem: string, more?: object][] = [
    ["*", "expected scheme, host and port of a page: `http://localhost:5173`"],
    ["null", "expected scheme, host and port of a page"],
    ["localhost:5173", "expected scheme, host and port of a page"],
    ["http://*.localhost", "expected scheme, host and port of a page"],
    ["file:///home", "expected scheme, host and port of a page"],
    ["chrome-extension://abcdef", "expected scheme, host and port of a page"],
    ["http://localhost:5173/", "a browser would say `http://localhost:5173`"],
    ["http://localhost:5173/app", "a browser would say `http://localhost:5173`"],
    ["http://localhost:80", "a browser would say `http://localhost`"],
    ["http://LOCALHOST:5173", "a browser would say `http://localhost:5173`"],
    ["http://ada@localhost", "a browser would say `http://localhost`"],
    ["http://127.1:5173", "a browser would say `http://127.0.0.1:5173`"],
    ["https://app.example", "a page of another host needs `token_file`: whoever wrote it acts as the agent"],
    ["http://localhost.evil.example", "a page of another host needs `token_file`"],
  ];
  for (const [origin, problem] of REFUSED) {
    it(`can't be listed as ${origin}: ${problem}`, () => {
      const config = {
        remit: { url: "http://127.0.0.1:9" },
        server: { url: "http://127.0.0.1:9/mcp" },
        listen: { origins: [PAGE, origin] },
      };
      expect(() => configOf(config)).to.throw(`listen.origins.1: ${problem}`);
    });
  }
});
