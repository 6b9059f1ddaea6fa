/** Subscriptions to resources through the guard: each is decided as reading the resource is, and only what the server confirmed is kept. */
import { expect } from "chai";
import { codeOf, listing, openRoughDesk, type Answering, type Message, type Rough, type RoughDesk } from "./mcp/rough.js";
import { until } from "./mcp/support.js";

const ADA = "crm://customers/ada";
/** Another customer's: reading it waits for a person. */
const BOBS = "crm://customers/bob/invoices/I-9";
const RESOURCES = [
  { uri: "crm://customers/{id}", read: "customer", id: "id" },
  { uri: "crm://customers/{customer}/invoices/{id}", read: "invoice", id: "id", attributes: { customer: "customer" } },
];

/** Takes every subscription but those to the refused URI, which it tells of changes all the same. */
const subscribing =
  (refused?: string): Answering =>
  (asked, say) => {
    if (asked.method !== "resources/subscribe" && asked.method !== "resources/unsubscribe") listing(asked, say);
    else if (asked.params?.["uri"] === refused) say({ id: asked.id, error: { code: -32002, message: "no" } });
    else say({ id: asked.id, result: {} });
  };
const updated = (uri: string): object => ({ method: "notifications/resources/updated", params: { uri } });
const END = { method: "notifications/message", params: { level: "info", data: "end" } };

describe("the MCP guard and subscriptions to resources", () => {
  let desk: RoughDesk;
  let between: Rough;
  before(async () => {
    desk = await openRoughDesk();
  });
  after(async () => {
    await desk.stop();
  });
  afterEach(async () => {
    await between.close();
  });

  const open = (answering: Answering): Promise<Rough> => desk.open({ answering, changes: { resources: RESOURCES } });
  let ids = 0;
  const ask = async (method: string, params: object): Promise<Message> => {
    const id = `s-${++ids}`;
    between.say({ id, method, params });
    return between.answered(id);
  };
  const reached = (): unknown[] =>
    between.reached.filter(({ method }) => method?.startsWith("resources/") === true).map(({ method, params }) => [method, params]);
  /** URIs of the changes that reach the client if the server reports these; the last is waited for if it is to come. */
  const heard = async (comes: boolean, ...uris: string[]): Promise<unknown[]> => {
    const before = between.got.length;
    for (const uri of uris) between.serverSays(updated(uri));
    if (comes) await until(() => between.got.slice(before).some(({ params }) => params?.["uri"] === uris.at(-1)));
    between.serverSays(END);
    await until(() => between.got.slice(before).some(({ method }) => method === END.method));
    return between.got.slice(before).flatMap(({ method, params }) => (method === END.method ? [] : [params?.["uri"]]));
  };
  const decisions = async (): Promise<unknown[]> => {
    // A search says how far it looked; on a busy machine that may be short of what was just recorded.
    let found: Record<string, unknown> = { items: [] };
    await until(async () => ((found = await desk.ask("GET", `/decisions?agent=${between.as.agent}`))["items"] as unknown[]).length > 0);
    const { items } = found as {
      items: { record: { input: { request: { verb: string; resource: { type: string; id: string } } }; answer: { proceed: boolean } } }[];
    };
    return items.map(({ record: { input, answer } }) => [
      input.request.verb,
      input.request.resource.type,
      input.request.resource.id,
      answer.proceed,
    ]);
  };

  it("records a decision for a permitted subscription, and passes on changes of that resource alone", async () => {
    between = await open(subscribing());
    expect(await heard(false, ADA)).to.deep.equal([]);
    expect(codeOf(await ask("resources/subscribe", { uri: ADA }))).to.equal("done");
    expect(reached()).to.deep.equal([["resources/subscribe", { uri: ADA }]]);
    expect(await decisions()).to.deep.equal([["read", "customer", "ada", true]]);
    expect(await heard(true, BOBS, ADA)).to.deep.equal([ADA]);
  });

  it("passes on no change of what the agent may no longer read, and ends the subscription at the server", async () => {
    between = await open(subscribing());
    await ask("resources/subscribe", { uri: ADA });
    expect(await heard(true, ADA)).to.deep.equal([ADA]);
    await desk.ask("POST", "/revocations", { scope: { agent: between.as.agent }, reason: "incident 12" });
    const ended = (): boolean => between.reached.some(({ method }) => method === "resources/unsubscribe");
    // What was passed on a moment ago isn't decided again at once.
    await until(() => {
      between.serverSays(updated(ADA));
      return ended();
    });
    expect(reached().at(-1)).to.deep.equal(["resources/unsubscribe", { uri: ADA }]);
    expect(between.got.filter(({ params }) => params?.["uri"] === ADA)).to.have.lengthOf(1);
    expect(await heard(false, ADA)).to.deep.equal([]);
  });

  const refused: [what: string, params: object, code: string][] = [
    ["a resource that reading is denied for", { uri: BOBS }, "approval_missing"],
    ["a resource that isn't mapped", { uri: "crm://secrets/all" }, "resource_unavailable"],
    ["another spelling of a permitted one", { uri: "crm://customers/%61da" }, "resource_unavailable"],
    ["no URI", {}, "resource_unavailable"],
  ];
  for (const [what, params, code] of refused) {
    it(`passes on neither a subscription to ${what} nor its changes`, async () => {
      between = await open(subscribing());
      expect(codeOf(await ask("resources/subscribe", params))).to.equal(code);
      expect(reached()).to.deep.equal([]);
      expect(await heard(false, BOBS, "crm://secrets/all", ADA)).to.deep.equal([]);
    });
  }

  it("passes on nothing of a request's parameters and `_meta` that no policy has seen", async () => {
    between = await open(subscribing());
    const traceparent = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`;
    const asked: [method: string, params: Record<string, unknown>][] = [
      ["resources/subscribe", { uri: ADA }],
      ["resources/unsubscribe", { uri: ADA }],
      ["resources/read", { uri: ADA }],
      ["prompts/get", { name: "summary", arguments: { customer: "ada" } }],
      ["tools/call", { name: "get_customer", arguments: { customer_id: "ada" } }],
      ["tools/list", {}],
      ["resources/list", {}],
      ["ping", {}],
      ["logging/setLevel", { level: "info" }],
    ];
    for (const [method, params] of asked) {
      const before = between.reached.length;
      for (const name of ["customer_id", "name_", "as", "__proto__x"])
        expect(codeOf(await ask(method, { ...params, [name]: "bob" })), method).to.equal("argument_unmapped");
      expect(between.reached.slice(before), method).to.deep.equal([]);
    }
    const before = between.reached.length;
    const hidden = { traceparent, tracestate: "a=b", "io.example/customer": "bob", as: { customer: "bob" } };
    await ask("resources/subscribe", { uri: ADA, _meta: hidden });
    await ask("resources/unsubscribe", { uri: ADA, _meta: { ...hidden, traceparent: "bob" } });
    expect(between.reached.slice(before).map(({ params }) => params)).to.deep.equal([{ _meta: { traceparent }, uri: ADA }, { uri: ADA }]);
  });

  it("keeps no subscription that the server refused, whatever the server reports then", async () => {
    between = await open(subscribing(ADA));
    expect(codeOf(await ask("resources/subscribe", { uri: ADA }))).to.equal(-32002);
    expect(await heard(false, ADA)).to.deep.equal([]);
  });

  it("passes on no changes after the subscription was ended, even if the server goes on", async () => {
    between = await open(subscribing());
    await ask("resources/subscribe", { uri: ADA });
    expect(codeOf(await ask("resources/unsubscribe", { uri: ADA }))).to.equal("done");
    expect(await heard(false, ADA)).to.deep.equal([]);
  });
});
