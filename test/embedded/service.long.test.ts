import { expect } from "chai";
import { KEY, NAME, p256, publicPem } from "../bundle/support.js";
import type { DecideRequest } from "../../src/contract/index.js";
import { NotReady, type EmbeddedOptions } from "../../src/embedded.js";
import { ask } from "../http/asking.js";
import { tokenFor } from "../http/running.js";
import { APP, APP_TOKEN, PATIENCE_MS, action, beside, impatientOnce, type Beside } from "./desk.js";

describe("an engine in an application, beside a service", function () {
  this.timeout(60_000);
  let world: Beside;
  beforeEach(async () => {
    world = await beside();
  });
  afterEach(async () => {
    await world.close();
  });

  const asService = async (asked: object): Promise<Record<string, unknown>> => {
    const { body } = await ask(world.service, "POST", "/decide", {
      body: asked,
      token: tokenFor("remit:decide", "app-1"),
    });
    return body;
  };

  it("answers as the service does", async () => {
    const engine = await world.open();
    for (const type of ["note", "card", "invoice", "ticket", "vault", "unmapped", "no_such_type"]) {
      const asked = { ...action(type), request_id: "r-1" } as DecideRequest;
      const [here, there] = [await engine.decide(asked), await asService(asked)];
      const without = ({ decision_id: _, finding, ...rest }: Record<string, unknown>): object => ({
        ...rest,
        wait: null,
        found: finding !== undefined,
      });
      expect(without({ ...here }), type).to.deep.equal(without(there));
    }
  });

  // prettier-ignore
  const begins: [what: string, options: (url: string) => Partial<EmbeddedOptions>, code: string | null, message: RegExp][] = [
    ["a token that may not embed", (url) => ({ service: { url, token: tokenFor("remit:decide remit:bundle", APP) } }), "scope_missing", /ms: facts are not known: the service answers 403 scope_missing, expected .*`remit:embed`.*needs the scopes/],
    ["a token that may follow, and not take values", (url) => ({ service: { url, token: tokenFor("remit:bundle remit:audit", APP) } }), "scope_missing", /ms: facts are not known: .*`remit:embed`/],
    ["a token that may not take bundles", (url) => ({ service: { url, token: tokenFor("remit:embed remit:decide", APP) } }), "scope_missing", /ms: no bundle is active: the service has no bundle for us: 403 scope_missing \(`service.token` needs/],
    ["no token", (url) => ({ service: { url, token: () => "" } }), "token_missing", /facts are not known: there is no token to ask with \(`service.token` gives none\)/],
    ["a token of nobody's", (url) => ({ service: { url, token: "x.y.z" } }), "token_invalid", /facts are not known: the service answers 401 token_invalid/],
    ["a bundle of another name", (url) => ({ service: { url, token: APP_TOKEN }, bundle: { name: "other", keys: publicPem(KEY) } }), "not_found", /no bundle is active: .* 404 not_found \(.*`bundle.name`/],
    ["keys of somebody else", (url) => ({ service: { url, token: APP_TOKEN }, bundle: { name: NAME, keys: publicPem(p256()) } }), "signature_key_unknown", /ms: no bundle is active: the service's bundle is refused: .*not trusted/],
    ["nobody there", () => ({ service: { url: "http://127.0.0.1:9", token: "t" } }), "unreachable", /facts are not known: no connection.*\(is the service at `service.url`\?\)/],
  ];
  /** Its patience ends once both its questions are answered. */
  const failing = (options: Partial<EmbeddedOptions>): Promise<unknown> => {
    const told = [/facts (are in step|can't be had)/, /a bundle is (active|refused)|bundle can't be had/];
    const isTold = (): boolean => told.every((words) => world.said.some((line) => words.test(line)));
    const given = { ready_ms: PATIENCE_MS, facts: { age_ms_max: 3_600_000 }, ...options };
    return world.open(given, impatientOnce(isTold)).catch((cause: unknown) => cause);
  };
  for (const [what, options, code, message] of begins) {
    it(`says why it doesn't begin, and what to do: ${what}`, async () => {
      const failed = await failing(options(world.wire.url));
      expect(failed).to.be.instanceOf(NotReady);
      expect((failed as NotReady).code).to.equal(code);
      expect((failed as NotReady).message).to.match(message);
    });
  }
});
