/** The table of an HTTP guard: which requests are which action, and which are none. */
import { expect } from "chai";
import { Denied } from "../../src/client/index.js";
import type { Answer } from "../../src/contract/index.js";
import { Refused } from "../../src/guards/http_refusals.js";
import { HttpTable, byBearer, type GuardedRoute } from "../../src/guards/http_table.js";

const jwt = (claims: object): string => `ey.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.AA`;
const WHO = { agent: "a-1", purpose: "support" };
const ROUTES: GuardedRoute<string>[] = [
  { on: "GET /notes/:id", verb: "read", type: "note", id: "id", query: ["page"] },
  { on: "GET /notes", verb: "search", type: "note", query: ["owner"], attributes: ({ query }) => ({ owner: query.get("owner") }) },
  {
    on: "PUT /notes/:note/parts/:id",
    verb: "update",
    type: "part",
    id: "id",
    related: ({ params }) => ({ whole: { type: "note", id: params["note"] ?? null } }),
    arguments: ({ request }) => Promise.resolve({ text: request }),
    modify: (request, argument, value) => `${request} ${argument}=${String(value)}`,
  },
];

const action = async (method: string, target: string, who: () => typeof WHO | null = () => WHO): Promise<unknown> => {
  const table = new HttpTable({ routes: ROUTES, who });
  try {
    return (await table.actionOf("body", { method, target, header: () => undefined })).action;
  } catch (error) {
    if (error instanceof Refused) return error.code;
    throw error;
  }
};
const note = { ...WHO, verb: "read", resource: { type: "note", id: "n-1" } };

describe("the table of an HTTP guard", () => {
  const requests: [method: string, target: string, is: unknown][] = [
    ["GET", "/notes/n-1", note],
    ["HEAD", "/notes/n-1", note],
    ["GET", "/notes/n-1?page=2", note],
    ["GET", "/notes/n-1?", note],
    ["GET", "/notes", { ...WHO, verb: "search", resource: { type: "note", id: null, attributes: { owner: null } } }],
    ["GET", "/notes?owner=ada", { ...WHO, verb: "search", resource: { type: "note", id: null, attributes: { owner: "ada" } } }],
    [
      "PUT",
      "/notes/n-1/parts/p-1",
      {
        ...{ ...WHO, verb: "update", resource: { type: "part", id: "p-1" } },
        ...{ related: { whole: { type: "note", id: "n-1" } }, arguments: { text: "body" } },
      },
    ],
    ["POST", "/notes/n-1", "route_unmapped"],
    ["GET", "/notes/n-1/more", "route_unmapped"],
    ["GET", "/Notes/n-1", "route_unmapped"],
    // What no row names no policy would see, and the handler may act on.
    ["GET", "/notes/n-1?expand=owner", "route_unmapped"],
    ["GET", "/notes/n-1?page=2&expand=owner", "route_unmapped"],
    ["GET", "/notes/n-1?page[]=2", "route_unmapped"],
    ["GET", "/notes/n-1?Page=2", "route_unmapped"],
    ["GET", "/notes/n-1?%70age=2&page=3", "route_unmapped"],
    ["GET", "/notes?owner=ada&owner=bob", "route_unmapped"],
    ["GET", "/notes?owner", { ...WHO, verb: "search", resource: { type: "note", id: null, attributes: { owner: "" } } }],
    ["PUT", "/notes/n-1/parts/p-1?text=bye", "route_unmapped"],
    ["GET", "/notes/../notes/n-1", "route_unmapped"],
    ["GET", "/notes/n%2f1", "path_not_canonical"],
    ["GET", "//notes/n-1", "route_unmapped"],
  ];
  for (const [method, target, is] of requests)
    it(`${method} ${target}: ${typeof is === "string" ? is : "is an action"}`, async () => {
      expect(await action(method, target)).to.deep.equal(is);
    });

  it("asks for nobody", async () => {
    expect(await action("GET", "/notes/n-1", () => null)).to.equal("token_missing");
  });

  it("sets arguments as its row does, and refuses an answer that sets one where it can't", async () => {
    const table = new HttpTable({ routes: ROUTES, who: () => WHO });
    const answer = {
      obligations: [
        { type: "notify", channel: "a" },
        { type: "modify", argument: "text", value: 1 },
      ],
    } as unknown as Answer;
    const [plain, , changing] = ROUTES as [GuardedRoute<string>, GuardedRoute<string>, GuardedRoute<string>];
    expect(await table.modified(changing, "body", answer)).to.equal("body text=1");
    const error: unknown = await table.modified(plain, "body", answer).catch((cause: unknown) => cause);
    expect([error instanceof Denied, (error as Denied).code]).to.deep.equal([true, "obligation_unmet"]);
    expect(await table.modified(plain, "body", { obligations: [] } as unknown as Answer)).to.equal("body");
  });

  const bad: [what: string, routes: GuardedRoute<string>[], names: RegExp][] = [
    ["two rows for one request", [...ROUTES, { on: "GET /:type/n-1", verb: "read", type: "x" }], /may match GET \/notes\/:id too/],
    ["an id that isn't in its path", [{ on: "GET /a/:b", verb: "read", type: "x", id: "c" }], /there is no parameter `:c`/],
    ["a member that there isn't", [{ on: "GET /a", verb: "read", type: "x", querys: [] } as never], /querys/],
  ];
  for (const [what, routes, names] of bad)
    it(`isn't made with ${what}`, () => {
      expect(() => new HttpTable({ routes, who: () => WHO })).to.throw(TypeError, names);
    });
});

describe("an agent that is named by its bearer token", () => {
  const who = byBearer({ purpose: "support" });
  const of = (authorization?: string, task?: string): unknown =>
    who({
      method: "GET",
      target: "/",
      header: (name) => (name === "authorization" ? authorization : name === "remit-task" ? task : undefined),
    });
  const token = jwt({ sub: "a-1" });
  const acting = jwt({ sub: "ada", act: { sub: "a-1" } });
  const given = { agent: "a-1", agent_token: token, purpose: "support" };

  it("is its subject, or whoever acts for it, on the task that a header names", () => {
    expect(of(`Bearer ${token}`)).to.deep.equal(given);
    expect(of(`bearer ${acting}`)).to.deep.equal({ ...given, agent_token: acting });
    expect(of(`Bearer ${token}`, "T-1")).to.deep.equal({ ...given, task: "T-1" });
    expect(of(`Bearer ${token}`, jwt({}))).to.deep.equal({ ...given, task_token: jwt({}) });
    for (const task of ["a.b.c", "ey.b", "ey.b.c.d"]) expect(of(`Bearer ${token}`, task)).to.deep.equal({ ...given, task });
    const other = byBearer({ purpose: "support", task_header: "x-task" });
    expect(other({ method: "GET", target: "/", header: (name) => (name === "x-task" ? "T-2" : `Bearer ${token}`) })).to.include({
      task: "T-2",
    });
  });

  it("is nobody without a token that says who", () => {
    for (const authorization of [
      undefined,
      "",
      token,
      `Basic ${token}`,
      `Bearer ${token} x`,
      "Bearer x",
      `Bearer ${jwt({})}`,
      `Bearer ${jwt({ sub: 7 })}`,
    ])
      expect(of(authorization), authorization).to.equal(null);
    expect(() => byBearer({ purpose: "support", header: "x" } as never)).to.throw(TypeError, /header/);
  });
});
