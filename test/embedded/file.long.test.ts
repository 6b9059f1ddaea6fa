import { expect } from "chai";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Answer, DecideRequest } from "../../src/contract/index.js";
import { Undecided, openEmbedded, type Embedded, type EmbeddedOptions } from "../../src/embedded.js";
import { system } from "../../src/system/index.js";
import { KEY, NAME, publicPem } from "../bundle/support.js";
import { PATIENCE_MS, action, deskBundle, endOf, impatientOnce, recordsIn, until } from "./desk.js";

const NOTE = action("note") as DecideRequest;
const AGENTS = { "a-1": { owner: "tests", purposes: ["testing"] } };
const TASKS = { "T-1": { agent: "a-1", purpose: "testing", subjects: {} } };
const said = ({ decision, reasons }: Answer): string => `${decision} ${reasons.map(({ code }) => code).join()}`;

describe("an engine in an application, from files alone", function () {
  let folder: string;
  let engines: Embedded[] = [];
  let reported: string[] = [];
  const facts = (of: object): void => {
    writeFileSync(join(folder, "facts.yaml"), stringify(of));
  };
  const bundle = async (sequence: number): Promise<void> => {
    writeFileSync(join(folder, "bundle.tar.gz"), await deskBundle(sequence));
  };
  const open = async (changes: Partial<EmbeddedOptions> = {}, outside = system): Promise<Embedded> => {
    const engine = await openEmbedded(
      {
        dir: join(folder, "engine"),
        bundle: { name: NAME, keys: publicPem(KEY), file: join(folder, "bundle.tar.gz") },
        facts: { file: join(folder, "facts.yaml"), poll_ms: 50, age_ms_max: 60_000 },
        caller: { id: "app-1" },
        report: (_level, message, fields) => reported.push(`${message} ${JSON.stringify(fields)}`),
        ...changes,
      },
      outside,
    );
    engines.push(engine);
    return engine;
  };
  /** Why it doesn't begin with a bundle that is refused. */
  const refused = async (changes: Partial<EmbeddedOptions> = {}): Promise<string> => {
    reported = [];
    const impatient = impatientOnce(() => reported.some((line) => line.startsWith("bundle refused")));
    return await open({ ready_ms: PATIENCE_MS, ...changes }, impatient).then(() => "began", String);
  };
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-embedded-"));
    engines = [];
    reported = [];
    facts({ agents: AGENTS, tasks: TASKS });
    await bundle(12);
  });
  afterEach(async () => {
    for (const engine of engines) await engine.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("decides, guards, and has both on record", async () => {
    const engine = await open();
    expect(said(await engine.decide(NOTE))).to.equal("allow permitted");
    expect(await engine.guard(action("card"), () => ({ card_number: "4111" }))).to.deep.equal({
      card_number: "[redacted]",
    });
    expect(await endOf(engine.guard(action("vault"), () => expect.fail("it ran")))).to.equal("denied");
    await engine.close();
    const kinds = recordsIn(join(folder, "engine", "log")).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "decision")).to.have.lengthOf(3);
    expect(kinds).to.include("outcome");
    expect([kinds[0], kinds.at(-1)]).to.deep.equal(["service", "service"]);
  });

  it("follows the file, and refuses once it can't be taken for longer than the bound", async () => {
    const engine = await open({ facts: { file: join(folder, "facts.yaml"), poll_ms: 50, age_ms_max: 500 } });
    facts({ agents: AGENTS, tasks: TASKS, revocations: { "agent/a-1": { reason: "test" } } });
    await until(async () => said(await engine.decide(NOTE)) === "deny agent_revoked", "the revocation");
    writeFileSync(join(folder, "facts.yaml"), "agents: [");
    await until(async () => said(await engine.decide(NOTE)) !== "deny agent_revoked", "the bound");
    // Of everything that narrows, what is widest is said first; and it has not forgotten.
    expect(said(await engine.decide(NOTE))).to.equal("deny facts_stale");
    expect(reported.some((line) => line.startsWith("the facts file is refused"))).to.equal(true);
    facts({ agents: AGENTS, tasks: TASKS });
    await until(async () => said(await engine.decide(NOTE)) === "deny agent_revoked", "the file");
  });

  it("asks for what its caller may ask for, and nothing else", async () => {
    const engine = await open({ caller: { id: "app-1", agents: ["a-2"] } });
    expect(said(await engine.decide(NOTE))).to.equal("deny caller_not_permitted");
  });

  it("trusts no bundle that goes back, over a restart either, and none that another key signed", async () => {
    const first = await open();
    await bundle(11);
    await until(() => reported.some((line) => line.includes("bundle_older")), "the refusal");
    expect((await first.decide(NOTE)).policy.sequence).to.equal(12);
    await first.close();
    // The one that was trusted last is kept, and goes on.
    const again = await open();
    expect((await again.decide(NOTE)).policy.sequence).to.equal(12);
    expect(reported.filter((line) => line.includes("bundle_older"))).to.have.length.above(1);
    await again.close();
    const { generateKeyPairSync } = await import("node:crypto");
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
    await bundle(12);
    const keys = other.export({ type: "spki", format: "pem" }).toString();
    const unsigned = { name: NAME, keys, file: join(folder, "bundle.tar.gz") };
    expect(await refused({ dir: join(folder, "other"), bundle: unsigned })).to.match(/no bundle is active: .*not trusted/);
  });

  it("decides on while another bundle comes, each decision by one of them", async () => {
    const engine = await open();
    const seen = new Set<number>();
    const deciding = (async () => {
      while (!seen.has(13)) {
        for (const { policy, proceed } of await engine.decideBatch([NOTE, NOTE, NOTE])) {
          expect(proceed).to.equal(true);
          seen.add(policy.sequence);
        }
      }
    })();
    await bundle(13);
    await deciding;
    expect([...seen]).to.deep.equal([12, 13]);
  });

  it("holds no answer over a bundle that takes another's place", async () => {
    const engine = await open();
    const held = await engine.hold(action("note"));
    await bundle(13);
    await until(() => engine.status.policy?.sequence === 13, "the bundle");
    expect(await endOf(engine.act(held, () => expect.fail("it ran")))).to.equal("answer_dropped");
  });

  it("evaluates within the fuel that it is given, and refuses an amount that no policy could work with", async () => {
    const engine = await open({ evaluation_fuel_max: 1_000_000 });
    const answers = await engine.decideBatch(Array.from({ length: 100 }, () => NOTE));
    expect(new Set(answers.map(said))).to.deep.equal(new Set(["allow permitted"]));
    const refused: unknown = await open({ evaluation_fuel_max: 99_999 }).catch((cause: unknown) => cause);
    expect(refused).to.be.instanceOf(TypeError).with.property("message").that.includes("evaluation_fuel_max");
  });

  const malformed: [name: string, asked: unknown, code: string, field: string | undefined][] = [
    ["no object", 7, "field_type", ""],
    ["without a verb", { ...NOTE, verb: undefined }, "field_missing", "/verb"],
    ["with more than is known", { ...NOTE, proceed: true }, "field_unknown", "/proceed"],
    [
      "with an attribute of no vocabulary",
      { ...NOTE, resource: { type: "note", id: "n", attributes: { made_up: 1 } } },
      "field_unknown",
      "/resource/attributes/made_up",
    ],
    ["a time that is none", { ...NOTE, time: "yesterday" }, "time_invalid", "/time"],
    [
      "an id that two readers read differently",
      { ...NOTE, resource: { type: "note", id: "a\u202eb" } },
      "identifier_not_canonical",
      "/resource/id",
    ],
    ["with a token that nobody here has the keys of", { ...NOTE, agent_token: "x.y.z" }, "agent_token_unsupported", "/agent_token"],
    ["what JSON can't say", { ...NOTE, arguments: { text: new Date(0) } }, "json_invalid", "/arguments/text"],
  ];
  it("refuses what it can't read with the service's own problems, and a batch with one of them whole", async () => {
    const engine = await open();
    for (const [name, asked, code, field] of malformed) {
      const error = await engine.decide(asked as DecideRequest).catch((cause: unknown) => cause);
      expect(error, name).to.be.instanceOf(Undecided);
      expect([(error as Undecided).problem?.code, (error as Undecided).problem?.field], name).to.deep.equal([code, field]);
    }
    const before = engine.status.recorded;
    for (const [name, asked, code] of malformed.filter(([, , code]) => code !== "agent_token_unsupported")) {
      const error = await engine.decideBatch([NOTE, asked as DecideRequest]).catch((cause: unknown) => cause);
      expect([(error as Undecided).problem?.code, (error as Undecided).problem?.item], name).to.deep.equal([code, 1]);
    }
    for (const batch of [[], Array.from({ length: 101 }, () => NOTE), "text"] as unknown as DecideRequest[][])
      expect(((await engine.decideBatch(batch).catch((cause: unknown) => cause)) as Undecided).problem?.status).to.equal(400);
    expect(engine.status.recorded).to.equal(before);
  });

  it("says what is wrong with what it is told, where it is told", async () => {
    const wrong: [changes: object, message: RegExp][] = [
      [{ dir: "" }, /^TypeError: dir: /],
      [{ caller: undefined }, /^TypeError: caller.id: /],
      [{ facts: {} }, /^TypeError: facts.file: /],
      [{ bundle: { name: NAME, keys: "none" } }, /^TypeError: bundle.file: /],
      [{ bundle: { name: NAME, keys: "none", file: "f" } }, /^TypeError: bundle.keys: /],
      [
        { bundle: { name: NAME, keys: KEY.export({ type: "pkcs8", format: "pem" }), file: "f" } },
        /^TypeError: bundle.keys: expected a public/,
      ],
      [{ service: { url: "here", token: "t" }, facts: {}, caller: undefined }, /^TypeError: service.url: /],
      [{ service: { url: "http://127.0.0.1", token: "t" } }, /^TypeError: facts.file: expected nothing/],
      [{ records: { unshipped_max: 0 } }, /^TypeError: records.unshipped_max: /],
      [{ records: { unshipped_ms_max: 99 } }, /^TypeError: records.unshipped_ms_max: /],
      [{ records: { queue_records_max: 1.5 } }, /^TypeError: records.queue_records_max: /],
      [{ records: { queue_bytes_max: 1 } }, /^TypeError: records.queue_bytes_max: /],
      [{ facts: { file: "f", age_ms_max: 1 } }, /^TypeError: facts.age_ms_max: /],
      [{ facts: { file: "f", poll_ms: 1 } }, /^TypeError: facts.poll_ms: /],
      [{ facts: { file: "" } }, /^TypeError: facts.file: expected a file/],
      [{ facts: null }, /^TypeError: facts: expected an object/],
      [{ bundle: { name: NAME, keys: publicPem(KEY), file: "f", behind_ms_max: 1 } }, /^TypeError: bundle.behind_ms_max: /],
      [{ bundle: { name: NAME, keys: [publicPem(KEY), "none"], file: "f" } }, /^TypeError: bundle.keys.1: expected a public/],
      [{ bundle: undefined }, /^TypeError: bundle.name: /],
      [{ caller: { id: "a", agents: "a-1" } }, /^TypeError: caller.agents: expected a list/],
      [{ caller: { id: "a", purposes: [1] } }, /^TypeError: caller.purposes: expected a list/],
      [{ outcomes_max: -1 }, /^TypeError: outcomes_max: /],
      [{ confirm: true }, /^TypeError: confirm: /],
      [{ records: { durability: "never" } }, /^TypeError: records.durability: /],
      [{ ready_m: 1 }, /^TypeError: ready_m: no such option; did you mean `ready_ms`\?/],
      [{ evaluation_max_fuel: 20 }, /^TypeError: evaluation_max_fuel: no such option; did you mean `evaluation_fuel_max`\?/],
      [{ follow: false }, /^TypeError: follow: no such option$/],
      [{ toString: 1 }, /^TypeError: toString: no such option$/],
      [{ facts: { file: "f", age_max_ms: 100 } }, /^TypeError: facts.age_max_ms: no such option; did you mean `age_ms_max`\?/],
      [{ records: { unshiped_max: 1 } }, /^TypeError: records.unshiped_max: no such option; did you mean `unshipped_max`\?/],
      [{ caller: { id: "a", agent: ["b"] } }, /^TypeError: caller.agent: no such option; did you mean `agents`\?/],
      [{ bundle: { name: NAME, key: "k" } }, /^TypeError: bundle.key: no such option; did you mean `keys`\?/],
    ];
    for (const [changes, message] of wrong) expect(await open(changes).then(() => "opened", String)).to.match(message);
  });
});
