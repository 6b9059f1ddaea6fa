import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Fetcher } from "../../src/sources/fetcher.js";
import { HttpBundleSource } from "../../src/sources/http.js";
import { OciSource, ociReference } from "../../src/sources/oci.js";
import { Requests } from "../../src/sources/requests.js";
import { S3Source } from "../../src/sources/s3.js";
import { systemClock, systemTimers } from "../../src/system/index.js";
import { KEYS, REGION, Storage, sha256 } from "../upload/storage.js";
import { LOGIN, NAME, Registry, digestOf } from "./registry.js";
import { TestServer, having } from "./server.js";

const GOOD = Buffer.from("a bundle");
const LIMITS = { timeout_ms: 10_000, bytes_max: 1000 };

describe("where bundles are fetched from", () => {
  let folder: string;
  let requests: Requests;
  const at = (name: string): string => join(folder, name);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-sources-"));
    requests = new Requests({ private: true, redirect_hosts: [] }, systemTimers);
  });
  afterEach(() => {
    requests.close();
    rmSync(folder, { recursive: true });
  });

  /** What a source says: the bytes with their tag, that they are known, or what is wrong. */
  async function said(fetcher: Fetcher, known: string | null = null): Promise<string> {
    try {
      const fetched = await fetcher.fetch(known);
      return fetched.kind === "known" ? "known" : `${fetched.bytes.toString()} ${fetched.tag ?? "untagged"}`;
    } catch (error) {
      return (error as Error).message;
    }
  }

  describe("over HTTP", () => {
    let server: TestServer;
    let source: HttpBundleSource;
    beforeEach(async () => {
      server = await new TestServer(having(GOOD, '"1"')).start();
      writeFileSync(at("token"), "t-1\n");
      source = new HttpBundleSource({ url: server.url(), token_file: at("token"), wait_ms: 1500, ...LIMITS }, requests);
    });
    afterEach(() => server.stop());
    const headers = (): Record<string, unknown>[] => server.asked.map(({ headers }) => headers);

    it("have the server's tag, and are named by it the next time", async () => {
      expect(await said(source)).to.equal('a bundle "1"');
      expect(await said(source, '"1"')).to.equal("known");
      expect(source.waits).to.equal(false);
      expect(headers().map((one) => [one["authorization"], one["prefer"], one["if-none-match"]])).to.deep.equal([
        ["Bearer t-1", "modes=snapshot", undefined],
        ["Bearer t-1", "modes=snapshot", '"1"'],
      ]);
    });

    it("are waited for where the server says that it waits", async () => {
      server.answering = (_, response) => response.writeHead(200, { "content-type": "application/vnd.openpolicyagent.bundles" }).end(GOOD);
      expect(await said(source)).to.equal("a bundle untagged");
      expect(source.waits).to.equal(true);
      server.answering = having(GOOD, '"1"');
      await said(source, '"1"');
      expect(headers()[1]?.["prefer"]).to.equal("modes=snapshot;wait=2");
    });

    it("are asked for with the token that is in its file now", async () => {
      await said(source);
      writeFileSync(at("token"), "t-2");
      await said(source);
      expect(headers().map((one) => one["authorization"])).to.deep.equal(["Bearer t-1", "Bearer t-2"]);
      for (const bad of ["", "two words", "a\r\nx-evil: 1"]) {
        writeFileSync(at("token"), bad);
        expect(await said(source)).to.match(/has no token in one line/);
      }
    });

    it("aren't there for any other answer: one that knows what wasn't named, or none of the two", async () => {
      for (const status of [204, 206, 304, 400, 401, 404, 500]) {
        server.answering = (_, response) => response.writeHead(status).end();
        expect(await said(source)).to.equal(`status ${status}`);
      }
    });
  });

  describe("in S3-compatible storage", () => {
    let storage: Storage;
    let source: S3Source;
    beforeEach(async () => {
      storage = new Storage();
      await storage.start();
      storage.objects.set("support.tar.gz", { bytes: GOOD, digest: sha256(GOOD) });
      writeFileSync(at("credentials"), `aws_access_key_id = ${KEYS.id}\naws_secret_access_key = ${KEYS.secret}\n`);
      source = sourceOf("support.tar.gz");
    });
    afterEach(() => storage.stop());
    const sourceOf = (key: string): S3Source =>
      new S3Source({ url: `${storage.url}/${key}`, region: REGION, credentials_file: at("credentials"), ...LIMITS }, requests, systemClock);

    it("are asked for by signed requests, and once", async () => {
      expect(await said(source)).to.equal(`a bundle "${sha256(GOOD)}"`);
      expect(await said(source, `"${sha256(GOOD)}"`)).to.equal("known");
      expect(storage).to.include({ forged: 0 });
      expect(storage.asked).to.have.length(2);
    });

    it("aren't there with other credentials, or under another name", async () => {
      expect(await said(sourceOf("other.tar.gz"))).to.equal("status 404 (NoSuchKey)");
      writeFileSync(at("credentials"), `aws_access_key_id = ${KEYS.id}\naws_secret_access_key = wrong\n`);
      expect(await said(source)).to.equal("status 403 (SignatureDoesNotMatch)");
    });
  });

  describe("in a registry", () => {
    let registry: Registry;
    let other: TestServer;
    beforeEach(async () => {
      registry = new Registry();
      await registry.server.start();
      other = await new TestServer((_, response) => response.end('{"token":"t-1"}')).start();
      writeFileSync(at("login"), `${LOGIN}\n`);
    });
    afterEach(() => Promise.all([registry.server.stop(), other.stop()]));
    const sourceOf = (reference = ":stable", login = true, hosts: string[] = []): OciSource =>
      new OciSource(
        { url: registry.server.url(`/${NAME}${reference}`), ...(login && { credentials_file: at("login") }), ...LIMITS },
        requests,
        hosts,
      );

    it("are the one layer of a manifest, by tag or by digest", async () => {
      const digest = registry.push("stable", GOOD);
      expect(await said(sourceOf())).to.equal(`a bundle ${digest}`);
      expect(await said(sourceOf(`@${digest}`))).to.equal(`a bundle ${digest}`);
      const asked = registry.server.asked.length;
      expect(await said(sourceOf(), digest)).to.equal("known");
      expect(registry.server.asked.length).to.equal(asked + 1);
      const next = registry.push("stable", Buffer.from("the next"));
      expect(await said(sourceOf(), digest)).to.equal(`the next ${next}`);
    });

    it("are pulled after a login, which is kept until it is refused", async () => {
      registry.push("stable", GOOD);
      registry.challenge = registry.bearer;
      const source = sourceOf();
      expect(await said(source)).to.match(/^a bundle/);
      expect(await said(source)).to.match(/^a bundle/);
      expect(registry.logins).to.equal(1);
      registry.token = "t-2";
      expect(await said(source)).to.match(/^a bundle/);
      expect(registry.logins).to.equal(2);
    });

    it("aren't pulled without a login, or with one that nobody asked for here", async () => {
      registry.push("stable", GOOD);
      registry.challenge = registry.bearer;
      expect(await said(sourceOf(":stable", false))).to.equal("the login failed, status 401");
      registry.challenge = () => "Negotiate";
      expect(await said(sourceOf())).to.equal("the registry wants a login that isn't configured");
      registry.challenge = () => "";
      expect(await said(sourceOf())).to.equal("the registry wants a login that isn't configured");
      registry.challenge = () => 'Bearer realm="nowhere"';
      expect(await said(sourceOf())).to.equal("the registry names no address for logins");
      writeFileSync(at("login"), "no colon");
      registry.challenge = registry.bearer;
      expect(await said(sourceOf())).to.match(/has no `user:password`/);
    });

    it("send no password elsewhere", async () => {
      registry.push("stable", GOOD);
      registry.challenge = () => registry.bearer(other.url("/token"));
      expect(await said(sourceOf())).to.match(/sends logins to 127\.0\.0\.1:\d+, which isn't among/);
      // Not even where that host may be redirected to, unless it is by TLS.
      expect(await said(sourceOf(":stable", true, [other.host]))).to.match(/sends logins to/);
      expect(other.asked).to.deep.equal([]);
    });

    const bad: [what: string, reason: RegExp, make: () => void][] = [
      [
        "another layer than the manifest names",
        /the layer isn't the one/,
        () => {
          registry.push("stable", GOOD);
          registry.blobs.set(digestOf(GOOD), Buffer.from("evil one"));
        },
      ],
      [
        "a layer of another size",
        /the layer isn't the one/,
        () => {
          registry.push("stable", GOOD, [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: digestOf(GOOD), size: 7 }]);
        },
      ],
      [
        "a layer that is too large, before it is read",
        /a layer of more than 1000 bytes/,
        () => {
          registry.push("stable", GOOD, [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: digestOf(GOOD), size: 1e9 }]);
        },
      ],
      [
        "two layers",
        /has 2 layers/,
        () => {
          const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: digestOf(GOOD), size: GOOD.length };
          registry.push("stable", GOOD, [layer, layer]);
        },
      ],
      [
        "no layer of its type",
        /has 1 layers, and not one/,
        () => registry.push("stable", GOOD, [{ mediaType: "text/plain", digest: digestOf(GOOD), size: 8 }]),
      ],
      [
        "a digest that is a path",
        /no manifest/,
        () => registry.push("stable", GOOD, [{ mediaType: "x", digest: "sha256:../../../token", size: 8 }]),
      ],
      ["what is no manifest", /no manifest/, () => registry.manifests.set("stable", Buffer.from("<html>"))],
      ["a list of manifests", /no manifest/, () => registry.manifests.set("stable", Buffer.from('{"schemaVersion":2,"manifests":[]}'))],
      ["nothing under the tag", /status 404 of manifests/, () => undefined],
      [
        "no layer where it should be",
        /status 404 of blobs/,
        () => {
          registry.push("stable", GOOD);
          registry.blobs.clear();
        },
      ],
    ];
    for (const [what, reason, make] of bad) {
      it(`aren't there with ${what}`, async () => {
        make();
        expect(await said(sourceOf())).to.match(reason);
      });
    }

    it("aren't what a digest names with another manifest under it", async () => {
      const digest = registry.push("stable", GOOD);
      registry.manifests.set(digest, Buffer.from(JSON.stringify({ schemaVersion: 2, layers: [] })));
      expect(await said(sourceOf(`@${digest}`))).to.equal("the manifest isn't the one that the digest names");
    });

    it("are named by a URL with a tag or a digest, and nothing else", () => {
      expect(ociReference("https://r.example/a/b-c/d_e:v1.2")).to.deep.equal({
        origin: "https://r.example",
        name: "a/b-c/d_e",
        reference: "v1.2",
      });
      for (const path of ["", "a", "a:", ":v1", "A/b:v1", "a//b:v1", "a:v1?x=1", "a:v/1", "a@sha256:ab", "a:v1@sha256:ab", "a%2f:v1"])
        expect([path, ociReference(`https://r.example/${path}`)]).to.deep.equal([path, null]);
    });
  });
});
