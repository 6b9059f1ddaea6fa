/** The guard's own door over Streamable HTTP, and servers behind it that break off or answer without end. */
import { once } from "node:events";
import { createServer, request as httpRequest, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { expect } from "chai";
import { crmOverHttp, type CrmOverHttp } from "./mcp/crm.js";
import { INITIALIZE } from "./mcp/rough.js";
import { folderWith, guarded, openDesk, until, type Desk, type Guarded } from "./mcp/support.js";

interface Knock {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** `200`, or the status and why not. */
function knock(
  url: string,
  { method = "POST", path = "/mcp", headers = {}, body = JSON.stringify({ jsonrpc: "2.0", id: 1, ...INITIALIZE }) }: Knock,
): Promise<string> {
  const accept = { accept: "application/json, text/event-stream", "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const asked = httpRequest(new URL(path, url), { method, headers: { ...accept, ...headers } }, (response) => {
      let text = "";
      response
        .setEncoding("utf8")
        .on("data", (chunk: string) => (text += chunk))
        .on("end", () => {
          const message = response.statusCode === 200 ? "" : `: ${(JSON.parse(text) as { error: { message: string } }).error.message}`;
          resolve(`${String(response.statusCode)}${message}`);
        });
    });
    asked.on("error", reject);
    asked.end(method === "POST" ? body : "");
  });
}

describe("the MCP guard's door", () => {
  let desk: Desk;
  let crm: CrmOverHttp;
  let between: Guarded;
  const files = folderWith({ token: "secret-of-the-host\n" });
  const authorization = "Bearer secret-of-the-host";
  before(async () => {
    desk = await openDesk();
    crm = await crmOverHttp();
    const listen = { port: 0, token_file: `${files.dir}/token` };
    between = await guarded(desk, crm, { listen, limits: { sessions_max: 2, message_bytes_max: 65_536 } }, undefined, { authorization });
  });
  after(async () => {
    await between.close();
    await crm.close();
    await desk.stop();
    files.remove();
  });

  it("isn't there with a token of no letters", async () => {
    const empty = folderWith({ token: "\n" });
    const opened = await guarded(desk, crm, { listen: { port: 0, token_file: `${empty.dir}/token` } }).catch(String);
    expect(opened).to.equal(`Error: ${empty.dir}/token holds no token`);
    empty.remove();
  });

  const KNOCKS: [what: string, knock: Knock, answer: RegExp][] = [
    ["without a token", {}, /^401: no bearer token/],
    ["with another", { headers: { authorization: "Bearer secret-of-the-hosts" } }, /^401: /],
    ["from a page in a browser", { headers: { authorization, origin: "https://evil.example" } }, /^403: requests from browsers/],
    ["by another host's name", { headers: { authorization, host: "evil.example" } }, /^421: /],
    ["at another path", { headers: { authorization }, path: "/" }, /^404: there is nothing here/],
    ["for a session that isn't there", { headers: { authorization, "mcp-session-id": "4711" } }, /^404: there is no such session/],
    ["for no session, to listen", { headers: { authorization }, method: "GET" }, /^400: there is no mcp-session-id/],
    ["for no session, to end it", { headers: { authorization }, method: "DELETE" }, /^400: /],
    ["with a call before a session", { headers: { authorization }, body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' }, /^400: /],
    ["with what isn't JSON", { headers: { authorization }, body: "{" }, /^400: /],
    ["with more than a message may be", { headers: { authorization }, body: JSON.stringify({ a: "a".repeat(70_000) }) }, /^413: /],
    [
      "as a revision that isn't spoken",
      { headers: { authorization, "mcp-protocol-version": "2026-07-28" }, body: '{"jsonrpc":"2.0","id":1,"method":"server/discover"}' },
      /^400: /,
    ],
  ];
  for (const [what, given, answer] of KNOCKS) {
    it(`stays shut to a request ${what}`, async () => {
      expect(await knock(between.guard.url ?? "", given)).to.match(answer);
    });
  }

  it("opens to as many sessions as the limit", async () => {
    expect(await knock(between.guard.url ?? "", { headers: { authorization } })).to.equal("200");
    expect(await knock(between.guard.url ?? "", { headers: { authorization } })).to.match(/^503: as many sessions/);
  });
});

/** A server that takes part until it is asked to call something. */
async function badServer(
  call: (id: unknown, response: ServerResponse) => void,
  resume = (response: ServerResponse, _after: unknown) => {
    response.writeHead(405).end();
  },
): Promise<{ url: string; server: Server }> {
  const { TOOLS } = await import("./mcp/crm.js");
  const server = createServer((request, response) => {
    let text = "";
    request
      .on("data", (chunk: Buffer) => (text += chunk.toString()))
      .on("end", () => {
        const { id, method } = (text === "" ? {} : JSON.parse(text)) as { id?: unknown; method?: string };
        const say = (result: object): void => {
          response.setHeader("content-type", "application/json");
          response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
        };
        if (method === "initialize")
          say({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "bad", version: "1" } });
        else if (method === "tools/list") say({ tools: TOOLS });
        else if (method === "tools/call") call(id, response);
        else if (request.method === "GET") resume(response, request.headers["last-event-id"]);
        else response.writeHead(202).end();
      });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, server };
}

const sse = { "content-type": "text/event-stream" };
const json = { "content-type": "application/json" };

describe("the MCP guard in front of a server over HTTP that", () => {
  let desk: Desk;
  before(async () => {
    desk = await openDesk();
  });
  after(async () => {
    await desk.stop();
  });

  // prettier-ignore
  const SERVERS: [what: string, call: (id: unknown, response: ServerResponse) => void][] = [
    ["breaks off before it answers", (_id, response) => response.destroy()],
    ["breaks off in its answer", (_id, response) => { response.writeHead(200, sse).write("data: {"); setTimeout(() => response.destroy(), 20); }],
    ["ends its stream without an answer", (_id, response) => response.writeHead(200, sse).end(": nothing\n\n")],
    ["answers another's request only", (_id, response) => response.writeHead(200, sse).end('data: {"jsonrpc":"2.0","id":4711,"result":{}}\n\n')],
    ["answers with an error's status", (_id, response) => response.writeHead(500).end("no")],
    ["answers with a page", (_id, response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>")],
    ["answers without end, as JSON", (id, response) => { response.writeHead(200, json).write(`{"jsonrpc":"2.0","id":${String(id)},"result":{"content":[`); pour(response, '{"type":"text","text":"more"},'); }],
    ["answers without end, as one event", (_id, response) => { response.writeHead(200, sse).write("data: "); pour(response, "x".repeat(1000)); }],
    ["answers without end, as lines of one event", (_id, response) => { response.writeHead(200, sse); pour(response, `data: ${"x".repeat(1000)}\n`); }],
    ["sends its client elsewhere", (_id, response) => response.writeHead(307, { location: "http://127.0.0.2:1/mcp" }).end()],
  ];
  for (const [what, call] of SERVERS) {
    it(`${what}: the model hears that it can't be reached`, async () => {
      const { url, server } = await badServer(call);
      const { client, close } = await guarded(desk, { url }, { limits: { message_bytes_max: 262_144 } });
      const result = await client.callTool({ name: "get_customer", arguments: { customer_id: "ada" } });
      expect(result["isError"]).to.equal(true);
      expect(result["content"]).to.deep.equal([{ type: "text", text: "The tool's server can't be reached now." }]);
      await close();
      server.closeAllConnections();
      server.close();
    });
  }

  it("pours out what nobody reads: the session ends before more waits than the limit", async () => {
    const { url, server } = await badServer((_id, response) => {
      response.writeHead(200, sse);
      pour(response, `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"${"x".repeat(4000)}"}}\n\n`);
    });
    const { guard, said, close } = await guarded(desk, { url }, { limits: { waiting_bytes_max: 1_048_576 } });
    const { port, pathname } = new URL(guard.url ?? "");
    const head = await fetch(guard.url ?? "", {
      method: "POST",
      headers: { accept: "application/json, text/event-stream", ...json },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...INITIALIZE }),
    });
    await head.text();
    const session = head.headers.get("mcp-session-id") ?? "";
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: 2,
      method: "tools/call",
      params: { name: "get_customer", arguments: { customer_id: "ada" } },
    });
    const socket = connect(Number(port), "127.0.0.1");
    socket.pause();
    socket.write(
      `POST ${pathname} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nmcp-session-id: ${session}\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    await until(() => said().some((line) => line.event === "session_ended" && line["session"] === session));
    socket.destroy();
    await close();
    server.closeAllConnections();
    server.close();
  });
});

/** What came back of a call, and how. */
interface Came {
  status: number;
  type: string;
  text: string;
}

describe("a call over Streamable HTTP", () => {
  let desk: Desk;
  let ask: (id: unknown, response: ServerResponse) => void;
  let server: Server;
  let between: Guarded;
  let session: string;
  before(async () => {
    desk = await openDesk();
    const bad = await badServer((id, response) => {
      ask(id, response);
    });
    server = bad.server;
    between = await guarded(desk, bad, { limits: { message_bytes_max: 262_144 } });
    const begun = await post({ jsonrpc: "2.0", id: 1, ...INITIALIZE }, { "mcp-session-id": "" });
    session = begun.headers.get("mcp-session-id") ?? "";
    await begun.text();
  });
  after(async () => {
    await between.close();
    server.closeAllConnections();
    server.close();
    await desk.stop();
  });

  const accept = "application/json, text/event-stream";
  function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const said = { accept, ...json, "mcp-session-id": session, ...headers };
    const given = Object.entries(said).filter(([, value]) => value !== "");
    return fetch(between.guard.url ?? "", { method: "POST", headers: given, body: typeof body === "string" ? body : JSON.stringify(body) });
  }
  async function came(answer: Promise<Response>): Promise<Came> {
    const { status, headers, ...response } = await answer.then(async (one) => ({
      status: one.status,
      headers: one.headers,
      text: await one.text(),
    }));
    return { status, type: headers.get("content-type") ?? "", text: response.text };
  }
  const called = (id: unknown, more: object = {}): object => ({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name: "get_customer", arguments: { customer_id: "ada" }, ...more },
  });
  const result = (id: unknown): string => JSON.stringify({ jsonrpc: "2.0", id, result: { content: [] } });
  const answers = (id: unknown, response: ServerResponse): void => {
    response.writeHead(200, json).end(result(id));
  };

  /** The server answers the next call when it is told to. */
  function holding(): { begun: () => boolean; finish: () => void } {
    let answer: (() => void) | null = null;
    ask = (id, response) => {
      answer = () => {
        answers(id, response);
      };
    };
    return { begun: () => answer !== null, finish: () => answer?.() };
  }

  it("comes back as one JSON text, under its own id and session", async () => {
    ask = answers;
    const answer = await post(called("a"));
    expect(answer.headers.get("content-type")).to.equal("application/json");
    expect(answer.headers.get("mcp-session-id")).to.equal(session);
    expect(await answer.json()).to.deep.equal({ jsonrpc: "2.0", id: "a", result: { content: [] } });
  });

  it("comes back as events, where how far it is comes first", async () => {
    ask = (id, response) => {
      const progress = { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: id, progress: 1 } };
      response.writeHead(200, sse).end(`data: ${JSON.stringify(progress)}\n\ndata: ${result(id)}\n\n`);
    };
    const { type, text } = await came(post(called(2, { _meta: { progressToken: "p" } })));
    expect(type).to.equal("text/event-stream");
    const events = text
      .split("\n")
      .filter((line) => line.startsWith("data: "))
      .map((line) => JSON.parse(line.slice(6)) as object);
    expect(events).to.deep.equal([
      { jsonrpc: "2.0", method: "notifications/progress", params: { progress: 1, progressToken: "p" } },
      { jsonrpc: "2.0", id: 2, result: { content: [] } },
    ]);
  });

  it("is seen to be alive where it takes long", async () => {
    const held = holding();
    const answer = await post(called(3));
    expect(answer.headers.get("content-type")).to.equal("text/event-stream");
    held.finish();
    expect(await answer.text()).to.contain(result(3));
  });

  it("is refused under an id that is under way, and the one under way comes back", async () => {
    const held = holding();
    const first = came(post(called(4)));
    await until(held.begun);
    expect((await came(post(called(4)))).text).to.contain("id_in_use");
    held.finish();
    expect((await first).text).to.contain(result(4));
  });

  it("whose client has gone away is answered to nobody, and the session goes on", async () => {
    const held = holding();
    const gone = new AbortController();
    const left = fetch(between.guard.url ?? "", {
      method: "POST",
      headers: { accept, ...json, "mcp-session-id": session },
      body: JSON.stringify(called(5)),
      signal: gone.signal,
    }).catch(() => null);
    await until(held.begun);
    gone.abort();
    await left;
    held.finish();
    ask = answers;
    expect((await came(post(called(6)))).text).to.equal(result(6));
  });

  it("is as deep as can't be written: its client hears so, and the session goes on", async () => {
    ask = (id, response) => {
      const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
      response.writeHead(200, json).end(`{"jsonrpc":"2.0","id":${String(id)},"result":{"content":[],"structuredContent":{"a":${deep}}}}`);
    };
    expect((await came(post(called(7)))).text).to.contain("The answer can't be handed on.");
    ask = answers;
    expect((await came(post(called(8)))).text).to.equal(result(8));
  });

  const REFUSED: [what: string, body: unknown, headers: Record<string, string>, status: number][] = [
    ["with half of its JSON", '{"jsonrpc":"2.0","id":9,"method":"tools/call"', {}, 400],
    ["that isn't one message", { jsonrpc: "2.0", id: 9, method: "tools/call", more: 1 }, {}, 400],
    ["whose id is no id", { jsonrpc: "2.0", id: 1.5, method: "tools/call" }, {}, 400],
    ["for another session", called(9), { "mcp-session-id": "4711" }, 404],
    ["that takes no events", called(9), { accept: "application/json" }, 406],
    ["in another type", called(9), { "content-type": "text/plain" }, 415],
    ["in a type that begins alike", called(9), { "content-type": "application/jsonp" }, 415],
    ["in a revision that isn't spoken", called(9), { "mcp-protocol-version": "2099-01-01" }, 400],
    ["larger than a message may be", called(9, { more: "a".repeat(300_000) }), {}, 413],
  ];
  for (const [what, body, headers, status] of REFUSED) {
    it(`is refused ${what}, and the server never hears of it`, async () => {
      ask = () => {
        throw new Error("it was called");
      };
      expect((await came(post(body, headers))).status).to.equal(status);
    });
  }

  const FOUND: [what: string, status: number, location: string][] = [
    ["told to stay with it (308)", 308, "/elsewhere"],
    ["for this once (307)", 307, "/elsewhere"],
  ];
  for (const [what, status, location] of FOUND) {
    it(`finds its server where that is, within its origin, ${what}`, async () => {
      let redirected = 0;
      ask = (_id, response) => {
        ask = answers;
        redirected++;
        response.writeHead(status, { location }).end();
      };
      expect((await came(post(called(10)))).text).to.contain(result(10));
      expect(redirected).to.equal(1);
    });
  }
});

describe("a call over Streamable HTTP whose answer breaks off", () => {
  it("is heard where the server goes on after it", async () => {
    const desk = await openDesk();
    const resumed: unknown[] = [];
    const { url, server } = await badServer(
      (_id, response) => {
        response.writeHead(200, sse).end("retry: 1\nid: e-1\ndata:\n\n");
      },
      (response, after) => {
        if (after === undefined) {
          response.writeHead(405).end();
          return;
        }
        resumed.push(after);
        response.writeHead(200, sse).end('data: {"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"resumed"}]}}\n\n');
      },
    );
    const { client, close } = await guarded(desk, { url });
    const { content } = await client.callTool({ name: "get_customer", arguments: { customer_id: "ada" } });
    expect([content, resumed]).to.deep.equal([[{ type: "text", text: "resumed" }], ["e-1"]]);
    await close();
    server.closeAllConnections();
    server.close();
    await desk.stop();
  });
});

/** As fast as it is taken, until nobody takes it. */
function pour(response: ServerResponse, text: string): void {
  const more = (): void => {
    while (!response.destroyed && response.write(text));
  };
  response.on("drain", more);
  response.on("error", () => undefined);
  more();
}
