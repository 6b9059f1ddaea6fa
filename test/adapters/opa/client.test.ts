import { OPAClient, type Input, type Result, type ToInput } from "@open-policy-agent/opa";
import { HTTPClient } from "@open-policy-agent/opa/lib/http.js";
import { OpaApiClient } from "@open-policy-agent/opa/sdk/index.js";
import { GzipAcceptEncoding } from "@open-policy-agent/opa/sdk/models/components/gzipacceptencoding.js";
import { ClientError } from "@open-policy-agent/opa/sdk/models/errors/clienterror.js";
import { SDKError } from "@open-policy-agent/opa/sdk/models/errors/sdkerror.js";
import { expect } from "chai";
import type { Answer } from "../../../src/contract/index.js";
import { ALL, REQUEST, post, run, tokenFor, type Running } from "../../http/running.js";

const DECIDE = "remit/decide";
const DENIED = { ...REQUEST, agent: "a-2" };

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value: unknown) => {
      throw new Error(`it went well: ${JSON.stringify(value)}`);
    },
    (cause: unknown) => cause,
  );
}

/** Without what differs from one decision to the next. */
function same({ decision, proceed, reasons, obligations, action_digest, policy }: Answer): object {
  return { decision, proceed, reasons, obligations, action_digest, policy };
}

describe("@open-policy-agent/opa, as it is", () => {
  let service: Running;
  let opa: OPAClient;
  const clientFor = (token: string): OPAClient => new OPAClient(service.url, { headers: { authorization: `Bearer ${token}` } });
  const native = async (request: object): Promise<Answer> => (await (await post(service, "/decide", request)).json()) as Answer;

  before(async () => {
    service = await run();
    opa = clientFor(ALL);
  });
  after(() => service.stop());

  for (const [what, request] of Object.entries({ permitted: REQUEST, denied: DENIED })) {
    it(`evaluates what is ${what} to the answer of POST /decide`, async () => {
      const wanted = same(await native(request));
      expect(same(await opa.evaluate<Input, Answer>(DECIDE, request))).to.deep.equal(wanted);
      expect(same(await opa.evaluateDefault<Input, Answer>(request))).to.deep.equal(wanted);
      expect(same(await opa.evaluate<Input, Answer>(`/${DECIDE}/`, request))).to.deep.equal(wanted);
    });

    it(`evaluates what is ${what} to a boolean`, async () => {
      const allowed = what === "permitted";
      expect(await opa.evaluate<Input, boolean>("remit/allow", request)).to.equal(allowed);
      const fromResult = (result?: Result): boolean => (result as Record<string, unknown>)["proceed"] === true;
      expect(await opa.evaluate<Input, boolean>(DECIDE, request, { fromResult })).to.equal(allowed);
    });
  }

  it("takes an object that makes its input", async () => {
    class Asked implements ToInput {
      toInput(): Input {
        return REQUEST;
      }
    }
    expect(await opa.evaluate<Asked, boolean>("remit/allow", new Asked())).to.equal(true);
  });

  it("evaluates nothing to nothing, and a path that there isn't, too", async () => {
    expect(await opa.evaluate(DECIDE)).to.equal(undefined);
    expect(await opa.evaluate("remit/allow")).to.equal(false);
    expect(await opa.evaluate("no/such", REQUEST)).to.equal(undefined);
  });

  it("evaluates a batch, by keys", async () => {
    const answers = await opa.evaluateBatch<Input, Answer>(DECIDE, { b: REQUEST, a: DENIED });
    expect(Object.keys(answers)).to.deep.equal(["b", "a"]);
    expect(same(answers["b"] as Answer)).to.deep.equal(same(await native(REQUEST)));
    expect(same(answers["a"] as Answer)).to.deep.equal(same(await native(DENIED)));
    expect(await opa.evaluateBatch("remit/allow", { a: REQUEST, b: DENIED })).to.deep.equal({ a: true, b: false });
  });

  it("has of a batch the errors of those that can't be read, or none at all, as it asks", async () => {
    const inputs = { good: REQUEST, bad: { ...REQUEST, verb: 7 } };
    const answers = await opa.evaluateBatch<Input, boolean>("remit/allow", inputs);
    expect(answers["good"]).to.equal(true);
    expect(answers["bad"]).to.include({ code: "invalid_parameter", httpStatusCode: "500" });
    const rejected = await failure(opa.evaluateBatch("remit/allow", inputs, { rejectMixed: true }));
    expect(rejected).to.include({ code: "invalid_parameter" });
    const none = await failure(opa.evaluateBatch("remit/allow", { a: {}, b: {} }));
    expect(none).to.have.property("name", "BatchServerError");
  });

  it("falls back to nothing: the batch is there", async () => {
    const asked: string[] = [];
    const httpClient = new HTTPClient();
    httpClient.addHook("beforeRequest", (request) => {
      asked.push(new URL(request.url).pathname);
      request.headers.set("authorization", `Bearer ${ALL}`);
      return request;
    });
    const hooked = new OPAClient(service.url, { sdk: { httpClient } });
    await hooked.evaluateBatch("remit/allow", { a: REQUEST, b: REQUEST }, { fallback: true });
    expect(asked).to.deep.equal(["/v1/batch/data/remit/allow"]);
  });

  it("throws what it knows as its server's refusal for what can't be read", async () => {
    const refused = await failure(opa.evaluate(DECIDE, { ...REQUEST, facts: {} }));
    expect(refused).to.be.instanceOf(ClientError);
    expect((refused as ClientError).code).to.equal("invalid_parameter");
    expect((refused as ClientError).errors?.[0]?.code).to.equal("field_unknown");
    expect(await failure(opa.evaluateDefault())).to.be.instanceOf(ClientError);
  });

  const strangers: [whose: string, token: () => string][] = [
    ["nobody's", () => ""],
    ["another audience's", () => tokenFor("remit:decide", "g", 3600, {}, { audience: "other" })],
    ["another scope's", () => tokenFor("remit:audit")],
  ];
  for (const [whose, token] of strangers) {
    it(`throws for a token that is ${whose}, in each way`, async () => {
      const stranger = clientFor(token());
      for (const asking of [
        () => stranger.evaluate(DECIDE, REQUEST),
        () => stranger.evaluate(DECIDE),
        () => stranger.evaluateDefault(REQUEST),
        () => stranger.evaluateBatch(DECIDE, { a: REQUEST }, { fallback: true }),
      ]) {
        const cause = await failure(asking());
        expect(cause).to.be.instanceOf(SDKError);
        expect((cause as SDKError).httpMeta.response.status).to.equal(401);
      }
    });
  }

  it("throws where filters are asked for, which are not offered", async () => {
    const cause = await failure(opa.getFilters("remit/decide", REQUEST, { target: "postgresql" }));
    expect(cause).to.be.instanceOf(SDKError);
    expect((cause as SDKError).httpMeta.response.status).to.equal(501);
  });

  it("asks for metrics, provenance, lines for people and packed bodies as it can", async () => {
    const api = new OpaApiClient({ serverURL: service.url, bearerAuth: ALL });
    const { successfulPolicyResponse: told } = await api.executePolicyWithInput({
      path: DECIDE,
      metrics: true,
      instrument: true,
      provenance: true,
      pretty: true,
      strictBuiltinErrors: true,
      acceptEncoding: GzipAcceptEncoding.Gzip,
      requestBody: { input: REQUEST },
    });
    expect(told?.metrics).to.include({ counter_server_query_cache_hit: 1 });
    expect(told?.provenance?.bundles).to.have.nested.property("engine_test.revision");
    expect(told?.decisionId).to.equal((told?.result as unknown as Answer).decision_id);
  });

  it("asks whether it is well", async () => {
    const api = new OpaApiClient({ serverURL: service.url });
    expect(await api.health(true, true, ["discovery"])).to.have.property("healthyServer");
    const without = await run({}, false);
    try {
      const ill = await failure(new OpaApiClient({ serverURL: without.url }).health(true));
      expect(ill).to.have.property("name", "UnhealthyServer");
      expect(ill).to.include({ code: "internal_error", error: "one or more bundles are not activated: engine_test" });
    } finally {
      await without.stop();
    }
  });
});
