/** A stock OPA, of the version that compiles bundles, takes the running bundle from a service, verifies it, and decides by it as we do. */
import { expect } from "chai";
import type { Answer, DecisionRecord } from "../../../src/contract/index.js";
import { COMPILER_BUILD_MS_MAX, nativeCompiler, sorted } from "../../build/support.js";
import { STRANGER } from "../../bundle/support.js";
import { EVERY, ask, type Json } from "../../http/asking.js";
import { run, tokenFor, type Running } from "../../http/running.js";
import { NAME, STOCK_REQUEST as REQUEST, Stock, introduce, stockBundle } from "./stock_support.js";

const ACTIONS: readonly [what: string, changes: Json, decision: string][] = [
  ["its ticket's customer", {}, "allow"],
  ["her invoice", { resource: { type: "invoice", id: "I-1", attributes: { customer: "ada", amount_cents: 4900 } } }, "allow"],
  [
    "her payment, with an obligation",
    { resource: { type: "payment", id: "P-1", attributes: { customer: "ada", amount_cents: 4900 } } },
    "allow",
  ],
  ["another's invoice", { resource: { type: "invoice", id: "I-9", attributes: { customer: "bob" } } }, "flag"],
  ["what it may never do", { verb: "update", arguments: {} }, "deny"],
  ["what nothing permits", { resource: { type: "payment", id: "P-2", attributes: { customer: "bob" } } }, "flag"],
];

describe("a stock OPA", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let service: Running;

  before(async function () {
    await nativeCompiler(this);
    const keys = { name: NAME, path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state", poll_ms: 50 };
    service = await run({ bundle: keys, facts: { store: "store" } }, await stockBundle(1));
    await introduce(service);
  });
  after(() => service.stop());

  describe("with the public key and a token for bundles", () => {
    let stock: Stock;
    before(async () => {
      stock = await Stock.start(service);
      await stock.until(async () => (await stock.get("/health?bundles")).status === 200);
    });
    after(() => stock.stop());

    for (const [what, changes, decision] of ACTIONS) {
      it(`decides as we do: ${what}`, async () => {
        const { body } = await ask(service, "POST", "/v1/data/remit/decide", {
          body: { input: { ...REQUEST, ...changes } },
        });
        const ours = body["result"] as Answer;
        // Outside of the desk's hours nothing is allowed without a second look.
        const isOut = ours.reasons.some(({ code }) => code === "off_hours");
        expect(ours.decision).to.equal(isOut && decision === "allow" ? "flag" : decision);
        const found = await ask(service, "GET", `/decisions/${ours.decision_id}`);
        const { input } = found.body["record"] as DecisionRecord;
        if (input === undefined) throw new Error("the policy wasn't asked");
        const theirs = await stock.decide(input);
        const { proceed, obligations, reasons } = ours;
        const said = reasons.map(({ effect, code, severity, params }) => ({ effect, code, severity, params }));
        expect(theirs).to.include({ decision: ours.decision, proceed });
        expect(sorted(theirs?.obligations)).to.deep.equal(sorted(obligations));
        expect(sorted(theirs?.reasons.map(({ effect, code, severity, params }) => ({ effect, code, severity, params })))).to.deep.equal(
          sorted(said),
        );
      });
    }

    it("has an answer with an obligation, which a boolean of ours doesn't permit", async () => {
      const [, changes] = ACTIONS[2] ?? [];
      const { body } = await ask(service, "POST", "/v1/data/remit", { body: { input: { ...REQUEST, ...changes } } });
      expect(body).to.have.nested.property("result.decide.proceed", true);
      expect(body).to.have.nested.property("result.decide.obligations.length", 1);
      expect(body).to.have.nested.property("result.allow", false);
    });

    it("reports what it permitted, which is observed here", async () => {
      const observed = async (): Promise<number> => {
        const { text } = await ask(service, "GET", "/metrics");
        return [...text.matchAll(/^remit_observed_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
      };
      await stock.until(async () => (await observed()) > 0);
      expect(service.said()).to.not.include("decision_log_rejected");
    });

    it("takes the next bundle as soon as it is active, and none that is refused", async () => {
      expect(await stock.revision()).to.equal("test-1");
      const publish = async (sequence: number): Promise<number> => {
        const headers = { authorization: `Bearer ${EVERY}`, "content-type": "application/gzip" };
        const body = new Uint8Array(await stockBundle(sequence));
        return (await fetch(`${service.url}/bundles`, { method: "POST", headers, body })).status;
      };
      expect(await publish(2)).to.equal(200);
      await stock.until(async () => (await stock.revision()) === "test-2");
      expect(await publish(1)).to.equal(422);
      expect(await stock.revision()).to.equal("test-2");
    });
  });

  const strangers: [what: string, start: () => Promise<Stock>][] = [
    ["verifies by another key", () => Stock.start(service, { keys: [STRANGER], by: STRANGER })],
    ["has a token for decisions alone", () => Stock.start(service, undefined, tokenFor("remit:decide", "opa-1"))],
    [
      "has another audience's token",
      () => Stock.start(service, undefined, tokenFor("remit:bundle", "opa-1", 3600, {}, { audience: "other" })),
    ],
  ];
  for (const [what, start] of strangers) {
    it(`that ${what} has no bundle, and so permits nothing`, async () => {
      const stock = await start();
      try {
        // Its first look comes right after its start.
        await new Promise((resolve) => setTimeout(resolve, 500));
        const { status, body } = await stock.get("/health?bundles");
        expect(status).to.equal(500);
        expect(body["error"]).to.equal(`one or more bundles are not activated: ${NAME}`);
        expect(await stock.decide({})).to.equal(undefined);
      } finally {
        await stock.stop();
      }
    });
  }
});
