import { expect } from "chai";
import { system, systemClock } from "../../../src/system/index.js";
import { NAME, STRANGER, archive, bundleBytes, content, signed, verified } from "../../bundle/support.js";
import { EVERY } from "../../http/asking.js";
import { ALL, post, raw, requestText, run, tokenFor, type Running } from "../../http/running.js";
import { TAKER, PATH, bundle, take, outcome, waiting, limited } from "./bundles_support.js";

const TYPE = "application/vnd.openpolicyagent.bundles";

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

function publish(service: Running, bytes: Buffer): Promise<Response> {
  return fetch(`${service.url}/bundles`, {
    method: "POST",
    headers: { authorization: `Bearer ${ALL}`, "content-type": "application/gzip" },
    body: new Uint8Array(bytes),
  });
}

describe("the running bundle, served in OPA's protocol", () => {
  let first: Buffer;
  let etag: string;

  before(async () => {
    first = await bundle(12);
    etag = `"${(await verified({ expires: null, sequence: 12 })).identity.digest}"`;
  });

  describe("of a service that runs", () => {
    let service: Running;
    before(async () => (service = await run({}, first)));
    after(() => service.stop());

    for (const path of [PATH, `${PATH}.tar.gz`]) {
      it(`comes at ${path} to the byte, with its digest as ETag and the type that offers to wait`, async () => {
        const response = await take(service, {}, path);
        expect(response.status).to.equal(200);
        expect(response.headers.get("etag")).to.equal(etag);
        expect(response.headers.get("content-type")).to.equal(TYPE);
        expect(response.headers.get("content-encoding")).to.equal(null);
        expect((await bytesOf(response)).equals(first)).to.equal(true);
      });
    }

    it("has the digest that answers are decided by", async () => {
      const answer = await post(service, "/decide", {
        agent: "a-1",
        purpose: "testing",
        verb: "read",
        resource: { type: "note", id: "n" },
      });
      const { policy } = (await answer.json()) as { policy: { digest: string } };
      expect(`"${policy.digest}"`).to.equal(etag);
    });

    const conditions: [given: string, status: number][] = [
      ["the tag", 304],
      ['"other", the tag', 304],
      ['"other","third" ,the tag', 304],
      ["W/the tag", 304],
      ["*", 304],
      ['"other"', 200],
      ['"other", "third"', 200],
      ["without quotes", 200],
      ['"', 200],
      ["", 200],
    ];
    for (const [given, status] of conditions) {
      it(`answers If-None-Match: ${given} with ${status}`, async () => {
        const tag = given.replace("the tag", etag).replace("without quotes", etag.slice(1, -1));
        const response = await take(service, { "if-none-match": tag });
        expect(response.status).to.equal(status);
        expect(response.headers.get("etag")).to.equal(etag);
        expect((await bytesOf(response)).length).to.equal(status === 200 ? first.length : 0);
      });
    }

    it("says nothing of a length where it sends none, and goes on with the connection", async () => {
      const line = `GET ${PATH} HTTP/1.1`;
      const text = requestText(service.port, "", [`If-None-Match: ${etag}`], line).replace(ALL, TAKER);
      const answers = await raw(service.port, text + text, 2);
      expect(answers.map(({ status }) => status)).to.deep.equal([304, 304]);
      expect(answers[0]?.headers).not.to.match(/content-length/i);
    });

    const preferences = [
      "wait=0",
      "modes=snapshot,delta",
      "wait",
      "wait=",
      "wait=-1",
      "wait=1.5",
      "wait=1e9",
      "nowait=5",
      "wait=99999999999",
    ];
    for (const prefer of preferences) {
      it(`waits for nothing by Prefer: ${prefer}`, async () => {
        expect((await take(service, { "if-none-match": etag, prefer })).status).to.equal(304);
      });
    }

    it("is sent at once to who has another, however long it would wait", async () => {
      expect((await take(service, { "if-none-match": '"other"', prefer: "wait=300" })).status).to.equal(200);
      expect((await take(service, { prefer: "wait=300" })).status).to.equal(200);
    });

    const others = [
      "other",
      `${NAME}.tar`,
      `${NAME}.tar.gz.tar.gz`,
      `${NAME}/`,
      `${NAME}/policy.wasm`,
      `..%2f${NAME}`,
      NAME.toUpperCase(),
      "%00",
    ];
    for (const name of others) {
      it(`isn't there as ${name}`, async () => {
        expect(await outcome(await take(service, {}, `/bundles/${name}`))).to.equal("404 not_found");
      });
    }

    const tokens: [whose: string, token: string, outcome: string][] = [
      ["nobody", "", "401 token_missing"],
      ["who may decide alone", tokenFor("remit:decide"), "403 scope_missing"],
      [
        "who may do all but this",
        tokenFor("remit:decide remit:register remit:revoke remit:revoke_all remit:review remit:audit remit:admin"),
        "403 scope_missing",
      ],
      ["another audience's", tokenFor("remit:bundle", "opa-1", 3600, {}, { audience: "agents" }), "401 token_invalid"],
      ["another issuer's", tokenFor("remit:bundle", "opa-1", 3600, {}, { issuer: "https://other.example" }), "401 token_invalid"],
      ["one that has expired", tokenFor("remit:bundle", "opa-1", -60), "401 token_expired"],
      ["no token", "abc", "401 token_invalid"],
    ];
    for (const [whose, token, refused] of tokens) {
      it(`isn't for ${whose}`, async () => {
        const headers: Record<string, string> = token === "" ? { authorization: "" } : {};
        expect(await outcome(await take(service, headers, PATH, token))).to.equal(refused);
        // Nor whether there is such a bundle.
        expect(await outcome(await take(service, headers, "/bundles/other", token))).to.equal(refused);
      });
    }

    it("is for who publishes, too", async () => {
      expect((await take(service, {}, PATH, tokenFor("remit:publish"))).status).to.equal(200);
    });
  });

  describe("of a service whose bundle changes", () => {
    let service: Running;
    beforeEach(async () => (service = await run({}, first)));
    afterEach(() => service.stop());

    it("tells all that wait, at once", async () => {
      const waiters = Array.from({ length: 5 }, (_, i) =>
        take(service, { "if-none-match": `"x${i}", ${etag}`, prefer: "modes=snapshot,delta;wait=300" }),
      );
      await waiting(service, Promise.any(waiters));
      const second = await bundle(13);
      expect((await publish(service, second)).status).to.equal(200);
      for (const response of await Promise.all(waiters)) {
        expect(response.status).to.equal(200);
        expect(response.headers.get("etag")).not.to.equal(etag);
        expect((await bytesOf(response)).equals(second)).to.equal(true);
      }
    });

    it("says nothing of a bundle that is refused", async () => {
      const waiter = take(service, { "if-none-match": etag, prefer: "wait=1" });
      await waiting(service, waiter);
      expect((await publish(service, await bundle(11))).status).to.equal(422);
      const forged = await archive(signed(content({ expires: null, sequence: 13 }), STRANGER));
      expect((await publish(service, forged)).status).to.equal(422);
      expect((await waiter).status).to.equal(304);
      expect((await bytesOf(await take(service))).equals(first)).to.equal(true);
    });

    it("has the signature that came last, under the digest that it had", async () => {
      const again = await archive(signed(content({ expires: null, sequence: 12 })));
      expect(again.equals(first)).to.equal(false);
      expect((await publish(service, again)).status).to.equal(200);
      const response = await take(service);
      expect(response.headers.get("etag")).to.equal(etag);
      expect((await bytesOf(response)).equals(again)).to.equal(true);
    });

    it("isn't handed to whose token was revoked while it waited", async () => {
      const token = tokenFor("remit:bundle", "opa-1", 3600, { jti: "t-1" });
      const waiter = take(service, { "if-none-match": etag, prefer: "wait=300" }, PATH, token);
      await waiting(service, waiter);
      const revoked = await fetch(`${service.url}/revocations`, {
        method: "POST",
        headers: { authorization: `Bearer ${EVERY}`, "content-type": "application/json" },
        body: JSON.stringify({ scope: { token: "t-1" }, reason: "test" }),
      });
      expect(revoked.status).to.be.within(200, 201);
      expect((await publish(service, await bundle(13))).status).to.equal(200);
      expect(await outcome(await waiter)).to.equal("401 caller_token_revoked");
    });

    it("lets nobody wait for a service that stops", async () => {
      const waiter = take(service, { "if-none-match": etag, prefer: "wait=300" });
      await waiting(service, waiter);
      await service.stopKeeping();
      expect((await waiter).status).to.equal(304);
    });
  });

  it("is waited for no longer than the limit", async () => {
    const service = await run({ bundle: limited({ wait_max_ms: 20 }) }, first);
    try {
      expect((await take(service, { "if-none-match": etag, prefer: "wait=300" })).status).to.equal(304);
    } finally {
      await service.stop();
    }
  });

  it("isn't there before there is one", async () => {
    const service = await run({}, false);
    try {
      const response = await take(service, { prefer: "wait=1" });
      expect(response.headers.get("retry-after")).to.equal("1");
      expect(await outcome(response)).to.equal("503 bundle_missing");
    } finally {
      await service.stop();
    }
  });

  it("isn't handed on once it has expired: a stock OPA would go by it", async () => {
    let ahead_ms = 0;
    const clock = { ...systemClock, wall: () => systemClock.wall() + ahead_ms };
    const expires = new Date(systemClock.wall() + 60_000).toISOString().replace(/\.\d+Z$/, "Z");
    const service = await run({}, await bundleBytes({ expires }), { ...system, clock });
    try {
      expect((await take(service)).status).to.equal(200);
      ahead_ms = 61_000;
      expect(await outcome(await take(service))).to.equal("503 bundle_expired");
      expect(await outcome(await take(service, { "if-none-match": "*" }))).to.equal("503 bundle_expired");
    } finally {
      await service.stop();
    }
  });
});
