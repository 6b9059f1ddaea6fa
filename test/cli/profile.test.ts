import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { act, bytesOf } from "../behavior/desk.js";
import { THEN, team } from "../behavior/team.js";
import { remit } from "./remit.js";

const EVENT = {
  ts: 1_767_571_212_615,
  principal: "support-7",
  purpose: "customer_support",
  action: "read",
  resource: "customer:1",
  resource_type: "customer",
  outcome: "allow",
  source: "wl-1",
  session: "s-1",
  ticket: "T-1",
  grant: null,
  n: 1,
};

describe("remit profile", function () {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-cli-profile-"));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const lines = (...events: object[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join("");
  const score = async (text: string): ReturnType<typeof remit> => remit("profile", "score", file("events.jsonl", text));

  /** Eight quiet days, and then payroll without a ticket. */
  const days = Array.from({ length: 800 }, (_, i) => ({
    ...EVENT,
    ts: EVENT.ts + Math.floor(i / 100) * 86_400_000 + (i % 100) * 200_000,
    session: `s-${Math.floor(i / 4)}`,
    ticket: `T-${Math.floor(i / 4)}`,
    resource: `customer:${i % 40}`,
  }));
  const odd = [1, 2, 3].map((i) => ({
    ...EVENT,
    ts: EVENT.ts + 9 * 86_400_000 + i * 1000,
    resource: `payroll:${i}`,
    resource_type: "payroll",
    ticket: null,
  }));

  describe("thresholds", () => {
    /** Prints what a service with these purposes answers. */
    const shown = async (...items: object[]): Promise<string> => {
      const server = createServer((_, response) => {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ items }));
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      try {
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        const { exit, out } = await remit("profile", "thresholds", "--url", url, "--token", "t");
        expect(exit).to.equal("ok");
        return out;
      } finally {
        server.close();
        server.closeAllConnections();
      }
    };
    const at = (threshold: number, before = threshold): object => ({ at: threshold, before });
    const untouched = {
      purpose: "sales",
      expected: 0,
      misuse: 0,
      score: 0,
      log: at(25),
      flag: at(60),
      hold: null,
      narrow: at(60),
      suspend: at(85),
      channels: [],
    };
    const judged = { ...untouched, purpose: "support", expected: 3, score: 0.3, log: at(25, 28), flag: at(60, 62) };

    it("shows each purpose's in a row, and what verdicts have moved in brackets", async () => {
      const out = await shown(judged, untouched);
      expect(out).to.match(/^ *Purpose +log +flag +hold +narrow +suspend +verdicts$/m);
      expect(out).to.match(/^ *support +25 \(28\) +60 \(62\) +never +60 +85 +3 expected, 0 misuse$/m);
      expect(out).to.match(/^ *sales +25 +60 +never +60 +85 +none$/m);
      expect(out).to.include("In brackets: the risk that an action would have without the verdicts");
    });

    it("shows channels with a threshold of their own, where a purpose has one", async () => {
      const drifting = { channel: "drift", then: "log", at: 3 };
      const out = await shown({ ...untouched, channels: [drifting, { channel: "order", then: "flag", at: 4.5 }] }, judged);
      expect(out).to.match(/^ *Purpose +log +flag +hold +narrow +suspend +channels +verdicts$/m);
      expect(out).to.match(/^ *sales +25 +60 +never +60 +85 +drift log 3, order flag 4\.5 +none$/m);
      expect(out).to.match(/^ *support .* +85 +none +3 expected, 0 misuse$/m);
    });

    it("explains no brackets where there are none, and says so if there is no purpose", async () => {
      expect(await shown(untouched)).not.to.match(/\(|brackets/);
      expect(await shown()).to.equal("no purpose that this caller may see\n");
    });
  });

  describe("score", () => {
    it("says of each event, in order, how odd it was after those before it", async () => {
      const { exit, out, err } = await score(lines(...days, ...odd));
      expect([exit, err]).to.deep.equal(["ok", ""]);
      const said = out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { score: number; risk: number; reasons: string[]; channels: object });
      expect(said).to.have.lengthOf(803);
      expect(Math.max(...said.slice(0, 800).map(({ risk }) => risk))).to.be.below(25);
      expect(said[802]?.risk).to.be.at.least(60);
      expect(said[802]?.score).to.be.above(said[799]?.score ?? 0);
      expect(said[802]?.channels).to.have.property("what");
      expect(said[801]?.reasons.join()).to.match(/payroll/);
    });

    it("never looks at what an event is known to be", async () => {
      const labelled = (label: number): string =>
        lines(...[...days, ...odd].map((event) => ({ ...event, label, scenario: "x", campaign: 1, hard: "y" })));
      expect((await score(labelled(0))).out).to.equal((await score(labelled(1))).out);
      expect((await score(labelled(0))).out).to.equal((await score(lines(...days, ...odd))).out);
    });

    it("reads no event ahead: what comes later changes nothing", async () => {
      const { out } = await score(lines(...days, ...odd));
      expect((await score(lines(...days))).out).to.equal(out.split("\n").slice(0, 800).join("\n") + "\n");
    });

    const TAKEN: Record<string, object> = {
      "fields that may be null are null": { resource: null, source: null, session: null, ticket: null, grant: null },
      "fields that may be left out are": {
        resource: undefined,
        outcome: undefined,
        source: undefined,
        session: undefined,
        ticket: undefined,
        n: undefined,
      },
      "ids are numbers": { ticket: 81, session: 7, grant: 12 },
      "time is a text": { ts: "2026-01-05T00:00:12Z" },
      "time goes backwards": { ts: 1 },
      "time is far off": { ts: 8.64e15 },
      "names are without measure": {
        principal: "p".repeat(100_000),
        resource_type: "\u0000\u202e\ud800",
        action: "💥",
      },
      "the amount is huge": { n: 1e300 },
    };
    for (const [name, changes] of Object.entries(TAKEN)) {
      it(`takes an event whose ${name}`, async () => {
        const { exit, out } = await score(lines(EVENT, { ...EVENT, ...changes }, EVENT));
        expect(exit).to.equal("ok");
        expect(out.trim().split("\n")).to.have.lengthOf(3);
      });
    }

    const REFUSED: Record<string, [line: string, message: string]> = {
      "is not JSON": ["{bad", "it is not JSON"],
      "is not an object": ["[1]", "it is not an object"],
      "has no agent": [JSON.stringify({ ...EVENT, principal: undefined }), "`principal` is missing"],
      "has an empty type": [JSON.stringify({ ...EVENT, resource_type: "" }), "`resource_type` is not a text"],
      "has an action that is no text": [JSON.stringify({ ...EVENT, action: 7 }), "`action` is not a text"],
      "has no time": [JSON.stringify({ ...EVENT, ts: undefined }), "`ts` is not a time"],
      "has a time without end": [JSON.stringify({ ...EVENT, ts: 1e300 }), "`ts` is not a time"],
      "has a time before there was any": [JSON.stringify({ ...EVENT, ts: -5 }), "`ts` is not a time"],
      "has another outcome": [JSON.stringify({ ...EVENT, outcome: "maybe" }), "`outcome` is neither"],
      "has a session that is a list": [JSON.stringify({ ...EVENT, session: [] }), "`session` is neither a text nor null"],
      "has an amount that is no number": [JSON.stringify({ ...EVENT, n: "many" }), "`n` is not a number"],
    };
    for (const [name, [line, message]] of Object.entries(REFUSED)) {
      it(`stops at a line that ${name}, names it, and keeps what was scored before`, async () => {
        const { exit, out, err } = await score(`${lines(EVENT, EVENT)}\n${line}\n${lines(EVENT)}`);
        expect(exit).to.equal("invalid");
        expect(err).to.contain(`line 4: ${message}`);
        expect(out.trim().split("\n")).to.have.lengthOf(2);
      });
    }
  });

  describe("show", () => {
    it("draws hours, what an agent does, what is usual of it and what is new", async () => {
      const { exit, out } = await remit("profile", "show", "support-7", "--snapshot", file("profile.bin", bytesOf(team())));
      expect(exit).to.equal("ok");
      expect(out).to.match(/support-7 {2}1344 acts on 14 days, 2026-01-05 to 2026-01-18/);
      expect(out).to.match(/Acts +ticket +customer +order\nread +336 +336 +336\nupdate +336 +· +·/);
      expect(out).to.match(/customer +≤ \d+ +≤ \d+ +100 %/);
      expect(out).to.match(/New this week\n {2}nothing/);
    });

    it("says the same as JSON", async () => {
      const { out } = await remit("profile", "show", "support-7", "--snapshot", file("profile.bin", bytesOf(team())), "--json");
      const said = JSON.parse(out) as {
        ok: boolean;
        hours: number[];
        habits: { verb: string; type: string; acts: number }[];
      };
      expect(said.ok).to.equal(true);
      expect(said.hours).to.have.lengthOf(24);
      expect(said.habits).to.deep.include({ verb: "update", type: "ticket", acts: 336, days: 14, is_new: false });
    });

    it("says how far evidence has come, and at which odds it is a finding", async () => {
      const snapshot = file("profile.bin", bytesOf(team()));
      const said = JSON.parse((await remit("profile", "show", "support-7", "--snapshot", snapshot, "--json")).out) as {
        evidence: { test: string; odds: number; finds_at: number | null }[];
      };
      expect(said.evidence.map(({ test }) => test)).to.deep.equal(["order", "drift", "labels"]);
      for (const { odds, finds_at } of said.evidence)
        expect(odds)
          .to.be.at.least(0)
          .and.below(finds_at ?? Infinity);
      const { out } = await remit("profile", "show", "support-7", "--snapshot", snapshot);
      expect(out).to.match(/Evidence over sessions\n {2}order +odds [\d.]+, (?:a finding at \d+|too few sessions to say)\n {2}drift/);
    });

    it("draws the same as a page, in which nothing runs", async () => {
      const profile = team();
      const hostile = `"><script>alert(1)</script>\u202e`;
      profile.learn(act({ agent: "support-7", type: hostile, time_ms: THEN }), "allow");
      const snapshot = file("profile.bin", bytesOf(profile));
      const html = join(folder, "profile.html");
      const { exit, err } = await remit("profile", "show", "support-7", "--snapshot", snapshot, "--html", html);
      expect([exit, err]).to.deep.equal(["ok", ""]);
      const page = readFileSync(html, "utf8");
      expect(page.match(/<title>\d\d:00: \d+ %<\/title/g)).to.have.length(24);
      expect(page)
        .to.include("update ticket: 336 ×")
        .and.match(/New in its last seven days<\/h2>\s*<ul>/);
      expect(page).to.include("Its own steps in another order").and.include("style-src 'sha256-");
      expect(page).to.not.match(/<script|\u202e|https?:/i);
    });

    it("refuses a page in a folder that doesn't exist, before it asks anybody", async () => {
      const { exit, err } = await remit("profile", "show", "support-7", "--html", "/nowhere/at/all.html");
      expect(exit).to.equal("failed");
      expect(err).to.contain("nowhere");
    });

    it("knows nothing of an agent that it never heard of", async () => {
      expect((await remit("profile", "show", "nobody", "--snapshot", file("profile.bin", bytesOf(team())))).exit).to.equal("missing");
    });

    it("refuses a snapshot that is damaged, and says what to do", async () => {
      const { exit, err } = await remit("profile", "show", "support-7", "--snapshot", file("bad.bin", bytesOf(team()).subarray(9)));
      expect(exit).to.equal("invalid");
      expect(err).to.contain("no snapshot of a profile").and.contain("--log learns from the records instead");
    });

    it("wants either a snapshot or records", async () => {
      expect((await remit("profile", "show", "support-7")).exit).to.equal("usage");
    });
  });
});
