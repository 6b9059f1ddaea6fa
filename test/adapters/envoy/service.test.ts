import { expect } from "chai";
import { ask } from "../../http/asking.js";
import { tokenFor } from "../../http/running.js";
import { AGENT_HEADERS, PROXY, agentToken, openProxy, type Door, type Held, type Proxied } from "./proxy.js";

const ROUTES = `
routes:
  - {on: GET /notes/:id, read: note, id: path.id}
  - {on: POST /notes/:id/send, send: note, id: path.id, arguments: {text: body.text, amount: body.amount}, ignore: [body.seen]}
  - {on: GET /notes/:id/lines, read: note, id: path.id, arguments: {text: query.q, amount: {integer: query.limit}}}
  - {on: PUT /notes/:id, send: note, id: path.id, ignore: [body]}
  - {on: GET /customers/:customer/notes/:id, read: note, id: path.id, attributes: {customer: path.customer}}
  - {on: GET /cards/:id, read: card, id: path.id}
  - {on: GET /transfers/:id, read: transfer, id: path.id}
  - {on: GET /letters/:id, read: letter, id: path.id}
  - {on: GET /refunds/:id, read: refund, id: path.id}
  - {on: GET /invoices/:id, read: invoice, id: path.id}
  - {on: GET /tickets/:id, read: ticket, id: path.id}
  - {on: GET /vaults/:id, read: vault, id: path.id}
  - {on: GET /ghosts/:id, read: ghost, id: path.id}
  - {on: GET /only/:id, host: notes.example.org, read: note, id: path.id}
  - on: POST /mcp
    when: {body.method: tools/call, body.params.name: get_note}
    read: note
    id: body.params.arguments.id
    ignore: [body.jsonrpc, body.id, query.x]
  - on: POST /mcp
    when: {body.method: tools/call, body.params.name: open_vault}
    read: vault
    id: body.params.arguments.id
    ignore: [body.jsonrpc, body.id]
`;
const BEARER = `
agent: {bearer: true}
purpose: {is: testing}
task: {token_header: remit-task}
${ROUTES}`;

const CALL = (name: string, id: unknown, more: object = {}): string =>
  JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name, arguments: { id } }, ...more });
const post = (path: string, body: string, more: Partial<Held> = {}): Held => ({ method: "POST", path, body, ...more });

describe("Envoy's external authorization", function () {
  let proxied: Proxied;
  before(async () => {
    proxied = await openProxy({ mapping: BEARER });
  });
  after(() => proxied.close());

  for (const door of ["gRPC", "HTTP"] as const) {
    describe(`over ${door}`, () => {
      const check = (held: Held, more: Parameters<Proxied["check"]>[2] = {}) =>
        proxied.check(door, { ...held, headers: { ...AGENT_HEADERS(proxied), ...held.headers } }, more);

      const permitted: [what: string, held: Held][] = [
        ["what is permitted", { path: "/notes/n-1" }],
        ["an id in another alphabet", { path: "/notes/n%C3%BC-1" }],
        ["HEAD as GET", { method: "HEAD", path: "/notes/n-1" }],
        ["another host where none is named", { path: "/notes/n-1", host: "Other.Example:8443" }],
        ["a host that is named", { path: "/only/n-1", host: "NOTES.example.org:443" }],
        ["arguments in the query", { path: "/notes/n-1/lines?q=a%20b&limit=10" }],
        ["arguments in the body", post("/notes/n-1/send", '{"text":"hello","amount":3,"seen":[1]}')],
        [
          "a body that the table passes over",
          { method: "PUT", path: "/notes/n-1", body: "anything", shown: "any", headers: { "content-type": "text/plain" } },
        ],
        ["a tool's call", post("/mcp?x=1", CALL("get_note", "n-1"))],
      ];
      for (const [what, held] of permitted) {
        it(`lets ${what} pass, with the decision as a header, and takes from clients what they could claim`, async () => {
          const answer = await check(held);
          expect(answer.outcome).to.equal("allow");
          expect(answer.headers["x-remit-decision"]).to.equal("allow");
          expect(answer.headers["x-remit-decision-id"]).to.match(/^[0-9a-f-]{36}$/);
          expect(answer.remove).to.deep.equal(["x-remit-obligations"]);
        });
      }

      it("lets a flag pass that goes on, and says so", async () => {
        const { outcome, headers } = await check({ path: "/tickets/t-1" });
        expect([outcome, headers["x-remit-decision"]]).to.deep.equal(["allow", "flag"]);
      });

      it("stops a flag that waits, and says for what, until when, and what people find it by", async () => {
        const { outcome, body, headers } = await check({ path: "/invoices/i-1" });
        expect(outcome).to.equal("403 waiting");
        expect(headers["content-type"]).to.equal("application/problem+json");
        expect(body).to.include({ detail: "A person has been asked.", type: "urn:remit:guard:waiting" });
        expect(body["wait"]).to.have.all.keys("for", "until");
        expect(body["finding"]).to.match(/^F-/);
      });

      it("says of a deny no more than the agent may know", async () => {
        const { outcome, body } = await check({ path: "/vaults/v-1" });
        expect(outcome).to.equal("403 denied");
        expect(Object.keys(body).sort()).to.deep.equal(["code", "decision_id", "detail", "status", "title", "type"]);
        expect(body["detail"]).to.equal("Nobody may do this.");
        expect(JSON.stringify(body)).to.not.match(/closed_for_good|vault/);
      });

      it("puts each decision on record, in whose words it was asked for", async () => {
        const { headers, body } = await check({ path: "/notes/n-9" });
        const id = headers["x-remit-decision-id"] ?? String(body["decision_id"]);
        const { body: found } = await ask(proxied.service, "GET", `/decisions/${id}`);
        const record = JSON.stringify(found);
        expect(record).to.contain('"adapter":"envoy"').and.to.contain('"n-9"').and.to.contain("envoy-1");
      });

      // prettier-ignore
      const stopped: [what: string, held: Held, outcome: string][] = [
        ["an allow that has to be redacted", { path: "/cards/c-1" }, "403 denied"],
        ["an allow that sets an argument", { path: "/transfers/t-1" }, "403 denied"],
        ["an allow that has to be confirmed", { path: "/letters/l-1" }, "403 denied"],
        ["an allow of which somebody has to be told", { path: "/refunds/r-1" }, "403 denied"],
        ["a type that the policy doesn't know", { path: "/ghosts/g-1" }, "403 denied"],
        ["what no route names", { path: "/admin" }, "403 route_unmapped"],
        ["another method", { method: "DELETE", path: "/notes/n-1" }, "403 route_unmapped"],
        ["a method in small letters", { method: "GET", path: "/Notes/n-1" }, "403 route_unmapped"],
        ["another host than a route's", { path: "/only/n-1", host: "crm.example.org" }, "403 route_unmapped"],
        ["a host with a dot at its end", { path: "/only/n-1", host: "notes.example.org." }, "403 route_unmapped"],
        ["a slash at the end", { path: "/notes/n-1/" }, "403 route_unmapped"],
        ["an encoded letter of a name", { path: "/%6eotes/n-1" }, "403 route_unmapped"],
        ["a path that climbs", { path: "/notes/../vaults/v-1" }, "403 route_unmapped"],
        ["a segment that climbs", { path: "/notes/.." }, "400 path_not_canonical"],
        ["two slashes", { path: "/notes//n-1" }, "403 route_unmapped"],
        ["an encoded slash", { path: "/notes/a%2fb" }, "400 path_not_canonical"],
        ["a parameter of a segment", { path: "/notes/a;b" }, "400 path_not_canonical"],
        ["an encoded one", { path: "/notes/a%3Bb" }, "400 path_not_canonical"],
        ["an encoded slash, twice", { path: "/notes/a%252fb" }, "400 path_not_canonical"],
        ["an encoded climb", { path: "/notes/%2e%2e" }, "400 path_not_canonical"],
        ["an encoded backslash", { path: "/notes/a%5cb" }, "400 path_not_canonical"],
        ["an encoded question mark", { path: "/notes/a%3fb" }, "400 path_not_canonical"],
        ["an encoded NUL", { path: "/notes/a%00" }, "400 path_not_canonical"],
        ["an invisible character", { path: "/notes/a%E2%80%8Bb" }, "400 path_not_canonical"],
        ["a decomposed letter", { path: "/notes/u%CC%88" }, "400 path_not_canonical"],
        ["half a character", { path: "/notes/%c3" }, "400 path_not_canonical"],
        ["an encoding that is none", { path: "/notes/%zz" }, "400 path_not_canonical"],
        ["a parameter that no policy has seen", { path: "/notes/n-1?customer=bob" }, "400 action_invalid"],
        ["a parameter twice", { path: "/notes/n-1/lines?q=a&q=b" }, "400 action_invalid"],
        ["a parameter twice, once encoded", { path: "/notes/n-1/lines?q=a&%71=b" }, "400 action_invalid"],
        ["a plus, which is a space to some", { path: "/notes/n-1/lines?q=a+b" }, "400 action_invalid"],
        ["a body of another set of characters", post("/notes/n-1/send", '{"text":"a"}', { headers: { "content-type": "application/json; charset=shift_jis" } }), "400 action_invalid"],
        ["a semicolon between parameters", { path: "/notes/n-1/lines?q=a;limit=1" }, "400 action_invalid"],
        ["a parameter that can't be decoded", { path: "/notes/n-1/lines?q=%c3" }, "400 action_invalid"],
        ["a parameter of a list", { path: "/notes/n-1/lines?q[]=a" }, "400 action_invalid"],
        ["a parameter that reaches for a prototype", { path: "/notes/n-1/lines?__proto__=a" }, "400 action_invalid"],
        ["a number with another reading", { path: "/notes/n-1/lines?limit=010" }, "400 action_invalid"],
        ["a number that isn't whole", { path: "/notes/n-1/lines?limit=1.0" }, "400 action_invalid"],
        ["a body that no route reads", post("/notes/n-1", "{}", { method: "GET" }), "400 action_invalid"],
        ["a body of which a part is shown", post("/notes/n-1/send", '{"text":"hello"}', { shown: '{"text":"he' }), "400 action_invalid"],
        ["a part of a body that is JSON itself", post("/notes/n-1/send", '{"text":"a"} ', { shown: '{"text":"a"}' }), "400 action_invalid"],
        ["no body where one is read", { method: "POST", path: "/notes/n-1/send" }, "400 action_invalid"],
        ["a body that is no JSON", post("/notes/n-1/send", "text=hello"), "400 action_invalid"],
        ["a body that is a list", post("/notes/n-1/send", "[]"), "400 action_invalid"],
        ["a body with a key twice", post("/notes/n-1/send", '{"text":"a","text":"b"}'), "400 action_invalid"],
        ["a body with a member that no policy has seen", post("/notes/n-1/send", '{"text":"a","to":"bob"}'), "400 action_invalid"],
        ["a body of another type", post("/notes/n-1/send", '{"text":"a"}', { headers: { "content-type": "text/plain" } }), "400 action_invalid"],
        ["a packed body", post("/notes/n-1/send", '{"text":"a"}', { headers: { "content-encoding": "gzip" } }), "400 action_invalid"],
        ["an argument of another type", post("/notes/n-1/send", '{"text":7}'), "400 action_invalid"],
        ["a tool that no route names", post("/mcp", CALL("drop_table", "n-1")), "403 route_unmapped"],
        ["a tool that is denied", post("/mcp", CALL("open_vault", "v-1")), "403 denied"],
        ["another method of the tool's protocol", post("/mcp", CALL("get_note", "n-1", { method: "tools/list" })), "403 route_unmapped"],
        ["a batch of calls", post("/mcp", `[${CALL("get_note", "n-1")}]`), "400 action_invalid"],
        ["a tool's id that is an object", post("/mcp", CALL("get_note", { a: 1 })), "400 action_invalid"],
        ["nobody's request", { path: "/notes/n-1", headers: { authorization: "" } }, "401 token_missing"],
        ["another scheme", { path: "/notes/n-1", headers: { authorization: "Basic YTpi" } }, "401 token_missing"],
        ["two tokens as one", { path: "/notes/n-1", headers: { authorization: `Bearer ${agentToken()},Bearer ${agentToken()}` } }, "401 token_missing"],
        ["a token that isn't one", { path: "/notes/n-1", headers: { authorization: "Bearer abc" } }, "401 token_invalid"],
        ["a token that has expired", { path: "/notes/n-1", headers: { authorization: `Bearer ${agentToken({}, "agent-1", -10)}` } }, "401 token_invalid"],
        ["the proxy's own token as the agent's", { path: "/notes/n-1", headers: { authorization: `Bearer ${PROXY}` } }, "401 token_invalid"],
        ["the token of nobody's credential", { path: "/notes/n-1", headers: { authorization: `Bearer ${agentToken({}, "agent-2")}` } }, "401 token_invalid"],
        ["the token of whoever is called like an agent", { path: "/notes/n-1", headers: { authorization: `Bearer ${agentToken({}, "a-1")}` } }, "401 token_invalid"],
        ["a task by its bare name", { path: "/notes/n-1", headers: { "remit-task": "T-1" } }, "401 token_invalid"],
        ["an agent's token as a task's", { path: "/notes/n-1", headers: { "remit-task": agentToken() } }, "401 token_invalid"],
      ];
      for (const [what, held, outcome] of stopped) {
        it(`stops ${what}`, async () => {
          const answer = await check(held);
          expect(answer.outcome).to.equal(outcome);
          if (outcome === "401 token_missing") expect(answer.headers["www-authenticate"]).to.equal("Bearer");
          if (outcome === "401 token_invalid") expect(answer.headers["www-authenticate"]).to.contain("invalid_token");
        });
      }

      const proxies: [what: string, token: string | null][] = [
        ["nobody", null],
        ["whose token isn't one", "abc"],
        ["that may not ask for decisions", tokenFor("remit:register", "envoy-1")],
        ["whose token has expired", tokenFor("remit:decide", "envoy-1", -60)],
        ["whose token is an agent's", agentToken()],
      ];
      for (const [what, token] of proxies) {
        it(`answers no proxy ${what}, and lets nothing pass`, async () => {
          const { outcome, body, headers } = await check({ path: "/notes/n-1" }, { token });
          expect(outcome).to.equal(door === "gRPC" ? "503 undecided" : "403 undecided");
          // It isn't the client's token that is wrong.
          expect(headers).to.not.have.property("www-authenticate");
          expect(body).to.have.all.keys("type", "title", "status", "code");
        });
      }
    });
  }

  it("tells later filters and access logs what was decided, by what", async () => {
    const { metadata } = await proxied.check("gRPC", { path: "/tickets/t-1", headers: AGENT_HEADERS(proxied) });
    expect(metadata).to.include({ permitted: true, outcome: "flag" });
    expect(metadata).to.have.all.keys(
      "permitted",
      "outcome",
      "decision_id",
      "policy_revision",
      "policy_digest",
      "facts_revision",
      "finding",
    );
    const denied = await proxied.check("gRPC", { path: "/vaults/v-1", headers: AGENT_HEADERS(proxied) });
    expect(denied.metadata).to.include({ permitted: false, outcome: "deny", code: "denied" });
    const unmapped = await proxied.check("gRPC", { path: "/admin", headers: AGENT_HEADERS(proxied) });
    expect(unmapped.metadata).to.deep.equal({ permitted: false, outcome: "deny", code: "route_unmapped" });
  });

  it("stops a GET of which anything says that it has a body, though none is shown", async () => {
    const signs: Record<string, string>[] = [{ "content-length": "2" }, { "content-length": "00" }, { "transfer-encoding": "chunked" }];
    for (const sign of signs) {
      const headers = { ...AGENT_HEADERS(proxied), ...sign };
      expect((await proxied.check("gRPC", { path: "/notes/n-1", headers })).outcome, JSON.stringify(sign)).to.equal("400 action_invalid");
    }
    const headers = { ...AGENT_HEADERS(proxied), "content-length": "0" };
    expect((await proxied.check("gRPC", { path: "/notes/n-1", headers })).outcome).to.equal("allow");
  });

  it("counts what it refuses before a decision, by the client's code, and says the first of each in the log", async () => {
    const counted = async (): Promise<Record<string, number>> => {
      const { text } = await ask(proxied.service, "GET", "/metrics", { token: tokenFor("remit:audit") });
      return Object.fromEntries(
        [...text.matchAll(/^remit_envoy_refused_total\{code="(\w+)"\} (\d+)$/gm)].map(([, code = "", times]) => [code, Number(times)]),
      );
    };
    const before = await counted();
    const doors: Door[] = ["gRPC", "HTTP"];
    for (const door of doors) {
      const headers = AGENT_HEADERS(proxied);
      await proxied.check(door, { path: "/admin", headers });
      await proxied.check(door, { path: "/notes/n-1?x=y", headers });
      await proxied.check(door, { path: "/notes/n-1", headers: { ...headers, authorization: "" } });
      await proxied.check(door, { path: "/notes/n-1", headers }, { token: "abc" });
      // These are on record.
      await proxied.check(door, { path: "/vaults/v-1", headers });
      await proxied.check(door, { path: "/refunds/r-1", headers });
    }
    const after = await counted();
    for (const code of ["route_unmapped", "action_invalid", "token_missing", "undecided"])
      expect([code, (after[code] ?? 0) - (before[code] ?? 0)]).to.deep.equal([code, 2]);
    expect(after).to.not.have.any.keys("denied", "waiting");
    const lines = proxied.service
      .said()
      .split("\n")
      .filter((line) => line.includes("refused before a decision"));
    const codes = lines.map((line) => (JSON.parse(line) as { code: string }).code);
    // Once for each door, however many came.
    for (const code of ["route_unmapped", "token_missing"]) expect(codes.filter((one) => one === code)).to.have.lengthOf(2);
    expect(lines.join()).to.not.match(/admin|\/notes/);
  });

  it("lets nothing pass once the agent is revoked, and nothing of a revoked token", async () => {
    const jti = "agent-token-7";
    const headers = { ...AGENT_HEADERS(proxied), authorization: `Bearer ${agentToken({ jti })}` };
    const doors: Door[] = ["gRPC", "HTTP"];
    for (const door of doors) expect((await proxied.check(door, { path: "/notes/n-1", headers })).outcome).to.equal("allow");
    await ask(proxied.service, "POST", "/revocations", { body: { scope: { token: jti }, reason: "lost" } });
    for (const door of doors) expect((await proxied.check(door, { path: "/notes/n-1", headers })).outcome).to.equal("403 denied");
    const own = AGENT_HEADERS(proxied);
    for (const door of doors) expect((await proxied.check(door, { path: "/notes/n-1", headers: own })).outcome).to.equal("allow");
    await ask(proxied.service, "POST", "/revocations", { body: { scope: { agent: "a-1" }, reason: "lost" } });
    for (const door of doors) expect((await proxied.check(door, { path: "/notes/n-1", headers: own })).outcome).to.equal("403 denied");
    await ask(proxied.service, "POST", "/revocations/agent/a-1/lift", { body: { reason: "found" } });
  });
});
