/** AuthZEN searches: what they find is what evaluations permit, all of it and nothing else, page by page. */
import { hash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { canonical } from "../../../src/contract/index.js";
import { COMPILER_BUILD_MS_MAX } from "../../build/support.js";
import { post, tokenFor, type Running } from "../../http/running.js";
import { ask, recorded, runAuthzen, type Fixture } from "./running.js";
import { CHARACTER } from "../../characters.js";

const PEOPLE = {
  ada: { department: "sales", manager: true },
  bob: { department: "sales" },
  cem: { department: "legal", manager: true, groups: ["auditors"] },
  dan: { department: "finance", groups: ["auditors"] },
  eve: {},
};
const RECORDS = {
  "101": { department: "sales", owner: "ada" },
  "102": { department: "sales", owner: "bob", readers: ["auditors"] },
  "103": { department: "legal", owner: "cem" },
  "104": { department: "finance" },
  "105": {},
};
const ACTIONS = ["view", "edit", "delete", "audit", "create"];

const OFFICE: Fixture = {
  policies: "departments",
  authzen: { purpose: ["context.purpose", { is: "office" }] },
  facts: {
    agents: Object.fromEntries(
      Object.entries(PEOPLE).map(([id, attributes]) => [id, { owner: "tests", purposes: ["office"], attributes }]),
    ) as object,
    tasks: { "T-1": { agent: "ada", purpose: "office", subjects: { record: ["103", "777"] } } },
  },
  entities: { record: RECORDS },
};

const user = (id: string) => ({ type: "user", id });
const record = (id: string) => ({ type: "record", id });
type Of = "subject" | "resource" | "action";

interface Page {
  results: Record<string, string>[];
  page: { next_token: string; count: number };
}

async function search(service: Running, of: Of, body: object): Promise<Page> {
  const answer = await ask(service, `/access/v1/search/${of}`, body);
  expect(answer.status, answer.text).to.equal(200);
  return answer.body as unknown as Page;
}

/** Page after page, each with the token of the one before. */
async function all(service: Running, of: Of, body: object, limit: number): Promise<Page["results"]> {
  const found: Page["results"] = [];
  let { results, page } = await search(service, of, { ...body, page: { limit } });
  for (let pages = 1; ; pages++) {
    expect(results.length).to.be.at.most(limit);
    expect(page.count).to.equal(results.length);
    found.push(...results);
    if (page.next_token === "") return found;
    expect(pages).to.be.below(100);
    ({ results, page } = await search(service, of, { ...body, page: { token: page.next_token } }));
  }
}

const permits = async (service: Running, subject: string, action: string, resource: string): Promise<boolean> => {
  const { body } = await ask(service, "/access/v1/evaluation", {
    subject: user(subject),
    action: { name: action },
    resource: record(resource),
  });
  return body["decision"] === true;
};

describe("AuthZEN searches", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let service: Running;

  before(async () => {
    service = await runAuthzen(OFFICE);
  });
  after(() => service.stop());

  it("find what evaluations permit, and nothing else: every person, action and record of a scenario", async () => {
    const permitted = new Set<string>();
    for (const subject of Object.keys(PEOPLE))
      for (const action of ACTIONS)
        for (const resource of Object.keys(RECORDS))
          if (await permits(service, subject, action, resource)) permitted.add(`${subject} ${action} ${resource}`);
    expect(permitted.size).to.be.within(20, 100);
    for (const action of ACTIONS) {
      for (const resource of Object.keys(RECORDS)) {
        const { results } = await search(service, "subject", {
          subject: { type: "user" },
          action: { name: action },
          resource: record(resource),
        });
        const wanted = Object.keys(PEOPLE).filter((id) => permitted.has(`${id} ${action} ${resource}`));
        expect(results, `who may ${action} ${resource}`).to.deep.equal(wanted.map(user));
      }
      for (const subject of Object.keys(PEOPLE)) {
        const { results } = await search(service, "resource", {
          subject: user(subject),
          action: { name: action },
          resource: { type: "record" },
        });
        const wanted = Object.keys(RECORDS).filter((id) => permitted.has(`${subject} ${action} ${id}`));
        expect(results, `what ${subject} may ${action}`).to.deep.equal(wanted.map(record));
      }
    }
    for (const subject of Object.keys(PEOPLE)) {
      for (const resource of Object.keys(RECORDS)) {
        const { results } = await search(service, "action", { subject: user(subject), resource: record(resource) });
        const wanted = [...ACTIONS].sort().filter((name) => permitted.has(`${subject} ${name} ${resource}`));
        expect(results, `what ${subject} may do with ${resource}`).to.deep.equal(wanted.map((name) => ({ name })));
      }
    }
  });

  it("go by properties that the request gives of what isn't looked for", async () => {
    const other = { ...record("999"), properties: { department: "finance" } };
    const { results } = await search(service, "subject", { subject: { type: "user" }, action: { name: "view" }, resource: other });
    expect(results).to.deep.equal([user("dan")]);
  });

  it("take no property of what is looked for, which would be said of each", async () => {
    const body = {
      subject: user("dan"),
      action: { name: "view" },
      resource: { type: "record", id: "101", properties: { department: "finance" } },
    };
    expect((await search(service, "resource", body)).results).to.deep.equal([record("102"), record("104")]);
  });

  it("know what a request's task is about", async () => {
    const body = { subject: user("ada"), action: { name: "audit" }, resource: { type: "record" } };
    const ids = async (context: object) => (await search(service, "resource", { ...body, context })).results.map(({ id }) => id);
    expect(await ids({})).to.deep.equal(["101", "102", "103", "104", "105"]);
    expect(await ids({ task: "T-1" })).to.deep.equal(["101", "102", "103", "104", "105", "777"]);
    expect(await ids({ task: "T-2" })).to.deep.equal([]);
  });

  const nothing: [what: string, of: Of, body: object][] = [
    ["somebody unknown", "resource", { subject: user("mallory"), action: { name: "view" }, resource: { type: "record" } }],
    ["somebody unknown", "action", { subject: user("mallory"), resource: record("101") }],
    ["subjects of an unknown type", "subject", { subject: { type: "robot" }, action: { name: "view" }, resource: record("101") }],
    ["a subject of an unknown type", "action", { subject: { type: "robot", id: "ada" }, resource: record("101") }],
    ["resources of an unknown type", "resource", { subject: user("ada"), action: { name: "view" }, resource: { type: "robot" } }],
    [
      "a resource of an unknown type",
      "subject",
      { subject: { type: "user" }, action: { name: "view" }, resource: { type: "robot", id: "1" } },
    ],
    ["an unknown resource", "subject", { subject: { type: "user" }, action: { name: "view" }, resource: record("999") }],
    ["an unknown action", "subject", { subject: { type: "user" }, action: { name: "launch" }, resource: record("101") }],
    ["an unknown action", "resource", { subject: user("ada"), action: { name: "launch" }, resource: { type: "record" } }],
    [
      "an unknown purpose",
      "resource",
      { subject: user("ada"), action: { name: "view" }, resource: { type: "record" }, context: { purpose: "sabotage" } },
    ],
    ["types of JavaScript's", "resource", { subject: user("ada"), action: { name: "view" }, resource: { type: "__proto__" } }],
  ];
  for (const [what, of, body] of nothing) {
    it(`of ${what} find nothing (${of})`, async () => {
      expect(await search(service, of, body)).to.deep.equal({ page: { next_token: "", count: 0 }, results: [] });
    });
  }

  it("go on page by page to the end, each result once, whatever the limit", async () => {
    const body = { subject: { type: "user" }, action: { name: "audit" }, resource: record("101") };
    const whole = (await search(service, "subject", body)).results;
    expect(whole).to.have.lengthOf(5);
    for (const limit of [1, 2, 3, 4, 5, 6, 1000]) expect(await all(service, "subject", body, limit)).to.deep.equal(whole);
    const actions = { subject: user("ada"), resource: record("101") };
    const names = (await search(service, "action", actions)).results;
    for (const limit of [1, 2, 7]) expect(await all(service, "action", actions, limit)).to.deep.equal(names);
  });

  it("say in a page's first member that there is more", async () => {
    const body = { subject: { type: "user" }, action: { name: "audit" }, resource: record("101"), page: { limit: 2 } };
    const { text } = await ask(service, "/access/v1/search/subject", body);
    expect(text).to.match(/^\{"page":\{"next_token":"[^"]+","count":2\},"results":\[/);
  });

  describe("take a token for the search alone that gave it:", () => {
    const body = { subject: { type: "user" }, action: { name: "audit" }, resource: record("101") };
    let token: string;
    before(async () => {
      token = (await search(service, "subject", { ...body, page: { limit: 2 } })).page.next_token;
    });

    it("with the same limit, or none", async () => {
      for (const page of [{ token }, { token, limit: 2 }, { token, limit: null }])
        expect((await search(service, "subject", { ...body, page })).results).to.deep.equal(["cem", "dan"].map(user));
    });

    const foreign: [what: string, path: Of, change: object, page: (token: string) => object][] = [
      ["another limit", "subject", {}, (one) => ({ token: one, limit: 3 })],
      ["another action", "subject", { action: { name: "view" } }, (one) => ({ token: one })],
      ["another resource", "subject", { resource: record("102") }, (one) => ({ token: one })],
      ["other properties", "subject", { resource: { ...record("101"), properties: { owner: "x" } } }, (one) => ({ token: one })],
      ["another context", "subject", { context: { time: "later" } }, (one) => ({ token: one })],
      ["another type", "subject", { subject: { type: "robot" } }, (one) => ({ token: one })],
      ["another search", "action", { subject: user("ada") }, (one) => ({ token: one })],
      ["a bent token", "subject", {}, (one) => ({ token: `A${one.slice(1)}` })],
      ["a cut token", "subject", {}, (one) => ({ token: one.slice(0, -1) })],
      ["a token with more behind it", "subject", {}, (one) => ({ token: `${one}.x` })],
      ["no token", "subject", {}, () => ({ token: "" })],
      ["what is no token", "subject", {}, () => ({ token: "x" })],
      ["what is no text", "subject", {}, () => ({ token: 7 })],
      ["a limit below 0", "subject", {}, () => ({ limit: -1 })],
      ["half a limit", "subject", {}, () => ({ limit: 0.5 })],
      ["a limit in words", "subject", {}, () => ({ limit: "2" })],
      ["a page that is a list", "subject", {}, () => []],
    ];
    for (const [what, of, change, page] of foreign) {
      it(`refuses ${what}`, async () => {
        const answer = await ask(service, `/access/v1/search/${of}`, { ...body, ...change, page: page(token) });
        expect(answer.status, answer.text).to.equal(400);
        expect(answer.text).to.match(/^field_(invalid|type): \/page/);
      });
    }

    it("refuses one that somebody has sealed who isn't the service", async () => {
      const seal = (at: string): string =>
        hash("sha256", canonical([at, "gateway-1", "subject", { id: "", type: "user" }, body.action, body.resource, {}]), "base64url");
      const sealed = (place: string): string => {
        const at = Buffer.from(place).toString("base64url");
        return `${at}.${seal(at)}`;
      };
      const own = await ask(service, "/access/v1/search/subject", { ...body, page: { token: sealed('["bob",2]') } });
      expect(own.body["results"], own.text).to.deep.equal(["cem", "dan"].map(user));
      for (const place of ["", "x", "null", "7", "[]", "[7]", '["bob","a"]', '["bob",-1]', '["bob",0.5]', '["bob",1,1]', "{}"]) {
        const answer = await ask(service, "/access/v1/search/subject", { ...body, page: { token: sealed(place) } });
        expect([place, answer.status]).to.deep.equal([place, 400]);
      }
    });

    it("refuses another caller's", async () => {
      const other = { authorization: `Bearer ${tokenFor("remit:decide", "gateway-2")}` };
      const answer = await ask(service, "/access/v1/search/subject", { ...body, page: { token } }, other);
      expect(answer.status).to.equal(400);
    });

    it("refuses whatever else is made up", async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ minLength: 1, unit: CHARACTER }), async (made) => {
          const answer = await ask(service, "/access/v1/search/subject", { ...body, page: { token: made } });
          expect(answer.status, answer.text).to.equal(400);
        }),
        { numRuns: 50 },
      );
    });
  });

  it("decide nothing: there is no record of them, and no use of a grant is gone", async () => {
    const fresh = await runAuthzen(OFFICE);
    try {
      const granted = await post(
        fresh,
        "/grants",
        {
          id: "G-1",
          agent: "eve",
          entry: { view: "record" },
          uses: 1,
          expires: new Date(Date.now() + 60_000).toISOString(),
          reason: "once",
          requested_by: "eve",
          approved_by: "ada",
        },
        { authorization: `Bearer ${tokenFor("remit:register")}` },
      );
      expect(granted.status, await granted.clone().text()).to.equal(201);
      const body = { subject: user("eve"), action: { name: "view" }, resource: { type: "record" } };
      for (let i = 0; i < 3; i++) expect((await search(fresh, "resource", body)).results).to.have.lengthOf(5);
      expect(await permits(fresh, "eve", "view", "101")).to.equal(true);
      expect((await search(fresh, "resource", body)).results).to.deep.equal([]);
      expect(await permits(fresh, "eve", "view", "101")).to.equal(false);
      expect(await recorded(fresh)).to.have.lengthOf(2);
    } finally {
      await fresh.stop();
    }
  });

  it("look at so many candidates a page, and go on", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`r-${String(i).padStart(3, "0")}`, i % 100 === 7 ? { department: "sales" } : {}]),
    );
    const bounded = await runAuthzen({
      ...OFFICE,
      authzen: { ...OFFICE.authzen, page_evaluations_max: 70, page_results_max: 2 },
      entities: { record: many },
    });
    try {
      const body = { subject: user("bob"), action: { name: "view" }, resource: { type: "record" } };
      const first = await search(bounded, "resource", body);
      expect(first.results).to.deep.equal([record("r-007")]);
      expect(await all(bounded, "resource", body, 1000)).to.deep.equal(["r-007", "r-107", "r-207"].map(record));
    } finally {
      await bounded.stop();
    }
  });

  it("tell agents of two types apart by their prefixes", async () => {
    const two = await runAuthzen({
      ...OFFICE,
      authzen: { ...OFFICE.authzen, subjects: { user: { prefix: "user/" }, robot: { prefix: "robot/" } } },
      facts: {
        agents: {
          "robot/a": { owner: "t", purposes: ["office"] },
          "user/a": { owner: "t", purposes: ["office"] },
          "user/b": { owner: "t", purposes: ["office"] },
          zed: { owner: "t", purposes: ["office"] },
        },
      },
    });
    try {
      const of = async (type: string) =>
        (await search(two, "subject", { subject: { type }, action: { name: "audit" }, resource: record("101") })).results;
      expect(await of("user")).to.deep.equal(["a", "b"].map(user));
      expect(await of("robot")).to.deep.equal([{ type: "robot", id: "a" }]);
    } finally {
      await two.stop();
    }
  });

  it("refuse a request that can't be asked about at all, and say why", async () => {
    const unsaid = await runAuthzen({ ...OFFICE, authzen: {} });
    try {
      const answer = await ask(unsaid, "/access/v1/search/subject", {
        subject: { type: "user" },
        action: { name: "view" },
        resource: record("101"),
      });
      expect([answer.status, answer.text]).to.deep.equal([
        400,
        "field_missing: /context/purpose: a required field is missing; expected the purpose",
      ]);
    } finally {
      await unsaid.stop();
    }
  });
});
