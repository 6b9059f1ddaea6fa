/** Options of the guards: what is misspelt is refused when it is passed, since a bound that is misspelt would be none. */
import { expect } from "chai";
import { OptionError, RemitClient } from "../../src/client/index.js";
import { guardFetch, byBearer } from "../../src/guards/http.js";
import { guardExpress } from "../../src/guards/http_express.js";
import { authzenPdp, coazVerdict } from "../../src/guards/mcp/coaz_guard.js";

const client = new RemitClient({ url: "http://127.0.0.1:1", token: "t" });
const ROUTE = { on: "GET /notes/:note", verb: "read", type: "note", id: "note" };
const HTTP = { routes: [ROUTE], who: () => null };
const PDP = { endpoints: { evaluation: "http://127.0.0.1:1/a", evaluations: "http://127.0.0.1:1/b" }, token: () => "t", timeout_ms: 1 };
const HANDLER = (): Response => new Response();

const fetchWith = (more: object): unknown => guardFetch(client, { ...HTTP, ...more }, HANDLER);
const expressWith = (more: object): unknown => guardExpress(client, { ...HTTP, ...more } as never);
const bearerWith = (more: object): unknown => byBearer({ purpose: "desk", ...more });
const pdpWith = (more: object): unknown => authzenPdp({ ...PDP, ...more });
const coazWith = (more: object): Promise<unknown> => coazVerdict({ method: "ping" }, undefined, {}, () => Promise.resolve({}), more);

describe("a guard's options", () => {
  after(() => client.close());

  const cases: [name: string, make: (more: object) => unknown, more: object, option: string, meant: string][] = [
    ["guardFetch", fetchWith, { wait_mss: 1 }, "wait_mss", "wait_ms"],
    ["guardFetch", fetchWith, { refuse: () => undefined }, "refuse", "refused"],
    [
      "guardFetch",
      fetchWith,
      { routes: [ROUTE, { ...ROUTE, on: "GET /a/:note", atributes: () => ({}) }] },
      "routes.1.atributes",
      "attributes",
    ],
    ["guardFetch", fetchWith, { routes: [{ ...ROUTE, argument: () => ({}) }] }, "routes.0.argument", "arguments"],
    ["guardExpress", expressWith, { wait_sm: 1 }, "wait_sm", "wait_ms"],
    ["guardExpress", expressWith, { routes: [{ ...ROUTE, modfy: () => 0 }] }, "routes.0.modfy", "modify"],
    ["byBearer", bearerWith, { task_heder: "x" }, "task_heder", "task_header"],
    ["authzenPdp", pdpWith, { timout_ms: 5 }, "timout_ms", "timeout_ms"],
    ["authzenPdp", pdpWith, { endpoints: { ...PDP.endpoints, evalation: "" } }, "endpoints.evalation", "evaluation"],
    ["coazVerdict", coazWith, { resorce: "https://mcp.example.com" }, "resorce", "resource"],
  ];
  for (const [name, make, more, option, meant] of cases) {
    it(`of ${name}: ${option} is refused, and ${meant} suggested`, async () => {
      const error: unknown = await Promise.resolve()
        .then(() => make(more))
        .catch((cause: unknown) => cause);
      expect(error).to.be.instanceOf(OptionError).and.include({ code: "option_unknown", option });
      expect((error as OptionError).message).to.equal(`${option}: no such option; did you mean \`${meant}\`?`);
    });
  }

  it("are accepted if each is known", async () => {
    expect(fetchWith({ wait_ms: 1, refused: () => undefined })).to.be.a("function");
    expect(expressWith({ wait_ms: 1 })).to.be.a("function");
    expect(bearerWith({ task_header: "x" })).to.be.a("function");
    expect(pdpWith({})).to.be.a("function");
    expect(await coazWith({ resource: "x", subject_claim: "sub", denial: "result" })).to.equal(null);
  });
});
