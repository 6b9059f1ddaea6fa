/** A record's members: what stands in it for each kind of decision, and what it leaves out. */
import { createHash } from "node:crypto";
import { expect } from "chai";
import { RECORD_BYTES_MAX, canonical, type SeenRecord } from "../../src/contract/index.js";
import { decider } from "../../src/decision/decide.js";
import type { Pdp, WrittenDecision } from "../../src/decision/pdp.js";
import type { ObservedEvent } from "../../src/decision/question.js";
import { AGENT, ALLOWED, CALLER, NOW, REQUEST, TASK, VOCABULARY, World, live, policyOf } from "./world.js";

type Read = Record<string, unknown> & { floor?: Record<string, unknown>; answer: Record<string, unknown> };

const AT = "2026-03-03T09:14:55.000Z";
const HAPPENED: ObservedEvent = { at: AT, at_ms: NOW - 5000, outcome: null };
const SEEN = { full: false, others: true, task: "T-1", values: [] } as unknown as SeenRecord;
const RETURNED = { paths: [] };
/** A long text of one member, as long as a test wants it. */
const LONG = { ...VOCABULARY, types: { ...VOCABULARY.types } };
const { invoice } = VOCABULARY.types;
if (invoice !== undefined) LONG.types["invoice"] = { ...invoice, arguments: { note: { kind: "string", max: 10 * RECORD_BYTES_MAX } } };
const noted = (note: string): object => ({ ...REQUEST, arguments: { note } });

const PROOF = {
  actor: { issuer: "idp", subject: "support" },
  principal: { issuer: "idp", subject: "ada" },
  chain: [{ issuer: "idp", subject: "lead" }],
  token: { jti: "j-1", issued_ms: NOW - 1000, expires_ms: NOW + 1000 },
};

function worldWith(ports: Partial<Pdp> = {}): World {
  return new World((pdp) => decider({ ...pdp, ...ports }));
}

function last({ records }: World): Read {
  return JSON.parse(records.at(-1) ?? "{}") as Read;
}

/** Returns the record of an action that has happened. */
async function observed(world: World, happened: Partial<ObservedEvent> = {}, asked: unknown = REQUEST): Promise<Read> {
  const { entry } = await written(world, happened, asked);
  const text = `{${entry.before},"seq":1,${entry.after}}`;
  expect(canonical(JSON.parse(text))).to.equal(text);
  return JSON.parse(text) as Read;
}

async function written(world: World, happened: Partial<ObservedEvent>, asked: unknown): Promise<WrittenDecision> {
  const { intake, attempt, observed } = world.decider;
  const policy = intake.activePolicy();
  const question = await intake.question(intake.read(asked, policy), CALLER, policy, intake.arrival());
  return observed.write(attempt({ ...question, kind: "observed", happened: { ...HAPPENED, ...happened } }));
}

const flow = (seen: SeenRecord | null): NonNullable<Pdp["flow"]> => ({
  ask: () => ({ facts: {} as never, note: {} }),
  permitted: () => undefined,
  seenIn: () => seen,
  notMade: () => undefined,
});
const withFlow = (world: World): World => {
  const active = policyOf(() => ALLOWED);
  world.active = { ...active, vocabulary: { ...active.vocabulary, flow: { slots: [], own: [], members: [], secret: [] } } };
  return world;
};

describe("a decision's record", () => {
  it("has what the policy was asked, and of the floor nothing", async () => {
    const world = new World();
    await world.decide();
    const { input, seq, ...rest } = last(world);
    expect(seq).to.equal(1);
    expect((input as { request: object }).request).to.include({ agent: AGENT.id, verb: "read", task: "T-1" });
    expect(Object.keys(rest)).to.deep.equal(["answer", "asked", "caller", "kind", "previous", "stages", "time", "v"]);
    const time = new Date(NOW).toISOString();
    expect(rest).to.deep.include({ asked: time, caller: CALLER.id, kind: "decision", previous: null, time });
  });

  it("has its own times, and how long its stages took", async () => {
    const world = new World();
    for (const ms of [0, 1, 61_000]) {
      world.now_ms = NOW + ms;
      await world.decide();
      const time = new Date(NOW + ms).toISOString();
      expect(last(world)).to.include({ asked: time, time });
    }
    world.active = policyOf(() => ((world.monotonic_ms += 2.5), ALLOWED));
    await world.decide();
    expect(last(world)["stages"]).to.deep.equal({ evaluate_us: 2500, fuel: 1, read_us: 0 });
  });

  it("has what the floor read if that refused, with what the agent's token proved", async () => {
    const world = new World();
    world.agentProofs.set("token", PROOF);
    world.credentials.set("idp support", AGENT.id);
    world.revoked.add(`agent/${AGENT.id}`);
    await world.decide({ ...REQUEST, agent_token: "token" });
    const { floor, request, proof, ...rest } = last(world);
    expect(Object.keys(rest)).to.deep.equal(["answer", "asked", "caller", "kind", "previous", "seq", "stages", "time", "v"]);
    expect(rest["stages"]).to.deep.equal({ evaluate_us: 0, read_us: 0 });
    expect(request).to.include({ agent: AGENT.id, purpose: "support" });
    expect(proof).to.deep.equal(PROOF);
    const { purposes, registered_ms, status } = AGENT;
    const { subjects, attributes, id, ...task } = TASK;
    expect([subjects, attributes, id]).to.have.lengthOf(3);
    expect(floor).to.deep.equal({
      ...{ actor_stopped: false, agent: { purposes: [...purposes], registered_ms, status }, agent_id: AGENT.id, agent_proof: PROOF },
      ...{ caller_permitted: true, claim_ms: null, facts_stale: false, narrowed: null, now_ms: NOW, proven_agent: AGENT.id },
      ...{ purpose_id: "support", purpose_known: true, revoked: "agent", task, task_id: "T-1", task_proof: null },
      ...{ time_skew_max_ms: 60_000, token_required: false, type_known: true, verb_id: "read", verb_known: true },
    });
  });

  it("says of what nobody knows that it isn't known", async () => {
    const world = new World();
    world.agents.clear();
    world.tasks.set("T-1", { ...TASK, verbs: new Set(["read"]) });
    await world.decide({ ...REQUEST, purpose: "unheard" });
    const { floor = {} } = last(world);
    expect(floor).to.include({ agent: null, purpose_known: false });
    expect(floor).to.not.have.property("proven_agent");
    expect(floor["task"]).to.deep.include({ verbs: ["read"] });
    expect(last(world)).to.not.have.property("proof");
  });

  it("lists grants that were found and couldn't be used, by their level, and is silent of those that could", async () => {
    const world = new World();
    world.agents.set("lead-1", { ...AGENT, id: "lead-1" });
    world.tasks.set("T-0", { ...TASK, id: "T-0", agent: "lead-1" }).set("T-1", { ...TASK, parent: "T-0" });
    world.grantsOf = (agent) => (agent === "lead-1" ? [live("G-1"), live("G-2", { state: "expired" } as never)] : []);
    await world.decide();
    expect(last(world)["not_live"]).to.deep.equal([{ grant: "G-2", level: 1, state: "expired" }]);
    world.grantsOf = () => [live("G-1")];
    await world.decide();
    expect(last(world)).to.not.have.property("not_live");
  });

  it("has what the profile learns from", async () => {
    const world = new World();
    world.profile = { ...world.profile, learns: true };
    await world.decide();
    expect(last(world)["act"]).to.deep.equal({ class: "read", relation: "task" });
    world.tasks.clear();
    await world.decide();
    const { owner, version } = AGENT;
    expect(last(world)["act"]).to.include({ class: "read", owner, version });
    world.agents.clear();
    await world.decide();
    expect(last(world), "it isn't the agent's doing").to.not.have.property("act");
  });

  describe("of what has happened", () => {
    it("says when, and what else is known of it", async () => {
      expect(await observed(new World())).to.include({ kind: "observed", at: AT });
      const record = await observed(withFlow(worldWith({ flow: flow(SEEN) })), { outcome: "failed", unasked: true, returned: RETURNED });
      expect(record).to.deep.include({ at: AT, outcome: "failed", unasked: true, seen: SEEN });
    });

    const silent: [what: string, member: string, world: () => World, happened: Partial<ObservedEvent>][] = [
      ["how it ended", "outcome", () => new World(), {}],
      ["asking, if nobody should have", "unasked", () => new World(), { unasked: false }],
      ["what it returned, if that isn't reported", "seen", () => withFlow(worldWith({ flow: flow(SEEN) })), { returned: null }],
      ["what it returned, if nobody remembers", "seen", () => withFlow(worldWith({ flow: flow(null) })), { returned: RETURNED }],
      ["what it returned, if nobody looks", "seen", () => new World(), { returned: RETURNED }],
    ];
    for (const [what, member, world, happened] of silent)
      it(`says nothing of ${what}`, async () => {
        expect(await observed(world(), happened)).to.not.have.property(member);
      });
  });

  describe("of which the policy masks something", () => {
    const masking = (pointers: string[], given: object[] = []): World => {
      const world = worldWith({
        masks: {
          isReady: () => true,
          names: (_policy, _now, names) => names,
          mask: (_policy, _now, record) => {
            given.push(record);
            const levels = record.levels.map((text) => text.replaceAll("I-1", "~1"));
            const request = { ...record.request, agent: "~2" };
            return { answer: { ...record.answer, action_digest: "~3" }, levels, request, proof: null, pointers };
          },
        },
      });
      const active = policyOf(() => ALLOWED);
      world.active = { ...active, vocabulary: { ...active.vocabulary, masks: [] as never } };
      return world;
    };

    it("has what stands for it, and says where; the answer is as it was", async () => {
      const world = masking(["/answer/action_digest", "/input/request/resource/id"]);
      const { answer } = await world.decide();
      const record = last(world);
      expect(record["masked"]).to.deep.equal(["/answer/action_digest", "/input/request/resource/id"]);
      expect(JSON.stringify(record["input"])).to.include('"~1"').and.not.include("I-1");
      expect(record.answer["action_digest"]).to.equal("~3");
      expect(answer.action_digest).to.not.equal("~3");
    });

    it("has the request's masks if the floor refused", async () => {
      const given: object[] = [];
      const world = masking(["/request/agent"], given);
      world.revoked.add(`agent/${AGENT.id}`);
      world.agentProofs.set("token", PROOF);
      const { answer } = await world.decide({ ...REQUEST, agent_token: "token" });
      expect(last(world)["request"]).to.include({ agent: "~2" });
      expect(last(world)).to.not.have.property("proof");
      expect(given[0]).to.deep.include({ answer, floored: true, proof: PROOF });
      expect(given[0]).to.have.nested.property("request.resource.id", "I-1");
    });

    it("is as it was if nothing of it is masked", async () => {
      const world = masking([]);
      await world.decide();
      expect(last(world)).to.not.have.property("masked");
      expect(JSON.stringify(last(world)))
        .to.include("I-1")
        .and.not.include("~");
    });
  });

  describe("that is large", () => {
    const large = (): World => {
      const world = withFlow(worldWith({ flow: flow(SEEN) }));
      if (world.active !== null)
        world.active = { ...world.active, vocabulary: { ...LONG, flow: { slots: [], own: [], members: [], secret: [] } } };
      return world;
    };
    /** Bytes of a record beside what is noted in it; the most that its number and braces can take. */
    const AROUND = 32;
    const bytesOf = ({ entry }: WrittenDecision): number => Buffer.byteLength(entry.before) + Buffer.byteLength(entry.after) + AROUND;

    it("is whole up to the last byte that it may have, and then has beside it what was asked and seen", async () => {
      for (const letter of ["x", "\u20ac"]) {
        const room = RECORD_BYTES_MAX - bytesOf(await written(large(), {}, noted("")));
        const size = Buffer.byteLength(letter);
        const note = letter.repeat(Math.floor(room / size)) + "x".repeat(room % size);
        const whole = await written(large(), { returned: null }, noted(note));
        expect([bytesOf(whole), whole.entry.beside]).to.deep.equal([RECORD_BYTES_MAX, undefined]);
        const beside = await written(large(), { returned: null }, noted(`${note}x`));
        const { digest = "", text = "" } = beside.entry.beside ?? {};
        expect(digest).to.equal(`sha256:${createHash("sha256").update(text).digest("hex")}`);
        expect(bytesOf(beside)).to.be.below(2000);
        const { input } = JSON.parse(text) as { input: { request: { arguments: { note: string } } } };
        expect(input.request.arguments.note).to.equal(`${note}x`);
      }
    });

    it("has beside it all that it would have had, as one canonical text", async () => {
      const note = "x".repeat(RECORD_BYTES_MAX);
      const seen = await written(large(), { returned: RETURNED }, noted(note));
      expect(Object.keys(JSON.parse(seen.entry.beside?.text ?? "{}") as object)).to.deep.equal(["input", "seen"]);
      const refusing = large();
      refusing.revoked.add(`agent/${AGENT.id}`);
      const floored = await written(refusing, {}, noted(note));
      const text = floored.entry.beside?.text ?? "{}";
      expect(Object.keys(JSON.parse(text) as object)).to.deep.equal(["floor", "request"]);
      for (const one of [seen, floored]) {
        const { text = "", digest = "" } = one.entry.beside ?? {};
        expect(canonical(JSON.parse(text))).to.equal(text);
        const record = JSON.parse(`{${one.entry.before},"seq":1,${one.entry.after}}`) as Read;
        expect(record["beside"]).to.deep.equal({ bytes: Buffer.byteLength(text), digest });
        expect(Object.keys(record)).to.not.include.members(["input"]).and.not.include.members(["floor"]);
      }
    });
  });
});
