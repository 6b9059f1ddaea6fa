import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { findOpa } from "../../src/bundle/opa.js";
import { Problem, RecordSchema, type DecisionRecord, type ObservedAnswer } from "../../src/contract/index.js";
import { observer } from "../../src/decision/observe.js";
import { fixedProfile } from "../../src/decision/fixed_ports.js";
import { asset } from "../../src/system/paths.js";
import { system } from "../../src/system/index.js";
import { schemas } from "../../src/system/schemas.js";
import { Golden, readGolden } from "../golden.js";
import { ALLOWED, CALLER, NOW, REQUEST, World, live, policyOf } from "./world.js";
import { AT, LINE, LIMITS, Disk, begin, linesOf, observe, records, about, idsOf } from "./observe_support.js";

const validRecord = schemas({ strictTypes: false }).compile(RecordSchema);

const broken = (): never => {
  throw new Error("the engine broke");
};

describe("observed actions", () => {
  it("are on record as far as they were learned from, whatever breaks behind them", async () => {
    const world = new World();
    let assessed = 0;
    const still = fixedProfile();
    world.profile = {
      ...still,
      assess: (act) => {
        if (++assessed === 3) throw new RangeError("it broke");
        return still.assess(act);
      },
    };
    const broken = await observe(world, linesOf(about("I-1"), about("I-2"), about("I-3"))).catch((error: unknown) => error);
    expect(broken).to.be.instanceOf(RangeError);
    expect(idsOf(world)).to.deep.equal(["I-1", "I-2"]);
  });

  it("are recorded as observed, with when they happened and how they ended, and take up the task's chain", async () => {
    const world = new World();
    await world.decide();
    const answer = await observe(world, linesOf({ ...LINE, outcome: "failed" }, LINE));
    expect(answer).to.deep.equal({
      accepted: 2,
      not_permitted: 0,
      flagged: 0,
      refused: [],
      recorded_to: 3,
      stopped: null,
    });
    const [decided, first, second] = records(world);
    expect([first?.kind, first?.at, first?.outcome, first?.time]).to.deep.equal(["observed", AT, "failed", new Date(NOW).toISOString()]);
    expect([second?.at, second?.outcome]).to.deep.equal([AT, undefined]);
    expect(first?.previous).to.equal(decided?.answer.decision_id);
    expect(second?.previous).to.equal(first?.answer.decision_id);
    expect(first?.answer.request_id).to.equal("r-1");
    for (const record of records(world)) expect(validRecord(record), JSON.stringify(validRecord.errors)).to.equal(true);
  });

  it("say of a record nothing that could be acted on later", async () => {
    const world = new World();
    await observe(world, linesOf(LINE));
    expect(records(world)[0]?.answer.valid_for_ms).to.equal(0);
  });

  it("see `time` as a decision does, and not when they happened", async () => {
    const world = new World();
    await observe(world, linesOf(LINE, { ...LINE, time: new Date(NOW - 100_000).toISOString() }));
    const [plain, claimed] = records(world);
    expect(plain?.input?.["facts"]).to.deep.nested.include({ "time.claim_ms": null, "time.ms": NOW });
    expect(claimed?.answer.reasons.map(({ code }) => code)).to.deep.equal(["time_skew"]);
  });

  describe("that would not have been allowed", () => {
    const cases: [what: string, move: (world: World) => void, counted: Partial<ObservedAnswer>, finding: boolean][] = [
      [
        "by the policy",
        (w) =>
          (w.active = policyOf(() => ({
            ...ALLOWED,
            decision: "deny",
            proceed: false,
            reasons: [{ effect: "deny", code: "read_only", severity: "high", params: {} }],
          }))),
        { not_permitted: 1 },
        true,
      ],
      ["by the floor", (w) => w.revoked.add("agent/support-7"), { not_permitted: 1 }, true],
      ["since its caller may not ask for the agent", (w) => (w.permitted = false), { not_permitted: 1 }, true],
      [
        "without a person",
        (w) =>
          (w.active = policyOf(() => ({
            ...ALLOWED,
            decision: "flag",
            proceed: false,
            reasons: [{ effect: "flag", code: "unrelated", severity: "high", params: {} }],
          }))),
        { flagged: 1 },
        true,
      ],
      ["had nobody been able to evaluate", (w) => (w.active = policyOf(() => "nonsense")), { not_permitted: 1 }, true],
    ];
    for (const [what, move, counted, finding] of cases) {
      it(`open a finding: ${what}`, async () => {
        const world = new World();
        move(world);
        const answer = await observe(world, linesOf(LINE));
        expect(answer).to.include({ accepted: 1, not_permitted: 0, flagged: 0, ...counted });
        const [record] = records(world);
        expect(record?.answer.proceed).to.equal(false);
        expect("finding" in (record?.answer ?? {})).to.equal(finding);
      });
    }

    it("open none where they would have been allowed", async () => {
      const world = new World();
      await observe(world, linesOf(LINE));
      expect(records(world)[0]?.answer).to.include({ decision: "allow" }).and.not.to.have.property("finding");
    });
  });

  it("take no uses of grants", async () => {
    const world = new World();
    world.grants = [live("G-1", { counted: true })];
    world.uses.set("G-1", 1);
    world.active = policyOf(() => ({
      ...ALLOWED,
      reasons: [{ effect: "allow", code: "granted", severity: "info", params: { grant: "G-1", lifted: [] } }],
    }));
    await observe(world, linesOf(LINE, LINE, LINE));
    expect(world.uses.get("G-1")).to.equal(1);
    expect(records(world).map(({ uses }) => uses)).to.deep.equal([undefined, undefined, undefined]);
    expect(await world.decide(), "and leave them to decisions").to.have.nested.property("answer.decision", "allow");
  });

  describe("golden cases", function () {
    for (const name of readdirSync(asset("test", "cases")).filter((file) => file.endsWith(".yaml"))) {
      it(`are judged as they are decided: ${name}`, async () => {
        const file = readGolden(join(asset("test", "cases"), name));
        const golden = await Golden.build(file, await findOpa());
        try {
          for (const each of file.cases) {
            const decided = await golden.decide(each);
            const { answer, records } = await golden.observe(each);
            expect(answer, each.name).to.include({ accepted: 1, stopped: null });
            const [record] = records;
            const said = ({ decision, proceed, reasons, obligations, tell_agent, action_digest }: DecisionRecord["answer"]) => ({
              decision,
              proceed,
              reasons,
              obligations,
              tell_agent,
              action_digest,
            });
            expect(record && said(record.answer), each.name).to.deep.equal(said(decided.answer));
            expect(record?.input, each.name).to.deep.equal(decided.record["input"]);
            expect(record?.floor, each.name).to.deep.equal(decided.record["floor"]);
          }
        } finally {
          golden.close();
        }
      });
    }
  });

  describe("as lines", () => {
    it("are the same byte by byte", async () => {
      const world = new World();
      const observation = begin(world);
      for (const byte of Buffer.from(linesOf(about("I-1"), about("I-2")))) await observation.take(Buffer.of(byte));
      expect(await observation.end()).to.include({ accepted: 2 });
    });

    it("are passed over where they are blank, and counted all the same", async () => {
      const world = new World();
      const blank = "\n \t\r\n\r\n".repeat(LIMITS.refused_max);
      const { accepted, refused, stopped } = await observe(world, `${blank}${linesOf(about("I-1"), "{")}\r\n  `);
      expect({ accepted, stopped }).to.deep.equal({ accepted: 1, stopped: null });
      expect(refused.map(({ line }) => line)).to.deep.equal([3 * LIMITS.refused_max + 2]);
      const { stopped: ended } = await observe(world, "\n".repeat(LIMITS.lines_max + 1));
      expect(ended).to.deep.equal({ line: LIMITS.lines_max + 1, code: "lines_too_many" });
    });

    it("leave others their turn while none of them is judged", async () => {
      let turns = 0;
      const immediate = (): void => {
        turns++;
        next = setImmediate(immediate);
      };
      let next = setImmediate(immediate);
      await observe(new World(), "\n".repeat(LIMITS.lines_max));
      clearImmediate(next);
      expect(turns).to.be.above(LIMITS.lines_max / 100);
    });

    const big = "x".repeat(LIMITS.line_bytes_max);
    // prettier-ignore
    const bad: [what: string, line: string, refused: string][] = [
      ["no JSON", "nonsense", "json_invalid"],
      ["half of one", '{"agent":', "json_invalid"],
      ["two values", "{} {}", "json_invalid"],
      ["another white space", "\u00a0", "json_invalid"],
      ["a byte order mark", `\ufeff${JSON.stringify(LINE)}`, "json_invalid"],
      ["a key twice", `{"at":"${AT}",${JSON.stringify(LINE).slice(1)}`, "json_duplicate_key /at"],
      ["a number", "1", "field_type "],
      ["a list", JSON.stringify([LINE]), "field_type "],
      ["null", "null", "field_type "],
      ["a number that isn't exact", JSON.stringify(LINE).replace('"request_id":"r-1"', '"at_least":12345678901234567890'), "number_not_exact"],
      ["half of a surrogate pair", JSON.stringify(LINE).replace("r-1", "\\ud800"), "surrogate_lone"],
      ["more than a line may have", JSON.stringify({ ...LINE, request_id: big }), "line_too_long"],
      ["depth", `${'{"a":'.repeat(40)}1${"}".repeat(40)}`, "json_too_deep"],
      ["no time", JSON.stringify(REQUEST), "field_missing /at"],
      ["no agent", JSON.stringify({ ...LINE, agent: undefined }), "field_missing /agent"],
      ["an unknown field", JSON.stringify({ ...LINE, decision: "allow" }), "field_unknown /decision"],
      ["an unknown attribute", JSON.stringify({ ...LINE, resource: { ...REQUEST.resource, attributes: { x: 1 } } }), "field_unknown /resource/attributes/x"],
      ["an outcome that is none", JSON.stringify({ ...LINE, outcome: "not_attempted" }), "field_invalid /outcome"],
      ["a time that is none", JSON.stringify({ ...LINE, at: "2026-02-30T00:00:00Z" }), "time_invalid /at"],
      ["a second too many", JSON.stringify({ ...LINE, at: "2026-03-03T09:14:60.000Z" }), "time_invalid /at"],
      ["letters for digits", JSON.stringify({ ...LINE, at: "2026-03-03T09:14:5x.000Z" }), "time_invalid /at"],
      ["a minute that is none", JSON.stringify({ ...LINE, at: "2026-03-03T09:1x:00.000Z" }), "time_invalid /at"],
      ["another separator", JSON.stringify({ ...LINE, at: "2026-03-03T09:14-00.000Z" }), "time_invalid /at"],
      ["a time without a zone", JSON.stringify({ ...LINE, at: "2026-03-03T09:15:00" }), "time_invalid /at"],
      ["what happened too long ago", JSON.stringify({ ...LINE, at: new Date(NOW - LIMITS.age_max_ms - 1).toISOString() }), "time_invalid /at"],
      ["what is yet to happen", JSON.stringify({ ...LINE, at: new Date(NOW + 60_001).toISOString() }), "time_invalid /at"],
      ["an id that isn't canonical", JSON.stringify({ ...LINE, request_id: "a\u200bb" }), "identifier_not_canonical /request_id"],
      ["a task token that nobody issued", JSON.stringify({ ...LINE, task_token: "x" }), "token_invalid /task_token"],
      ["an agent's token that proves nothing", JSON.stringify({ ...LINE, agent_token: "x" }), "token_invalid /agent_token"],
      ["facts that don't come", JSON.stringify({ ...LINE, at_least: 99 }), "facts_behind /at_least"],
    ];
    for (const [what, line, refused] of bad) {
      it(`refuse ${what} by its number, and lose nothing of the others`, async () => {
        const world = new World();
        const answer = await observe(world, linesOf(about("I-1"), line, about("I-3")));
        expect(answer).to.include({ accepted: 2, stopped: null });
        const [one, ...more] = answer.refused.map(({ line, code, field }) =>
          [line, code, ...(field === undefined ? [] : [field])].join(" "),
        );
        expect([one, ...more]).to.deep.equal([`2 ${refused}`]);
        expect(idsOf(world)).to.deep.equal(["I-1", "I-3"]);
      });
    }

    it("refuse bytes that are no UTF-8", async () => {
      const world = new World();
      const observation = begin(world);
      await observation.take(Buffer.concat([Buffer.from('{"agent":"'), Buffer.of(0xff), Buffer.from('"}\n')]));
      expect((await observation.end()).refused).to.deep.equal([{ line: 1, code: "utf8_invalid" }]);
    });

    it("may end with a carriage return, and the last without a newline", async () => {
      const world = new World();
      expect(await observe(world, `${JSON.stringify(about("I-1"))}\r\n${JSON.stringify(about("I-2"))}`)).to.include({
        accepted: 2,
      });
    });

    it("accept when they happened in any zone, and record it in UTC", async () => {
      const world = new World();
      await observe(world, linesOf({ ...LINE, at: "2026-03-03T10:14:55.25+01:00" }, { ...LINE, at: "2026-03-03t09:14:55z" }));
      expect(records(world).map(({ at }) => at)).to.deep.equal(["2026-03-03T09:14:55.250Z", "2026-03-03T09:14:55.000Z"]);
    });

    it("are read the same where many fall into one minute, and the minute changes", async () => {
      const world = new World();
      const times = [0, 1, 999, 59_999, 60_000, -1, 30_500, -60_000].map((ms) => new Date(NOW - 120_000 + ms).toISOString());
      await observe(world, linesOf(...times.map((at) => ({ ...LINE, at }))), { age_max_ms: 600_000 });
      expect(records(world).map(({ at }) => at)).to.deep.equal(times);
    });

    it("are recorded in the order in which they came, over many slices", async () => {
      const world = new World();
      const ids = Array.from({ length: 500 }, (_, i) => `I-${i}`);
      const disk = new Disk(world);
      const observation = begin(world, disk);
      await observation.take(Buffer.from(linesOf(...ids.map(about))));
      expect(await observation.end()).to.include({ accepted: 500, recorded_to: 500 });
      expect(idsOf(world)).to.deep.equal(ids);
      expect(Math.max(...disk.groups)).to.be.at.most(32);
    });
  });

  describe("bounds", () => {
    it("stop a stream at the line after the last that is allowed", async () => {
      const world = new World();
      const answer = await observe(world, linesOf(LINE, LINE, LINE), { lines_max: 2 });
      expect(answer).to.deep.include({ accepted: 2, stopped: { line: 3, code: "lines_too_many" } });
    });

    it("stop a stream that is larger than allowed", async () => {
      const world = new World();
      const observation = begin(world, new Disk(world), { bytes_max: 500 });
      await observation.take(Buffer.from(linesOf(about("I-1"))));
      expect(observation.stopped).to.equal(false);
      await observation.take(Buffer.from(linesOf(about("I-2"), about("I-3"), about("I-4"))));
      expect(observation.stopped).to.equal(true);
      expect(await observation.end()).to.deep.include({ accepted: 1, stopped: { line: 2, code: "body_too_large" } });
    });

    it("stop a stream of which too much is refused", async () => {
      const world = new World();
      const answer = await observe(world, linesOf(LINE, "x", "x", LINE, "x", LINE), { refused_max: 3 });
      expect(answer).to.deep.include({ accepted: 2, stopped: { line: 6, code: "refused_too_many" } });
      expect(answer.refused).to.have.length(3);
    });

    it("keep no more of a line than a line may have", async () => {
      const world = new World();
      const observation = begin(world);
      const part = Buffer.alloc(1000, "x");
      for (let i = 0; i < 500; i++) await observation.take(part);
      await observation.take(Buffer.from(`\n${linesOf(about("I-2"))}`));
      const answer = await observation.end();
      expect(answer.refused.map(({ line, code }) => [line, code])).to.deep.equal([[1, "line_too_long"]]);
      expect(answer.accepted).to.equal(1);
    });

    it("wait while the log has as much before it as observed actions may give it", async () => {
      const world = new World();
      const disk = new Disk(world);
      disk.queue.records = 501;
      const observation = begin(world, disk);
      const taken = observation.take(Buffer.from(linesOf(LINE)));
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(world.records).to.have.length(0);
      disk.queue.records = 500;
      await taken;
      expect(await observation.end()).to.include({ accepted: 1 });
    });
  });

  describe("while something changes", () => {
    it("are judged on the facts of their own moment: a revocation makes later ones findings", async () => {
      const world = new World();
      const observation = begin(world);
      await observation.take(Buffer.from(linesOf(about("I-1"))));
      await new Promise((resolve) => setTimeout(resolve, 5));
      world.revoked.add("agent/support-7");
      world.revision++;
      await observation.take(Buffer.from(linesOf(about("I-2"))));
      expect(await observation.end()).to.include({ accepted: 2, not_permitted: 1 });
      expect(records(world).map(({ answer }) => answer.decision)).to.deep.equal(["allow", "deny"]);
    });

    it("are each judged once, on the facts of their own turn, which what came before them may have moved", async () => {
      const world = new World();
      let asked = 0;
      world.active = policyOf(() => (asked++, ALLOWED));
      world.settled = () => {
        if (asked !== 2) return;
        world.revoked.add("agent/support-7");
        world.revision++;
      };
      const answer = await observe(world, linesOf(about("I-1"), about("I-2"), about("I-3")));
      expect(answer).to.include({ accepted: 3, not_permitted: 1 });
      expect(asked).to.equal(2);
      expect(idsOf(world)).to.deep.equal(["I-1", "I-2", "I-3"]);
      expect(records(world).map(({ answer }) => answer.facts_revision)).to.deep.equal([7, 7, 8]);
    });

    it("end with the bundle: what it had judged is on record", async () => {
      const world = new World();
      const observation = begin(world);
      await observation.take(Buffer.from(linesOf(LINE)));
      world.active = null;
      await observation.take(Buffer.from(linesOf(LINE)));
      expect(await observation.end()).to.deep.include({ accepted: 1, stopped: { line: 2, code: "bundle_missing" } });
    });

    it("end with the caller's token", async () => {
      const world = new World();
      const caller = { ...CALLER, token: { ...CALLER.token, expires_ms: NOW + 1000 } };
      const observation = begin(world, new Disk(world), {}, caller);
      await observation.take(Buffer.from(linesOf(LINE)));
      world.now_ms += 1000;
      await observation.take(Buffer.from(linesOf(LINE)));
      expect(await observation.end()).to.deep.include({ accepted: 1, stopped: { line: 2, code: "token_expired" } });
    });

    it("are acknowledged up to the first that the disk didn't take", async () => {
      const world = new World();
      const disk = new Disk(world);
      const observation = begin(world, disk);
      await observation.take(Buffer.from(linesOf(about("I-1"), "x", about("I-3"))));
      await new Promise((resolve) => setTimeout(resolve, 5));
      disk.write = () => Promise.reject(new Problem("log_unavailable"));
      await observation.take(Buffer.from(linesOf(about("I-4"), "x", about("I-6"))));
      const answer = await observation.end();
      expect(answer).to.deep.include({ accepted: 2, recorded_to: 2, stopped: { line: 4, code: "log_unavailable" } });
      expect(
        answer.refused.map(({ line }) => line),
        "what is behind it was not taken, whatever it is",
      ).to.deep.equal([2]);
    });

    it("name no record that never was as the one before", async () => {
      const world = new World();
      const disk = new Disk(world);
      disk.write = () => Promise.reject(new Problem("log_unavailable"));
      const observation = begin(world, disk);
      await observation.take(Buffer.from(linesOf(LINE)));
      await observation.end();
      await world.decide();
      expect(records(world).at(-1)?.previous).to.equal(null);
    });

    it("answer nothing where the judging itself broke", async () => {
      const world = new World();
      world.active = { ...policyOf(() => ALLOWED), evaluate: broken };
      const observation = begin(world);
      await observation.take(Buffer.from(linesOf(LINE)));
      let thrown: unknown;
      await observation.end().catch((cause: unknown) => (thrown = cause));
      expect(thrown).to.be.an("error").with.property("message", "the engine broke");
      expect(world.records).to.have.length(0);
    });
  });

  it("of many streams are worked off by turns", async () => {
    const world = new World();
    const shared = observer({
      decider: world.decider,
      log: new Disk(world),
      system: { clock: { wall: () => NOW, monotonic: () => 0 }, timers: system.timers },
      limits: { ...world.limits, ...LIMITS },
    });
    const ids = ["a", "b", "c"];
    const answers = await Promise.all(
      ids.map(async (stream) => {
        const observation = shared.begin(CALLER);
        await observation.take(Buffer.from(linesOf(...Array.from({ length: 200 }, (_, i) => about(`${stream}-${i}`)))));
        return observation.end();
      }),
    );
    expect(answers.map(({ accepted }) => accepted)).to.deep.equal([200, 200, 200]);
    const first = idsOf(world).slice(0, 300) as string[];
    expect(new Set(first.map((id) => id[0]))).to.deep.equal(new Set(ids));
  });
});
