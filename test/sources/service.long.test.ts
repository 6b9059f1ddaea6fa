/**
 * A service that fetches its bundle, against what TUF lists that a repository, or whoever is between, may try (its specification 1.0.33, section
 * 1.5.2), while it decides.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { NAME, STRANGER, archive, bundleBytes, content, signed } from "../bundle/support.js";
import { ALL, REQUEST, post, run, type Running } from "../http/running.js";
import { TestServer, having, type Answering } from "./server.js";

const until = async (isSo: () => Promise<boolean> | boolean): Promise<void> => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
};

interface Shown {
  running: { sequence: number };
  source: { failing: string | null };
}

describe("a service that fetches its bundle", function () {
  let server: TestServer;
  let service: Running;
  const bundle = (): object => ({
    ...{ name: NAME, path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state", poll_ms: 50, bytes_max: 65_536 },
    source: { kind: "http", url: server.url(), private: true, poll_ms: 100, timeout_ms: 500, retry_ms: 20, retry_max_ms: 40 },
  });

  before(async () => {
    server = await new TestServer(having(await bundleBytes({ expires: null, sequence: 12 }))).start();
    service = await run({ bundle: bundle() }, false);
    await until(async () => (await decided()) !== null);
  });
  after(async () => {
    await service.stop();
    await server.stop();
  });

  /** Sequence of the bundle that decides; null if none does. */
  async function decided(): Promise<number | null> {
    const response = await post(service, "/decide", REQUEST);
    const { policy } = (await response.json()) as { policy?: { sequence: number } };
    return policy?.sequence ?? null;
  }
  const shown = async (): Promise<Shown> =>
    (await (await fetch(`${service.url}/bundles`, { headers: { authorization: `Bearer ${ALL}` } })).json()) as Shown;
  const refusals = (code: string): number =>
    service
      .said()
      .split("\n")
      .filter((line) => line.includes(code)).length;

  it("has it from there from the start, keeps it where a restart finds it, and takes the next", async () => {
    expect(await decided()).to.equal(12);
    expect(readFileSync(join(service.folder, "bundle.tar.gz")).length).to.be.above(0);
    server.answering = having(await bundleBytes({ expires: null, sequence: 20 }));
    await until(async () => (await decided()) === 20);
    expect((await shown()).source.failing).to.equal(null);
  });

  const attacks: [attack: string, sign: string, answering: () => Promise<Answering>][] = [
    [
      "arbitrary software: another's signature",
      "signature_key_unknown",
      async () => having(await archive(signed(content({ expires: null, sequence: 21 }), STRANGER))),
    ],
    ["arbitrary software: none", "signature_missing", async () => having(await archive(content({ expires: null, sequence: 21 })))],
    ["rollback", "bundle_older", async () => having(await bundleBytes({ expires: null, sequence: 19 }))],
    [
      "the same sequence with other content",
      "bundle_changed",
      async () => having(await archive(signed(content({ expires: "2100-01-01T00:00:00Z", sequence: 20 })))),
    ],
    ["fast-forward", "bundle_sequence_jump", async () => having(await bundleBytes({ expires: null, sequence: Number.MAX_SAFE_INTEGER }))],
    [
      "indefinite freeze: a bundle whose end has come",
      "bundle_expired",
      async () => having(await bundleBytes({ expires: "2026-03-02T00:00:00Z", sequence: 21 })),
    ],
    [
      "mix and match: files of two bundles",
      "file_altered",
      async () => {
        const files = signed(content({ expires: null, sequence: 21 }));
        return having(await archive(files.set("remit/decide.rego", Buffer.from("package remit\n\nx := 1\n"))));
      },
    ],
    [
      "extraneous dependencies: a file that nobody signed",
      "file_not_signed",
      async () =>
        having(await archive(new Map(signed(content({ expires: null, sequence: 21 }))).set("more/x.rego", Buffer.from("package more\n")))),
    ],
    [
      "wrong software: a bundle for another service",
      "name_mismatch",
      async () => having(await bundleBytes({ name: "another", expires: null, sequence: 21 })),
    ],
    [
      "endless data",
      "more than 65536 bytes",
      () =>
        Promise.resolve((_, response) => {
          const send = (): void => {
            if (!response.destroyed) response.write(Buffer.alloc(16_384), send);
          };
          response.writeHead(200);
          send();
        }),
    ],
    [
      "slow retrieval",
      "no whole answer within 500 ms",
      () =>
        Promise.resolve((_, response) => {
          response.writeHead(200);
          const drip = setInterval(() => response.write("x"), 20);
          response.on("close", () => {
            clearInterval(drip);
          });
        }),
    ],
    [
      "a malicious mirror: a redirect to another host",
      "redirected to http://localhost",
      () => Promise.resolve((_, response) => response.writeHead(302, { location: server.url().replace("127.0.0.1", "localhost") }).end()),
    ],
    ["a malicious mirror: a page in its place", "archive_not_gzip", () => Promise.resolve(having(Buffer.from("<html>sign in</html>")))],
    ["a mirror that has gone", "status 404", () => Promise.resolve((_, response) => response.writeHead(404).end())],
  ];
  for (const [attack, sign, answering] of attacks) {
    it(`decides on by what it had under ${attack}`, async () => {
      const before = refusals(sign);
      server.answering = await answering();
      await until(() => refusals(sign) > before);
      expect(await decided()).to.equal(20);
      // Once, however often it is met again.
      const asked = server.asked.length;
      await until(() => server.asked.length > asked + 1);
      expect(refusals(sign)).to.equal(before + 1);
      expect((await shown()).running.sequence).to.equal(20);
    });
  }

  it("says for how long the source has been silent, and takes what comes when it answers again", async () => {
    const silent = async (): Promise<number> => {
      const text = await (await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${ALL}` } })).text();
      return Number(/^remit_bundle_source_silent_seconds (\S+)$/m.exec(text)?.[1]);
    };
    server.answering = (_, response) => response.destroy();
    await until(async () => (await silent()) > 0.5);
    expect((await shown()).source.failing).to.match(/hang up|ECONNRESET/);
    server.answering = having(await bundleBytes({ expires: null, sequence: 22 }));
    await until(async () => (await decided()) === 22);
    expect(await silent()).to.be.below(10);
  });
});
