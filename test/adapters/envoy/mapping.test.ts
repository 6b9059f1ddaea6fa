import { expect } from "chai";
import { parseEnvoyMapping } from "../../../src/adapters/envoy/mapping.js";
import { pathTarget } from "../../../src/contract/paths.js";

const BASE = "agent: {bearer: true}\npurpose: {is: testing}\n";
const routes = (...lines: string[]): string => `${BASE}routes:\n${lines.map((line) => `  - ${line}\n`).join("")}`;
const ONE = "routes: [{on: GET /n/:id, read: note, id: path.id}]";

describe("envoy.yaml", () => {
  it("is read, and finds what a request may be by method, length and host", () => {
    const { at, agent, upstream_meets } = parseEnvoyMapping(
      routes(
        "{on: GET /n/:id, read: note, id: path.id}",
        "{on: GET /n/:id/x, host: a.example, read: note, id: path.id}",
        "{on: GET /n/:id/x, host: b.example, read: card, id: path.id}",
        "{on: POST /mcp, when: {body.method: a}, read: note, id: body.id}",
        "{on: POST /mcp, when: {body.method: b}, read: card, id: body.id}",
      ),
      "envoy.yaml",
    );
    const found = (host: string, method: string, path: string): string[] => {
      const target = pathTarget(method, path);
      return target === null ? [] : at(host, target).map(({ mapped }) => mapped.type);
    };
    expect(found("any", "GET", "/n/1")).to.deep.equal(["note"]);
    expect(found("b.example", "HEAD", "/n/1/x")).to.deep.equal(["card"]);
    expect(found("c.example", "GET", "/n/1/x")).to.deep.equal([]);
    expect(found("any", "POST", "/mcp")).to.deep.equal(["note", "card"]);
    expect(found("any", "PUT", "/mcp")).to.deep.equal([]);
    expect([agent, [...upstream_meets]]).to.deep.equal([{ bearer: true }, []]);
  });

  it("lets a route say that nothing in a body matters", () => {
    const { at } = parseEnvoyMapping(routes("{on: POST /n/:id/close, read: note, id: path.id, ignore: [body]}"), "envoy.yaml");
    expect(at("h", { method: "POST", parts: ["n", "1", "close"], query: "" }).map(({ body }) => body)).to.deep.equal(["ignored"]);
  });

  // prettier-ignore
  const bad: [text: string, why: string][] = [
    ["", "envoy.yaml: agent: missing"],
    [`${BASE}routes: []`, "envoy.yaml:3: routes: must NOT have fewer than 1 items"],
    [`purpose: {is: testing}\n${ONE}`, "agent: missing"],
    [`agent: {}\npurpose: {is: testing}\n${ONE}`, "envoy.yaml:1: agent: give one of `bearer`, `principal`, `claims`, `is`, `context`, `trusted_header`"],
    [`agent: {bearer: true, is: a-1}\npurpose: {is: testing}\n${ONE}`, "envoy.yaml:1: agent: give one of"],
    [`agent: {bearer: false}\npurpose: {is: testing}\n${ONE}`, "agent.bearer: must be true"],
    [`agent: {header: x-agent}\npurpose: {is: testing}\n${ONE}`, "agent.header: unknown key"],
    [`agent: {principal: {}}\npurpose: {is: testing}\n${ONE}`, "agent.principal.issuer: missing"],
    [`agent: {claims: {}}\npurpose: {is: testing}\n${ONE}`, "agent.claims.payload: missing"],
    [`agent: {trusted_header: X-Agent}\npurpose: {is: testing}\n${ONE}`, "agent.trusted_header: must match pattern"],
    [`agent: {bearer: true}\npurpose: {}\n${ONE}`, "purpose: give one of `is`, `context`, `trusted_header`"],
    [`agent: {bearer: true}\npurpose: {is: a b}\n${ONE}`, "purpose.is: must be a name of the vocabulary"],
    [`${BASE}task: {header: remit-task}\n${ONE}`, "task.header: unknown key"],
    [`${BASE}task: {}\n${ONE}`, "task: give one of `token_header`, `context`, `trusted_header`"],
    [`${BASE}upstream_meets: [everything]\n${ONE}`, "upstream_meets.0: must be one of redact, modify, confirm, notify"],
    [`${BASE}more: 1\n${ONE}`, "envoy.yaml:3: more: unknown key"],
    [routes("{read: note}"), "envoy.yaml:4: routes.0.on: missing"],
    [routes("{on: 7, read: note}"), "routes.0.on: must be string"],
    [routes("{on: /n, read: note}"), "routes.0.on: /n: expected a method and a path, such as `GET /tickets/:ticket`"],
    [routes("{on: HEAD /n, read: note}"), "expected a method and a path"],
    [routes("{on: GET /n/*, read: note}"), "`*` is neither a plain segment nor a parameter"],
    [routes("{on: GET /n/%2e, read: note}"), "neither a plain segment nor a parameter"],
    [routes("{on: GET /:a/:a, read: note, id: path.a}"), "`:a` stands there twice"],
    [routes("{on: GET /n, host: A.example, read: note}"), "routes.0.host: must match pattern"],
    [routes("{on: GET /n, host: a.example:80, read: note}"), "routes.0.host: must match pattern"],
    [routes("{on: POST /n, when: {query.a: b}, read: note}"), "routes.0.when"],
    [routes("{on: POST /n, when: {}, read: note}"), "routes.0.when"],
    [routes("{on: POST /n, when: {body.a..b: c}, read: note}"), "routes.0.when: must name a member of the body"],
    [routes("{on: POST /n, when: {body.a: [b]}, read: note}"), "routes.0.when"],
    [routes("{on: DELETE /n/:id, read: note, id: path.id}"), "routes.0: nothing says what is in the body of a DELETE; name what is meant in it, or put `body` under `ignore`"],
    [routes("{on: POST /n, read: note}"), "nothing says what is in the body of a POST"],
    [routes("{on: GET /n}"), "an entry has one verb, such as `read: invoice`"],
    [routes("{on: GET /n, read: note, send: note}"), "verbs here: `read`, `send`"],
    [routes("{on: GET /n, read: a b}"), "routes.0.read: must be a name of the vocabulary"],
    [routes("{on: GET /n, read: note, id: n}"), "`n` is no part of a request: begin with one of path, query, body, header, trusted_header, context"],
    [routes("{on: GET /n, read: note, id: path.id}"), "routes.0: `on` has no parameter `:id`"],
    [routes("{on: GET /n/:id, read: note}"), "nothing says what `:id` is; name it, or put `path.id` under `ignore`"],
    [routes("{on: GET /n/:id, read: note, ignore: [path]}"), "`path` is named as a whole"],
    [routes("{on: GET /n, read: note, ignore: [header]}"), "`header` is named as a whole"],
    [routes("{on: GET /n, read: note, ignore: yes}"), "routes.0.ignore: must be a list of arguments"],
    [routes("{on: GET /n, read: note, id: header.x-note}"), "routes.0.id: a client's own header says nothing of a resource"],
    [routes("{on: GET /n, read: note, attributes: {customer: header.x-customer}}"), "routes.0.attributes.customer: a client's own header"],
    [routes("{on: GET /n, read: note, related: {of: {type: card, id: query.c, attributes: {customer: header.x}}}}"), "routes.0.related.of.attributes.customer: a client's own header"],
    [routes("{on: GET /n, read: note, arguments: {a: header.X-A}}"), "`X-A` is no header's name, in lower case"],
    [routes("{on: GET /n, read: note, arguments: {a: {number: query.a}}}"), "routes.0.arguments.a"],
    [routes("{on: GET /n, read: note}", "{on: GET /n, read: card}"), "envoy.yaml:5: routes.1: a request may match `GET /n` (routes.0) too"],
    [routes("{on: GET /n/:id, read: note, id: path.id}", "{on: GET /n/mine, read: card}"), "a request may match"],
    [routes("{on: GET /n, host: a.example, read: note}", "{on: GET /n, read: card}"), "a request may match"],
    [routes("{on: POST /n, when: {body.a: x}, read: note}", "{on: POST /n, read: card, ignore: [body]}"), "a request may match"],
    [routes("{on: POST /n, when: {body.a: x}, read: note}", "{on: POST /n, when: {body.b: y}, read: card}"), "a request may match"],
    [`${BASE}${ONE}\n${ONE}`, "key `routes` stands twice"],
  ];
  for (const [text, why] of bad) {
    it(`is refused where ${why}`, () => {
      expect(() => parseEnvoyMapping(text, "envoy.yaml")).to.throw(why);
    });
  }
});
