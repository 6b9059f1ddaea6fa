import { expect } from "chai";
import fc from "fast-check";
import type { FoundRecord } from "../../src/contract/index.js";
import { parseConsoleConfig } from "../../src/console/config.js";
import { placeOf, queryLine, quoted, recordQuery } from "../../src/console/grammar.js";
import { partsOf } from "../../src/console/marks.js";
import { OneTime } from "../../src/console/one_time.js";
import { pulseOf, rowOf, type LiveRow, eventText } from "../../src/console/pulse.js";
import { Sessions } from "../../src/console/sessions.js";
import { PASSED, passedRoute } from "../../src/console/upstream.js";
import { system } from "../../src/system/index.js";
import { CHARACTER } from "../characters.js";

describe("the console's parts", () => {
  describe("text that others wrote", () => {
    const plain = (text: string): string =>
      partsOf(text, 10_000)
        .map(({ text: part, isMark }) => (isMark ? `[${part}]` : part))
        .join("");

    const unseen: [what: string, text: string, shown: string][] = [
      ["a direction that is turned round", "a\u202egnp.exe", "a[U+202E]gnp.exe"],
      ["an isolate", "\u2066x\u2069", "[U+2066]x[U+2069]"],
      ["a space of no width", "sup\u200bport", "sup[U+200B]port"],
      ["half of a pair", "x\ud800y", "x[U+D800]y"],
      ["an escape", "\u001b[31mred", "[U+001B][31mred"],
      ["a line's end", "a\nb\u2028c", "a[U+000A]b[U+2028]c"],
      ["another space", "a\u00a0b\u3000c", "a[U+00A0]b[U+3000]c"],
      ["a filler", "a\u3164b\uffa0c", "a[U+3164]b[U+FFA0]c"],
      ["a tag", "a\u{e0041}b", "a[U+E0041]b"],
      ["a soft hyphen", "a\u00adb", "a[U+00AD]b"],
      ["a byte order mark", "\ufeffx", "[U+FEFF]x"],
      ["a variation", "x\ufe0fy", "x[U+FE0F]y"],
    ];
    for (const [what, text, shown] of unseen)
      it(`shows ${what}`, () => {
        expect(plain(text)).to.equal(shown);
      });

    it("differs wherever the text does", () => {
      const character = fc.oneof(
        fc.constantFrom("\u200b", "\u202e", "\u00ad", "\u2066", "a", "U", "+", "[", "\ufeff"),
        fc.string({ unit: CHARACTER, maxLength: 1 }),
      );
      const name = fc.array(character, { maxLength: 12 }).map((all) => all.join(""));
      const shape = (text: string): string => JSON.stringify(partsOf(text, 10_000));
      fc.assert(
        fc.property(name, name, (a, b) => {
          expect(shape(a) === shape(b)).to.equal(a === b);
        }),
        { numRuns: 10_000 },
      );
    });

    it("is clipped, and says by how much", () => {
      expect(partsOf("x".repeat(1_000_000), 400)).to.deep.equal([
        { text: "x".repeat(400), isMark: false },
        { text: "… 999600 more characters", isMark: true },
      ]);
    });
  });

  describe("the grammar", () => {
    it("is the same for an address and a line", () => {
      const lines: [search: string, line: string][] = [
        ["", "remit audit query"],
        ["agent=support-7&decision=deny", "remit audit query --agent support-7 --decision deny"],
        ["owner=desk@example.com&principal=o'neill", "remit audit query --principal 'o'\\''neill' --owner desk@example.com"],
        ["decision=deny,flag&resource_prefix=acme/", "remit audit query --prefix acme/ --decision deny --decision flag"],
        ["proceed=false&finding=true", "remit audit query --proceed no --finding yes"],
        ["reason=it's", "remit audit query --reason 'it'\\''s'"],
        ["nonsense=1&agent=", "remit audit query"],
      ];
      for (const [search, line] of lines) expect(queryLine(recordQuery(search)), search).to.equal(line);
    });

    it("leaves nothing of a value to a shell", () => {
      fc.assert(
        fc.property(fc.string({ unit: CHARACTER, maxLength: 30 }), (text) => {
          const word = quoted(text);
          if (word === text) expect(text).to.match(/^[A-Za-z0-9_@%+=:,./-]+$/);
          else expect(word.slice(1, -1).replaceAll("'\\''", "")).to.not.contain("'");
        }),
      );
    });

    const places: [text: string, place: string | null][] = [
      ["F-0190a5e4-7c1a-7000-8000-000000000001", "/findings/F-0190a5e4-7c1a-7000-8000-000000000001"],
      ["0190a5e4-7c1a-7000-8000-000000000001", "/records/0190a5e4-7c1a-7000-8000-000000000001"],
      [" 4711 ", "/records/4711"],
      ["agent/support-7", "/agents/support-7"],
      ["task/T-1", "/tasks/T-1"],
      ["agent/../../api", "/agents/..%2F..%2Fapi"],
      [`sha256:${"0".repeat(64)}`, `/records?bundle=sha256:${"0".repeat(64)}`],
      ["javascript:alert(1)", null],
      ["//evil.example", null],
      ["https://evil.example", null],
      ["", null],
      ["99999999999999999999", null],
    ];
    for (const [text, place] of places)
      it(`takes ${JSON.stringify(text)} to ${place ?? "nowhere"}`, () => {
        expect(placeOf(text)).to.equal(place);
      });
  });

  describe("pulses", () => {
    const row = (i: number, decision: string, more: Partial<LiveRow> = {}): LiveRow => ({
      ...{ seq: i, id: `d-${i}`, time: "2027-03-02T09:00:00.000Z", decision, proceed: decision === "allow", waits: false, observed: false },
      ...{ agent: "a-1", purpose: "p", task: null, verb: "read", type: "note", resource: null, code: "c", severity: "info" },
      ...{ message: "m", finding: null, ms: 1 },
      ...more,
    });

    it("count everything, show all that was stopped, and of what was allowed some", () => {
      const rows = Array.from({ length: 1000 }, (_, i) => row(i, i % 50 === 0 ? "deny" : i % 50 === 1 ? "flag" : "allow"));
      const pulse = pulseOf(rows, {});
      expect(pulse?.counts).to.deep.equal({ allow: 960, flag: 20, deny: 20, wait: 0 });
      expect(pulse?.rows.filter(({ decision }) => decision !== "allow")).to.have.lengthOf(40);
      expect(pulse?.rows.filter(({ decision }) => decision === "allow")).to.have.lengthOf(8);
      expect((pulse?.rows.length ?? 0) + (pulse?.left_out ?? 0)).to.equal(1000);
      expect(pulse?.rows.map(({ seq }) => seq)).to.deep.equal(pulse?.rows.map(({ seq }) => seq).sort((a, b) => a - b));
    });

    it("count only what fits the filter", () => {
      const rows = [row(1, "allow"), row(2, "deny", { agent: "a-2" }), row(3, "flag", { agent: "a-2", waits: true })];
      expect(pulseOf(rows, { agent: "a-2" })).to.deep.include({ counts: { allow: 0, flag: 1, deny: 1, wait: 1 }, left_out: 0 });
      expect(pulseOf(rows, { agent: "nobody" })).to.equal(null);
      expect(pulseOf([], {})).to.equal(null);
    });

    it("clip what an agent wrote at length, and pass over records of other kinds", () => {
      const answer = {
        decision_id: "d",
        decision: "deny",
        proceed: false,
        reasons: [{ code: "c", severity: "low", message: "x".repeat(100_000) }],
      };
      const found = { seq: 1, action: null, outcome: null, record: { kind: "decision", time: "t", answer } } as unknown as FoundRecord;
      expect(rowOf(found)?.message).to.have.lengthOf(401);
      expect(rowOf({ ...found, record: { kind: "facts" } } as unknown as FoundRecord)).to.equal(null);
    });
  });

  describe("sessions", () => {
    const person = { id: "ada", scopes: new Set<never>(), signed_in_ms: null };
    const clocked = (limits = { idle_ms: 100, lasts_ms: 1000 }): { sessions: Sessions; move: (ms: number) => void } => {
      let now = 0;
      const clock = { wall: () => now, monotonic: () => now };
      return { sessions: new Sessions(limits, { ...system, clock }), move: (ms) => (now += ms) };
    };

    it("end when they weren't used for a while, and in any case after another", () => {
      const { sessions, move } = clocked();
      const id = sessions.begin(person);
      for (let used = 0; used < 10; used++) {
        move(100);
        expect(sessions.use(id), String(used)).to.not.equal(null);
      }
      move(1);
      expect(sessions.use(id)).to.equal(null);
      const other = sessions.begin(person);
      move(101);
      expect(sessions.use(other)).to.equal(null);
      expect(sessions.size).to.equal(0);
    });

    it("end what they hold open with them, once", () => {
      const { sessions, move } = clocked();
      let ended = 0;
      const id = sessions.begin(person);
      sessions.use(id)?.ended.add(() => ended++);
      move(101);
      sessions.sweep();
      sessions.endOf("ada");
      sessions.end(id);
      expect(ended).to.equal(1);
    });

    it("take no id that isn't one, and are bounded", () => {
      const { sessions } = clocked();
      for (const id of [null, "", "x", "A".repeat(42), `${"A".repeat(42)}=`, "A".repeat(44), "__proto__"])
        expect(sessions.use(id), String(id)).to.equal(null);
      const of = (i: number): string => sessions.begin({ ...person, id: `person-${i}` });
      const first = of(0);
      for (let i = 1; i <= 1000; i++) of(i);
      expect(sessions.size).to.equal(1000);
      expect(sessions.use(first)).to.equal(null);
    });

    it("of one person end each other's, and nobody else's, however often that person signs in", () => {
      const { sessions, move } = clocked({ idle_ms: 1e6, lasts_ms: 1e6 });
      const others = ["bob", "cyd"].map((id) => sessions.begin({ ...person, id }));
      move(1);
      const own = Array.from({ length: 2000 }, () => {
        move(1);
        return sessions.begin(person);
      });
      expect(others.map((id) => sessions.use(id)?.person.id)).to.deep.equal(["bob", "cyd"]);
      expect(sessions.size).to.equal(18);
      expect(own.filter((id) => sessions.use(id) !== null)).to.deep.equal(own.slice(-16));
    });

    it("of whoever has most end first, when all together are too many", () => {
      const { sessions, move } = clocked({ idle_ms: 1e6, lasts_ms: 1e6 });
      const one = sessions.begin({ ...person, id: "of-one" });
      move(1);
      const crowd = Array.from({ length: 100 }, (_, i) =>
        Array.from({ length: 16 }, () => sessions.begin({ ...person, id: `p-${i}` })),
      ).flat();
      expect(sessions.size).to.equal(1000);
      expect(sessions.use(one)).to.not.equal(null);
      expect(crowd.filter((id) => sessions.use(id) !== null)).to.have.lengthOf(999);
    });

    it("give an address that works once, and not for ever", () => {
      let now = 0;
      const oneTime = new OneTime({ ...system, clock: { wall: () => now, monotonic: () => now } });
      expect(oneTime.take("")).to.equal(false);
      const code = oneTime.next();
      expect([oneTime.take(`${code}x`), oneTime.take(code), oneTime.take(code)]).to.deep.equal([false, true, false]);
      const [first, second] = [oneTime.next(), oneTime.next()];
      expect([oneTime.take(first), oneTime.take(second)]).to.deep.equal([false, true]);
      const late = oneTime.next();
      now = 600_001;
      expect(oneTime.take(late)).to.equal(false);
    });
  });

  describe("the routes that are passed on", () => {
    it("are none that decides, embeds, observes, imports or administers", () => {
      const scopes = new Set(PASSED.flatMap(({ scopes: of }) => of));
      for (const scope of ["remit:decide", "remit:embed", "remit:observe", "remit:admin", "remit:bundle"] as const)
        expect(scopes.has(scope), scope).to.equal(false);
    });

    it("need a recent sign-in wherever they widen", () => {
      const widening: [method: string, path: string, body: unknown, widens: boolean][] = [
        ["POST", "/revocations", { scope: { everything: true } }, false],
        ["POST", "/revocations/agent/a/lift", {}, true],
        ["POST", "/revocations/everything/lift", {}, true],
        ["POST", "/agents/a/narrowing", {}, false],
        ["POST", "/agents/a/narrowing/lift", {}, true],
        ["PATCH", "/agents/a", { status: "suspended" }, false],
        ["PATCH", "/agents/a", { status: "revoked" }, false],
        ["PATCH", "/agents/a", { status: "active" }, true],
        ["PATCH", "/agents/a", { purposes: ["more"] }, true],
        ["PATCH", "/agents/a", null, true],
        ["POST", "/findings/F-1", { state: "misuse" }, false],
        ["POST", "/findings/F-1", { state: "expected" }, true],
        ["POST", "/findings/F-1/approvals", {}, true],
        ["POST", "/bundles", null, true],
      ];
      for (const [method, path, body, widens] of widening)
        expect(passedRoute(method, path)?.widens?.(body) ?? false, `${method} ${path} ${JSON.stringify(body)}`).to.equal(widens);
    });
  });

  describe("console.yaml", () => {
    const good = `
service: { url: http://127.0.0.1:8181 }
issuer: { issuer: https://console.example, audience: remit, kid: c1, key: console.pem }
local: { person: ada, scopes: [remit:audit] }
`;
    it("is read with its defaults, its paths from its own folder", () => {
      const config = parseConsoleConfig(good, "/etc/remit/console.yaml");
      expect(config.listen).to.deep.equal({ host: "127.0.0.1", port: 8190, connections_max: 512 });
      expect(config.issuer.key).to.equal("/etc/remit/console.pem");
    });
    const bad: [what: string, text: string, at: RegExp][] = [
      ["an unknown key", `${good}extra: 1\n`, /extra/],
      ["a service in the clear elsewhere", good.replace("127.0.0.1", "service.example"), /service\.url.*https/],
      ["an origin with a path", `${good}public_url: https://console.example/x\n`, /public_url: expected an origin/],
      ["an origin in the clear", `${good}public_url: http://console.example\n`, /public_url: expected an origin/],
      ["a scope that is none", good.replace("remit:audit", "remit:everything"), /scopes/],
      ["nobody who could sign in", good.replace(/local.*\n/, ""), /nobody could sign in/],
      [
        "a provider in the clear",
        `${good}oidc: { issuer: http://idp.example, client_id: c, groups: { g: [remit:audit] } }\n`,
        /oidc\.issuer.*https/,
      ],
      [
        "no place to come back to",
        `listen: { host: 0.0.0.0 }\n${good}oidc: { issuer: https://idp.example, client_id: c, groups: { g: [remit:audit] } }\n`,
        /public_url: missing/,
      ],
      ["two documents", `${good}---\n${good}`, /document/],
      ["text that is no YAML", "{{{", /console\.yaml/],
    ];
    for (const [what, text, at] of bad)
      it(`is refused with ${what}`, () => {
        expect(() => parseConsoleConfig(text, "console.yaml")).to.throw(at);
      });
  });
});

describe("words for a record of no action", () => {
  const cases: [record: object, words: string][] = [
    [{ kind: "service", change: "started" }, "service started"],
    [{ kind: "bundle", change: "activated", policy: { revision: "r-7" } }, "bundle activated r-7"],
    [{ kind: "bundle", change: "refused", code: "bundle_older" }, "bundle refused bundle_older"],
    [{ kind: "facts", change: "agent_narrowed", key: "agent/support-7" }, "agent narrowed agent/support-7"],
    [{ kind: "admin", action: "stage_ended", caller: "remit" }, "stage ended by remit"],
    [{ kind: "refusal", code: "scope_missing", caller: "desk-1" }, "scope_missing by desk-1"],
    [{ kind: "lost", count: 3 }, "lost"],
    [{ kind: "facts", change: 7, key: { is: "no text" } }, "facts"],
  ];
  for (const [record, words] of cases)
    it(`are ${words}`, () => {
      expect(eventText(record as unknown as Parameters<typeof eventText>[0])).to.equal(words);
    });
});
