import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { check, verdictOf, type Engine } from "../../bench/comparison/engine.js";
import { rightAnswer, type Verdict } from "../../bench/comparison/oracle.js";
import { makeWorld, TYPES, type AccessRequest, type Purpose, type Type, type Verb, type World } from "../../bench/comparison/world.js";

function verbs(some: Partial<Record<Type, Verb[]>>): Purpose["permits"] {
  return Object.fromEntries(TYPES.map((type) => [type, some[type] ?? []])) as Purpose["permits"];
}

const SMALL: World = {
  agents: { ada: { purposes: ["billing"] }, bob: { purposes: ["billing", "support"] } },
  purposes: {
    billing: {
      permits: verbs({ invoice: ["read", "export"], ticket: ["read"] }),
      never: verbs({ customer: ["delete"] }),
      limit_cents: 100,
    },
    support: { permits: verbs({}), never: verbs({}), limit_cents: 100 },
  },
  tasks: { t_ada: { agent: "ada", purpose: "billing", customer: "kim" }, t_bob: { agent: "bob", purpose: "billing", customer: "lee" } },
  requests: [],
};

interface Changes extends Partial<Pick<AccessRequest, "agent" | "purpose" | "task" | "verb">> {
  type?: Type;
  customer?: string;
  cents?: number;
}

/** Ada reads an invoice of the customer of her task, unless something else is said. */
function request({ type = "invoice", customer = "kim", cents = 100, ...changes }: Changes = {}): AccessRequest {
  const resource = { type, id: "r-1", attributes: { customer, amount_cents: cents } };
  const context = { session: "s", source: "test", trace: "t" };
  return { agent: "ada", purpose: "billing", task: "t_ada", verb: "read", resource, context, ...changes };
}

describe("the oracle of the comparison", () => {
  const cases: [string, Changes, string][] = [
    ["what the purpose permits on the task's customer", {}, "allow "],
    ["an unknown agent", { agent: "eve" }, "deny purpose_not_registered"],
    ["an unknown purpose", { purpose: "none" }, "deny purpose_not_registered"],
    ["a purpose that the agent isn't registered for", { purpose: "support" }, "deny purpose_not_registered"],
    ["another agent's task", { task: "t_bob", customer: "lee" }, "deny task_of_another_agent"],
    ["an unknown task", { task: "none" }, "deny task_of_another_agent"],
    ["what is out of the question", { type: "customer", verb: "delete" }, "deny never_permitted"],
    [
      "what is out of the question, on another agent's task",
      { type: "customer", verb: "delete", task: "t_bob" },
      "deny task_of_another_agent",
    ],
    ["a verb that the purpose doesn't permit", { verb: "void" }, "deny not_permitted"],
    ["a type that the purpose doesn't permit", { type: "payment" }, "deny not_permitted"],
    ["a write on another customer", { verb: "export", customer: "lee" }, "deny not_permitted"],
    ["a large write on another customer", { verb: "export", customer: "lee", cents: 101 }, "deny not_permitted"],
    ["reading another customer's", { customer: "lee" }, "flag other_customer"],
    ["one cent above the limit", { cents: 101 }, "flag large_amount"],
    ["a large write", { verb: "export", cents: 101 }, "flag large_amount"],
    ["both", { customer: "lee", cents: 101 }, "flag large_amount,other_customer"],
  ];
  for (const [what, changes, right] of cases) {
    it(`says ${right} to ${what}`, () => {
      const { decision, codes } = rightAnswer(SMALL, request(changes));
      expect(`${decision} ${codes.join()}`).to.equal(right);
    });
  }
});

describe("the comparison's world", () => {
  it("follows from its seed, and has 70 % to allow, 10 % to deny and 20 % to flag, by every code", () => {
    const world = makeWorld(7);
    expect(makeWorld(7)).to.deep.equal(world);
    expect(makeWorld(8).requests).not.to.deep.equal(world.requests);
    const decisions = { allow: 0, deny: 0, flag: 0 };
    const codes = new Set<string>();
    for (const one of world.requests) {
      const right = rightAnswer(world, one);
      decisions[right.decision]++;
      for (const code of right.codes) codes.add(code);
    }
    expect(decisions).to.deep.equal({ allow: 7000, deny: 1000, flag: 2000 });
    expect([...codes].sort()).to.deep.equal(
      ["purpose_not_registered", "task_of_another_agent", "never_permitted", "not_permitted", "other_customer", "large_amount"].sort(),
    );
    expect([Object.keys(world.agents).length, Object.keys(world.purposes).length]).to.deep.equal([1000, 50]);
  });
});

describe("the check of an engine", () => {
  const world: World = { ...SMALL, requests: [request(), request({ customer: "lee" }), request({ verb: "void" })] };
  let server: HttpServer;
  let answer: (asked: AccessRequest) => [status: number, body: unknown];

  before(async () => {
    server = createServer((incoming, response) => {
      const parts: Buffer[] = [];
      incoming.on("data", (part: Buffer) => parts.push(part));
      incoming.on("end", () => {
        const [status, body] = answer(JSON.parse(Buffer.concat(parts).toString()) as AccessRequest);
        const text = JSON.stringify(body);
        response.writeHead(status, { "content-length": Buffer.byteLength(text) }).end(text);
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  function engine(): Omit<Engine, "process"> {
    const { port } = server.address() as AddressInfo;
    const bodies = world.requests.map((one) => JSON.stringify(one));
    const job = { host: "127.0.0.1", port, path: "/", headers: {}, bodies };
    const verdict = (body: Buffer): Verdict => verdictOf(JSON.parse(body.toString()) as Parameters<typeof verdictOf>[0]);
    return { name: "Test", job, requests: world.requests, verdict };
  }

  async function failure(): Promise<string> {
    return await check(engine(), world).then(
      () => "none",
      (error: unknown) => String(error),
    );
  }

  const right = (asked: AccessRequest): { decision: string; reasons: { code: string }[] } => {
    const { decision, codes } = rightAnswer(world, asked);
    return { decision, reasons: codes.map((code) => ({ code })) };
  };

  it("passes one whose answers are the oracle's, in any order of codes and with what is only logged", async () => {
    answer = (asked) => {
      const { decision, reasons } = right(asked);
      const named = [...reasons].reverse().map(({ code }) => ({ code, effect: decision }));
      return [200, { decision, reasons: [...named, { code: "unusual", effect: "log" }] }];
    };
    expect(await failure()).to.equal("none");
  });

  const wrong: [string, typeof answer][] = [
    ["allows everything", () => [200, { decision: "allow", reasons: [] }]],
    ["gives the right decision for another reason", (asked) => [200, { ...right(asked), reasons: [{ code: "because" }] }]],
    ["leaves the reasons out", (asked) => [200, { ...right(asked), reasons: [] }]],
    ["refuses a request", (asked) => [asked.verb === "void" ? 503 : 200, right(asked)]],
  ];
  for (const [what, answers] of wrong) {
    it(`fails one that ${what}, and names the request`, async () => {
      answer = answers;
      expect(await failure()).to.match(/^Error: Test (answers|refuses) .*"agent":"ada"/);
    });
  }
});
