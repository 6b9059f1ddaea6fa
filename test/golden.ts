/** Golden cases: one file is a policy set, its facts and requests, each with the answer and the record that are wanted. */
import { REQUEST_LIMITS } from "../src/contract/index.js";
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import jwt from "jsonwebtoken";
import { parse, stringify } from "yaml";
import { buildBundle } from "../src/bundle/build.js";
import { evaluateWithOpa } from "../src/bundle/compiled_set.js";
import type { Opa } from "../src/bundle/opa.js";
import { keyId } from "../src/bundle/signature.js";
import { TrustedStore } from "../src/bundle/trusted_store.js";
import { verifyBundle } from "../src/bundle/verify.js";
import type { Answer, DecideRequest, DecisionRecord, InputGrant, ObservedAnswer, PolicyInput, Scope } from "../src/contract/index.js";
import { decider, type Decider } from "../src/decision/decide.js";
import { observer } from "../src/decision/observe.js";
import type { ActivePolicy, Caller, DecisionLog, Log } from "../src/decision/ports.js";
import { NO_TOKEN, knownCaller, fixedFacts, fixedProfile } from "../src/decision/fixed_ports.js";
import { readFacts } from "../src/facts/file.js";
import { PolicyEngine } from "../src/policy/engine.js";
import { openEmbedded, type Embedded } from "../src/embedded.js";
import { startService, type Service } from "../src/service.js";
import { parseConfig } from "../src/system/config.js";
import { sleep, system, type System } from "../src/system/index.js";
import { logger } from "../src/system/logger.js";
import { asset } from "../src/system/paths.js";

type Json = Record<string, unknown>;

export interface WantedAnswer {
  decision: Answer["decision"];
  proceed: boolean;
  /** `effect code`, all of them, in order. */
  reasons?: string[];
  /** Of the first reason. */
  message?: string;
  valid_for_ms?: number;
  tell_agent?: string;
  obligations?: Json[];
  wait?: Json;
}

export interface GoldenCase {
  name: string;
  now: string;
  caller: string;
  /** The facts file can't be read, and hasn't been for longer than the bound. */
  stale: boolean;
  request: Json;
  /** Live ones, given to this decision only: a facts file has none, so the service isn't asked such a case. */
  grants: InputGrant[];
  answer: WantedAnswer;
  /** A part of the record. */
  record: Json;
}

export interface GoldenFile {
  set: string;
  facts: { agents: Json; tasks: Json };
  /** What an older vocabulary let in: no service takes it any more, so it isn't asked about it. */
  outgrown: { tasks: Json };
  callers: Record<string, { agents?: string[]; purposes?: string[] }>;
  cases: GoldenCase[];
}

export interface Outcome {
  answer: Answer;
  record: Json;
}

const FILE_KEYS = ["set", "now", "callers", "facts", "outgrown", "request", "cases"];
const CASE_KEYS = ["name", "now", "caller", "stale", "request", "grants", "answer", "record"];
const ANSWER_KEYS = ["decision", "proceed", "reasons", "message", "valid_for_ms", "tell_agent", "obligations", "wait"];

/** @throws Error for a key that nobody reads: a case that checks less than it says */
export function readGolden(path: string): GoldenFile {
  const file = parse(readFileSync(path, "utf8")) as Omit<GoldenFile, "cases" | "outgrown"> & {
    outgrown?: GoldenFile["outgrown"];
    now: string;
    request: Json;
    cases: Partial<GoldenCase>[];
  };
  onlyKeys(file, FILE_KEYS, path);
  const cases = file.cases.map((each): GoldenCase => {
    const { name, answer } = each;
    if (name === undefined || answer === undefined) throw new Error(`${path}: a case without name or answer`);
    onlyKeys(each, CASE_KEYS, name);
    onlyKeys(answer, ANSWER_KEYS, name);
    const request = Object.entries({ ...file.request, ...each.request });
    return {
      now: file.now,
      caller: "gateway-1",
      stale: false,
      grants: [],
      record: {},
      ...each,
      name,
      answer,
      // Null takes a field out.
      request: Object.fromEntries(request.filter(([, value]) => value !== null)),
    };
  });
  return { ...file, outgrown: file.outgrown ?? { tasks: {} }, cases };
}

function onlyKeys(value: object, known: string[], where: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new Error(`${where}: unknown key ${unknown}`);
}

const BUILT_MS = Date.UTC(2027, 0, 1);
const LIMITS = {
  ...REQUEST_LIMITS,
  batch_actions_max: 100,
  time_skew_max_ms: 30_000,
  approval_wait_ms: 900_000,
  chained_tasks_max: 1000,
};

function callerOf({ caller }: Pick<GoldenCase, "caller">): Caller {
  return { id: caller, scopes: new Set<Scope>(["remit:decide"]), token: NO_TOKEN };
}

/** A set built, signed, verified and running, once for all its cases. */
export class Golden {
  private constructor(
    readonly file: GoldenFile,
    readonly policy: ActivePolicy,
    readonly archive: string,
    readonly folder: string,
    readonly key: KeyObject,
  ) {}

  static async build(file: GoldenFile, opa: Opa): Promise<Golden> {
    const folder = mkdtempSync(join(tmpdir(), "remit-golden-"));
    const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const publicKey = createPublicKey(key);
    const built = await buildBundle(opa, {
      dir: asset(file.set),
      key,
      sequence: 1,
      expiresMs: null,
      builtMs: BUILT_MS,
      commit: null,
    });
    const archive = join(folder, "bundle.tar.gz");
    writeFileSync(archive, built.archive);
    const bundle = await verifyBundle(built.archive, {
      keys: new Map([[keyId(publicKey), publicKey]]),
      name: built.metadata.name,
      nowMs: BUILT_MS,
    });
    const trusted = await TrustedStore.open(join(folder, "tried"));
    const engine = new PolicyEngine({ trusted, clock: { wall: () => BUILT_MS, monotonic: () => 0 } });
    await engine.activate(bundle);
    if (engine.active === null) throw new Error("nothing is active");
    return new Golden(file, engine.active, archive, folder, key);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #facts(): GoldenFile["facts"] {
    const { facts, outgrown } = this.file;
    return { ...facts, tasks: { ...facts.tasks, ...outgrown.tasks } };
  }

  /** Whether a service can be brought into this case's situation. */
  isForService({ grants, stale, request }: GoldenCase): boolean {
    return grants.length === 0 && !stale && !Object.hasOwn(this.file.outgrown.tasks, String(request["task"]));
  }

  /** Through `decide` in this process. `policy` answers in the bundle's place where it is given; `log` has the record too. */
  async decide(each: GoldenCase, policy = this.policy, log?: Log): Promise<Outcome> {
    const records: string[] = [];
    const { decide } = this.#decider(each, policy, {
      seq: 0,
      append: (before, after, beside) => {
        records.push(`{${before},${after}}`);
        return log?.append(before, after, beside) ?? Promise.resolve();
      },
    });
    const { answer } = await decide(Buffer.from(JSON.stringify(each.request)), undefined);
    return { answer, record: JSON.parse(records.join()) as Json };
  }

  /** Its action as one that has happened. @returns what was answered, and the records */
  async observe(each: GoldenCase): Promise<{ answer: ObservedAnswer; records: DecisionRecord[] }> {
    const records: string[] = [];
    const none = { seq: 0, append: () => Promise.reject(new Error("records of groups come together")) };
    const decider = this.#decider(each, this.policy, none);
    const clock = { wall: () => Date.parse(each.now), monotonic: () => 0 };
    const observation = observer({
      decider,
      log: {
        appendAll: (entries) => {
          for (const { before, after } of entries) records.push(`{${before},"seq":${records.length + 1},${after}}`);
          return Promise.resolve();
        },
        get seq() {
          return records.length;
        },
        queue: { records: 0, bytes: 0 },
        queue_max: { records: 1000, bytes: 1_000_000 },
      },
      system: { clock, timers: system.timers },
      limits: { ...LIMITS, line_bytes_max: 65_536, lines_max: 10, bytes_max: 1e6, refused_max: 10, age_max_ms: 60_000 },
    }).begin(callerOf(each));
    await observation.take(Buffer.from(`${JSON.stringify({ ...each.request, at: each.now })}\n`));
    const answer = await observation.end();
    return { answer, records: records.map((record) => JSON.parse(record) as DecisionRecord) };
  }

  #decider({ now, caller, stale, grants }: GoldenCase, policy: ActivePolicy, log: DecisionLog): Decider {
    const { agents, tasks } = readFacts(Buffer.from(stringify(this.#facts)), "facts.yaml");
    return decider({
      system: { clock: { wall: () => Date.parse(now), monotonic: () => 0 }, random: system.random, timers: system.timers },
      identity: {
        ...knownCaller(callerOf({ caller })),
        mayAskFor: ({ id }, agent, purpose) => {
          const rights = this.file.callers[id];
          return rights !== undefined && (rights.agents?.includes(agent) ?? true) && (rights.purposes?.includes(purpose) ?? true);
        },
      },
      engine: { active: policy },
      facts: {
        ...fixedFacts({ agent: (id) => agents.get(id), task: (id) => tasks.get(id), grants: () => grants }),
        stale,
      },
      log,
      profile: fixedProfile(),
      limits: LIMITS,
    });
  }

  /** The bundle with its evaluation done by OPA's own evaluator, for the inputs it is given here. */
  async byOpa(opa: Opa, inputs: PolicyInput[]): Promise<ActivePolicy> {
    const results = await evaluateWithOpa(opa, this.archive, inputs);
    const known = new Map(inputs.map((input, i) => [JSON.stringify(input), results[i]]));
    const { identity, vocabulary, purposes, catalogue } = this.policy;
    return {
      identity,
      vocabulary,
      purposes,
      catalogue,
      expires_ms: null,
      evaluate: (input) => {
        if (!known.has(input)) throw new Error("OPA wasn't asked this");
        return { ok: true, result: known.get(input), fuel: 0 };
      },
    };
  }
}

/** The same bundle behind HTTP: a whole service, of which only the clock is the test's. */
export class GoldenService {
  readonly #golden: Golden;
  readonly #issuer = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly #log: string;
  #service: Service | null = null;
  #wall = BUILT_MS;

  constructor(golden: Golden) {
    this.#golden = golden;
    this.#log = join(golden.folder, "log");
  }

  async start(): Promise<void> {
    const { folder, key, file, policy } = this.#golden;
    const pem = (name: string, of: KeyObject): void => {
      writeFileSync(join(folder, name), of.export({ type: "spki", format: "pem" }));
    };
    pem("issuer.pem", this.#issuer.publicKey);
    pem("bundle.pem", createPublicKey(key));
    mkdirSync(this.#log);
    writeFileSync(join(folder, "facts.yaml"), stringify(file.facts));
    const config = stringify({
      listen: { port: 0 },
      identity: {
        issuers: [
          {
            issuer: "https://issuer.example",
            audience: { callers: "remit" },
            keys: [{ kid: "k1", algorithm: "ES256", file: "issuer.pem" }],
          },
        ],
      },
      callers: file.callers,
      bundle: { name: policy.identity.bundle, path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state" },
      facts: { store: "store", file: "facts.yaml" },
      log: { dir: "log" },
      // A case has no past: what is usual is no part of it.
      behavior: { enabled: false },
    });
    const moved: System = {
      ...system,
      clock: { ...system.clock, wall: () => this.#wall },
    };
    this.#service = await startService(
      parseConfig(config, join(folder, "remit.yaml")),
      moved,
      logger(moved.clock, new PassThrough().resume()),
    );
  }

  async stop(): Promise<void> {
    await this.#service?.stop();
  }

  async decide({ request, now, caller }: GoldenCase): Promise<Outcome> {
    this.#wall = Date.parse(now);
    const response = await fetch(`${this.#url}/decide`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#token(caller)}`, "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    const answer = (await response.json()) as Answer;
    if (response.status !== 200) throw new Error(`${response.status}: ${JSON.stringify(answer)}`);
    return { answer, record: recordIn(this.#log, answer.decision_id) };
  }

  get #url(): string {
    if (this.#service === null) throw new Error("not started");
    return this.#service.url;
  }

  #token(subject: string): string {
    const iat = Math.floor(this.#wall / 1000);
    const claims = {
      scope: "remit:decide",
      iss: "https://issuer.example",
      aud: "remit",
      sub: subject,
      iat,
      exp: iat + 600,
    };
    return jwt.sign(claims, this.#issuer.privateKey, { algorithm: "ES256", keyid: "k1" });
  }
}

/** The same bundle inside an application: an engine for each caller, of which only the clock is the test's. */
export class GoldenEmbedded {
  readonly #golden: Golden;
  readonly #engines = new Map<string, { engine: Embedded; dir: string }>();
  #wall = BUILT_MS;

  constructor(golden: Golden) {
    this.#golden = golden;
  }

  async stop(): Promise<void> {
    for (const { engine } of this.#engines.values()) await engine.close();
  }

  async decide({ request, now, caller }: GoldenCase): Promise<Outcome> {
    this.#wall = Date.parse(now);
    const { engine, dir } = this.#engines.get(caller) ?? (await this.#open(caller));
    // The file has to be read at the case's time.
    while (engine.status.facts_stale) await sleep(5);
    const answer = await engine.decide(request as unknown as DecideRequest);
    return { answer, record: recordIn(join(dir, "log"), answer.decision_id) };
  }

  async #open(caller: string): Promise<{ engine: Embedded; dir: string }> {
    const { folder, key, file, policy, archive } = this.#golden;
    const dir = join(folder, `embedded-${this.#engines.size}`);
    const facts = join(folder, "embedded.yaml");
    writeFileSync(facts, stringify(file.facts));
    const moved: System = { ...system, clock: { ...system.clock, wall: () => this.#wall } };
    const engine = await openEmbedded(
      {
        dir,
        bundle: { name: policy.identity.bundle, keys: pemOf(createPublicKey(key)), file: archive },
        facts: { file: facts, poll_ms: 50, age_ms_max: 60_000 },
        // Nobody of this name may ask for anything.
        caller: { id: caller, ...(file.callers[caller] ?? { agents: [] }) },
        // A case has no past: what is usual is no part of it.
        behavior: false,
      },
      moved,
    );
    const opened = { engine, dir };
    this.#engines.set(caller, opened);
    return opened;
  }
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "spki", format: "pem" }).toString();
}

function recordIn(folder: string, decisionId: string): Json {
  const lines = readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trimEnd().split("\n"));
  const found = lines.filter((line) => line.includes(decisionId)).map((line) => JSON.parse(line) as Json);
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} records of one decision`);
  return found[0];
}

/** What two ways to one decision must share: all but ids, counters, and how long it took. */
export function comparable({ answer, record }: Outcome): { answer: Json; record: Json } {
  const plain = (of: object): Json => ({
    ...without(of, ["decision_id", "finding", "facts_revision", "wait"]),
    finding: "finding" in of,
    // Its digest is of the caller and of facts' revisions too, which are each side's own.
    wait: "wait" in of ? without(of.wait as object, ["approval_digest"]) : null,
  });
  const { floor } = record as { floor?: { agent: object | null } };
  // When an agent was registered is the service's to say.
  const agent = floor === undefined || floor.agent === null ? null : without(floor.agent, ["registered_ms"]);
  return {
    answer: plain(answer),
    record: {
      ...without(record, ["seq", "stages", "previous"]),
      answer: plain(record["answer"] as Answer),
      ...(floor === undefined ? {} : { floor: { ...floor, agent } }),
    },
  };
}

function without(of: object, keys: string[]): Json {
  return Object.fromEntries(Object.entries(of).filter(([key]) => !keys.includes(key)));
}
