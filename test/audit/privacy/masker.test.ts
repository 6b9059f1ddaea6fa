import { hash } from "node:crypto";
import { expect } from "chai";
import { Value } from "typebox/value";
import { RecordMasks, maskedFacts, type Keys } from "../../../src/audit/privacy/masks.js";
import {
  DecisionRecord,
  aroundSeq,
  canonical,
  masksRead,
  type Mask,
  type PolicyInput,
  type PolicyResult,
  type Vocabulary,
} from "../../../src/contract/index.js";
import { decider, type Decided } from "../../../src/decision/decide.js";
import { factsText, readFactsText, type FactsText } from "../../../src/decision/facts_record.js";
import { AGENT, ALLOWED, NOW, REQUEST, TASK, VOCABULARY, World, live, policyOf, problemOf } from "../../decision/world.js";

const MASKED = /^masked:2026-03-01:[A-Za-z0-9_-]{22}$/;
const KEY = { period: "2026-03-01", key: Buffer.alloc(32, 1) };
const NEXT = { period: "2026-03-31", key: Buffer.alloc(32, 2) };
const none = { read_by: [] };

const at = (...path: string[]): Mask => ({ at: path, ...none });
const NOTE = at("types", "invoice", "arguments", "note");

/** A world whose policy masks these. */
function masking(masks: Mask[], evaluate: (input: PolicyInput) => PolicyResult = () => ALLOWED, keys: Keys = { at: () => KEY }): World {
  const world = new World((pdp) => decider({ ...pdp, masks: new RecordMasks(keys) }));
  world.active = { ...policyOf(evaluate), vocabulary: { ...VOCABULARY, masks } };
  return world;
}

type Json = Record<string, unknown>;

function look(record: unknown, pointer: string): unknown {
  return pointer
    .split("/")
    .slice(1)
    .reduce((of, step) => (of as Json)[step], record);
}

async function recorded(world: World, request: object = {}): Promise<{ record: DecisionRecord; answered: Decided }> {
  const answered = await world.decide({ ...REQUEST, ...request });
  const record = JSON.parse(world.records.at(-1) ?? "") as DecisionRecord;
  expect([...Value.Errors(DecisionRecord, record)]).to.deep.equal([]);
  return { record, answered };
}

// prettier-ignore
const PLACES: [what: string, mask: Mask, pointers: string[], request: object][] = [
  ["an argument", NOTE, ["/input/request/arguments/note"], { arguments: { note: "n" } }],
  ["a number", at("types", "invoice", "arguments", "rate"), ["/input/request/arguments/rate"], { arguments: { rate: 2.5 } }],
  ["a truth", at("types", "invoice", "arguments", "urgent"), ["/input/request/arguments/urgent"], { arguments: { urgent: false } }],
  ["a list, whole", at("types", "invoice", "arguments", "tags"), ["/input/request/arguments/tags"], { arguments: { tags: ["a", "b"] } }],
  ["elements of a list", at("types", "invoice", "arguments", "tags", "*"), ["/input/request/arguments/tags/0", "/input/request/arguments/tags/1"], { arguments: { tags: ["a", "b"] } }],
  ["an object, whole", at("types", "invoice", "arguments", "address"), ["/input/request/arguments/address"], { arguments: { address: { city: "x" } } }],
  ["a field of an object", at("types", "invoice", "arguments", "address", "city"), ["/input/request/arguments/address/city"], { arguments: { address: { city: "x", zip: "1" } } }],
  ["an attribute", at("types", "invoice", "attributes", "customer"), ["/input/request/resource/attributes/customer"], {}],
  ["an id", at("types", "invoice", "id"), ["/input/request/resource/id"], {}],
  ["a related id", at("types", "payment_method", "id"), ["/input/request/related/pay_from/id"], { related: { pay_from: { type: "payment_method", id: "P-1" } } }],
  ["a related attribute", at("types", "payment_method", "attributes", "customer"), ["/input/request/related/pay_from/attributes/customer"], { related: { pay_from: { type: "payment_method", id: "P-1", attributes: { customer: "ada" } } } }],
  ["a task's attribute", at("task", "attributes", "topic"), ["/input/facts/task/attributes/topic"], {}],
  ["a task's subjects", at("task", "subjects", "customer", "*"), ["/input/facts/task/subjects/customer/0"], {}],
  ["an agent's attribute", at("agent", "attributes", "tier"), ["/input/facts/agent/attributes/tier"], {}],
  ["a principal", at("task", "principal"), ["/input/facts/principal"], {}],
  ["a session", at("context", "session"), ["/input/request/context/session"], { context: { session: "s", trace: "t" } }],
];

/** What an action's digest covers, of these. */
const COVERED = /^\/input\/request\/(arguments|resource\/id|related\/pay_from\/id)/;

describe("a record of what a bundle masks", () => {
  for (const [what, mask, pointers, request] of PLACES) {
    it(`has a digest for ${what}, says where, and is otherwise what it was`, async () => {
      const plain = await recorded(masking([at("context", "source")]), request);
      const { record, answered } = await recorded(masking([mask]), request);
      const own = (record.masked ?? []).filter((pointer) => !pointer.startsWith("/answer"));
      expect(own).to.deep.equal(pointers);
      for (const pointer of record.masked ?? []) expect(look(record, pointer), pointer).to.match(MASKED);
      expect(record.masked?.includes("/answer/action_digest")).to.equal(COVERED.test(pointers[0] ?? ""));
      const restored = structuredClone(record);
      for (const pointer of record.masked ?? []) {
        const parent = look(restored, pointer.slice(0, pointer.lastIndexOf("/"))) as Json;
        parent[pointer.slice(pointer.lastIndexOf("/") + 1)] = look(plain.record, pointer);
      }
      delete restored.masked;
      expect(restored).to.deep.equal(plain.record);
      expect(answered.text, "the answer").to.equal(plain.answered.text);
    });
  }

  it("has nothing of what isn't known", async () => {
    const { record } = await recorded(masking([NOTE, at("context", "session"), at("types", "invoice", "arguments", "tags", "*")]));
    expect(record).not.to.have.property("masked");
  });

  it("has the same digest for the same value of a field, and for no other", async () => {
    const world = masking([NOTE, at("types", "invoice", "arguments", "to")]);
    const note = async (value: string): Promise<unknown> =>
      look((await recorded(world, { arguments: { note: value, to: "a@b.example" } })).record, "/input/request/arguments/note");
    expect(await note("one")).to.equal(await note("one"));
    expect(await note("one")).not.to.equal(await note("two"));
    expect(await note("a@b.example")).not.to.equal(
      look((await recorded(world, { arguments: { to: "a@b.example" } })).record, "/input/request/arguments/to"),
    );
  });

  it("has the same digest for an id wherever it stands, and another in the next period", async () => {
    const as = ["types", "payment_method", "id"];
    const masks = [
      { at: ["task", "subjects", "customer", "*"], as, ...none },
      { at: as, ...none },
      { at: ["types", "invoice", "attributes", "customer"], as, ...none },
    ];
    let key = KEY;
    const world = masking(masks, () => ALLOWED, { at: () => key });
    const related = { pay_from: { type: "payment_method", id: "ada" } };
    const { record } = await recorded(world, { related });
    const digests = (record.masked ?? []).filter((pointer) => !pointer.startsWith("/answer")).map((pointer) => look(record, pointer));
    expect(digests).to.have.lengthOf(3);
    expect(new Set(digests)).to.have.lengthOf(1);
    key = NEXT;
    expect(digests).not.to.include(look((await recorded(world, { related })).record, "/input/request/related/pay_from/id"));
  });

  const reason = (params: Json, code = "read_own"): PolicyResult => ({
    ...ALLOWED,
    reasons: [{ effect: "allow", code, severity: "info", params }],
  });
  const byRule = (world: World, code: string): void => {
    const { active } = world;
    const told = active?.catalogue[code];
    if (active !== null && told !== undefined)
      world.active = { ...active, catalogue: { ...active.catalogue, [code]: { ...told, sources: ["rules.rego:3"] } } };
  };

  it("has a message whole as a digest where its template may show it, though the value was cut or written otherwise", async () => {
    const { record } = await recorded(masking([at("types", "invoice", "id")]));
    expect(record.masked).to.include("/answer/reasons/0/message");
  });

  it("has a rule's params and message as digests where the rule may read it, whatever it made of it", async () => {
    const world = masking([{ ...NOTE, read_by: ["read_own"] }], () => reason({ derived: 17, nothing: null }));
    byRule(world, "read_own");
    const { record, answered } = await recorded(world, { arguments: { note: "n" } });
    expect(record.masked).to.include.members(["/answer/reasons/0/message", "/answer/reasons/0/params/derived"]);
    expect(record.answer.reasons[0]?.params["nothing"]).to.equal(null);
    expect(answered.answer.reasons[0]?.params).to.deep.equal({ derived: 17, nothing: null });
  });

  it("has a rule's params as they are where nothing that it may read was there", async () => {
    const world = masking([{ ...NOTE, read_by: ["read_own"] }], () => reason({ derived: 17 }));
    byRule(world, "read_own");
    expect((await recorded(world)).record).not.to.have.property("masked");
  });

  it("has a param as a digest that holds a masked value, though nothing said that it could", async () => {
    for (const param of ["secret", "no secret here", ["a", { b: "secret" }]]) {
      const { record } = await recorded(
        masking([NOTE], () => reason({ param })),
        { arguments: { note: "secret" } },
      );
      expect(record.masked).to.include.members(["/answer/reasons/0/message", "/answer/reasons/0/params/param"]);
    }
  });

  it("has what an obligation would put in a masked argument's place as a digest, and what a rule obliges to", async () => {
    const obligations = [
      { type: "modify" as const, argument: "note", value: "new" },
      { type: "notify" as const, channel: "desk" },
    ];
    const result = (): PolicyResult => ({ ...ALLOWED, obligations });
    const plain = await recorded(masking([NOTE], result), { arguments: { note: "n" } });
    expect(plain.record.masked?.filter((pointer) => pointer.includes("obligations"))).to.deep.equal(["/answer/obligations/0/value"]);
    const obliging = masking([{ ...NOTE, read_by: ["rules.support.oblige"] }], result);
    const { record } = await recorded(obliging, { arguments: { note: "n" } });
    expect(record.masked).to.include.members(["/answer/obligations/0/value", "/answer/obligations/1/channel"]);
  });

  it("has a grant's condition on a masked field as the digest of that value", async () => {
    const mask = at("types", "invoice", "attributes", "customer");
    const world = masking([mask]);
    const path = ["request", "resource", "attributes", "customer"];
    const when = [
      { name: "customer", path, op: "in" as const, value: ["ada", "bob"] },
      { name: "id", path: ["request", "resource", "id"], op: "in" as const, value: ["I-1"] },
    ];
    world.grants = [live("G-1", { input: { id: "G-1", exact: false, about: "any", when } })];
    const { record } = await recorded(world);
    expect(record.masked).to.include.members(["/input/facts/grants/0/when/0/value/0", "/input/facts/grants/0/when/0/value/1"]);
    expect(look(record, "/input/facts/grants/0/when/0/value/0")).to.equal(look(record, "/input/request/resource/attributes/customer"));
    expect(look(record, "/input/facts/grants/0/when/1/value")).to.deep.equal(["I-1"]);
  });

  it("is masked below the floor and up the chain as well", async () => {
    const masks = [NOTE, at("task", "principal"), at("types", "invoice", "id")];
    const refused = await recorded(masking(masks), { verb: "sing", arguments: { note: "n" } });
    expect(refused.record.masked).to.include.members(["/floor/task/principal", "/request/arguments/note", "/request/resource/id"]);
    const world = masking(masks);
    world.tasks.set("T-2", { ...TASK, id: "T-2", parent: "T-1" });
    const { record } = await recorded(world, { task: "T-2", arguments: { note: "n" } });
    expect(record.masked).to.include.members(["/ancestors/0/facts/principal", "/ancestors/0/request/arguments/note"]);
  });

  it("is masked where the type isn't one, which nobody has said anything of", async () => {
    const request = { resource: { type: "custumer", id: "ada" }, arguments: { note: "n" } };
    const ids = await recorded(masking([at("types", "payment_method", "id")]), request);
    expect(ids.record.masked).to.include.members(["/answer/action_digest", "/request/resource/id"]);
    expect(JSON.stringify(ids.record.answer)).not.to.include("custumer ada");
    const digest = await recorded(masking([NOTE]), request);
    expect(digest.record.masked).to.deep.equal(["/answer/action_digest"]);
    expect((await recorded(masking([at("context", "session")]), request)).record).not.to.have.property("masked");
  });

  it("has what an agent's token says of the principal as a digest", async () => {
    const world = masking([at("task", "principal")]);
    const token = { jti: null, issued_ms: 1, expires_ms: NOW + 60_000 };
    const principal = { issuer: "https://issuer.example", subject: "ada" };
    world.agentProofs.set("t", { actor: { issuer: "i", subject: "a" }, principal, chain: [], token });
    world.credentials.set("i a", AGENT.id);
    const { record } = await recorded(world, { agent_token: "t" });
    expect(record.masked).to.include.members(["/input/facts/principal", "/proof/principal/subject"]);
    expect(record.proof?.principal?.issuer).to.equal(principal.issuer);
  });

  it("stands beside with its pointers where it is too large for a leaf", async () => {
    const tags = Array.from({ length: 2 }, (_, i) => `tag-${i}`);
    const world = masking([at("types", "invoice", "arguments", "tags", "*"), at("context", "session")]);
    world.grants = Array.from({ length: 400 }, (_, i) => live(`G-${String(i).padStart(120, "0")}`));
    const { record } = await recorded(world, { arguments: { tags }, context: { session: "secret" } });
    expect(record).to.have.property("beside");
    const [beside] = world.beside;
    const text = beside?.text ?? "";
    expect(canonical(JSON.parse(text))).to.equal(text);
    expect((JSON.parse(text) as DecisionRecord).masked).to.deep.equal([
      "/answer/action_digest",
      "/input/request/arguments/tags/0",
      "/input/request/arguments/tags/1",
      "/input/request/context/session",
    ]);
    expect(text).not.to.match(/secret|tag-0/);
  });

  it("isn't written, and nothing is answered, without a key; and is as soon as there is one", async () => {
    let key: typeof KEY | null = null;
    const world = masking([NOTE], () => ALLOWED, { at: () => key });
    for (const run of [() => world.decide(), () => world.batch([REQUEST])]) expect((await problemOf(run)).code).to.equal("log_unavailable");
    expect(world.records).to.deep.equal([]);
    key = KEY;
    await world.decide();
    expect(world.records).to.have.lengthOf(1);
  });

  it("takes no use of a grant where the key goes while it is decided", async () => {
    let left = 2;
    const world = masking(
      [NOTE],
      () => ({ ...ALLOWED, reasons: [{ effect: "allow", code: "granted", severity: "info", params: { grant: "G-1", lifted: [] } }] }),
      { at: () => (left-- > 0 ? KEY : null) },
    );
    world.grants = [live("G-1", { counted: true })];
    world.uses.set("G-1", 1);
    left = 1;
    expect((await problemOf(() => world.decide())).code).to.equal("log_unavailable");
    expect(world.uses.get("G-1")).to.equal(1);
    expect(world.records).to.deep.equal([]);
  });

  it("isn't written by a decision point that can't mask", async () => {
    const world = new World();
    world.active = { ...policyOf(() => ALLOWED), vocabulary: { ...VOCABULARY, masks: [NOTE] } };
    expect((await problemOf(() => world.decide())).code).to.equal("log_unavailable");
  });
});

describe("facts that a bundle masks", () => {
  const record = { v: 2, kind: "facts", time: "t", change: "c", facts_revision: 1, caller: "host" };
  const AGENT_1 = { id: "a-1", attributes: { tier: 3, other: "x" } };
  const TASK_1 = { id: "T-1", principal: "ada", subjects: { customer: ["bob"] }, attributes: { topic: "billing" } };
  const GRANT_1 = {
    id: "G-1",
    reason: "for bob",
    action_digest: "sha256:0",
    entry: {
      read: "invoice",
      about: "task",
      when: { customer: "bob", amount_cents: { at_most: 5 }, "task.customer": { same_as: "customer" } },
    },
  };

  async function written(masks: Mask[] | null | undefined, facts: Json): Promise<Json> {
    let text = "";
    const log = { append: (before: string, after: string): Promise<void> => ((text = `{${before},"seq":1,${after}}`), Promise.resolve()) };
    const vocabulary: Vocabulary = masks === null || masks === undefined ? VOCABULARY : { ...VOCABULARY, masks };
    const policy = masks === null ? null : { vocabulary, catalogue: {} };
    const { before, after } = aroundSeq({ ...record, ...facts });
    await maskedFacts(log, new RecordMasks({ at: () => KEY }), () => policy, { wall: () => NOW }).append(before, after);
    expect(canonical(JSON.parse(text))).to.equal(text);
    return JSON.parse(text) as Json;
  }

  // prettier-ignore
  const TABLE: [what: string, masks: Mask[] | null, facts: Json, pointers: string[]][] = [
    ["an agent's attribute", [at("agent", "attributes", "tier")], { agent: AGENT_1 }, ["/agent/attributes/tier"]],
    ["a task's attribute", [at("task", "attributes", "topic")], { task: TASK_1 }, ["/task/attributes/topic"]],
    ["a task's subjects", [at("task", "subjects", "customer", "*")], { task: TASK_1 }, ["/task/subjects/customer/0"]],
    ["a task's principal", [at("task", "principal")], { task: TASK_1 }, ["/task/principal"]],
    ["a grant's condition, and the reason that repeats it", [at("types", "invoice", "attributes", "customer")], { grant: { ...GRANT_1, reason: "bob" } }, ["/grant/entry/when/customer", "/grant/reason"]],
    ["a grant's limit", [at("types", "invoice", "attributes", "amount_cents")], { grant: GRANT_1 }, ["/grant/entry/when/amount_cents/at_most"]],
    ["a grant of one action", [NOTE], { grant: GRANT_1 }, ["/grant/action_digest"]],
    ["all that could be, where no bundle says what is", null, { agent: AGENT_1 }, ["/agent/attributes/other", "/agent/attributes/tier"]],
    ["all that could be of a task", null, { task: TASK_1 }, ["/task/attributes/topic", "/task/principal", "/task/subjects/customer/0"]],
    ["all that could be of a grant", null, { grant: GRANT_1 }, ["/grant/action_digest", "/grant/entry/when/amount_cents/at_most", "/grant/entry/when/customer"]],
  ];
  for (const [what, masks, facts, pointers] of TABLE) {
    it(`have digests on record for ${what}`, async () => {
      const found = await written(masks, structuredClone(facts));
      expect(found["masked"]).to.deep.equal(pointers);
      for (const pointer of pointers) expect(look(found, pointer)).to.match(MASKED);
    });
  }

  it("stand on record as they are where nothing of them is masked", async () => {
    for (const masks of [undefined, [at("context", "session")]])
      expect(await written(masks, structuredClone({ task: TASK_1 }))).to.deep.equal({
        ...record,
        task: TASK_1,
        seq: 1,
      });
  });

  const LARGE: [what: string, task: Json, secret: string][] = [
    ["that are too large for a leaf", { ...TASK_1, attributes: { topic: `canary ${"x".repeat(40_000)}` } }, "canary"],
    ["whose digests are", { ...TASK_1, subjects: { customer: Array.from({ length: 1000 }, (_, i) => `c-${i}`) } }, "c-999"],
  ];
  for (const [what, task, secret] of LARGE) {
    it(`are masked wherever they stand, also those ${what}`, async () => {
      const masks = [at("task", "attributes", "topic"), at("task", "subjects", "customer", "*")];
      const written: FactsText[] = [];
      const log = {
        append: (before: string, after: string, beside?: FactsText["beside"]) => (
          written.push({ before, after, beside }),
          Promise.resolve()
        ),
      };
      const { before, after, beside } = factsText({ ...record, task });
      const policy = { vocabulary: { ...VOCABULARY, masks }, catalogue: {} };
      await maskedFacts(log, new RecordMasks({ at: () => KEY }), () => policy, { wall: () => NOW }).append(before, after, beside);
      const [found] = written;
      if (found === undefined) throw new Error("nothing was written");
      const text = found.beside?.text ?? "{}";
      expect(`${found.before}${found.after}${text}`).not.to.include(secret);
      expect(found.before.length + found.after.length).to.be.below(1024);
      if (found.beside !== undefined) expect(found.before).to.include(`"digest":"sha256:${hash("sha256", text)}"`);
      expect(canonical(JSON.parse(text))).to.equal(text);
      expect(readFactsText(found)["masked"]).to.include("/task/attributes/topic");
    });
  }

  it("that were deleted have nothing to mask", async () => {
    expect(await written([at("agent", "attributes", "tier")], { agent: null })).not.to.have.property("masked");
  });

  it("aren't written without a key", async () => {
    const log = { append: () => Promise.reject(new Error("it was written")) };
    const policy = { vocabulary: { ...VOCABULARY, masks: [NOTE] }, catalogue: {} };
    const { before, after } = aroundSeq({ ...record, agent: AGENT_1 });
    const masks = new RecordMasks({ at: () => null });
    const writing = maskedFacts(log, masks, () => policy, { wall: () => NOW }).append(before, after);
    expect((await problemOf(writing)).code).to.equal("log_unavailable");
  });
});

describe("what a policy may have read of a masked record", () => {
  const CUSTOMER = at("types", "invoice", "attributes", "customer");
  const inputOf = async (grants: World["grants"] = []): Promise<DecisionRecord> => {
    const world = masking([CUSTOMER]);
    world.grants = grants;
    return (await recorded(world)).record;
  };
  const read = (record: object, masks: Mask[], ...masked: string[]): string[] => masksRead({ ...record, masked }, { ...VOCABULARY, masks });
  const POINTER = "/input/request/resource/attributes/customer";

  it("is nothing where nothing that reads it is named", async () => {
    expect(read(await inputOf(), [CUSTOMER], POINTER, "/answer/action_digest")).to.deep.equal([]);
    expect(masksRead(await inputOf(), VOCABULARY)).to.deep.equal([POINTER]);
  });

  it("is what an entry, a rule or a template names, what another bundle doesn't mask, and what was answered", async () => {
    const record = await inputOf();
    expect(read(record, [{ ...CUSTOMER, read_by: ["read_own"] }], POINTER)).to.deep.equal([POINTER]);
    expect(read(record, [NOTE], POINTER)).to.deep.equal([POINTER]);
    for (const pointer of [
      "/answer/reasons/0/message",
      "/answer/obligations/0/value",
      "/floor/task/principal",
      "/input/facts/grants/0/when/0/value/0",
    ])
      expect(read(record, [CUSTOMER], pointer)).to.deep.equal([pointer]);
  });

  it("is what a grant of the record asks for", async () => {
    const granted = (about: "any" | "task", path: string[]): World["grants"] => [
      live("G-1", {
        input: { id: "G-1", exact: false, about, when: [{ name: "n", path, op: "same_as", value: ["request", "resource", "id"] }] },
      }),
    ];
    expect(read(await inputOf(granted("any", ["request", "arguments", "note"])), [CUSTOMER], POINTER)).to.deep.equal([]);
    expect(read(await inputOf(granted("any", POINTER.split("/").slice(2))), [CUSTOMER], POINTER)).to.deep.equal([POINTER]);
    expect(read(await inputOf(granted("task", ["request", "arguments", "note"])), [CUSTOMER], POINTER)).to.deep.equal([POINTER]);
  });

  it("is whom a security event is about, and whose revocations it changes, where principals are masked", () => {
    const masks = new RecordMasks({ at: () => KEY });
    const subject = { format: "complex", user: { format: "iss_sub", iss: "https://idp", sub: "ada" }, session: ["s-1", { id: "ada" }] };
    const detail = { outcome: "applied", subject, targets: ["principal/ada", "principal@okta+tokens/ada", "agent/a-1"] };
    const policy = { ...policyOf(() => ALLOWED), vocabulary: { ...VOCABULARY, masks: [at("task", "principal")] } };
    for (const known of [policy, null]) {
      const masked = masks.maskSecurityEvent(known, NOW, detail) as typeof detail & { masked: string[] };
      expect(JSON.stringify({ ...masked, masked: [] })).not.to.match(/ada|s-1|idp/);
      expect([masked.subject.format, masked.subject.user.format, masked.targets[2]]).to.deep.equal(["complex", "iss_sub", "agent/a-1"]);
      const facts = masks.maskFacts(known, NOW, {
        revocation: { id: "principal/ada", of: "ada", scope: "principal", reason: "r", lifted: null },
      });
      const { of, id } = facts["revocation"] as { of: string; id: string };
      expect(of).to.match(MASKED);
      expect([masked.targets[0], masked.targets[1], id]).to.deep.equal([
        `principal/${of}`,
        `principal@okta+tokens/${of}`,
        `principal/${of}`,
      ]);
    }
    const bare = { ...policyOf(() => ALLOWED), vocabulary: VOCABULARY };
    expect(masks.maskSecurityEvent(bare, NOW, detail)).to.deep.equal(detail);
    const others = { ...bare, vocabulary: { ...VOCABULARY, masks: [NOTE] } };
    expect(masks.maskSecurityEvent(others, NOW, detail)).to.deep.equal(detail);
  });

  it("is looked for in each record up the chain", () => {
    const ancestors = [{ request: { resource: { type: "invoice" } }, facts: { grants: [] } }];
    const masked = ["/ancestors/0/request/arguments/note"];
    expect(masksRead({ masked, ancestors }, { ...VOCABULARY, masks: [NOTE] })).to.deep.equal([]);
    expect(masksRead({ masked, ancestors }, VOCABULARY)).to.deep.equal(masked);
    expect(masksRead({ masked }, { ...VOCABULARY, masks: [NOTE] }), "which isn't at hand").to.deep.equal(masked);
  });
});
