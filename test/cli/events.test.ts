import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { EventReader } from "../../src/client/event_source.js";
import { EVERY, ask, runWithFacts, withAgent, type Json } from "../http/asking.js";
import { tokenFor, type Running } from "../http/running.js";
import { remit, type Ran } from "./remit.js";

describe("remit events", function () {
  describe("on a service:", () => {
    let service: Running;
    const following = (...args: string[]): Promise<Ran> => remit("events", "--url", service.url, "--token", EVERY, ...args);
    const lines = ({ out }: Ran): Json[] =>
      out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Json);
    const revoke = (scope: object): Promise<unknown> => ask(service, "POST", "/revocations", { body: { scope, reason: "incident 12" } });
    /** Whoever comes to follow is there once the service counts it. */
    const present = async (count = 1): Promise<void> => {
      while (!(await ask(service, "GET", "/metrics")).text.includes(`remit_event_subscribers ${count}`))
        await new Promise((resolve) => setTimeout(resolve, 10));
    };

    before(async () => {
      service = await runWithFacts();
      await withAgent(service);
      await withAgent(service, { id: "a-2" });
    });
    afterEach(() => present(0));
    after(() => service.stop());

    it("shows what was changed since a revision, and what comes, one line each", async () => {
      const ran = following("--after", "1", "--limit", "3");
      await present();
      await revoke({ agent: "a-1" });
      // What holds comes at once, perhaps before what was missed.
      const { exit, out, err } = await ran;
      expect(exit).to.equal("ok");
      expect(err).to.match(/^(?:following from revision \d\n)?$/);
      expect(
        out
          .trimEnd()
          .split("\n")
          .map((line) => line.split(/ {2,}/).slice(1)),
      ).to.have.deep.members([
        ["2", "agent_created", "agent/a-2", "agent a-2"],
        ["held", "revoked", "revocation/agent/a-1", "agent a-1"],
        ["3", "revoked", "revocation/agent/a-1", "agent a-1"],
      ]);
    });

    it("says each event as one line of JSON, of one agent alone where it is asked to", async () => {
      const ran = following("--agent", "a-2", "--limit", "2", "--json");
      await present();
      await revoke({ agent: "a-1" });
      await revoke({ agent: "a-2" });
      const events = lines(await ran);
      expect(events.map(({ event, key, durable }) => [event, key, durable])).to.deep.equal([
        ["ready", undefined, undefined],
        ["change", "revocation/agent/a-2", false],
        ["change", "revocation/agent/a-2", true],
      ]);
    });

    it("says what the service refuses, and doesn't try that again", async () => {
      const wrong: [string[], string, string][] = [
        [["--agent", "a-7"], "missing", "agent_not_found"],
        [["--task", "T-7"], "missing", "task_not_found"],
        [["--token", tokenFor("remit:publish")], "refused", "scope_missing"],
      ];
      for (const [args, exit, code] of wrong) {
        const ran = await following(...args);
        expect([ran.exit, ran.err]).to.deep.equal([exit, ran.err]);
        expect(ran.err).to.contain(code);
      }
      expect((await following("--after", "x")).exit).to.equal("usage");
      expect((await following("--limit", "0")).exit).to.equal("usage");
      expect((await remit("events", "--help")).out)
        .to.contain("Examples:")
        .and.contain("$ remit events");
    });
  });

  describe("on a connection that breaks:", () => {
    let server: Server;
    let folder = "";
    let answers: ((response: ServerResponse) => void)[] = [];
    const asked: string[] = [];
    const change = (id: number): string =>
      `id: ${id}\nevent: change\ndata: {"revision":${id},"change":"revoked","key":"revocation/agent/a-${id}","narrows":true,"time":"t","agent":null,"purpose":null,"task":null}\n\n`;
    const streaming = (text: string, more: (response: ServerResponse) => void) => (response: ServerResponse) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`retry: 1\n\n${text}`);
      setImmediate(more, response);
    };

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), "remit-cli-events-"));
      asked.length = 0;
      server = createServer((request, response) => {
        const { authorization = "", "last-event-id": after } = request.headers;
        asked.push(`${request.url ?? ""} ${authorization}${after === undefined ? "" : ` after ${String(after)}`}`);
        writeFileSync(join(folder, "token"), `token-${asked.length}`);
        answers.shift()?.(response);
      }).listen(0, "127.0.0.1");
      await new Promise((resolve) => server.once("listening", resolve));
      writeFileSync(join(folder, "token"), "token-0");
    });
    afterEach(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    });

    it("goes on after the last event that was whole, with the token that the file has by then", async () => {
      answers = [
        streaming(`${change(1)}${change(2).slice(0, 20)}`, (response) => response.destroy()),
        streaming("", (response) => response.end('event: end\ndata: {"code":"shutting_down","title":"it ends"}\n\n')),
        (response) => response.writeHead(503).end(),
        streaming(`${change(2)}${change(3)}`, () => undefined),
      ];
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { exit, out, err } = await remit("events", "--url", url, "--token-file", join(folder, "token"), "--limit", "3");
      expect(exit).to.equal("ok");
      expect(out.match(/a-\d/g)).to.deep.equal(["a-1", "a-2", "a-3"]);
      expect(asked).to.deep.equal([
        "/events Bearer token-0",
        "/events Bearer token-1 after 1",
        "/events Bearer token-2 after 1",
        "/events Bearer token-3 after 1",
      ]);
      expect(err)
        .to.contain("the connection broke off; trying again")
        .and.match(/ended: it ends\n503: refused; trying again/);
    });

    it("says so where there is no service to begin with", async () => {
      answers = [(response) => response.writeHead(503).end()];
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      expect((await remit("events", "--url", url, "--token", "x")).exit).to.equal("unavailable");
      expect((await remit("events", "--url", "http://127.0.0.1:1", "--token", "x")).exit).to.equal("unavailable");
    });

    it("takes a connection on which nothing comes for a dead one", async () => {
      const ready = 'id: 7\nevent: ready\ndata: {"facts_revision":7,"heartbeat_ms":20,"policy":null}\n\n';
      answers = [streaming(ready, () => undefined), streaming(change(8), () => undefined)];
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { exit } = await remit("events", "--url", url, "--token", "x", "--limit", "1");
      expect([exit, asked.length, asked[1]]).to.deep.equal(["ok", 2, "/events Bearer x after 7"]);
    });
  });

  describe("reads server-sent events", () => {
    const read = (text: string, cut: number): unknown[] => {
      const reader = new EventReader();
      const bytes = Buffer.from(text);
      const found = [];
      for (let from = 0; from < bytes.length; from += cut) {
        for (const { event, data } of reader.read(bytes.subarray(from, from + cut))) found.push([event, data, reader.lastId]);
      }
      return [...found, reader.lastId, reader.retry_ms];
    };
    const cases: [string, string, unknown[]][] = [
      ["an event with its id", "id: 1\nevent: a\ndata: x\n\n", [["a", "x", "1"], "1", null]],
      ["one without a name, or a space", "data:x\n\n", [["message", "x", null], null, null]],
      ["data on several lines", "data: x\ndata: y\n\n", [["message", "x\ny", null], null, null]],
      [
        "an id that stays until there is another",
        "id: 1\ndata: x\n\ndata: y\n\n",
        [["message", "x", "1"], ["message", "y", "1"], "1", null],
      ],
      ["an id without data, and comments", ": hello\n:\nid: 5\n\n", ["5", null]],
      ["how long to wait", "retry: 1500\n\nretry: x\n\n", [null, 1500]],
      ["lines that end in CR LF", "event: a\r\ndata: x\r\n\r\n", [["a", "x", null], null, null]],
      ["what isn't whole yet not at all", "id: 2\nevent: a\ndata: x\n", [null, null]],
      ["text beyond ASCII", "data: ünï→😀\n\n", [["message", "ünï→😀", null], null, null]],
      ["fields that it doesn't know", "x: y\nz\ndata: x\n\n", [["message", "x", null], null, null]],
    ];
    for (const [what, text, expected] of cases) {
      it(`takes ${what}, wherever it is cut`, () => {
        for (let cut = 1; cut <= text.length; cut++) expect(read(text, cut)).to.deep.equal(expected);
      });
    }
  });
});
