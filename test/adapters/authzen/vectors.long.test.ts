/** The interop scenarios and the certification scenario of AuthZEN 1.0, each question put to a real service over loopback. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { asset } from "../../../src/system/paths.js";
import { COMPILER_BUILD_MS_MAX } from "../../build/support.js";
import type { Running } from "../../http/running.js";
import { IDENTIFIER, RECORDS, ask, runAuthzen, type Answered } from "./running.js";

function vectors(name: string): unknown {
  return JSON.parse(readFileSync(asset("test", "vectors", "authzen", `${name}.json`), "utf8"));
}

interface Item {
  request: unknown;
  expected: boolean | { decision: boolean }[];
}
interface User {
  email: string;
  roles: string[];
}

describe("the to-do and gateway scenarios", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let service: Running;

  before(async () => {
    const users = Object.entries(vectors("users") as Record<string, User>);
    const agents = users.map(([id, { email, roles }]) => [
      id,
      { owner: "tests", purposes: ["todo_app", "api_gateway"], attributes: { email, roles } },
    ]);
    service = await runAuthzen({
      policies: "todo",
      facts: { agents: Object.fromEntries(agents) as object },
      authzen: {
        subjects: {
          // Drafts had the identity beside an id that was an e-mail address.
          user: { agent: ["subject.identity", "subject.id"], purpose: { is: "todo_app" } },
          identity: { purpose: { is: "api_gateway" } },
        },
        actions: {
          can_read_user: "read",
          can_read_todos: "read",
          can_create_todo: "create",
          can_update_todo: "update",
          can_delete_todo: "delete",
          GET: "read",
          ...{ POST: "call", PUT: "call", DELETE: "call" },
        },
        resources: { todo: { attributes: { owner: ["resource.properties.ownerID", "resource.ownerID"] } } },
      },
    });
  });
  after(() => service.stop());

  const scenarios = { ...(vectors("todo") as Record<string, Item[]>), ...(vectors("gateway") as Record<string, Item[]>) };
  const total = Object.values(scenarios).flat().length;

  it("are whole: 123 and 25", () => {
    expect(total).to.equal(123 + 25);
  });

  for (const [name, items] of Object.entries(scenarios)) {
    it(`${name}: ${items.length}`, async () => {
      const [api = ""] = name.split(" ");
      for (const { request, expected } of items) {
        const { status, body, text } = await ask(service, `/access/v1/${api}`, request);
        expect(status, text).to.equal(200);
        if (typeof expected === "boolean") expect(body["decision"], JSON.stringify(request)).to.equal(expected);
        else expect((body["evaluations"] as { decision: boolean }[]).map(({ decision }) => ({ decision }))).to.deep.equal(expected);
      }
    });
  }
});

interface Demo {
  users: ({ id: string } & Record<string, unknown>)[];
  records: ({ id: number } & Record<string, unknown>)[];
  subject: Found[];
  resource: Found[];
  action: Found[];
}
interface Found {
  request: object;
  expected: { results: Record<string, string>[] };
}

describe("the search scenario", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  const demo = vectors("search") as Demo;
  let service: Running;

  before(async () => {
    const agents = demo.users.map(({ id, ...attributes }) => [id, { owner: "tests", purposes: ["browsing"], attributes }]);
    service = await runAuthzen({
      policies: "search",
      authzen: { purpose: { is: "browsing" } },
      facts: { agents: Object.fromEntries(agents) as object },
      entities: { record: Object.fromEntries(demo.records.map(({ id, ...known }) => [id, known])) as object },
    });
  });
  after(() => service.stop());

  const inOrder = (results: Record<string, string>[]): string[] => results.map((one) => JSON.stringify(one)).sort();

  for (const [of, total] of [
    ["subject", 60],
    ["resource", 18],
    ["action", 120],
  ] as const) {
    it(`${of}: ${total}`, async () => {
      expect(demo[of]).to.have.lengthOf(total);
      for (const { request, expected } of demo[of]) {
        const { status, body, text } = await ask(service, `/access/v1/search/${of}`, request);
        expect(status, text).to.equal(200);
        expect(inOrder(body["results"] as Record<string, string>[]), JSON.stringify(request)).to.deep.equal(inOrder(expected.results));
      }
    });
  }
});

interface Case {
  id: string;
  title: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: unknown;
  rawBody?: string;
  expect: {
    status: number;
    contentType?: string;
    decision?: boolean;
    evaluations?: (boolean | null)[];
    results?: object[];
    resultsInclude?: object[];
    resultsAllOfType?: string;
    sameResultsAs?: string;
    followNextToken?: boolean;
    headers?: Record<string, string>;
    repeat?: number;
    required?: string[];
    httpsUrls?: string[];
  };
}

describe("the certification scenario", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let service: Running;

  before(async () => {
    service = await runAuthzen(RECORDS);
  });
  after(() => service.stop());

  const { cases } = vectors("certification") as { cases: Case[] };
  const found = new Map<string, unknown>();

  it("is whole: 56", () => {
    expect(cases).to.have.lengthOf(56);
  });

  for (const { id, title, method, path, headers, body, rawBody, expect: wanted } of cases) {
    it(`${id}: ${title}`, async () => {
      for (let times = wanted.repeat ?? 1; times > 0; times--) {
        const answer = await ask(service, path, rawBody ?? body, headers, method);
        expect(answer.status, answer.text).to.equal(wanted.status);
        if (wanted.contentType !== undefined) expect(answer.headers.get("content-type")).to.equal(wanted.contentType);
        for (const [name, value] of Object.entries(wanted.headers ?? {})) expect(answer.headers.get(name)).to.equal(value);
        if (wanted.decision !== undefined) expect(answer.body["decision"], answer.text).to.equal(wanted.decision);
        else if (wanted.status !== 200) expect(answer.text).to.not.include('decision":true');
        if (wanted.evaluations !== undefined) checkEvaluations(answer, wanted.evaluations);
        if (id.startsWith("c-4") && wanted.status === 200) checkSearch(answer, wanted);
        if (wanted.followNextToken === true) await follow(path, body as object, answer);
        for (const name of wanted.required ?? []) expect(answer.body[name]).to.be.a("string");
        for (const name of wanted.httpsUrls ?? [])
          expect(answer.body[name]).to.satisfy((url: string) => url === IDENTIFIER || url.startsWith(`${IDENTIFIER}/access/v1/`));
        found.set(id, answer.body["results"]);
      }
    });
  }

  function checkEvaluations({ body }: Answered, wanted: (boolean | null)[]): void {
    const given = (body["evaluations"] as { decision: unknown }[]).map(({ decision }) => decision);
    expect(given).to.have.lengthOf(wanted.length);
    for (const [i, decision] of given.entries()) {
      expect(decision).to.be.a("boolean");
      if (wanted[i] !== null) expect(decision).to.equal(wanted[i]);
    }
  }

  function checkSearch({ body, text }: Answered, wanted: Case["expect"]): void {
    const results = body["results"] as { type?: string }[];
    if (wanted.results !== undefined) expect(results).to.deep.equal(wanted.results);
    if (wanted.resultsInclude !== undefined) expect(results, text).to.deep.include.members(wanted.resultsInclude);
    if (wanted.resultsAllOfType !== undefined) for (const { type } of results) expect(type).to.equal(wanted.resultsAllOfType);
    if (wanted.sameResultsAs !== undefined) expect(results).to.deep.equal(found.get(wanted.sameResultsAs));
  }

  async function follow(path: string, body: object, first: Answered): Promise<void> {
    const all: unknown[] = [];
    let page = first;
    for (;;) {
      all.push(...(page.body["results"] as unknown[]));
      const { next_token } = page.body["page"] as { next_token: string };
      if (next_token === "") break;
      page = await ask(service, path, { ...body, page: { token: next_token } });
      expect(page.status, page.text).to.equal(200);
    }
    expect(all).to.deep.equal(found.get("c-4-2-1"));
  }
});
