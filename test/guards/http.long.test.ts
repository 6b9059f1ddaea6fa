import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import express from "express";
import { expect } from "chai";
import { Denied, RemitClient, type Refusal } from "../../src/client/index.js";
import { guardFetch, type GuardedRoute, type HttpGuardOptions, type Refused } from "../../src/guards/http.js";
import { guardExpress, permittedOf } from "../../src/guards/http_express.js";
import { ask } from "../http/asking.js";
import { openDesk, until, type Desk } from "../client/desk.js";

const ROW = { owner: "ada", card_number: "4111", accounts: [{ iban: "DE1" }] };
const UNSEEN = { owner: "ada", card_number: "[redacted]", accounts: [{ iban: "[redacted]" }] };

/** What rows were told to set. */
const SET: [argument: string, value: unknown][] = [];

/** One table for both kinds of server: what it takes of a request, both have. */
function routes<R extends { url: string }>(): GuardedRoute<R>[] {
  return [
    { on: "GET /", verb: "read", type: "note" },
    { on: "GET /notes/:id", verb: "read", type: "note", id: "id" },
    {
      on: "POST /notes/:id/send",
      verb: "send",
      type: "note",
      id: "id",
      query: ["text"],
      arguments: ({ query }) => ({ text: query.get("text") }),
    },
    { on: "GET /cards/:id", verb: "read", type: "card", id: "id" },
    { on: "GET /cards/:id/:form", verb: "read", type: "card", id: "id" },
    { on: "GET /vaults/:id", verb: "read", type: "vault", id: "id", attributes: () => ({ customer: "bob" }) },
    { on: "GET /invoices/:id", verb: "read", type: "invoice", id: "id" },
    { on: "GET /letters/:id", verb: "read", type: "letter", id: "id" },
    { on: "GET /transfers/:id", verb: "read", type: "transfer", id: "id" },
    {
      on: "GET /paid/:id",
      verb: "read",
      type: "transfer",
      id: "id",
      modify: (request, argument, value) => (SET.push([argument, value]), request),
    },
    { on: "GET /slow/:id", verb: "read", type: "note", id: "id" },
    { on: "GET /broken/:id", verb: "read", type: "note", id: "id" },
    { on: "GET /lost/:id", verb: "read", type: "note", id: "id", attributes: () => Promise.reject(new Error("no database")) },
  ];
}

interface Kind {
  name: string;
  /** A server behind the guard; `ran` counts what reached a handler. */
  serve: (client: RemitClient, told: (error: Refusal | Refused) => void) => { server: Server; ran: () => number };
}

const who: HttpGuardOptions<unknown>["who"] = ({ header }) => {
  const agent = header("x-agent");
  return agent === undefined ? null : { agent, purpose: "testing", task: header("remit-task") ?? "T-1" };
};

const KINDS: Kind[] = [
  {
    name: "Express",
    serve: (client, refused) => {
      let ran = 0;
      const app = express();
      app.use(guardExpress(client, { routes: routes<express.Request>(), who, refused }));
      app.use((_request, _response, next) => {
        ran++;
        next();
      });
      app.get("/slow/:id", (_request, response) => void response.write("["));
      app.get("/broken/:id", () => {
        throw new Error("no disk");
      });
      app.get("/cards/:id/text", (_request, response) => void response.type("text").send("4111"));
      app.get("/cards/:id/pieces", (_request, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.write('{"owner":"ada","card_');
        response.end('number":"4111"}');
      });
      app.get("/cards/:id/squeezed", (_request, response) => void response.set("content-encoding", "gzip").json(ROW));
      app.get("/cards/:id/nothing", (_request, response) => void response.status(204).end());
      app.use(
        (request, response) => void response.json({ ...ROW, params: permittedOf(response).action.resource.id, method: request.method }),
      );
      app.use(
        (_error: unknown, _request: express.Request, response: express.Response, _next: express.NextFunction) =>
          void response.status(500).json({}),
      );
      return { server: createServer(app), ran: () => ran };
    },
  },
  {
    name: "fetch-style",
    serve: (client, refused) => {
      let ran = 0;
      const handle = guardFetch(client, { routes: routes<Request>(), who, refused }, (request, { action, signal }) => {
        ran++;
        const { pathname } = new URL(request.url);
        if (pathname.startsWith("/slow")) {
          const body = new ReadableStream({
            start: (controller) => {
              controller.enqueue(new TextEncoder().encode("["));
              signal.addEventListener("abort", () => {
                controller.close();
              });
            },
          });
          return new Response(body);
        }
        if (pathname.startsWith("/broken")) throw new Error("no disk");
        if (pathname.endsWith("/text")) return new Response("4111", { headers: { "content-type": "text/plain" } });
        if (pathname.endsWith("/pieces")) return Response.json({ owner: "ada", card_number: "4111" });
        if (pathname.endsWith("/squeezed")) return Response.json(ROW, { headers: { "content-encoding": "gzip" } });
        if (pathname.endsWith("/nothing")) return new Response(null, { status: 204 });
        return Response.json({ ...ROW, params: action.resource.id, method: request.method });
      });
      return { server: createServer((request, response) => void asFetch(handle, request, response)), ran: () => ran };
    },
  },
];

/** What adapters of such frameworks do on Node. */
async function asFetch(handle: (request: Request) => Promise<Response>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const left = new AbortController();
  response
    .on("close", () => {
      if (!response.writableFinished) left.abort();
    })
    .on("error", () => undefined);
  const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]);
  try {
    const answer = await handle(
      new Request(`http://127.0.0.1${request.url ?? ""}`, { method: request.method ?? "GET", headers, signal: left.signal }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    for await (const chunk of answer.body ?? []) response.write(chunk);
    response.end();
  } catch {
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end();
  }
}

interface Seen {
  status: number;
  headers: Headers;
  body: unknown;
}

for (const { name, serve } of KINDS) {
  describe(`a guarded server, ${name}`, function () {
    let desk: Desk;
    let server: Server;
    let ran: () => number;
    let url: string;
    const told: (Refusal | Refused)[] = [];
    before(async () => {
      desk = await openDesk();
      ({ server, ran } = serve(desk.client(), (error) => told.push(error)));
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(async () => {
      server.closeAllConnections();
      server.close();
      await desk.close();
    });

    const get = async (path: string, init: RequestInit = {}): Promise<Seen> => {
      const response = await fetch(url + path, { headers: { "x-agent": "a-1" }, ...init });
      const text = await response.text();
      const json = (response.headers.get("content-type") ?? "").includes("json") && text !== "";
      return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
    };
    const body = (seen: Seen): Record<string, unknown> => seen.body as Record<string, unknown>;

    it("answers what is permitted, by the id in the path, and reports that it is done", async () => {
      const seen = await get("/notes/n%C3%BC-1");
      expect(seen.status).to.equal(200);
      expect(seen.body).to.deep.equal({ ...ROW, params: "nü-1", method: "GET" });
      await until(async () => (await outcomes(desk)).includes("done"), "its outcome");
    });

    it("answers at its root, and by another method where the table says so", async () => {
      expect((await get("/notes/n-1/send?text=hello", { method: "POST" })).status).to.equal(200);
      expect((await get("/")).status).to.equal(503);
    });

    it("answers without the fields that it is told to take out, and says of the body what holds of it", async () => {
      const seen = await get("/cards/c-1");
      expect(seen.body).to.deep.equal({ ...UNSEEN, params: "c-1", method: "GET" });
      expect(seen.headers.get("etag")).to.equal(null);
      expect((await get("/cards/c-1/pieces")).body).to.deep.equal({ owner: "ada", card_number: "[redacted]" });
      expect((await get("/cards/c-1/nothing")).status).to.equal(204);
    });

    it("sets an argument in the request where its row says how", async () => {
      SET.length = 0;
      expect((await get("/paid/t-1")).status).to.equal(200);
      expect(SET).to.deep.equal([["amount", 10]]);
    });

    it("answers HEAD as GET, without a body, and reports it", async () => {
      const before = ran();
      const seen = await get("/notes/n-1", { method: "HEAD", headers: { "x-agent": "a-1" } });
      expect([seen.status, seen.body, ran() - before]).to.deep.equal([200, "", 1]);
      expect((await get("/vaults/v-1", { method: "HEAD", headers: { "x-agent": "a-1" } })).status).to.equal(403);
    });

    const refused: [what: string, path: string, init: RequestInit, outcome: string][] = [
      ["what is denied", "/vaults/v-1", {}, "403 denied"],
      ["what waits", "/invoices/i-1", {}, "403 waiting"],
      ["an unknown agent", "/notes/n-1", { headers: { "x-agent": "nobody" } }, "403 denied"],
      ["nobody's request", "/notes/n-1", { headers: {} }, "401 token_missing"],
      ["a task of nobody", "/notes/n-1", { headers: { "x-agent": "a-1", "remit-task": "T-404" } }, "403 denied"],
      ["what has to be confirmed, and nobody can", "/letters/l-1", {}, "403 denied"],
      ["an argument that is set, where no route can set it", "/transfers/t-1", {}, "403 denied"],
      ["a text that can't be redacted", "/cards/c-1/text", {}, "403 denied"],
      ["a compressed body that can't be redacted", "/cards/c-1/squeezed", {}, "403 denied"],
      ["a path that no row names", "/admin", {}, "403 route_unmapped"],
      ["a longer path than a row's", "/notes/n-1/more", {}, "403 route_unmapped"],
      ["a shorter path than a row's", "/notes", {}, "403 route_unmapped"],
      ["a slash at the end", "/notes/n-1/", {}, "403 route_unmapped"],
      ["another case", "/Notes/n-1", {}, "403 route_unmapped"],
      ["an encoded letter in a literal", "/%6eotes/n-1", {}, "403 route_unmapped"],
      ["another method", "/notes/n-1", { method: "DELETE" }, "403 route_unmapped"],
      ["an encoded slash", "/notes/a%2fb", {}, "400 path_not_canonical"],
      ["a parameter of a segment", "/notes/a;b", {}, "400 path_not_canonical"],
      ["an encoded slash, twice", "/notes/a%252fb", {}, "400 path_not_canonical"],
      ["an encoded backslash", "/notes/a%5cb", {}, "400 path_not_canonical"],
      ["an encoded question mark", "/notes/a%3fb", {}, "400 path_not_canonical"],
      ["an encoded line break", "/notes/a%0ab", {}, "400 path_not_canonical"],
      ["an encoded NUL", "/notes/a%00", {}, "400 path_not_canonical"],
      ["an invisible character", "/notes/a%E2%80%8Bb", {}, "400 path_not_canonical"],
      ["a decomposed letter", "/notes/u%CC%88", {}, "400 path_not_canonical"],
      ["a dot at the end", "/notes/n-1%2e", {}, "400 path_not_canonical"],
      ["a space at the end", "/notes/n-1%20", {}, "400 path_not_canonical"],
      ["an encoding that is none", "/notes/%zz", {}, "400 path_not_canonical"],
      ["half a character", "/notes/%c3", {}, "400 path_not_canonical"],
    ];
    for (const [what, path, init, outcome] of refused) {
      it(`refuses ${what}`, async () => {
        const before = ran();
        const seen = await get(path, init);
        expect(`${seen.status} ${String(body(seen)["code"])}`).to.equal(outcome);
        expect(seen.headers.get("content-type")).to.equal("application/problem+json");
        // What can't be redacted has run, and is not shown.
        if (!path.startsWith("/cards/")) expect(ran()).to.equal(before);
        expect(JSON.stringify(seen.body)).to.not.contain("4111");
      });
    }

    it("says no more than the agent may know, and tells who operates why", async () => {
      told.length = 0;
      const seen = await get("/vaults/v-1");
      expect(Object.keys(body(seen)).sort()).to.deep.equal(["code", "decision_id", "detail", "status", "title", "type"]);
      expect(body(seen)["detail"]).to.equal("Nobody may do this.");
      expect(JSON.stringify(seen.body)).to.not.match(/bob|closed_for_good|vault/);
      const [error] = told;
      expect(error instanceof Denied && error.reasons[0]?.code).to.equal("closed_for_good");
    });

    it("refuses where the host's own look-up fails, and where the handler does", async () => {
      const before = ran();
      expect((await get("/lost/n-1")).status).to.equal(500);
      expect(ran()).to.equal(before);
      expect((await get("/broken/n-1")).status).to.equal(500);
      await until(async () => (await outcomes(desk)).includes("failed"), "its outcome");
    });

    it("cuts an answer off that is under way when its task ends", async () => {
      const { outcome } = await ask(desk.service, "POST", "/tasks", {
        body: { id: "T-2", agent: "a-1", purpose: "testing", subjects: {}, expires: new Date(Date.now() + 60_000).toISOString() },
      });
      expect(outcome).to.equal("201");
      await get("/notes/n-1");
      const response = await fetch(`${url}/slow/n-1`, { headers: { "x-agent": "a-1", "remit-task": "T-2" } });
      const reader = response.body?.getReader();
      expect(new TextDecoder().decode((await reader?.read())?.value as Uint8Array)).to.equal("[");
      await desk.client().endTask("T-2");
      const rest = await reader?.read().catch(() => "cut off");
      expect(rest).to.equal("cut off");
    });

    if (name === "Express") {
      it("refuses a target that no router reads as it does", async () => {
        const targets = [
          "http://127.0.0.1/notes/n-1",
          "//notes/n-1",
          "/notes/../vaults/v-1",
          "/notes/..",
          "/notes/.",
          "/notes//",
          "/notes/a\\b",
        ];
        for (const target of targets) {
          const before = ran();
          const status = await statusOf(Number(new URL(url).port), target);
          expect(status, target).to.be.oneOf([400, 403]);
          expect(ran(), target).to.equal(before);
        }
      });
    }
  });
}

describe("a table of routes", () => {
  const client = new RemitClient({ url: "http://127.0.0.1:1", token: "t" });
  const table = (on: string[], more: object = {}): (() => unknown) => {
    const rows = on.map((one): GuardedRoute<Request> => ({ on: one, verb: "read", type: "note", ...more }));
    return () => guardFetch(client, { routes: rows, who }, () => new Response());
  };
  const bad: [what: string, on: string[], more: object, names: RegExp][] = [
    ["no method", ["/notes"], {}, /expected a method and a path/],
    ["a method in small letters", ["get /notes"], {}, /expected a method and a path/],
    ["HEAD, which GET is too", ["HEAD /notes"], {}, /expected a method and a path/],
    ["a path that doesn't begin", ["GET notes"], {}, /expected a method and a path/],
    ["a wildcard", ["GET /notes/*"], {}, /neither a plain segment nor a parameter/],
    ["an optional part", ["GET /notes/:id?"], {}, /neither a plain segment nor a parameter/],
    ["an empty segment", ["GET /notes//x"], {}, /neither a plain segment nor a parameter/],
    ["a climbing segment", ["GET /notes/.."], {}, /neither a plain segment nor a parameter/],
    ["an encoded segment", ["GET /n%6ftes"], {}, /neither a plain segment nor a parameter/],
    ["a parameter twice", ["GET /:id/:id"], {}, /stands there twice/],
    ["an id that is no parameter", ["GET /notes/:note"], { id: "id" }, /no parameter `:id`/],
    ["the same row twice", ["GET /notes", "GET /notes"], {}, /may match GET \/notes too/],
    ["rows that differ by case", ["GET /notes", "GET /Notes"], {}, /may match GET \/notes too/],
    ["rows that differ by a name", ["GET /notes/:a", "GET /notes/:b"], {}, /may match/],
    ["a literal where another row has a parameter", ["GET /notes/:id", "GET /notes/mine"], {}, /may match/],
  ];
  for (const [what, on, more, names] of bad) {
    it(`can't have ${what}`, () => {
      expect(table(on, more)).to.throw(TypeError, names);
    });
  }

  it("can have the same path by other methods, and other lengths", () => {
    expect(table(["GET /notes/:id", "POST /notes/:id", "GET /notes", "GET /notes/:id/mine"])).to.not.throw();
  });
});

/** What has been reported, of all records. */
async function outcomes(desk: Desk): Promise<string[]> {
  const { body } = await ask(desk.service, "GET", "/decisions?kind=outcome");
  return (body["items"] as { outcome?: string; record?: { outcome: string } }[]).map((item) => item.outcome ?? item.record?.outcome ?? "");
}

/** Of a request whose target is sent as it is. */
async function statusOf(port: number, target: string): Promise<number> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`GET ${target} HTTP/1.1\r\nhost: x\r\nx-agent: a-1\r\nconnection: close\r\n\r\n`);
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
}
